"""A part that ends again and again is told, not waited for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]
BIN = Path(sys.executable).parent
NAME = f"dc{os.getpid() % 10000}"


def test_up_quotes_a_part_that_cannot_run(tmp_path: Path) -> None:
    """With its database destroyed the API server cannot start: `up` says so in seconds, in its own last words."""
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": f"{BIN}:{os.environ['PATH']}"}
    environment.pop("KUBECONFIG", None)

    def kube46(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["kube46", arguments[0], "--name", NAME, *arguments[1:]]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    try:
        assert kube46("up", "--no-check", "--no-wait").returncode == 0
        assert kube46("stop").returncode == 0
        for path in Path(f"/var/lib/kube46/{NAME}/data").iterdir():
            path.write_bytes(b"this is no database\n" * 4096)
        done = kube46("up", "--no-check")
        assert done.returncode == 1
        assert "apiserver ended" in done.stderr
        assert "is not an SQLite file" in done.stderr
    finally:
        kube46("down")
