"""nft's text, written so that nothing a tenant chose gets in unquoted.

Names are checked against nft's own grammar, free text goes only into quoted comments, and addresses, prefixes and
numbers are typed. Source: nft(8), `scanner.l` of nftables 1.0.6.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Part = IPv4Address | IPv6Address | IPv4Network | IPv6Network | int | str
"""One field of a key. A str is a word of nft's (`tcp`, `lo`), checked like a name."""

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_./\\-]{0,127}")
COMMENT_LENGTH = 120
"""Bytes of a comment; the kernel's user data holds 128 with a header."""


def identifier(name: str) -> str:
    """The name, when nft can read it as that of a table, chain, set or map. Raises ValueError when not."""
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError(
            f"{name!r} is no nftables name: it begins with a letter and has letters, digits and _ . / - only"
        )
    return name


def quoted(text: str) -> str:
    """Any text as a quoted string for a comment: quotes and control characters become `?`, and it is cut to fit."""
    safe = re.sub(r"[^ !#-\[\]-~]", "?", text)
    return f'"{safe[:COMMENT_LENGTH]}"'


def concat(*parts: Part) -> str:
    """A key or value of one or several fields: `10.96.0.1 . tcp . 80`. Raises ValueError on a word that is no name."""
    return " . ".join(identifier(part) if isinstance(part, str) else str(part) for part in parts)


@dataclass(frozen=True, slots=True)
class Table:
    """A table by family (`inet`, `ip`, `ip6`, `bridge`, `netdev`) and name; `str()` of it is how commands name it."""

    name: str
    family: str = "inet"

    def __post_init__(self) -> None:
        identifier(self.name)
        if self.family not in ("inet", "ip", "ip6", "bridge", "netdev", "arp"):
            raise ValueError(f"{self.family!r} is no nftables family")

    def __str__(self) -> str:
        return f"{self.family} {self.name}"


BATCH = 500
"""Elements a command: libnftables is quick on long commands, and an error message still shows where."""


def elements(verb: str, table: Table, name: str, members: Iterable[str]) -> Iterable[str]:
    """Commands that `add`, `create` or `delete` members (`key`, or `key : value`) of a set or map, a few at a time."""
    if verb not in ("add", "create", "delete", "destroy"):
        raise ValueError(f"{verb!r} is nothing that can be done to elements")
    identifier(name)
    batch: list[str] = []
    for member in members:
        batch.append(member)
        if len(batch) == BATCH:
            yield f"{verb} element {table} {name} {{ {', '.join(batch)} }}\n"
            batch = []
    if batch:
        yield f"{verb} element {table} {name} {{ {', '.join(batch)} }}\n"
