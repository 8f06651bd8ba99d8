"""Reads what tables of `inet` hold by netlink dumps, in the calling thread's network namespace. Needs CAP_NET_ADMIN.

libnftables takes over 1 KB and 50 µs for an element that it lists. Another program's transaction during a dump marks it
as interrupted, which is left unheeded: a table that nobody else writes comes whole.
Source: linux/netfilter/nf_tables.h.
"""

import os
import socket
import struct
import sys
from collections.abc import Iterator
from functools import lru_cache

from kube46.netlink import setelements, wire
from kube46.netlink.expressions import INET, NFTABLES, RULE_CHAIN, RULE_USERDATA

NETLINK_NETFILTER = 12
GET_CHAIN, GET_RULE, GET_SET, GET_ELEMENTS = (NFTABLES << 8 | number for number in (4, 7, 10, 13))
TABLE, CHAIN_NAME, SET_NAME, SET_ELEMENTS = 1, 3, 2, 3
ELEMENT_FLAGS, INTERVAL_END = 3, 1
LARGEST = 1 << 17
WORDS = {code: word for word, code in setelements.CODES.items()}
Element = tuple[bytes, bytes | str, bool]
"""A key, each of its fields padded to four bytes; a map's value likewise, or the text of a verdict; and whether it is
what ends an interval, the first that is no more in it."""
_HEAD, _KIND, _NEXT = struct.Struct("=HHHHHH"), struct.Struct("=xxH"), struct.Struct("=HHHH")


def dump(kind: int, body: bytes = b"") -> Iterator[bytes]:
    """The attributes of each object. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER) as netlink:
        netlink.bind((0, 0))
        netlink.send(wire.message(kind, wire.Flag.REQUEST | wire.Flag.DUMP, 1, bytes((INET, 0, 0, 0)) + body))
        while True:
            for message in wire.messages(netlink.recv(LARGEST)):
                if message.kind in (wire.Kind.DONE, wire.Kind.ERROR):
                    # a dump that fails on the way is done with a code
                    code = -int.from_bytes(message.payload[:4], sys.byteorder, signed=True)
                    if code:
                        raise OSError(code, f"nftables: {os.strerror(code)}")
                    return
                yield message.payload[4:]


def chains(table: str) -> list[str]:
    """The names of its chains; none of a table that isn't there."""
    found = map(wire.attributes, dump(GET_CHAIN))
    return [wire.text(entry[CHAIN_NAME]) for entry in found if wire.text(entry[TABLE]) == table]


def rules(table: str) -> dict[str, list[bytes]]:
    """What each rule of a chain carries beside what it does, its comment, by the chain's name."""
    found: dict[str, list[bytes]] = {}
    for entry in map(wire.attributes, dump(GET_RULE, wire.attribute(TABLE, table))):
        found.setdefault(wire.text(entry[RULE_CHAIN]), []).append(entry.get(RULE_USERDATA, b""))
    return found


def sets(table: str) -> list[str]:
    """The names of its sets and maps. Raises FileNotFoundError when there is no such table."""
    found = map(wire.attributes, dump(GET_SET, wire.attribute(TABLE, table)))
    return [wire.text(entry[SET_NAME]) for entry in found]


def elements(table: str, name: str) -> Iterator[Element]:
    """What a set or map holds. Raises OSError (FileNotFoundError when there is no such set)."""
    for data in dump(GET_ELEMENTS, wire.attribute(TABLE, table) + wire.attribute(SET_NAME, name)):
        yield from _elements(wire.attributes(data).get(SET_ELEMENTS, b""))


def _elements(data: bytes) -> Iterator[Element]:
    """The kernel writes key and value first; what may follow is looked at only where there is something."""
    offset, after = 0, len(data)
    while offset < after:
        length, _, outer, _, inner, _ = _HEAD.unpack_from(data, offset)
        key, end = data[offset + 12 : offset + 8 + inner], offset + length
        rest = offset + 4 + (outer + 3 & ~3)
        value: bytes | str = b""
        if rest < end and _KIND.unpack_from(data, rest)[0] & wire.NLA_TYPE_MASK == setelements.DATA:
            outer, _, inner, kind = _NEXT.unpack_from(data, rest)
            content = data[rest + 8 : rest + 4 + inner]
            value = _verdict(content) if kind & wire.NLA_TYPE_MASK == setelements.VERDICT else content
            rest += outer + 3 & ~3
        flags = wire.attributes(data[:end], rest).get(ELEMENT_FLAGS, b"") if rest < end else b""
        yield key, value, bool(int.from_bytes(flags) & INTERVAL_END)
        offset += length + 3 & ~3


@lru_cache(1024)
def _verdict(data: bytes) -> str:
    """A verdict as nft writes it; one that no text of ours has, by its number."""
    fields = wire.attributes(data)
    code = int.from_bytes(fields[setelements.VERDICT_CODE], signed=True)
    chain = wire.text(fields.get(setelements.VERDICT_CHAIN, b""))
    return f"{WORDS.get(code, code)} {chain}".rstrip()
