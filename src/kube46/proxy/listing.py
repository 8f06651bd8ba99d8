"""What a table holds, as the kernel tells it, and how that differs from what it shall hold.

Keys and values stay the kernel's bytes, and what shall be is written as bytes to be compared: of 800,000 elements those
become texts that differ. What packets learnt is not read.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, summarize_address_range

from kube46.netlink import dumps
from kube46.proxy import encoding
from kube46.proxy.claims import Change, Changes
from kube46.proxy.firewall import prefix_key
from kube46.proxy.layout import INTERVALS
from kube46.proxy.rules import Element

Held = dict[bytes, bytes | str]


class Listing(Mapping[Element, str]):
    """The elements of a table, and the comments of its rules by their chains."""

    def __init__(
        self, chains: Mapping[str, Sequence[bytes]], maps: Mapping[str, Held], ranges: Iterable[Element]
    ) -> None:
        self.chains = chains
        self._maps, self._ranges = dict(maps), dict.fromkeys(ranges, "")

    def __getitem__(self, element: Element) -> str:
        name, key = element
        held = self._maps.get(name)
        return self._ranges[element] if held is None else encoding.value_text(name, held[encoding.key(name, key)])

    def __iter__(self) -> Iterator[Element]:
        for name, held in self._maps.items():
            yield from ((name, encoding.key_text(name, key)) for key in held)
        yield from self._ranges

    def __len__(self) -> int:
        return len(self._ranges) + sum(map(len, self._maps.values()))

    def verdicts(self) -> Counter[str]:
        """How many elements have each verdict."""
        return Counter(value for held in self._maps.values() for value in held.values() if isinstance(value, str))

    def ranges(self) -> Iterable[Element]:
        """The elements of sets of intervals."""
        return self._ranges

    def difference(self, desired: Iterable[tuple[Element, str]]) -> Changes:
        """The changes that make the table what it shall be. What is right is taken out on the way: this is the last
        that is asked. Raises ValueError when it holds what is none of its declarations'."""
        come: Changes = {}
        for element, value in desired:
            old = self._taken(element, value)
            if old != value:
                come[element] = Change(old, value)
        return {**{element: Change(value, None) for element, value in self.items()}, **come}

    def _taken(self, element: Element, value: str) -> str | None:
        """What an element has; without a detour by text if it is that value."""
        name, key = element
        held = self._maps.get(name)
        if held is None:
            return self._ranges.pop(element, None)
        found = held.pop(encoding.key(name, key), None)
        if found is None or found == (value if isinstance(found, str) else encoding.value(name, value)):
            return None if found is None else value
        return encoding.value_text(name, found)


def read(table: str) -> Listing | None:
    """What a table of `inet` holds in the calling thread's network namespace; None when it has no chain. Raises
    ValueError when that can't be ours, OSError."""
    names = dumps.chains(table)
    if not names:
        return None
    chains, maps, ranges = dumps.rules(table), dict[str, Held](), list[Element]()
    for name in dumps.sets(table):
        if encoding.is_binary(name):
            maps[name] = held = {key: value for key, value, _ in dumps.elements(table, name)}
            for key, value in list(held.items())[:1]:  # all of a map are alike: it is of our declaration, or none is
                encoding.key_text(name, key), encoding.value_text(name, value)
        elif name.startswith(INTERVALS):
            ends = ((key, is_end) for key, _, is_end in dumps.elements(table, name))
            ranges += [(name, text) for text in intervals(ends)]
    return Listing({name: chains.get(name, ()) for name in names}, maps, ranges)


def intervals(ends: Iterable[tuple[bytes, bool]]) -> Iterator[str]:
    """Intervals as nft writes them: a prefix, or `FIRST-LAST`. Each is two keys, the second the first one past it;
    the last address of all has none past it."""
    first: bytes | None = None
    for key, is_end in sorted(ends, key=lambda end: (end[0], not end[1])):  # where one ends the next may begin
        if is_end and first is not None:
            yield _interval(first, (int.from_bytes(key) - 1).to_bytes(len(key)))
        first = None if is_end else key
    if first is not None:
        yield _interval(first, b"\xff" * len(first))


def _interval(first: bytes, last: bytes) -> str:
    low, high = ip_address(first), ip_address(last)
    found = [*summarize_address_range(low, high)]
    return prefix_key(found[0]) if len(found) == 1 else f"{low}-{high}"
