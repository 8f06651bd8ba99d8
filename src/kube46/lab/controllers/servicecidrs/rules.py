"""When a ServiceCIDR may go: no address that the allocator gave is left that only it covers (semantics A-19).

Source: k8s.io/kubernetes pkg/controller/servicecidrs/servicecidrs_controller.go (1.37).
"""

from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Any

from kube46.addresses.families import Address, Prefix, family_of
from kube46.api.allocation import AddressRange
from kube46.api.objects import Condition, ServiceCIDR

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
GRACE_SECONDS = 10.0  # allocators have so long to learn that it goes
READY = ("True", "", "Kubernetes Service CIDR is ready")
BLOCKED = (
    "False",
    "Terminating",
    "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR",
)
Said = tuple[str, str, str]  # status, reason and message of the condition Ready


def prefixes(cidr: ServiceCIDR) -> list[Prefix]:
    """Its ranges."""
    return [ip_network(text) for text in cidr.spec.cidrs]


def _within(inner: Prefix, outer: Prefix) -> bool:
    return inner.version == outer.version and inner.network_address in outer and outer.prefixlen <= inner.prefixlen


def may_go(name: str, cidrs: Mapping[str, ServiceCIDR], addresses: Iterable[Address]) -> bool:
    """Whether others cover each of its ranges, or else each of the addresses in use that it covers."""
    own = prefixes(cidrs[name])
    others = [prefix for other, cidr in cidrs.items() if other != name for prefix in prefixes(cidr)]
    if all(any(_within(prefix, other) for other in others) for prefix in own):
        return True
    covering, saving = [AddressRange(one) for one in own], [AddressRange(one) for one in others]
    return not any(covers(covering, address) and not covers(saving, address) for address in addresses)


def covers(ranges: Iterable[AddressRange], address: Address) -> bool:
    """Whether one of the ranges could have given the address: none gives its network or broadcast address."""
    return any(address in one for one in ranges)


def of_interest(cidr: ServiceCIDR, address: Address) -> bool:
    """Whether the end of this ServiceCIDR may depend on the address."""
    ranges = [one for one in prefixes(cidr) if family_of(one) is family_of(address)]
    return cidr.metadata.deletion_timestamp is not None and covers(map(AddressRange, ranges), address)


def condition(cidr: ServiceCIDR, said: Said, now: str) -> dict[str, Any] | None:
    """The condition Ready that says so, None if it stands there already."""
    found: Condition | None = next((one for one in cidr.status.conditions if one.type == "Ready"), None)
    if found is not None and (found.status, found.reason, found.message) == said:
        return None
    status, reason, message = said
    return {"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": now}
