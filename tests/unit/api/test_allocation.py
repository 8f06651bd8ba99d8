"""Bands, free numbers, and the pools of addresses and node ports."""

from __future__ import annotations

import time
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube46.api.allocation import AddressRange, NodePorts, NumberSet, band, pick

BANDS = [  # the table of semantics 2.2
    ("10.0.0.0/29", 0, "10.0.0.1", "10.0.0.6", 6),
    ("10.0.0.0/28", 0, "10.0.0.1", "10.0.0.14", 14),
    ("10.0.0.0/27", 16, "10.0.0.17", "10.0.0.30", 30),
    ("10.0.0.0/24", 16, "10.0.0.17", "10.0.0.254", 254),
    ("10.96.0.0/22", 64, "10.96.0.65", "10.96.3.254", 1022),
    ("10.96.0.0/20", 256, "10.96.1.1", "10.96.15.254", 4094),
    ("10.96.0.0/12", 256, "10.96.1.1", "10.111.255.254", 1048574),
    ("fd00::/124", 0, "fd00::1", "fd00::f", 15),
    ("fd00::/120", 16, "fd00::11", "fd00::ff", 255),
    ("fd00::/112", 256, "fd00::101", "fd00::ffff", 65535),
    ("fd00::/64", 256, "fd00::101", "fd00::ffff:ffff:ffff:ffff", 2**64 - 1),
]


@pytest.mark.parametrize(("cidr", "offset", "first", "last", "size"), BANDS)
def test_bands(cidr: str, offset: int, first: str, last: str, size: int) -> None:
    """Size, static band and both ends of the dynamic band are upstream's."""
    found = AddressRange(ip_network(cidr))
    assert (found.offset, found.size) == (offset, size)
    empty = NumberSet()
    assert found.pick(empty, lambda most: 0) == ip_address(first)
    assert found.pick(empty, lambda most: most - 1) == ip_address(last)


def test_short_ipv6_prefixes_are_not_allocated_from() -> None:
    """An IPv6 prefix shorter than /64 is stored but has no allocator (A-6)."""
    assert AddressRange(ip_network("fd00::/64")).supported
    assert not AddressRange(ip_network("fd00::/63")).supported


@given(st.lists(st.tuples(st.sampled_from(["add", "discard"]), st.integers(0, 5000))), st.integers(0, 5000))
def test_number_set_is_a_set_with_gaps(steps: list[tuple[str, int]], start: int) -> None:
    """It holds what was added and not discarded, and finds the first gap from anywhere."""
    numbers, model = NumberSet(), set[int]()
    for step, number in steps:
        getattr(numbers, step)(number)
        getattr(model, step)(number)
    assert all((number in numbers) == (number in model) for number in range(5001))
    assert numbers.next_free(start) == next(n for n in range(start, 6000) if n not in model)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 6000), st.integers(1, 4200)), max_size=4),
    st.integers(0, 6000),
)
@settings(max_examples=25)
def test_number_set_with_full_words(steps: list[tuple[bool, int, int]], start: int) -> None:
    """The same when long runs are taken and given back, so that words of every level fill and empty."""
    numbers, model = NumberSet(), set[int]()
    for take, first, length in steps:
        for number in range(first, first + length):
            if take:
                assert numbers.add(number) == (number not in model)
                model.add(number)
            else:
                numbers.discard(number)
                model.discard(number)
        for probe in (start, first, first + length // 2):
            assert numbers.next_free(probe) == next(n for n in range(probe, 20000) if n not in model)


@given(st.sets(st.integers(0, 2**64 - 1)), st.integers(0, 2**64 - 1))
def test_number_set_of_a_64_bit_range(taken: set[int], start: int) -> None:
    """The same in the numbers of an IPv6 /64."""
    numbers = NumberSet()
    for number in taken:
        assert numbers.add(number)
        assert not numbers.add(number)
    free = start
    while free in taken:
        free += 1
    assert numbers.next_free(start) == free


@given(st.data())
@settings(max_examples=50)
def test_no_address_has_two_owners(data: Any) -> None:
    """Whatever is drawn and given back, an address that is taken is never handed out, until the range is full."""
    found, numbers, owned = AddressRange(ip_network("10.0.0.0/26")), NumberSet(), set[int]()
    for _ in range(data.draw(st.integers(0, 120))):
        if owned and data.draw(st.booleans()):
            gone = data.draw(st.sampled_from(sorted(owned)))
            owned.discard(gone)
            numbers.discard(gone)
            continue
        address = found.pick(numbers, lambda most: data.draw(st.integers(0, most - 1)))
        assert (address is None) == (len(owned) == found.size)
        if address is not None:
            assert address in found
            assert int(address) not in owned
            owned.add(int(address))
            assert numbers.add(int(address))


def test_static_band_is_used_last() -> None:
    """Dynamic allocation takes the static band only when the rest is full."""
    found, numbers = AddressRange(ip_network("10.0.0.0/27")), NumberSet()
    order = []
    while (address := found.pick(numbers)) is not None:
        numbers.add(int(address))
        order.append(int(address) - found.first)
    assert set(order[:14]) == set(range(16, 30))
    assert set(order[14:]) == set(range(16))


def test_filling_a_112_needs_no_scan() -> None:
    """The last of 65,535 addresses is found as fast as the first: cost does not grow with what is taken."""
    found, numbers = AddressRange(ip_network("fd00::/112")), NumberSet()
    seconds = []
    for count in range(found.size):
        begin = time.perf_counter()
        address = found.pick(numbers)
        if count < 2000 or count > found.size - 2000:
            seconds.append(time.perf_counter() - begin)
        assert address is not None
        assert numbers.add(int(address))
    assert found.pick(numbers) is None
    early, late = sorted(seconds[:2000])[1000], sorted(seconds[-1999:])[1000]
    assert late < 10 * early


def test_pick_of_an_empty_range() -> None:
    """A range without numbers is full."""
    assert pick(NumberSet(), 5, 0, 0) is None


def test_node_port_band() -> None:
    """The default range has a static band of 86 ports: dynamic ports start at 30086 (N-7)."""
    assert band(2768, 32, 128) == 86
    assert NodePorts(range(30000, 32768)).allocate(lambda most: 0) == 30086


def test_node_ports_once_each() -> None:
    """A port is handed out once; one asked for twice, or outside the range, is refused with upstream's texts."""
    pool = NodePorts(range(30000, 30020))
    assert pool.reserve(30005) == ""
    assert pool.reserve(30005) == "provided port is already allocated"
    assert pool.reserve(80) == "provided port is not in the valid range. The range of valid ports is 30000-30019"
    got = {pool.allocate() for _ in range(19)}
    assert got == set(range(30000, 30020)) - {30005}
    assert pool.allocate() is None
    pool.release(30007)
    assert pool.allocate() == 30007
