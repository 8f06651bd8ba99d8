"""The ranges of host-local, and which address comes next."""

from ipaddress import ip_address, ip_network
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.addresses.families import Family
from kube46.cni import ranges
from kube46.cni.configurations import Network
from kube46.cni.errors import CniError, Code


def network(**ipam: Any) -> Network:
    """A network with this ipam."""
    return msgspec.convert({"name": "n", "ipam": {"type": "host-local", **ipam}}, Network)


def taken_in_turn(count: int, *one_set: dict[str, str]) -> list[str]:
    """The first addresses of a range set, each taken before the next is asked for."""
    (found,) = ranges.load(network(ranges=[list(one_set)]))
    taken: list[str] = []
    last = None
    while len(taken) < count and (free := ranges.next_free(found, last, taken)):
        last = free[0]
        taken.append(str(last))
    return taken


@pytest.mark.parametrize(
    ("one_set", "expected"),
    [
        ([{"subnet": "10.0.0.0/29"}], ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]),
        ([{"subnet": "10.0.0.0/30", "gateway": "10.0.0.2"}], ["10.0.0.1"]),
        ([{"subnet": "fd00::/126"}], ["fd00::2", "fd00::3"]),
        ([{"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.9", "rangeEnd": "10.0.0.10"}], ["10.0.0.9", "10.0.0.10"]),
        ([{"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.254", "rangeEnd": "10.0.0.255"}], ["10.0.0.254"]),
        ([{"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.0", "rangeEnd": "10.0.0.2"}], ["10.0.0.2"]),
        ([{"subnet": "10.0.0.0/30"}, {"subnet": "10.1.0.0/30"}], ["10.0.0.2", "10.1.0.2"]),
        ([{"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.7", "rangeEnd": "10.0.0.7"}], ["10.0.0.7"]),
    ],
)
def test_all_of_a_set(one_set: list[dict[str, str]], expected: list[str]) -> None:
    """A set gives each of its addresses once, but network, broadcast and gateway; then none."""
    assert taken_in_turn(99, *one_set) == expected


def test_a_whole_ipv6_prefix() -> None:
    """A /64 gives addresses at once, though it can't be listed."""
    assert taken_in_turn(2, {"subnet": "fd00:10:244::/64"}) == ["fd00:10:244::2", "fd00:10:244::3"]
    (found,) = ranges.load(network(ranges=[[{"subnet": "fd00::/64"}]]))
    free = ranges.next_free(found, ip_address("fd00::ffff:ffff:ffff:ffff"), ())
    assert free
    assert str(free[0]) == "fd00::2"


@given(st.sets(st.integers(2, 14)), st.integers(0, 16))
def test_round_robin(taken: set[int], last: int) -> None:
    """The next address is the first free one after the last, going round; none only when all are taken."""
    (found,) = ranges.load(network(ranges=[[{"subnet": "10.0.0.0/28"}]]))
    base = ip_address("10.0.0.0")
    free = ranges.next_free(found, base + last, {str(base + number) for number in taken})
    order = [*range(last + 1, 15), *range(2, min(last, 14) + 1)] if 1 <= last <= 14 else list(range(2, 15))
    expected = next((number for number in order if number not in taken and number >= 2), None)

    assert (int(free[0]) - int(base) if free else None) == expected


def test_order_and_sources_of_sets() -> None:
    """runtimeConfig's ranges come first, then the old single range, then `ranges`; families keep that order."""
    found = ranges.load(
        msgspec.convert(
            {
                "name": "n",
                "ipam": {"subnet": "10.1.0.0/24", "ranges": [[{"subnet": "10.2.0.0/24"}]]},
                "runtimeConfig": {"ipRanges": [[{"subnet": "fd00::/64"}]]},
            },
            Network,
        )
    )

    assert [str(one[0].subnet) for one in found] == ["fd00::/64", "10.1.0.0/24", "10.2.0.0/24"]
    assert ranges.families(found) == (Family.IPV6, Family.IPV4)


@pytest.mark.parametrize(
    "ipam",
    [
        {},
        {"ranges": [[]]},
        {"ranges": [[{"subnet": "10.0.0.0/31"}]]},
        {"ranges": [[{"subnet": "fd00::/127"}]]},
        {"ranges": [[{"subnet": "10.0.0.1/24"}]]},
        {"ranges": [[{"subnet": "nonsense"}]]},
        {"ranges": [[{"subnet": "10.0.0.0/24", "rangeStart": "10.0.1.1"}]]},
        {"ranges": [[{"subnet": "10.0.0.0/24", "rangeEnd": "fd00::1"}]]},
        {"ranges": [[{"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.9", "rangeEnd": "10.0.0.8"}]]},
        {"ranges": [[{"subnet": "10.0.0.0/24", "gateway": "fd00::1"}]]},
        {"ranges": [[{"subnet": "10.0.0.0/24"}, {"subnet": "fd00::/64"}]]},
        {"ranges": [[{"subnet": "10.0.0.0/24"}, {"subnet": "10.0.0.0/25"}]]},
        {"ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "10.0.0.128/25"}]]},
    ],
    ids=str,
)
def test_ranges_that_cannot_be(ipam: dict[str, Any]) -> None:
    """No range, one too small, out of its subnet, of mixed families or overlapping is error 7."""
    with pytest.raises(CniError) as refused:
        ranges.load(network(**ipam))

    assert refused.value.code is Code.INVALID_CONFIG


def test_requested_addresses() -> None:
    """Addresses asked for by CNI_ARGS, args and runtimeConfig are collected, with or without a length, each once."""
    asking = msgspec.convert(
        {"name": "n", "args": {"cni": {"ips": ["10.0.0.7/24"]}}, "runtimeConfig": {"ips": ["fd00::7", "10.0.0.5"]}},
        Network,
    )

    assert list(map(str, ranges.requested(asking, "10.0.0.5"))) == ["10.0.0.5", "10.0.0.7", "fd00::7"]
    with pytest.raises(CniError):
        ranges.requested(asking, "nonsense")


def test_overlap_is_symmetric() -> None:
    """A range inside another overlaps it, seen from either; the families don't mix."""

    def one(subnet: str, start: str, end: str) -> ranges.Range:
        return ranges.Range(ip_network(subnet), ip_address(start), ip_address(end), ip_address(start))

    wide, narrow = one("10.0.0.0/8", "10.0.0.1", "10.9.0.0"), one("10.0.0.0/24", "10.0.0.5", "10.0.0.6")
    other = one("::/64", "::a00:5", "::a00:6")

    assert wide.overlaps(narrow)
    assert narrow.overlaps(wide)
    assert not narrow.overlaps(other)
