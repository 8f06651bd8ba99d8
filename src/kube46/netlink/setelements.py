"""Pure: elements of nftables' sets and maps as netlink messages, without libnftables' way through text.

An element in text costs libnftables some 1 KB and 5 µs, and after every change by somebody else it first reads the
table's declarations anew; the messages below are all that the kernel wants. Source: linux/netfilter/nf_tables.h.
"""

import struct
from collections.abc import Iterable, Iterator

from kube46.netlink import expressions, wire
from kube46.netlink.expressions import NFTABLES

ADD, DELETE = NFTABLES << 8 | 12, NFTABLES << 8 | 14
LIST_TABLE, LIST_SET, LIST_ELEMENTS = 1, 2, 3
ELEMENT, KEY, DATA = 1, 1, 2
VALUE, VERDICT = 1, 2
VERDICT_CODE, VERDICT_CHAIN = 1, 2
CODES = {"drop": 0, "jump": -3, "goto": -4}
"""NF_DROP, NFT_JUMP, NFT_GOTO."""
HEADER = 8
"""Bytes before the content of what `value` gives."""
LARGEST = 60_000
"""Bytes of elements in a message: the length of an attribute has 16 bits."""
_ELEMENT, _DATA = struct.Struct("=HHHHHH"), struct.Struct("=HHHH")
_NESTED_DATA = DATA | wire.NLA_NESTED
_NESTED_ELEMENT, _NESTED_KEY = ELEMENT | wire.NLA_NESTED, KEY | wire.NLA_NESTED


def value(content: bytes) -> bytes:
    """The data of a map's element, each field of it padded to four bytes."""
    return _DATA.pack(len(content) + 8, _NESTED_DATA, len(content) + 4, VALUE) + content


def verdict(text: str) -> bytes:
    """The data of a verdict map's element: `drop`, `goto CHAIN` or `jump CHAIN`."""
    word, _, chain = text.partition(" ")
    fields = wire.attribute(VERDICT_CODE, struct.pack("!i", CODES[word]))
    return wire.nested(DATA, wire.nested(VERDICT, fields, *([wire.attribute(VERDICT_CHAIN, chain)] if chain else [])))


def element(key: bytes, data: bytes = b"") -> bytes:
    """One element: a key, each field of it padded to four bytes, and what `value` or `verdict` gave."""
    length = len(key)
    return (
        _ELEMENT.pack(length + len(data) + 12, _NESTED_ELEMENT, length + 8, _NESTED_KEY, length + 4, VALUE) + key + data
    )


def transaction(table: str, commands: Iterable[tuple[int, str, Iterable[bytes]]]) -> bytes:
    """A transaction on a table of `inet`: commands (ADD or DELETE, name of a set, elements). b"" when there are none.

    Only its last message asks for an answer; the kernel tells of every refused one without being asked.
    """
    bodies = [
        (kind, wire.attribute(LIST_TABLE, table) + wire.attribute(LIST_SET, name) + wire.nested(LIST_ELEMENTS, part))
        for kind, name, members in commands
        for part in _parts(members)
    ]
    if not bodies:
        return b""
    last = len(bodies) - 1
    flags = {ADD: wire.Flag.CREATE, DELETE: 0}
    return expressions.transaction(
        expressions.message(kind, flags[kind] | (wire.Flag.ACK if number == last else 0), body)
        for number, (kind, body) in enumerate(bodies)
    )


def _parts(members: Iterable[bytes]) -> Iterator[bytes]:
    """Elements together, as many as a message takes."""
    part: list[bytes] = []
    length = 0
    for member in members:
        if length + len(member) > LARGEST:
            yield b"".join(part)
            part, length = [], 0
        part.append(member)
        length += len(member)
    if part:
        yield b"".join(part)
