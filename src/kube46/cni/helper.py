"""A process that carries out requests on a node without an agent, and ends some seconds after the last one.

python -I -m kube46.cni.helper SOCKET   prints a line when it listens; started by the first executable that needs it

Python starts in 50 ms or more, and a request takes 5; so the first one pays for those that follow, as they do when a
node boots or a Deployment grows. It stands in the network and mount namespaces of that first one, serves no others, and
ends at once when its socket is removed.
"""

import os
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kube46.cni import handover
from kube46.cni.handover import ELSEWHERE, LARGEST_REQUEST, SLOWEST_REQUEST, Handover

IDLE_SECONDS = 10
WORKERS = 16  # requests at once; more wait in the socket's queue, and behind it in `connect`


class Helper:
    """Serves a socket until nobody asked for `IDLE_SECONDS`, or the socket was removed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listening = handover.listen(path)
        self._inode = path.stat().st_ino
        self._namespace = handover.own_namespace()
        self._places = threading.Semaphore(WORKERS)
        self._turns = Turns()

    def serve(self) -> None:
        """Answer requests; at the end also those that came while the socket was being removed."""
        from kube46.cni.masquerading import Masquerading

        self._masquerading = Masquerading()
        self._listening.settimeout(1)
        idle = 0
        while idle < IDLE_SECONDS and self._is_ours():
            try:
                connection, _ = self._listening.accept()
            except TimeoutError:
                idle = idle + 1 if self._turns.nobody() else 0
                continue
            idle = 0
            self._start(connection)
        if self._is_ours():
            self._path.unlink()
        self._listening.setblocking(False)
        while True:
            try:
                connection, _ = self._listening.accept()
            except BlockingIOError:
                return  # the threads that still work are waited for by the interpreter
            self._start(connection)

    def _is_ours(self) -> bool:
        try:
            return self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def _start(self, connection: socket.socket) -> None:
        self._places.acquire()
        threading.Thread(target=self._serve_one, args=(connection,), name="cni").start()

    def _serve_one(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(SLOWEST_REQUEST)
                connection.sendall(self._answer(handover.parse(_whole(connection))))
        except (ValueError, OSError):  # no request, or its sender is gone
            return
        finally:
            self._places.release()

    def _answer(self, request: Handover) -> bytes:
        from kube46.cni.plugin import answer

        if request.is_elsewhere(self._namespace):
            return ELSEWHERE
        with self._turns.one(request.attachment):
            found = answer(request.plugin, request.environment, request.stdin, self._masquerading)
        return f"{found.status}\n".encode() + found.output


class Turns:
    """Requests about one attachment go one after another: a runtime that gave up on an ADD sends a DEL at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: Counter[tuple[str, str]] = Counter()
        self._locks: dict[tuple[str, str], threading.Lock] = {}

    def nobody(self) -> bool:
        """Whether no request is being carried out or waits for another."""
        return not self._locks

    @contextmanager
    def one(self, attachment: tuple[str, str]) -> Iterator[None]:
        """Inside, no other request about the attachment is carried out."""
        with self._lock:
            self._users[attachment] += 1
            own = self._locks.setdefault(attachment, threading.Lock())
        try:
            with own:
                yield
        finally:
            with self._lock:
                self._users[attachment] -= 1
                if not self._users[attachment]:
                    del self._users[attachment], self._locks[attachment]


def main() -> None:
    """Listen, say so, and serve."""
    os.setsid()
    os.chdir("/")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    helper = Helper(Path(sys.argv[1]))
    os.write(1, b"\n")
    os.dup2(0, 1)
    helper.serve()


def _whole(connection: socket.socket) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := connection.recv(1 << 16):
        parts.append(part)
        size += len(part)
        if size > LARGEST_REQUEST:
            raise ValueError(f"the request is larger than {LARGEST_REQUEST} bytes")
    return b"".join(parts)


if __name__ == "__main__":
    main()
