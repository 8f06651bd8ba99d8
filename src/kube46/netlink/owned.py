"""What an nftables table holds for an owner: elements of maps and rules, found by their comments, and deleted.

libnftables makes an object of each element that it lists, some 30 µs of work; here the kernel's own bytes are searched
for a word: a third of 1 µs for an element that is somebody else's. Keys are sent back as they came, undecoded. For
tables of the family `inet`. Source: linux/netfilter/nf_tables.h.
"""

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from kube46.netlink import batches, wire
from kube46.netlink.expressions import NFTABLES, RULE_CHAIN, RULE_TABLE, message, transaction

GET_RULE, DELETE_RULE, GET_ELEMENTS, DELETE_ELEMENTS = (NFTABLES << 8 | kind for kind in (7, 8, 13, 14))
RULE_HANDLE, RULE_USERDATA = 3, 7
LIST_TABLE, LIST_SET, LIST_ELEMENTS, LIST_ELEMENT = 1, 2, 3, 1
KEY, VALUE, FLAGS, USERDATA, KEY_END = 1, 2, 3, 6, 10
NAMING = (KEY, FLAGS, KEY_END)  # what tells the kernel which element is to be deleted
DATA_VALUE, COMMENT = 1, 0
GENERIC_BYTES = 4
RECEIVE_BYTES = 1 << 16
ATTEMPTS = 5
AT_ONCE = 200  # elements a message, whose attributes must not grow beyond 64 KB


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a map. In keys and values each field begins at a multiple of four bytes."""

    map: str
    attributes: dict[int, bytes]

    @property
    def key(self) -> bytes:
        """The key, of a range the first."""
        return wire.attributes(self.attributes[KEY])[DATA_VALUE]

    @property
    def value(self) -> bytes:
        """The value; nothing when it is a verdict."""
        return wire.attributes(self.attributes.get(VALUE, b"")).get(DATA_VALUE, b"")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, named as for its deletion."""

    chain: str
    handle: bytes


def elements(
    netlink: socket.socket, table: str, maps: Iterable[str], word: str, is_owner: Callable[[str], bool]
) -> list[Element]:
    """The elements whose comment holds the word and is an owner's. A map or table that is missing has none.

    `netlink` is a socket of `batches.opened`. Raises OSError when the kernel refuses; needs CAP_NET_ADMIN.
    """
    found = []
    for name in maps:
        naming = wire.attribute(LIST_TABLE, table) + wire.attribute(LIST_SET, name)
        for payload in _dump(netlink, GET_ELEMENTS, naming, word):
            listed = wire.attributes(payload, GENERIC_BYTES).get(LIST_ELEMENTS, b"")
            found += [Element(name, one) for one in members(listed, word) if is_owner(comment(one, USERDATA))]
    return found


def rules(netlink: socket.socket, table: str, chain: str, word: str, is_owner: Callable[[str], bool]) -> list[Rule]:
    """The rules of a chain whose comment holds the word and is an owner's. Otherwise as `elements`."""
    naming = wire.attribute(RULE_TABLE, table) + wire.attribute(RULE_CHAIN, chain)
    found = [wire.attributes(one, GENERIC_BYTES) for one in _dump(netlink, GET_RULE, naming, word)]
    return [Rule(chain, one[RULE_HANDLE]) for one in found if is_owner(comment(one, RULE_USERDATA))]


def delete(netlink: socket.socket, table: str, gone: Iterable[Element], gone_rules: Iterable[Rule]) -> None:
    """Delete all of these in one transaction. Raises OSError when one of them is not there any more."""
    by_map: dict[str, list[Element]] = {}
    for one in gone:
        by_map.setdefault(one.map, []).append(one)
    messages = [
        message(DELETE_ELEMENTS, wire.Flag.ACK, _listed(table, name, members[start : start + AT_ONCE]))
        for name, members in by_map.items()
        for start in range(0, len(members), AT_ONCE)
    ]
    for rule in gone_rules:
        naming = wire.attribute(RULE_TABLE, table) + wire.attribute(RULE_CHAIN, rule.chain)
        body = naming + wire.attribute(RULE_HANDLE, rule.handle)
        messages.append(message(DELETE_RULE, wire.Flag.ACK, body))
    if messages:
        batches.carry_out_on(netlink, transaction(messages))


def _listed(table: str, name: str, members: Iterable[Element]) -> bytes:
    naming = (
        wire.nested(LIST_ELEMENT, *(_again(kind, value) for kind, value in one.attributes.items() if kind in NAMING))
        for one in members
    )
    return wire.attribute(LIST_TABLE, table) + wire.attribute(LIST_SET, name) + wire.nested(LIST_ELEMENTS, *naming)


def _again(kind: int, value: bytes) -> bytes:
    return wire.attribute(kind, value) if kind == FLAGS else wire.nested(kind, value)


def members(listed: bytes, word: str) -> Iterator[dict[int, bytes]]:
    """The attributes of each element that holds the word somewhere; the others are skipped by their length."""
    wanted = word.encode()
    at = listed.find(wanted)
    offset = 0
    while at >= 0:
        length = max(wire.number(listed[offset : offset + 2]), 4)
        if offset <= at < offset + length:
            yield wire.attributes(listed[offset + 4 : offset + length])
            at = listed.find(wanted, offset + length)
        offset += (length + 3) & ~3


def comment(attributes: dict[int, bytes], kind: int) -> str:
    """The comment in the attribute whose content nft alone knows: type, length and value of each of its parts."""
    data = attributes.get(kind, b"")
    while len(data) > 2:
        if data[0] == COMMENT:
            return wire.text(data[2 : 2 + data[1]])
        data = data[2 + data[1] :]
    return ""


def _dump(netlink: socket.socket, kind: int, naming: bytes, word: str) -> list[bytes]:
    """The payloads of the answers that hold the word.

    A dump during which anything of nftables changed is made again; the last of them counts, as what changed was most
    likely another table.
    """
    wanted = word.encode()
    for _ in range(ATTEMPTS):
        found, whole = [], True
        netlink.send(message(kind, wire.Flag.DUMP, naming))
        for one in _answers(netlink):
            whole = whole and not one.flags & wire.Flag.DUMP_INTERRUPTED
            if wanted in one.payload:
                found.append(one.payload)
        if whole:
            break
    return found


def _answers(netlink: socket.socket) -> Iterator[wire.Message]:
    while True:
        for one in wire.messages(netlink.recv(RECEIVE_BYTES)):
            if one.kind in (wire.Kind.DONE, wire.Kind.ERROR):
                number = -struct.unpack_from("=i", one.payload)[0]
                if number not in (0, errno.ENOENT):
                    raise OSError(number, f"nftables: {os.strerror(number)}")
                return
            yield one
