"""Reads chains of iptables' old kernel tables, which nftables does not list, in the calling thread's network namespace.

Only tables that are there are asked for: the kernel would make another. Source: linux/netfilter_ipv4/ip_tables.h.
"""

import ctypes
import errno
import os
import socket
import struct
from pathlib import Path

from kube46.addresses.families import Family

NAMES = {Family.IPV4: "ip_tables_names", Family.IPV6: "ip6_tables_names"}
SOCKETS = {Family.IPV4: (socket.AF_INET, socket.IPPROTO_IP), Family.IPV6: (socket.AF_INET6, socket.IPPROTO_IPV6)}
GET_INFO, GET_ENTRIES = 64, 65
INFO, REQUEST = struct.Struct("=32s13I"), struct.Struct("=32sI4x")  # a name, numbers, the last one the entries' bytes
ATTEMPTS = 5


def has_chain(family: Family, table: str, chain: str) -> bool:
    """Whether there is a chain of that name. Raises OSError. Needs CAP_NET_ADMIN."""
    try:
        tables = Path(f"/proc/thread-self/net/{NAMES[family]}").read_text().split()
    except FileNotFoundError:  # a kernel without them
        return False
    return table in tables and chain.encode() + b"\0" in _entries(family, table)


def _entries(family: Family, table: str) -> bytes:
    kind, level = SOCKETS[family]
    with socket.socket(kind, socket.SOCK_DGRAM) as opened:
        for _ in range(ATTEMPTS):
            *_, length = INFO.unpack(_asked(opened, level, GET_INFO, INFO.pack(table.encode(), *[0] * 13)))
            request = REQUEST.pack(table.encode(), length) + bytes(length)
            try:
                return _asked(opened, level, GET_ENTRIES, request)
            except OSError as error:
                if error.errno != errno.EAGAIN:  # the table has changed meanwhile
                    raise
    raise OSError(errno.EAGAIN, f"iptables: {table} changes again and again")


def _asked(opened: socket.socket, level: int, option: int, question: bytes) -> bytes:
    """getsockopt(2) whose answer depends on what the buffer holds, which Python's own can't fill."""
    buffer, length = ctypes.create_string_buffer(question, len(question)), ctypes.c_uint32(len(question))
    if ctypes.CDLL(None, use_errno=True).getsockopt(opened.fileno(), level, option, buffer, ctypes.byref(length)):
        number = ctypes.get_errno()
        raise OSError(number, f"iptables: {os.strerror(number)}")
    return buffer.raw
