"""Programs of the field against a real API server: Go's (tests/clients), lightkube, the official Python client."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from patience import patient
from server.running import Server

BUILDER = Path(__file__).parents[3] / "tools/go-programs.sh"
PATIENCE = patient(15)  # seconds


@pytest.fixture(scope="session")
def program() -> str:
    """The Go clients' binary."""
    environment = {**os.environ, "PYTHON": sys.executable}
    command = [str(BUILDER), "clients", "--where"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return f"{done.stdout.strip()}/clients"


def until(ready: Callable[[], Any], what: str) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + PATIENCE
    while not (found := ready()):
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.05)
    return found


class Running:
    """A Go client; its lines of JSON are collected, what it logs stands in `log`."""

    def __init__(self, command: list[str], server: Server, log: Path) -> None:
        self.log = log
        environment = {"KUBECONFIG": str(server.kubeconfig()), "HOME": str(server.directory), "PATH": "/usr/bin:/bin"}
        with log.open("wb") as errors:
            self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors)
        self._lines: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(json.loads(line))

    def next(self) -> dict[str, Any]:
        """The next line."""
        try:
            return self._lines.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"no more lines: {self.log.read_text()[-2000:]}") from None

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit status."""
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@pytest.fixture
def start(program: str, server: Server, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts Go clients; those still running are killed after the test."""
    running: list[Running] = []

    def go(*arguments: str) -> Running:
        running.append(Running([program, *arguments], server, tmp_path / f"client{len(running)}"))
        return running[-1]

    yield go
    for client in running:
        if client.process.poll() is None:
            client.stop(signal.SIGKILL)
