"""Elements as the kernel takes them: the texts of keys and values → bytes, by the declarations of `layout`. Pure.

Maps and sets of intervals are left to libnftables: they are few, and an interval is two elements with flags.
"""

import functools
import struct
from collections.abc import Callable, Iterable, Iterator
from socket import AF_INET, AF_INET6, inet_pton

from kube46.addresses.families import Family
from kube46.netlink import setelements
from kube46.proxy.layout import NUMBERS, PROTOCOLS, SCOPES, backend_map
from kube46.proxy.rules import Element

Field = Callable[[str], bytes]

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
    return bytes((NUMBERS[text], 0, 0, 0))


_verdict = functools.lru_cache(SEEN)(setelements.verdict)


def _value(*fields: Field) -> Field:
    def encode(text: str) -> bytes:
        return setelements.value(_encoded(fields, text))

    return encode


def _nothing(text: str) -> bytes:
    return b""


def _encoded(fields: tuple[Field, ...], text: str) -> bytes:
    return b"".join([field(part) for field, part in zip(fields, text.split(" . "), strict=True)])


def _shapes() -> Iterator[tuple[str, tuple[tuple[Field, ...], Field]]]:
    """What keys and values are made of, by the name of the map or set."""
    for family, address in ((Family.IPV4, _four), (Family.IPV6, _six)):
        v, backend = family.version, _value(address, _port)
        yield f"cluster-ips{v}", ((address,), _nothing)
        yield f"hairpin{v}", ((address, address), _nothing)
        yield f"members{v}", ((_number, _number), backend)
        yield f"firewall{v}", ((address, _protocol, _port), _verdict)
        for scope in SCOPES:
            place = (address,) if scope == "service" else ()
            frontend = (*place, _protocol, _port)
            for role in ("", "-near", "-far"):
                yield f"{scope}{role}{v}", (frontend, _verdict)
            yield f"{scope}-sticky{v}", (frontend, _value(_number))
            yield f"{scope}-slots{v}", ((*frontend, _number), _value(_number))
            for protocol in PROTOCOLS:
                yield backend_map(scope, protocol, family), ((*place, _port, _number), backend)


SHAPES = dict(_shapes())


def is_binary(name: str) -> bool:
    """Whether the map's elements are encoded here."""
    return name in SHAPES


def transaction(table: str, gone: Iterable[tuple[Element, str]], come: Iterable[tuple[Element, str]]) -> bytes:
    """What deletes elements, then adds others; those of intervals are left out. b"" when there is nothing to do."""
    commands = [(setelements.DELETE, name, found) for name, found in _members(gone, keys_only=True).items()]
    commands += [(setelements.ADD, name, found) for name, found in _members(come, keys_only=False).items()]
    return setelements.transaction(table, commands)


def _members(elements: Iterable[tuple[Element, str]], *, keys_only: bool) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for (name, key), value in elements:
        shape = SHAPES.get(name)
        if shape is not None:
            data = b"" if keys_only else shape[1](value)
            found.setdefault(name, []).append(setelements.element(_encoded(shape[0], key), data))
    return found
