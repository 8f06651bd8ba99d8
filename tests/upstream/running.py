"""A run of upstream's e2e specs on a stand-alone cluster of its own, which is taken down whatever happens."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from upstream.images import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upstream.suites import Suite

ROOT = Path(__file__).parents[2]
NODES = 3
HOST_PATHS = ("/tmp/job-e2e",)  # of the machine, that specs mount: a cluster's pods see none but those it is told
SHOWN = ("/etc/hosts:ro",)  # the same, of what is the machine's own
USED = Path("/run/kube46-e2e.lock")  # held by each run that needs the images
PROCESSES = 4  # specs at a time: they wait more than they work


def programs() -> Path:
    """The directory of e2e.test, ginkgo and agnhost, built when they are missing."""
    command = [str(ROOT / "tools/go-programs.sh"), "e2e"]
    environment = {**os.environ, "PYTHON": sys.executable}
    return Path(subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout.strip())


def _kube46(*arguments: str, check: bool = True) -> None:
    subprocess.run(["kube46", *arguments], check=check, stdout=subprocess.DEVNULL)


@contextmanager
def loaded(programs: Path) -> Iterator[None]:
    """The images that specs name, in the machine's store while it is needed: the last of several runs removes them."""
    with USED.open("w") as used:
        fcntl.flock(used, fcntl.LOCK_SH)
        names = load(programs)
        try:
            yield
        finally:
            with suppress(BlockingIOError):  # another run has them
                fcntl.flock(used, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _kube46("image", "rm", *names, check=False)


@contextmanager
def cluster(name: str, families: str, keep: bool = False) -> Iterator[None]:
    """A cluster of those families; `keep` leaves it there."""
    paths = [word for path in (*HOST_PATHS, *SHOWN) for word in ("--allow-host-path", path)]
    for path in HOST_PATHS:
        Path(path).mkdir(exist_ok=True)
    try:
        _kube46("up", "--name", name, "--families", families, "--nodes", str(NODES), "--no-check", *paths)
        yield
    finally:
        if not keep:
            for path in HOST_PATHS:
                shutil.rmtree(path, ignore_errors=True)
            _kube46("down", "--name", name, check=False)


@dataclass(frozen=True)
class Run:
    """One uninterrupted run of a suite on one cluster; what it writes lies in `directory`."""

    name: str
    directory: Path
    suite: Suite
    processes: int = PROCESSES
    tries: int = 1  # of each spec

    @property
    def junit(self) -> Path:
        """Ginkgo's report."""
        return self.directory / "junit.xml"

    @property
    def log(self) -> Path:
        """All that the specs said."""
        return self.directory / "log"

    def command(self, programs: Path) -> list[str]:
        """ginkgo with its flags, then the suite's own."""
        return [
            str(programs / "ginkgo"), "run", f"--procs={self.processes}", "--no-color", "--timeout=6h",
            f"--flake-attempts={self.tries}", "--silence-skips", f"--output-dir={self.directory}",
            f"--junit-report={self.junit.name}",
            *self.suite.flags(), str(programs / "e2e.test"), "--", "--provider=skeleton",
            f"--kubeconfig={self.directory / 'kubeconfig'}", f"--num-nodes={NODES}", "--minStartupPods=0",
            "--disable-log-dump", "--dump-logs-on-failure=false",
        ]  # fmt: skip

    def execute(self, programs: Path) -> float:
        """Runs it; the seconds that it took. Whether specs failed, the report says."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.junit.unlink(missing_ok=True)
        kubeconfig = ["kubectl", "config", "view", "--raw", "--minify", "--context", f"kube46-{self.name}"]
        (self.directory / "kubeconfig").touch(mode=0o600)
        with (self.directory / "kubeconfig").open("w") as file:
            subprocess.run(kubeconfig, stdout=file, check=True)
        began = time.monotonic()
        try:
            with self.log.open("w") as log:
                subprocess.run(
                    self.command(programs), cwd=self.directory, stdout=log, stderr=subprocess.STDOUT, check=False
                )
        finally:
            (self.directory / "kubeconfig").unlink()
        return time.monotonic() - began
