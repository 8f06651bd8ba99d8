"""A representative part of upstream's e2e specs, where their suite is built: what CI runs of `make e2e`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from upstream.results import read, table
from upstream.running import ROOT, Run, cluster, loaded
from upstream.suites import suite

pytestmark = [pytest.mark.root, pytest.mark.alone, pytest.mark.timeout(1200)]
FAMILIES = "ipv4,ipv6"
AT_ONCE = 8


@pytest.fixture
def built() -> Path:
    """The directory of the suite's programs; nothing is built here, since that takes eight minutes."""
    command = [str(ROOT / "tools/go-programs.sh"), "e2e", "--where"]
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(done.stderr.strip())
    return Path(done.stdout.strip())


def test_a_part_of_upstreams_specs_passes(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite `quick` on a dual-stack cluster of three nodes; each spec has a second try (decision 205)."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    run = Run(f"e2e-{os.getpid()}", tmp_path / "run", suite("quick", FAMILIES), AT_ONCE, tries=2)
    with loaded(built), cluster(run.name, FAMILIES):
        run.execute(built)
    specs = read(run.junit)
    print(table(specs))
    assert [spec.name for spec in specs if spec.outcome == "failed"] == []
    assert len([spec for spec in specs if spec.outcome == "passed"]) > 20
