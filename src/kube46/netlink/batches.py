"""A transaction of netlink messages, carried out in the calling thread's network namespace."""

import os
import socket
import sys

from kube46.netlink import wire

NETLINK_NETFILTER = 12
LARGEST = 1 << 16
USUAL = 1 << 17  # bytes
SO_SNDBUFFORCE = 32


def carry_out(batch: bytes) -> None:
    """Send a whole transaction and read the kernel's answer to each message that asks for one.

    Raises OSError when it is refused; then nothing of it was carried out. Needs CAP_NET_ADMIN.
    """
    with opened() as netlink:
        carry_out_on(netlink, batch)


def carry_out_on(netlink: socket.socket, batch: bytes) -> None:
    """As `carry_out`, on a socket of `opened`, which is of no use any more when this raises."""
    waiting = sum(1 for message in wire.messages(batch) if message.flags & wire.Flag.ACK)
    netlink.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, max(USUAL, 2 * len(batch)))  # a transaction is one datagram
    netlink.send(batch)
    while waiting > 0:
        for answer in wire.messages(netlink.recv(LARGEST)):
            if answer.kind == wire.Kind.ERROR:
                _check(answer.payload)
                waiting -= 1


def opened() -> socket.socket:
    """A socket of the netfilter family in the calling thread's network namespace.

    When one is closed the kernel waits until what transactions deleted is freed, 10 to 30 ms: who has the time to keep
    it open need not wait.
    """
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
    netlink.bind((0, 0))
    return netlink


def _check(payload: bytes) -> None:
    code = int.from_bytes(payload[:4], sys.byteorder, signed=True)
    if code:
        raise OSError(-code, f"nftables: {os.strerror(-code)}")
