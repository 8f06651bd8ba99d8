"""Changes of links, addresses and routes, as the kernel tells them."""

import socket
from pathlib import Path
from typing import Self

from kube46.netlink import namespaces, wire
from kube46.netlink.routes import PROTOCOL
from kube46.netlink.wire import Kind

# RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE of linux/rtnetlink.h
GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
RECEIVE_BYTES = 1 << 16


class Monitor:
    """A socket that becomes readable when something changes; register `fileno()` with an event loop."""

    def __init__(self, netns: str | Path | None = None) -> None:
        self._socket = _open() if netns is None else namespaces.open_sockets_in(netns, _open)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def lost_routes(self) -> bool:
        """Take what is waiting, and tell whether a route of kube46's may be gone.

        So it is when one was deleted, when an address or a link (but a veth) changed, as the kernel removes routes with
        them without a word, and when messages were lost.
        """
        lost = False
        while True:
            try:
                data = self._socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                return lost
            except OSError:  # ENOBUFS: more happened than the socket could hold
                return True
            lost = lost or any(_concerns_routes(message) for message in wire.messages(data))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _concerns_routes(message: wire.Message) -> bool:
    if message.kind == Kind.DELROUTE:
        return bool(wire.ROUTE.unpack_from(message.payload)[5] == PROTOCOL)
    if message.kind in (Kind.NEWLINK, Kind.DELLINK):
        return wire.link_kind(message.payload) != "veth"
    return message.kind in (Kind.NEWADDR, Kind.DELADDR)


def _open() -> socket.socket:
    opened = socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
    )
    opened.bind((0, GROUPS))
    return opened
