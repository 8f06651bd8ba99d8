"""Elements as the kernel takes them: the texts of keys and values ⇄ bytes, by the declarations of `layout`. Pure.

Maps and sets of intervals are left to libnftables: they are few, and an interval is two elements with flags.
"""

import functools
import struct
from collections.abc import Callable, Iterable, Iterator
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import NamedTuple

from kube46.addresses.families import Family
from kube46.netlink import setelements
from kube46.proxy.layout import NUMBERS, PROTOCOLS, SCOPES, backend_map
from kube46.proxy.rules import Element


class Field(NamedTuple):
    """A part of a key or value: its bytes from its text, its text from its bytes, and how many bytes it has."""

    write: Callable[[str], bytes]
    read: Callable[[bytes], str]
    width: int


_PORT, _NUMBER = struct.Struct("!Hxx"), struct.Struct("=I")
SEEN = 512
"""Addresses and ports whose bytes are remembered: a Service's come one after another."""


@functools.lru_cache(SEEN)
def _four(text: str) -> bytes:
    return inet_pton(AF_INET, text)


@functools.lru_cache(SEEN)
def _six(text: str) -> bytes:
    return inet_pton(AF_INET6, text)


@functools.lru_cache(SEEN)
def _port(text: str) -> bytes:
    return _PORT.pack(int(text))


@functools.lru_cache(SEEN)
def _number(text: str) -> bytes:
    """A mark or an index, in the machine's order as in a register."""
    return _NUMBER.pack(int(text))


@functools.cache
def _protocol(text: str) -> bytes:
    """A protocol that no Service has is its number: what somebody else has put there must be deleted by its key."""
    return bytes((NUMBERS[text] if text in NUMBERS else int(text), 0, 0, 0))


NAMES = {number: name for name, number in NUMBERS.items()}
ADDRESSES = {
    Family.IPV4: Field(_four, functools.partial(inet_ntop, AF_INET), 4),
    Family.IPV6: Field(_six, functools.partial(inet_ntop, AF_INET6), 16),
}
PORT = Field(_port, lambda data: str(int.from_bytes(data[:2])), 4)
NUMBER = Field(_number, lambda data: str(*_NUMBER.unpack(data)), 4)
PROTOCOL = Field(_protocol, lambda data: NAMES.get(data[0], str(data[0])), 4)


class Shape(NamedTuple):
    """What keys and values of a map are made of; no value's fields at all: a set, None: a map of verdicts."""

    key: tuple[Field, ...]
    value: tuple[Field, ...] | None

    def writers(self) -> tuple[tuple[Callable[[str], bytes], ...], Callable[[str], bytes]]:
        """What writes the fields of a key, and a value with its header."""
        writers = tuple(field.write for field in self.value or ())
        framed: Callable[[str], bytes] = lambda text: setelements.value(_encoded(writers, text))  # noqa: E731
        value = framed if writers else _verdict if self.value is None else lambda _: b""
        return tuple(field.write for field in self.key), value


_verdict = functools.lru_cache(SEEN)(setelements.verdict)


def _encoded(writers: tuple[Callable[[str], bytes], ...], text: str) -> bytes:
    return b"".join([write(part) for write, part in zip(writers, text.split(" . "), strict=True)])


def _decoded(fields: tuple[Field, ...], data: bytes) -> str:
    """Raises ValueError on data of another length."""
    if len(data) != sum(field.width for field in fields):
        raise ValueError(f"{data.hex()} is none of its declaration's")
    parts, offset = [], 0
    for field in fields:
        parts.append(field.read(data[offset : offset + field.width]))
        offset += field.width
    return " . ".join(parts)


def _shapes() -> Iterator[tuple[str, Shape]]:
    """By the name of the map or set."""
    for family, address in ADDRESSES.items():
        v, backend = family.version, (address, PORT)
        yield f"cluster-ips{v}", Shape((address,), ())
        yield f"hairpin{v}", Shape((address, address), ())
        yield f"members{v}", Shape((NUMBER, NUMBER), backend)
        yield f"firewall{v}", Shape((address, PROTOCOL, PORT), None)
        for scope in SCOPES:
            place = (address,) if scope == "service" else ()
            frontend = (*place, PROTOCOL, PORT)
            for role in ("", "-near", "-far"):
                yield f"{scope}{role}{v}", Shape(frontend, None)
            yield f"{scope}-sticky{v}", Shape(frontend, (NUMBER,))
            yield f"{scope}-slots{v}", Shape((*frontend, NUMBER), (NUMBER,))
            for protocol in PROTOCOLS:
                yield backend_map(scope, protocol, family), Shape((*place, PORT, NUMBER), backend)


SHAPES = dict(_shapes())
WRITERS = {name: shape.writers() for name, shape in SHAPES.items()}


def is_binary(name: str) -> bool:
    """Whether the map's elements are encoded here."""
    return name in SHAPES


def key(name: str, text: str) -> bytes:
    """A key of a map or set."""
    return _encoded(WRITERS[name][0], text)


def value(name: str, text: str) -> bytes:
    """The value of a map that has no verdicts; b"" of a set."""
    return WRITERS[name][1](text)[setelements.HEADER :]


def key_text(name: str, data: bytes) -> str:
    """A key's text. Raises ValueError when it is none of the declaration's."""
    return _decoded(SHAPES[name].key, data)


def value_text(name: str, data: bytes | str) -> str:
    """A value's text; verdicts are texts already. Raises ValueError when it is none of the declaration's."""
    return data if isinstance(data, str) else _decoded(SHAPES[name].value or (), data)


def transaction(table: str, gone: Iterable[tuple[Element, str]], come: Iterable[tuple[Element, str]]) -> bytes:
    """What deletes elements, then adds others; those of intervals are left out. b"" when there is nothing to do."""
    commands = [(setelements.DELETE, name, found) for name, found in _members(gone, keys_only=True).items()]
    commands += [(setelements.ADD, name, found) for name, found in _members(come, keys_only=False).items()]
    return setelements.transaction(table, commands)


def _members(elements: Iterable[tuple[Element, str]], *, keys_only: bool) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for (name, key), value in elements:
        writers = WRITERS.get(name)
        if writers is not None:
            data = b"" if keys_only else writers[1](value)
            found.setdefault(name, []).append(setelements.element(_encoded(writers[0], key), data))
    return found
