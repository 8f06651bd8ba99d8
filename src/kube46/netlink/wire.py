"""Pure: the bytes of rtnetlink messages – headers, attributes, and the few constants that kube46 uses.

Layouts are those of Linux' include/uapi/linux/{netlink,rtnetlink,if_link,if_addr}.h, in the machine's byte order.
"""

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
LINK = struct.Struct("=BxHiII")  # family, type, index, flags, change
ADDRESS = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
ROUTE = struct.Struct("=BBBBBBBBI")  # family, dst length, src length, tos, table, protocol, scope, type, flags
_ATTRIBUTE = struct.Struct("=HH")  # length, type

NLA_TYPE_MASK = 0x3FFF
NLA_NESTED = 0x8000
IFLA_IFNAME, IFLA_LINKINFO, IFLA_INFO_KIND = 3, 18, 1


class Flag(IntEnum):
    """Flags of a message's header."""

    REQUEST = 0x1
    ACK = 0x4
    DUMP_INTERRUPTED = 0x10
    ROOT = 0x100
    DUMP = 0x300
    REPLACE = 0x100
    EXCL = 0x200
    CREATE = 0x400
    ACK_TLVS = 0x200


class Kind(IntEnum):
    """Types of messages."""

    ERROR = 2
    DONE = 3
    NEWLINK = 16
    DELLINK = 17
    GETLINK = 18
    SETLINK = 19
    NEWADDR = 20
    DELADDR = 21
    GETADDR = 22
    NEWROUTE = 24
    DELROUTE = 25
    GETROUTE = 26


@dataclass(frozen=True, slots=True)
class Message:
    """One message as received: its type, header flags, sequence number and payload."""

    kind: int
    flags: int
    sequence: int
    payload: bytes


def attribute(kind: int, value: bytes | str | int) -> bytes:
    """One attribute. Text gets its closing zero; a number is an unsigned 32-bit one."""
    if isinstance(value, str):
        value = value.encode() + b"\0"
    elif isinstance(value, int):
        value = struct.pack("=I", value)
    return _ATTRIBUTE.pack(len(value) + 4, kind) + value + bytes(-len(value) % 4)


def nested(kind: int, *parts: bytes) -> bytes:
    """An attribute that holds attributes."""
    return attribute(kind | NLA_NESTED, b"".join(parts))


def attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes in `data` from `offset`; of repeated ones the last; a truncated rest is ignored."""
    found: dict[int, bytes] = {}
    while offset + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4:
            break
        found[kind & NLA_TYPE_MASK] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def number(data: bytes) -> int:
    """An unsigned number of 1, 2, 4 or 8 bytes in the machine's order."""
    return int.from_bytes(data, sys.byteorder)


def text(data: bytes) -> str:
    """A zero-terminated text."""
    return data.rstrip(b"\0").decode(errors="replace")


def link_kind(payload: bytes) -> str:
    """The kind (`veth`, `bridge`; empty for hardware) in the payload of a message about a link."""
    info = attributes(attributes(payload, LINK.size).get(IFLA_LINKINFO, b""))
    return text(info.get(IFLA_INFO_KIND, b""))


def message(kind: int, flags: int, sequence: int, payload: bytes) -> bytes:
    """One whole message."""
    return HEADER.pack(HEADER.size + len(payload), kind, flags, sequence, 0) + payload


def messages(data: bytes) -> Iterator[Message]:
    """The messages of one datagram."""
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, flags, sequence, _ = HEADER.unpack_from(data, offset)
        if length < HEADER.size:
            return
        yield Message(kind, flags, sequence, data[offset + HEADER.size : offset + length])
        offset += (length + 3) & ~3
