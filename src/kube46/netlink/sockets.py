"""A rtnetlink socket in a network namespace: one request, its answer or its refusal."""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from kube46.netlink import namespaces, wire
from kube46.netlink.errors import NetlinkError
from kube46.netlink.wire import Flag, Kind, Message

SOL_NETLINK = 270
NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 10, 11, 12
RECEIVE_BYTES = 1 << 16  # the kernel fills at most 32 KiB of a dump at a time
DUMP_ATTEMPTS = 20


class Socket:
    """A socket of the route family. Not for use by two threads at once.

    `namespace` is a descriptor of the namespace it stands in, open as long as the socket.
    """

    def __init__(self, netns: str | Path | None = None) -> None:
        path = "/proc/thread-self/ns/net" if netns is None else namespaces.path_of(netns)
        self.namespace = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._socket = open_socket() if netns is None else namespaces.call_in(self.namespace, open_socket)
        except BaseException:
            os.close(self.namespace)
            raise
        self._sequence = 0

    def close(self) -> None:
        """Close it; a second time has no effect."""
        self._socket.close()
        if self.namespace >= 0:
            os.close(self.namespace)
            self.namespace = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def request(self, kind: Kind, payload: bytes, what: str, *, flags: int = 0) -> None:
        """Ask for a change and wait until the kernel has made it. Raises NetlinkError, naming `what`."""
        self._sequence += 1
        self._socket.send(wire.message(kind, Flag.REQUEST | Flag.ACK | flags, self._sequence, payload))
        for message in self._answers():
            if message.kind == Kind.ERROR:
                _check(message, what)
                return

    def get(self, kind: Kind, payload: bytes, what: str) -> bytes:
        """Ask for one object and return its payload. Raises NetlinkError."""
        self._sequence += 1
        self._socket.send(wire.message(kind, Flag.REQUEST, self._sequence, payload))
        for message in self._answers():
            if message.kind == Kind.ERROR:
                _check(message, what)
            else:
                return message.payload
        raise AssertionError("unreachable: answers end by return or error")

    def index(self, link: str) -> int:
        """A link's index. Raises NetlinkError with `is_absence` when there is no such link."""
        payload = wire.LINK.pack(0, 0, 0, 0, 0) + wire.attribute(wire.IFLA_IFNAME, link)
        return int(wire.LINK.unpack_from(self.get(Kind.GETLINK, payload, f"look up link {link}"))[2])

    def dump(self, kind: Kind, payload: bytes, what: str) -> list[bytes]:
        """Ask for all objects and return their payloads; asks again if they changed meanwhile. Raises NetlinkError."""
        for _ in range(DUMP_ATTEMPTS):
            found, whole = self._dump_once(kind, payload, what)
            if whole:
                break
        return found

    def _dump_once(self, kind: Kind, payload: bytes, what: str) -> tuple[list[bytes], bool]:
        self._sequence += 1
        self._socket.send(wire.message(kind, Flag.REQUEST | Flag.DUMP, self._sequence, payload))
        found: list[bytes] = []
        whole = True
        for message in self._answers():
            whole = whole and not message.flags & Flag.DUMP_INTERRUPTED
            if message.kind in (Kind.DONE, Kind.ERROR):
                _check(message, what)
                break
            found.append(message.payload)
        return found, whole

    def _answers(self) -> Iterator[Message]:
        """The answers to the last request; older ones (of a request given up) are dropped."""
        while True:
            for message in wire.messages(self._socket.recv(RECEIVE_BYTES)):
                if message.sequence == self._sequence:
                    yield message


def open_socket(groups: int = 0) -> socket.socket:
    """A socket of the route family in the calling thread's namespace, which also hears what those groups are told."""
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK):
        opened.setsockopt(SOL_NETLINK, option, 1)
    opened.bind((0, groups))
    return opened


def _check(message: Message, what: str) -> None:
    """Raise NetlinkError when an acknowledgement or the end of a dump carries an error."""
    if len(message.payload) < 4:
        return
    code = int.from_bytes(message.payload[:4], sys.byteorder, signed=True)
    if code == 0 or (message.kind == Kind.DONE and code > 0):
        return
    explanation = b""
    if message.flags & Flag.ACK_TLVS:
        explanation = wire.attributes(message.payload, 4 + wire.HEADER.size).get(1, b"")
    raise NetlinkError(-code, what, wire.text(explanation))
