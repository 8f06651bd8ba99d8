"""What the proxy is told, and what it knows of its node."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network

from kube46.addresses.families import Family, Prefix, family_of
from kube46.api import ip
from kube46.api.objects import Node

log = logging.getLogger(__name__)
ZONE_LABEL = "topology.kubernetes.io/zone"
EVERYTHING: Mapping[Family, Prefix] = {Family.IPV4: ip_network("0.0.0.0/0"), Family.IPV6: ip_network("::/0")}


@dataclass(frozen=True, slots=True)
class Settings:
    """The part's settings; names and meanings are kube-proxy's where it has them."""

    node_name: str
    cluster_cidrs: tuple[Prefix, ...] = ()
    """Sources in these are pods and keep their address on the way to a ClusterIP. Empty: this node's own pod CIDRs."""
    detect_local: str = "NodeCIDR"
    """How pods are told from others: NodeCIDR is as `cluster_cidrs` says, ClusterCIDR without such tells none."""
    pod_interface: str = ""
    """Pods are what comes from this interface, or from those that begin so, if it ends with `*`."""
    nodeport_addresses: tuple[Prefix, ...] = ()
    """Local addresses that answer for node ports, beside `nodeport_primary`. A family of which nothing is named
    answers on every address (K-13)."""
    nodeport_primary: bool = True
    """Whether the node's own address of each family answers for node ports."""
    external_ips: bool = True
    """Whether externalIPs of Services are served (K-18)."""
    masquerade_all: bool = False
    masquerade_bit: int = 14
    """The bit of the packet mark that asks for masquerading between the first and the last hook."""
    bridged_pods: bool = True
    """Whether pods of one node may reach each other over a bridge, past the node's routing."""
    min_sync_period: float = 0.001
    """Seconds in which changes are gathered into one transaction."""
    counted_ports: int = 1000
    """Service ports whose connections are told one by one in /metrics, the others together; 0: none is counted."""
    resync_period: float = 3600.0
    """Seconds after which the table is read and compared although nothing has failed."""

    def __post_init__(self) -> None:
        if not 0 <= self.masquerade_bit <= 31:
            raise ValueError(f"masquerade_bit is {self.masquerade_bit}: a packet mark has bits 0 to 31")

    @property
    def mark(self) -> int:
        """The mark's value."""
        return 1 << self.masquerade_bit


@dataclass(frozen=True, slots=True)
class NodeView:
    """What of the node decides where packets go, by family."""

    name: str
    zone: str = ""
    pods: Mapping[Family, tuple[Prefix, ...]] = field(default_factory=dict)
    nodeport_addresses: Mapping[Family, tuple[Prefix, ...]] = field(default_factory=dict)
    addresses: Mapping[Family, tuple[Prefix, ...]] = field(default_factory=dict)
    external_ips: bool = True
    """Whether externalIPs are served; a setting."""

    @property
    def families(self) -> tuple[Family, ...]:
        """The families in which the node has an address."""
        return tuple(family for family in Family if self.nodeport_addresses.get(family))


def node_view(node: Node | None, settings: Settings) -> NodeView:
    """The view of a node as the API shows it; without one, what the settings alone say."""
    pods = settings.cluster_cidrs
    if not pods and node and settings.detect_local == "NodeCIDR":
        pods = tuple(found[1] for found in map(ip.sloppy_cidr, node.spec.pod_cidrs) if found is not None)
    own = _grouped(_addresses(node) if node else ())
    nodeports = _grouped(settings.nodeport_addresses)
    for family, prefixes in own.items():
        named = (*(prefixes[:1] if settings.nodeport_primary else ()), *nodeports.get(family, ()))
        nodeports[family] = named or (EVERYTHING[family],)
    zone = node.metadata.labels.get(ZONE_LABEL, "") if node else ""
    return NodeView(settings.node_name, zone, _grouped(pods), nodeports, own, settings.external_ips)


def _addresses(node: Node) -> Iterable[Prefix]:
    """InternalIPs, then ExternalIPs, as prefixes of one; what is none is left out, for the API doesn't check what a
    kubelet reports. Source: GetNodeHostIPs of pkg/util/node/node.go."""
    for kind in ("InternalIP", "ExternalIP"):
        for text in (entry.address for entry in node.status.addresses if entry.type == kind):
            address = ip.sloppy(text)
            if address is None:
                log.warning("The node's %s is no address and not used for node ports address=%s", kind, text)
            else:
                yield ip_network(address)


def _grouped(prefixes: Iterable[Prefix]) -> dict[Family, tuple[Prefix, ...]]:
    groups: dict[Family, tuple[Prefix, ...]] = {}
    for prefix in prefixes:
        groups[family_of(prefix)] = (*groups.get(family_of(prefix), ()), prefix)
    return groups
