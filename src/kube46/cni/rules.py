"""Pure: from the cluster's nodes to a node's network configuration, routes and untranslated prefixes."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import Any

from kube46.addresses.families import Address, Family, Prefix, family_of
from kube46.api.objects import Node
from kube46.cni.ranges import SPARE_BITS
from kube46.cni.settings import Settings

NETWORK = "kube46"
VERSION = "1.0.0"


@dataclass(frozen=True, slots=True)
class PodRoute:
    """The way to another node's pods."""

    destination: Prefix
    via: Address


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes a node should have, and why some are not among them."""

    wanted: frozenset[PodRoute]
    skipped: tuple[str, ...]


def pod_prefixes(node: Node) -> tuple[Prefix, ...]:
    """A node's pod prefixes, in the cluster's family order; those that are not prefixes are left out."""
    texts = node.spec.pod_cidrs or ((node.spec.pod_cidr,) if node.spec.pod_cidr else ())
    return tuple(prefix for prefix in map(_prefix, texts) if prefix)


def routes(own: str, nodes: Iterable[Node]) -> Routes:
    """The routes of node `own` to the pods of all others: each through that node's address of the same family."""
    wanted: dict[Prefix, PodRoute] = {}
    skipped: list[str] = []
    by_name = sorted(nodes, key=lambda node: node.metadata.name)
    ours = {prefix for node in by_name if node.metadata.name == own for prefix in pod_prefixes(node)}
    for node in by_name:
        name = node.metadata.name
        if name == own:
            continue
        addresses = node_addresses(node)
        for prefix in pod_prefixes(node):
            via = addresses.get(family_of(prefix))
            if via is None:
                skipped.append(f"{prefix}: node {name} has no {family_of(prefix)} InternalIP")
            elif prefix in wanted or any(prefix.version == one.version and prefix.overlaps(one) for one in ours):
                skipped.append(f"{prefix}: the pod prefix of node {name} is another node's too")
            else:
                wanted[prefix] = PodRoute(prefix, via)
    return Routes(frozenset(wanted.values()), tuple(skipped))


def node_addresses(node: Node) -> dict[Family, Address]:
    """A node's first InternalIP of each family; texts that are not addresses are left out."""
    found: dict[Family, Address] = {}
    for text in node.status.internal_ips:
        try:
            found.setdefault(family_of(text), ip_address(text))
        except ValueError:
            continue
    return found


def cluster_prefixes(nodes: Iterable[Node]) -> dict[Family, tuple[Prefix, ...]]:
    """The pod prefixes of all nodes by family, overlapping and adjoining ones joined."""
    prefixes = [prefix for node in nodes for prefix in pod_prefixes(node)]
    return {
        Family.IPV4: tuple(collapse_addresses(one for one in prefixes if isinstance(one, IPv4Network))),
        Family.IPV6: tuple(collapse_addresses(one for one in prefixes if isinstance(one, IPv6Network))),
    }


def configuration(settings: Settings, prefixes: Iterable[Prefix], mtu: int) -> str:
    """The network configuration list of a node with these pod prefixes: one bridge, an address of each prefix a pod,
    and the ports of the node that pods ask for.

    `mtu` is that of the link to the other nodes, in bytes; 0 leaves it to the kernel.
    """
    ipam: dict[str, Any] = {"type": "host-local", "ranges": [[{"subnet": str(prefix)}] for prefix in prefixes]}
    if settings.data_directory:
        ipam["dataDir"] = settings.data_directory
    bridge: dict[str, Any] = {
        "type": "bridge",
        "bridge": settings.bridge,
        "isGateway": True,
        "isDefaultGateway": True,
        "routed": True,
        "portIsolation": True,
        "ipMasq": True,
        "capabilities": {"ips": True},  # a pod that was there before a reboot asks for the addresses that it had
        "ipam": ipam,
    }
    if mtu:
        bridge["mtu"] = mtu
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    document = {"cniVersion": VERSION, "name": NETWORK, "plugins": [bridge, ports]}
    return json.dumps(document, indent=2) + "\n"


def too_small(prefixes: Iterable[Prefix]) -> list[Prefix]:
    """The prefixes that hold no address for a pod."""
    return [prefix for prefix in prefixes if prefix.prefixlen > prefix.max_prefixlen - SPARE_BITS]


def _prefix(text: str) -> Prefix | None:
    try:
        return ip_network(text)
    except ValueError:
        return None
