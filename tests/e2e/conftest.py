"""Stand-alone clusters for tests, one of each family setting, started when first asked for."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

BIN = Path(sys.executable).parent
SETTINGS = {"ipv4,ipv6": "e46", "ipv6,ipv4": "e64", "ipv4": "e4", "ipv6": "e6"}


@dataclass(frozen=True)
class Cluster:
    """A running cluster, its commands run as a user runs them."""

    name: str
    families: tuple[str, ...]
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """A kubeconfig of the tests' own, and this environment's programs first."""
        path = f"{BIN}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "KUBECONFIG": str(self.home / "config"), "HOME": str(self.home)}

    def run(self, *command: str, check: bool = True, text: str = "", timeout: float = 60) -> str:
        """The output of a command; its errors are part of the failure."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, input=text, timeout=timeout, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)[:200]}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout + ("" if check else done.stderr)

    def kubectl(self, *arguments: str, **options: Any) -> str:
        """kubectl in this cluster's context."""
        return self.run("kubectl", "--context", f"kube46-{self.name}", *arguments, **options)

    def shell(self, place: str, *command: str, **options: Any) -> str:
        """A command at a place."""
        return self.run("kube46", "shell", "--name", self.name, place, "--", *command, **options)

    def get(self, *arguments: str) -> Any:
        """`kubectl get -o json`."""
        return json.loads(self.kubectl("get", "-o", "json", *arguments))

    def matrix(self) -> dict[str, Any]:
        """`kube46 check -o json`, whatever its verdict."""
        done = subprocess.run(
            ["kube46", "check", "--name", self.name, "-o", "json"],
            env=self.environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))


def eventually(probe: Callable[[], Any], seconds: float = 20) -> Any:
    """The first true value of `probe`; what it raised last when none came in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if value := probe():
                return value
            failure: Exception = AssertionError(f"{probe} stayed false for {seconds} s")
        except Exception as error:
            failure = error
        if time.monotonic() > deadline:
            raise failure
        time.sleep(0.1)


@pytest.fixture(scope="session")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Cluster]]:
    """Starts the cluster of a family setting, once a session; deletes all of them at its end."""
    home = tmp_path_factory.mktemp("home")
    started: dict[str, Cluster] = {}

    def start(families: str) -> Cluster:
        if families not in started:
            cluster = Cluster(f"{SETTINGS[families]}-{os.getpid()}", tuple(families.split(",")), home)
            started[families] = cluster
            output = cluster.run("kube46", "up", "--name", cluster.name, "--families", families, timeout=120)
            (home / f"{cluster.name}.up").write_text(output)
        return started[families]

    yield start
    for cluster in started.values():
        cluster.run("kube46", "down", "--name", cluster.name, check=False)


@pytest.fixture(scope="session")
def dual(clusters: Callable[[str], Cluster]) -> Cluster:
    """The dual-stack cluster, IPv4 first."""
    return clusters("ipv4,ipv6")
