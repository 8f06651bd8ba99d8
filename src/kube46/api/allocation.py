"""Choosing free numbers: Service addresses of a CIDR and node ports, in static and dynamic bands.

Taken numbers are kept in a `NumberSet`: taking, giving back, asking and finding the next free number from any start on
cost O(log₆₄ N) dictionary look-ups, N the largest number (4 for a /112, 11 for a /64), however full the range is.
Nothing is scanned and memory grows with the numbers taken, not with the size of the range.
Sources: pkg/registry/core/service/{ipallocator,portallocator} (1.37); KEPs 1880, 3070, 3668; semantics 1.7 and 2.2.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kube46.addresses.families import Address, Prefix

WORD = 64
FULL = (1 << WORD) - 1
Draw = Callable[[int], int]  # a random number below the argument

NO_MATCH = "the provided network does not match the current range"
ADDRESS_TAKEN = "provided IP is already allocated"
PORT_TAKEN = "provided port is already allocated"
RANGE_FULL = "range is full"
NOT_READY = "allocator not ready"


class NumberSet:
    """A set of numbers from 0 that finds its gaps quickly.

    A tree of 64-bit words: the lowest level has a bit for each number, each level above a bit for each full word
    below. Words without a bit set are not kept.
    """

    def __init__(self) -> None:
        self._levels: list[dict[int, int]] = [{}]

    def __contains__(self, number: int) -> bool:
        word, bit = divmod(number, WORD)
        return bool(self._levels[0].get(word, 0) >> bit & 1)

    def add(self, number: int) -> bool:
        """Take a number; False if it was taken."""
        if number in self:
            return False
        for level in range(len(self._levels) + 1):
            if level == len(self._levels):
                self._levels.append({})
            number, bit = divmod(number, WORD)
            mask = self._levels[level][number] = self._levels[level].get(number, 0) | 1 << bit
            if mask != FULL:
                break
        return True

    def discard(self, number: int) -> None:
        """Give a number back; nothing happens if it is free."""
        if number not in self:
            return
        for level in self._levels:
            number, bit = divmod(number, WORD)
            before = level.get(number, 0)
            after = before & ~(1 << bit)
            if after:
                level[number] = after
            else:
                level.pop(number, None)
            if before != FULL:
                return

    def next_free(self, start: int) -> int:
        """The smallest free number from `start` on."""
        number, height = start, 0
        while height < len(self._levels):
            word, bit = divmod(number, WORD)
            free = ~self._levels[height].get(word, 0) & (FULL << bit) & FULL
            if free:
                return self._descend(word * WORD + _lowest(free), height)
            number, height = word + 1, height + 1
        return self._descend(number, height)

    def _descend(self, number: int, height: int) -> int:
        """The first free number below a node that is known to have one."""
        for level in reversed(self._levels[:height]):
            number = number * WORD + _lowest(~level.get(number, 0) & FULL)
        return number


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def pick(taken: NumberSet, first: int, size: int, offset: int, draw: Draw = random.randrange) -> int | None:
    """A free number of `first … first+size-1`: of the dynamic band (from `offset` on), then of the static band.

    Each band is searched from a random start forward, with wrap (A-7, N-7). None if the range is full.
    """
    for low, high in ((first + offset, first + size), (first, first + offset)):
        if low >= high:
            continue
        start = low + draw(high - low)
        for begin, end in ((start, high), (low, start)):
            number = taken.next_free(begin)
            if number < end:
                return number
    return None


@dataclass(frozen=True)
class AddressRange:
    """The usable addresses of a Service CIDR and their static band."""

    prefix: Prefix

    @property
    def supported(self) -> bool:
        """Whether addresses are allocated from it at all: IPv6 prefixes shorter than /64 are stored only (A-6)."""
        return self.prefix.version == 4 or self.prefix.prefixlen >= 64

    @cached_property
    def first(self) -> int:
        """The address after the network's."""
        return int(self.prefix.network_address) + 1

    @cached_property
    def size(self) -> int:
        """How many addresses may be used: not the network's, in IPv4 not the broadcast address either (A-3, A-4)."""
        return max(0, self.prefix.num_addresses - (2 if self.prefix.version == 4 else 1))

    @cached_property
    def offset(self) -> int:
        """The length of the static band (A-5)."""
        return band(self.prefix.num_addresses, 16, 256)

    def __contains__(self, address: Address) -> bool:
        return address.version == self.prefix.version and 0 <= int(address) - self.first < self.size

    def pick(self, taken: NumberSet, draw: Draw = random.randrange) -> Address | None:
        """A free address, None if there is none; `taken` holds addresses as numbers."""
        number = pick(taken, self.first, self.size, self.offset, draw)
        return None if number is None else _address(number, self.prefix.version)


def _address(number: int, version: int) -> Address:
    return ip_address(number.to_bytes(4 if version == 4 else 16, "big"))


def band(size: int, divisor: int, most: int) -> int:
    """The length of the static band of a range of `size` numbers: a part of it, at least 16, at most `most`."""
    return 0 if size <= 16 else min(max(16, size // divisor), most)


class NodePorts:
    """The node ports of a cluster: one pool for all families and protocols."""

    def __init__(self, ports: range) -> None:
        self.ports = ports
        self.taken = NumberSet()
        self._offset = band(len(ports), 32, 128)

    def reserve(self, port: int) -> str:
        """Take a port that was asked for; the complaint, "" if none."""
        if port not in self.ports:
            return self.not_in_range
        return "" if self.taken.add(port) else PORT_TAKEN

    def allocate(self, draw: Draw = random.randrange) -> int | None:
        """Take any free port; None if there is none."""
        port = pick(self.taken, self.ports.start, len(self.ports), self._offset, draw)
        if port is not None:
            self.taken.add(port)
        return port

    def release(self, port: int) -> None:
        """Give a port back."""
        self.taken.discard(port)

    @property
    def not_in_range(self) -> str:
        """The complaint about a port outside the range."""
        valid = f"{self.ports.start}-{self.ports.stop - 1}"
        return f"provided port is not in the valid range. The range of valid ports is {valid}"
