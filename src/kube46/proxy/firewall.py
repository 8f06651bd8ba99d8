"""loadBalancerSourceRanges: who may use a load balancer's addresses (K-14). Pure.

    firewall        frontend → jump allow4-HASH;  allow4-HASH: drop whoever is not in the set ranges4-HASH

A list of ranges has one chain and one set, named by its content: Services with the same list share them, and lists
that overlap are in sets of their own, which the kernel wants.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from ipaddress import collapse_addresses, ip_address, ip_network

from kube46.addresses.families import Family, Prefix, family_of
from kube46.api import ip
from kube46.api.objects import Service
from kube46.proxy.settings import NodeView

_NAME = re.compile("allow([46])-([0-9a-f]{16})")


def prefix_key(prefix: Prefix) -> str:
    """A prefix as nft lists it: a single address has no length."""
    return str(prefix.network_address) if prefix.prefixlen == prefix.max_prefixlen else str(prefix)


def collapsed(prefixes: Iterable[Prefix]) -> list[Prefix]:
    """Without overlaps, which an interval set refuses; all of one family."""
    return [*collapse_addresses(prefixes)]  # type: ignore[type-var]  # each list is of one family


def allowed(service: Service, addresses: Sequence[str], family: Family, node: NodeView) -> list[Prefix]:
    """Who may use the load balancer's addresses of a family; nothing: everybody.

    A node that is allowed itself is so under the addresses too: to its own packets to one it gives that as source.
    """
    ranges = [found for found in map(_prefix, service.spec.load_balancer_source_ranges) if found is not None]
    ranges = [found for found in ranges if family_of(found) is family]
    if any(found.prefixlen == 0 for found in ranges):
        return []
    if any(_covers(found, own) for found in ranges for own in node.addresses.get(family, ())):
        ranges += [ip_network(address) for address in addresses]
    return collapsed(ranges)


def elements(keys: Sequence[str], ranges: Sequence[Prefix], family: Family) -> dict[tuple[str, str], str]:
    """What keeps all others from the frontends with these keys."""
    texts = [*map(prefix_key, ranges)]
    name = hashlib.sha256(" ".join(texts).encode()).hexdigest()[:16]
    found = {(f"firewall{family.version}", key): f"jump allow{family.version}-{name}" for key in keys}
    if found:
        found.update({(f"ranges{family.version}-{name}", text): "" for text in texts})
    return found


def ranges_set(chain: str) -> tuple[str, Family] | None:
    """The name of the set that a chain reads, and its family; None for other chains."""
    match = _NAME.fullmatch(chain)
    return match and (f"ranges{match[1]}-{match[2]}", Family.IPV4 if match[1] == "4" else Family.IPV6)


def chain_of(name: str) -> str | None:
    """The chain that reads a set of ranges; None for other sets."""
    return f"allow{name[6:]}" if name.startswith("ranges") else None


def _prefix(text: str) -> Prefix | None:
    """A range as kube-proxy reads it: old API servers took spaces, leading zeros and bits after the prefix."""
    found = ip.sloppy_cidr(text.strip())
    return found and found[1]


def _covers(prefix: Prefix, own: Prefix) -> bool:
    return family_of(prefix) is family_of(own) and ip_address(own.network_address) in prefix
