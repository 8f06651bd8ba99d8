"""A transaction of netlink messages, carried out in the calling thread's network namespace."""

import os
import socket
import sys

from kube46.netlink import wire

NETLINK_NETFILTER = 12
LARGEST = 1 << 16
SO_SNDBUFFORCE = 32


def carry_out(batch: bytes) -> None:
    """Send a whole transaction and read the kernel's answer to each message that asks for one.

    Raises OSError when it is refused; then nothing of it was carried out. Needs CAP_NET_ADMIN.
    """
    waiting = sum(1 for message in wire.messages(batch) if message.flags & wire.Flag.ACK)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER) as netlink:
        netlink.bind((0, 0))
        netlink.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 2 * len(batch))  # a transaction is one datagram
        netlink.send(batch)
        while waiting > 0:
            for answer in wire.messages(netlink.recv(LARGEST)):
                if answer.kind == wire.Kind.ERROR:
                    _check(answer.payload)
                    waiting -= 1


def _check(payload: bytes) -> None:
    code = int.from_bytes(payload[:4], sys.byteorder, signed=True)
    if code:
        raise OSError(-code, f"nftables: {os.strerror(-code)}")
