"""A server that is back in a quarter of the time: forked from a process that has read the program already."""

import atexit
import functools
import json
import os
import socket
import subprocess
import sys
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.running import Process, Server

PROGRAM = Path(__file__).with_name("forking.py")


class Forked:
    """What `Popen` is to a program that was started: a handle of the server that was forked last."""

    def __init__(self, parent: "subprocess.Popen[str]", arguments: list[str], log: Path) -> None:
        self._parent = parent
        self._status: int | None = None
        self.pid: int = self._ask(arguments=arguments, log=str(log))

    def poll(self) -> int | None:
        """Its exit status, or None while it lives."""
        return self._reap(0)

    def wait(self, timeout: float = 60) -> int:
        """Its exit status; raises TimeoutExpired."""
        status = self._reap(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("kube46 apiserver", timeout)
        return status

    def send_signal(self, number: int) -> None:
        """To a server that was not yet waited for."""
        if self._status is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(9)

    def _reap(self, seconds: float) -> int | None:
        if self._status is None:
            self._status = self._ask(pid=self.pid, seconds=seconds)
        return self._status

    def _ask(self, **order: Any) -> Any:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(order) + "\n")
        self._parent.stdin.flush()
        return json.loads(self._parent.stdout.readline())


@dataclass
class ForkedServer(Server):
    """The same program in a process of its own; its port stays its own while it is dead."""

    def __post_init__(self) -> None:
        keeper = reserved()
        self.port = int(keeper.getsockname()[1])
        weakref.finalize(self, keeper.close)

    def launch(self) -> Process:
        """Start without waiting for it."""
        assert not (self.prelude or self.wrapper or self.inherited), "these need a start from nothing"
        command = self.write_tokens().command()
        self.process = Forked(_parent(), command[command.index("apiserver") :], self.directory / "log")
        return self.process


def reserved() -> socket.socket:
    """Holds a free port: who sets SO_REUSEADDR may listen there, and the kernel gives it to nobody else."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    return sock


@functools.cache
def _parent() -> "subprocess.Popen[str]":
    """The program that forks; it ends with this one."""
    parent = subprocess.Popen([sys.executable, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(parent.communicate, timeout=60)
    return parent
