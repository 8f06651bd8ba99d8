"""Pure: rules as the kernel takes them, for what nft's own language cannot say: lists of expressions on registers.

libnftables 1.0.6 (Debian 12) has no way to store the result of a look-up in a map, and aborts the process when a rule
updates a map whose key is longer than 16 bytes. The kernel has had both since 4.x. Registers are counted in words of
four bytes from 0 to 15; a field of a key begins at a word. Source: linux/netfilter/nf_tables.h.
"""

import struct
from collections.abc import Iterable
from enum import IntEnum

from kube46.netlink import wire

BATCH_BEGIN, BATCH_END = 0x10, 0x11
NFTABLES = 10
NEW_RULE = NFTABLES << 8 | 6
INET = 1
FIRST_REGISTER = 8
"""NFT_REG32_00: the first of the registers of one word."""
RULE_TABLE, RULE_CHAIN, RULE_EXPRESSIONS, RULE_USERDATA = 1, 2, 4, 7
LIST_ELEMENT, EXPRESSION_NAME, EXPRESSION_DATA = 1, 1, 2
META_MARK, META_NFPROTO, META_L4PROTO = 3, 15, 16
_GENERIC = struct.Struct("!BBH")


class Base(IntEnum):
    """What a payload's offset counts from."""

    NETWORK = 1
    TRANSPORT = 2


class Tracked(IntEnum):
    """What is known of the destination as a connection asked for it."""

    PORT = 12
    ADDRESS = 20
    ADDRESS6 = 22


class Update(IntEnum):
    """What a packet does to a set: UPDATE adds an element, or begins its timeout anew."""

    UPDATE = 1
    DELETE = 2


def payload(register: int, base: Base, offset: int, length: int) -> bytes:
    """Bytes of the packet into registers."""
    return _expression("payload", {1: _register(register), 2: _number(base), 3: _number(offset), 4: _number(length)})


def family_is(protocol: int, register: int = 0) -> bytes:
    """Go on only with packets of a family: 2 for IPv4, 10 for IPv6. Overwrites the register."""
    load = _expression("meta", {1: _register(register), 2: _number(META_NFPROTO)})
    value = wire.attribute(1, bytes([protocol]))
    return load + _expression("cmp", {1: _register(register), 2: _number(0), 3 | wire.NLA_NESTED: value})


def transport(register: int) -> bytes:
    """The number of the transport protocol."""
    return _expression("meta", {1: _register(register), 2: _number(META_L4PROTO)})


def mark(register: int) -> bytes:
    """The packet's mark into a register."""
    return _expression("meta", {1: _register(register), 2: _number(META_MARK)})


def set_mark(register: int) -> bytes:
    """A register's content becomes the packet's mark."""
    return _expression("meta", {2: _number(META_MARK), 3: _register(register)})


def set_bits(register: int, bits: int) -> bytes:
    """Set bits of a register."""
    mask, bits_ = (wire.attribute(1, struct.pack("=I", value)) for value in (~bits & 0xFFFFFFFF, bits))
    fields = {1: _register(register), 2: _register(register), 3: _number(4)}
    return _expression("bitwise", {**fields, 4 | wire.NLA_NESTED: mask, 5 | wire.NLA_NESTED: bits_})


def look_up(name: str, key: int, result: int | None = None) -> bytes:
    """Go on only if the key is in the set; of a map the value into registers, which may be the key's own."""
    fields = {1: _text(name), 2: _register(key)}
    return _expression("lookup", fields if result is None else {**fields, 3: _register(result)})


def random_number(register: int, modulus: int, offset: int = 0) -> bytes:
    """A number from `offset` on, less than `offset + modulus`."""
    return _expression("numgen", {1: _register(register), 2: _number(modulus), 3: _number(1), 4: _number(offset)})


def remember(name: str, what: Update, key: int, value: int, timeout: int = 0) -> bytes:
    """Change a map from the packet: an element that is there keeps its value. The timeout is in seconds."""
    fields = {1: _text(name), 3: _number(what), 4: _register(key), 5: _register(value)}
    if timeout:
        fields[6] = struct.pack("!Q", timeout * 1000)
    return _expression("dynset", fields)


def asked(register: int, what: Tracked) -> bytes:
    """A field of the destination that the connection asked for, before translation, into registers."""
    return _expression("ct", {1: _register(register), 2: _number(what), 3: b"\0"})


def count(name: str, key: int) -> bytes:
    """Count the packet at a key of a set; a new key becomes an element, unless the set is full."""
    counter = wire.attribute(EXPRESSION_NAME, "counter") + wire.nested(EXPRESSION_DATA)
    fields = {1: _text(name), 3: _number(Update.UPDATE), 4: _register(key), 7 | wire.NLA_NESTED: counter}
    return _expression("dynset", fields)


def translate(protocol: int, address: int, port: int) -> bytes:
    """The destination becomes the address and port in registers; the packet is done with."""
    fields = {1: _number(1), 2: _number(protocol), 3: _register(address), 5: _register(port)}
    return _expression("nat", fields)


def comment(text: str) -> bytes:
    """What a rule with a comment carries, as nft writes it."""
    return bytes((0, len(text) + 1)) + _text(text)


def inserted(table: str, chain: str, rules: Iterable[bytes], note: bytes = b"") -> bytes:
    """A transaction that puts rules, each the expressions one after another, before all others of a chain of `inet`;
    `note` is what
    `comment` gave."""
    messages = []
    for rule in reversed([*rules]):
        body = b"".join(
            (
                wire.attribute(RULE_TABLE, table),
                wire.attribute(RULE_CHAIN, chain),
                wire.nested(RULE_EXPRESSIONS, rule),
                wire.attribute(RULE_USERDATA, note) if note else b"",
            )
        )
        messages.append(message(NEW_RULE, wire.Flag.CREATE | wire.Flag.ACK, body))
    return transaction(messages)


def message(kind: int, flags: int, body: bytes) -> bytes:
    """A message of nf_tables about a table of `inet`."""
    return _message(kind, flags, INET, 0, body)


def transaction(messages: Iterable[bytes]) -> bytes:
    """Messages that are carried out together or not at all."""
    return b"".join((_message(BATCH_BEGIN, 0, 0, NFTABLES, b""), *messages, _message(BATCH_END, 0, 0, NFTABLES, b"")))


def _message(kind: int, flags: int, family: int, subsystem: int, body: bytes) -> bytes:
    return wire.message(kind, wire.Flag.REQUEST | flags, 0, _GENERIC.pack(family, 0, subsystem) + body)


def _expression(name: str, fields: dict[int, bytes]) -> bytes:
    inner = b"".join(wire.attribute(kind, value) for kind, value in fields.items())
    return wire.nested(LIST_ELEMENT, wire.attribute(EXPRESSION_NAME, name), wire.nested(EXPRESSION_DATA, inner))


def _number(value: int) -> bytes:
    return struct.pack("!I", value)


def _register(word: int) -> bytes:
    return _number(FIRST_REGISTER + word)


def _text(value: str) -> bytes:
    return value.encode() + b"\0"
