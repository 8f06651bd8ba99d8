"""The socket that plugin executables hand requests to: a few threads, each with one request from receipt to answer.

What waits, waits in the socket's own queue. When that is full `connect` fails, and the executable says «try again
later»; so memory stays bounded when a whole node's pods start at once, and no request waits in two places. A request
whose sender has given up meanwhile is not carried out.
"""

import logging
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kube46.cni import handover
from kube46.cni.handover import ELSEWHERE, LARGEST_REQUEST, SLOWEST_REQUEST, Handover
from kube46.cni.masquerading import Masquerading
from kube46.cni.plugin import Answer, answer
from kube46.cni.settings import Settings

log = logging.getLogger(__name__)
Report = Callable[[Handover, Answer, float], None]  # the last: seconds from receipt to answer


class Server:
    """Carries out requests between `start` and `stop`, in the network namespace of the thread that starts it."""

    def __init__(self, settings: Settings, masquerading: Masquerading, report: Report = lambda *_: None) -> None:
        self._settings, self._masquerading, self._report = settings, masquerading, report
        self._turns = Turns()
        self._threads: list[threading.Thread] = []
        self._stopping = False
        self.last = time.monotonic()

    @property
    def busy(self) -> int:
        """The number of requests that are being carried out or wait for another about the same attachment."""
        return self._turns.users

    def start(self) -> None:
        """Listen, and answer from now on.

        Raises OSError when the socket's path cannot be used, RuntimeError when the system gives no thread.
        """
        self._namespace = handover.own_namespace()
        self._listening = handover.listen(self._settings.socket, self._settings.queue)
        self._inode = self._settings.socket.stat().st_ino
        try:
            for number in range(self._settings.workers):
                thread = threading.Thread(target=self._work, name=f"cni-{number}")
                thread.start()
                self._threads.append(thread)
        except RuntimeError:  # the system gives no more threads; those that run must not stay
            self.stop()
            raise
        log.info("CNI requests are served socket=%s", self._settings.socket)

    def stop(self) -> None:
        """Take no more; answer those that wait, and return when all are answered."""
        self._stopping = True
        self._listening.shutdown(socket.SHUT_RD)  # `accept` fails when its queue is empty, not before
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def is_reachable(self) -> bool:
        """Whether the socket's path is still this server's."""
        try:
            return self._settings.socket.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def _work(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError as error:
                if self._stopping:
                    return
                log.error("A CNI request cannot be accepted error=%s", error)  # no descriptor is free, say
                time.sleep(0.1)
                continue
            try:
                with connection:
                    connection.settimeout(SLOWEST_REQUEST)
                    connection.sendall(self._answered(connection))
            except (ValueError, OSError) as error:
                log.warning("A CNI request was dropped error=%s", error)
            except Exception:
                log.exception("A CNI request failed by a mistake of kube46's")  # its sender says so; the next one waits
            self.last = time.monotonic()

    def _answered(self, connection: socket.socket) -> bytes:
        started = time.monotonic()
        request = handover.parse(_whole(connection))
        if request.is_elsewhere(self._namespace):
            return ELSEWHERE
        with self._turns.one(request.attachment):
            if _is_gone(connection):
                raise ValueError(f"{request.verb} of {request.attachment[0]!r}: its sender has given up")
            found = answer(request.plugin, request.environment, request.stdin, self._masquerading)
        self._report(request, found, time.monotonic() - started)
        return f"{found.status}\n".encode() + found.output


class Turns:
    """Requests about one attachment go one after another: a runtime that gave up on an ADD sends a DEL at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: Counter[tuple[str, str]] = Counter()
        self._locks: dict[tuple[str, str], threading.Lock] = {}

    @property
    def users(self) -> int:
        """How many have or await a turn."""
        with self._lock:
            return self._users.total()

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


def _is_gone(connection: socket.socket) -> bool:
    """Whether the other end is closed altogether, not only for sending."""
    poll = select.poll()
    poll.register(connection, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))


def _whole(connection: socket.socket) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := connection.recv(1 << 16):
        parts.append(part)
        size += len(part)
        if size > LARGEST_REQUEST:
            raise ValueError(f"the request is larger than {LARGEST_REQUEST} bytes")
    return b"".join(parts)
