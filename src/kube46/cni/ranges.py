"""Pure: the ranges that `host-local` assigns addresses from, and which address comes next.

Behaviour as plugins/ipam/host-local/backend/allocator of the reference: one address of each range set, round robin
after the last one given out, never the gateway's. Beyond it: never a network or broadcast address, or IPv6's
subnet-router anycast address (RFC 4291 section 2.6.1), also when a range is configured to begin or end there.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, ip_address, ip_network

from kube46.addresses.families import Address, Family, Prefix, family_of
from kube46.cni import configurations
from kube46.cni.configurations import Network
from kube46.cni.errors import CniError, Code

SPARE_BITS = 2  # a subnet with fewer host bits has no address left beside network, broadcast and gateway


@dataclass(frozen=True, slots=True)
class Range:
    """The addresses `start` to `end` of a subnet, both included."""

    subnet: Prefix
    start: Address
    end: Address
    gateway: Address

    def __contains__(self, address: Address) -> bool:
        return address.version == self.subnet.version and int(self.start) <= int(address) <= int(self.end)

    def overlaps(self, other: "Range") -> bool:
        """Whether an address lies in both."""
        return self.start in other or other.start in self

    def excludes(self, address: Address) -> bool:
        """Whether the address must never be given to a pod."""
        broadcast = isinstance(self.subnet, IPv4Network) and address == self.subnet.broadcast_address
        return broadcast or address in (self.subnet.network_address, self.gateway)


RangeSet = tuple[Range, ...]  # alternatives of one family; a pod gets one address of each set


def load(network: Network) -> tuple[RangeSet, ...]:
    """The range sets of a configuration: from runtimeConfig, the old single range, then `ranges`. Raises CniError 7."""
    ipam = network.ipam
    single = configurations.Range(ipam.subnet, ipam.range_start, ipam.range_end, ipam.gateway)
    configured = network.runtime_config.ip_ranges + (((single,),) if ipam.subnet else ()) + ipam.ranges
    if not configured:
        raise _invalid("ipam.ranges", "no range is given; give a list of lists of {subnet}")
    return _parsed(configured)


@lru_cache(maxsize=64)
def _parsed(configured: tuple[tuple[configurations.Range, ...], ...]) -> tuple[RangeSet, ...]:
    """The sets; a node's pods have the same, one after another."""
    sets = tuple(_range_set(ranges, f"range set {index}") for index, ranges in enumerate(configured))
    for index, first in enumerate(sets):
        for later, second in enumerate(sets[index + 1 :], index + 1):
            if any(one.overlaps(other) for one in first for other in second):
                raise _invalid("ipam.ranges", f"range set {index} overlaps with {later}")
    return sets


def requested(network: Network, environment_address: str) -> tuple[Address, ...]:
    """The addresses that a runtime asks for, by CNI_ARGS, args.cni.ips and runtimeConfig.ips. Raises CniError 7."""
    texts = [environment_address] if environment_address else []
    texts += [*network.args.cni.ips, *network.runtime_config.ips]
    return tuple(dict.fromkeys(_address(text.partition("/")[0], "requested address") for text in texts))


def families(sets: tuple[RangeSet, ...]) -> tuple[Family, ...]:
    """The families of the range sets, in their order, each once."""
    return tuple(dict.fromkeys(family_of(one[0].subnet) for one in sets))


def range_of(range_set: RangeSet, address: Address) -> Range | None:
    """The range of the set that an address lies in."""
    return next((candidate for candidate in range_set if address in candidate), None)


def next_free(range_set: RangeSet, last: Address | None, taken: Container[str]) -> tuple[Address, Range] | None:
    """The first address after `last`, round the set, whose text is not taken; None when all are."""
    for address, within in _round(range_set, last):
        if str(address) not in taken and not within.excludes(address):
            return address, within
    return None


def _round(range_set: RangeSet, last: Address | None) -> Iterator[tuple[Address, Range]]:
    """Every address of the set once, beginning after `last` (or at the beginning, when that is none of the set)."""
    position = next((i for i, one in enumerate(range_set) if last is not None and last in one), None)
    if position is None or last is None:
        yield from (pair for one in range_set for pair in _between(one, int(one.start), int(one.end)))
        return
    current = range_set[position]
    yield from _between(current, int(last) + 1, int(current.end))
    for one in range_set[position + 1 :] + range_set[:position]:
        yield from _between(one, int(one.start), int(one.end))
    yield from _between(current, int(current.start), int(last))


def _between(within: Range, first: int, last: int) -> Iterator[tuple[Address, Range]]:
    kind = type(within.subnet.network_address)
    number = first
    while number <= last:  # not range(): an IPv6 range is longer than a Py_ssize_t
        yield kind(number), within
        number += 1


def _range_set(configured: tuple[configurations.Range, ...], where: str) -> RangeSet:
    if not configured:
        raise _invalid("ipam.ranges", f"{where} is empty")
    found = tuple(_range(one, where) for one in configured)
    if len({one.subnet.version for one in found}) > 1:
        raise _invalid("ipam.ranges", f"{where} mixes IPv4 and IPv6; give each family a range set of its own")
    for index, one in enumerate(found):
        if any(one.overlaps(other) for other in found[index + 1 :]):
            raise _invalid("ipam.ranges", f"{where}: its ranges overlap")
    return found


def _range(configured: configurations.Range, where: str) -> Range:
    try:
        subnet = ip_network(configured.subnet)
    except ValueError as error:
        raise _invalid("subnet", f"{where}: {error}") from error
    if subnet.prefixlen > subnet.max_prefixlen - SPARE_BITS:
        raise _invalid("subnet", f"{where}: {subnet} is too small to assign from")
    first, last = subnet.network_address + 1, subnet.broadcast_address
    if subnet.version == 4:
        last -= 1
    start = _inside(configured.range_start, first, subnet, f"rangeStart of {where}")
    end = _inside(configured.range_end, last, subnet, f"rangeEnd of {where}")
    if int(start) > int(end):
        raise _invalid("rangeStart", f"{where}: {start} comes after rangeEnd {end}")
    gateway = _address(configured.gateway, f"gateway of {where}") if configured.gateway else first
    if gateway.version != subnet.version:
        raise _invalid("gateway", f"{where}: {gateway} is not of the family of {subnet}")
    return Range(subnet, start, end, gateway)


def _inside(text: str, default: Address, subnet: Prefix, what: str) -> Address:
    address = _address(text, what) if text else default
    if address not in subnet:
        raise _invalid("ipam.ranges", f"{what}: {address} is not in {subnet}")
    return address


def _address(text: str, what: str) -> Address:
    try:
        found = ip_address(text)
    except ValueError as error:
        raise _invalid("ipam", f"{what}: {error}") from error
    if isinstance(found, IPv6Address) and found.scope_id:
        raise _invalid("ipam", f"{what}: {text!r} has a scope; leave it out")  # it would be another text for an address
    return found


def _invalid(key: str, reason: str) -> CniError:
    return CniError(Code.INVALID_CONFIG, "Invalid network configuration", f"{key}: {reason}.")
