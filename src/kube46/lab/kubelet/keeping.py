"""What must outlive the kubelet, and yet be taken away one day: descriptors that wait in a socket of the shim's.

A terminal hangs up when nobody has its master; a pipe ends when nobody writes to it. So the master of a container's
terminal, and the writing end of an input that ends with its first client, are sent through a pair of sockets whose
both ends the shim has open. A message that nobody receives keeps its descriptor alive; a kubelet has a copy by looking
at the message, and ends the thing by receiving it. No process is needed for that (decision 100).
"""

import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

from kube46.lab import syscalls

ENTRY, EXIT, CONSOLE = 3, 4, 5  # the shim's numbers of them
_INT = struct.Struct("i")


class Kept:
    """The kubelet's ends of one shim's store, to be closed after use."""

    def __init__(self, entry: socket.socket, exit: socket.socket, console: socket.socket | None) -> None:
        self._entry, self._exit, self._console = entry, exit, console

    @property
    def inherited(self) -> dict[int, int]:
        """What the shim has to inherit: its number → our descriptor."""
        found = {ENTRY: self._entry.fileno(), EXIT: self._exit.fileno()}
        return found | ({CONSOLE: self._console.fileno()} if self._console else {})

    def put(self, descriptor: int) -> None:
        """Keep a descriptor; ours may be closed then."""
        socket.send_fds(self._entry, [b"."], [descriptor])

    def look(self) -> int | None:
        """A copy of what is kept, None when there is nothing."""
        return _received(self._exit, socket.MSG_PEEK)

    def take(self) -> int | None:
        """What is kept, which nobody keeps any longer then; None when there is nothing."""
        return _received(self._exit, 0)

    def console(self) -> int | None:
        """The master of the container's terminal; None as long as crun has sent none.

        Between receiving and keeping it lie some microseconds in which SIGKILL to the kubelet would hang it up.
        """
        if (master := self.look()) is not None or self._console is None:
            return master
        try:
            connection, _ = self._console.accept()
        except BlockingIOError:
            return None
        with connection:
            connection.settimeout(1.0)
            _, descriptors, _, _ = socket.recv_fds(connection, 4096, 1)
        if not descriptors:
            return None
        self.put(descriptors[0])
        return descriptors[0]

    def close(self) -> None:
        """Let go of it; what is kept stays with the shim."""
        for end in (self._entry, self._exit, self._console):
            if end is not None:
                end.close()


def make(console: Path | None) -> Kept:
    """A new store; with `console`, where crun is to send a terminal. Raises OSError."""
    entry, exit = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener = None
    if console is not None:
        console.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        parent = os.open(console.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            listener.bind(f"/proc/self/fd/{parent}/{console.name}")  # a socket's path has at most 107 bytes
        finally:
            os.close(parent)
        listener.listen(1)
    return _nonblocking(entry, exit, listener)


def of(pidfd: int) -> Kept | None:
    """The store of a running shim; None when it has none, or is gone."""
    found: dict[int, socket.socket] = {}
    for number in (ENTRY, EXIT, CONSOLE):
        with suppress(OSError):
            found[number] = socket.socket(fileno=syscalls.descriptor_of(pidfd, number))
    if ENTRY in found and EXIT in found:
        return _nonblocking(found[ENTRY], found[EXIT], found.get(CONSOLE))
    for end in found.values():
        end.close()
    return None


def _nonblocking(entry: socket.socket, exit: socket.socket, console: socket.socket | None) -> Kept:
    for end in (entry, exit, console):
        if end is not None:
            end.setblocking(False)
    return Kept(entry, exit, console)


def _received(end: socket.socket, flags: int) -> int | None:
    # recvmsg, since Python 3.11's recv_fds passes no flags on.
    try:
        _, ancillary, _, _ = end.recvmsg(1, socket.CMSG_LEN(_INT.size), flags | socket.MSG_CMSG_CLOEXEC)
    except BlockingIOError:
        return None
    return int(_INT.unpack(ancillary[0][2])[0]) if ancillary else None
