"""Pure: the ports of the node that a pod wants, from a runtime's portMappings and the result of the plugins before."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from kube46.addresses.families import Address, Family, Prefix, family_of
from kube46.cni.configurations import Network, PortMapping
from kube46.cni.errors import CniError, Code
from kube46.cni.results import Assigned, Result

PROTOCOLS = ("tcp", "udp", "sctp")
LARGEST_PORT = 65535
DEFAULT_MARK_BIT, LARGEST_MARK_BIT = 13, 31  # Kubernetes has 14 and 15


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of the node, on one of its addresses or (`host` None) on all, and the pod's address and port behind it.

    `near` is the pod's own subnet: its other members see the pod's answers, not the node's, unless they are translated.
    """

    protocol: str
    host: Address | None
    port: int
    target: Address
    target_port: int
    near: Prefix

    @property
    def family(self) -> Family:
        """The family of the pod's address; connections are never translated between families."""
        return family_of(self.target)


def host_ports(network: Network, previous: Result, ifname: str) -> tuple[HostPort, ...]:
    """The wanted ports, one for each mapping and family of the pod. Raises CniError 7 naming what is wrong."""
    found: dict[tuple[Family, str, Address | None, int], HostPort] = {}
    targets = _targets(previous, ifname)
    for mapping in network.runtime_config.port_mappings:
        for wanted in _wanted(mapping, targets):
            key = wanted.family, wanted.protocol, wanted.host, wanted.port
            if found.setdefault(key, wanted) != wanted:
                raise _invalid(f"hostPort {wanted.port}/{wanted.protocol} is given twice, with different targets")
    return tuple(found.values())


def mark_bit(network: Network) -> int:
    """The bit of packet marks that says that a connection is to be masqueraded. Raises CniError 7."""
    if network.mark_masq_bit is not None and network.external_set_mark_chain is not None:
        raise _invalid("markMasqBit and externalSetMarkChain are both given; give one")
    bit = DEFAULT_MARK_BIT if network.mark_masq_bit is None else network.mark_masq_bit
    if not 0 <= bit <= LARGEST_MARK_BIT:
        raise _invalid(f"markMasqBit: is {bit}, must be 0 to {LARGEST_MARK_BIT}")
    return bit


def _targets(previous: Result, ifname: str) -> list[Assigned]:
    """The first address of each family that the pod's interface has."""
    found: dict[Family, Assigned] = {}
    for one in previous.ips:
        if one.interface is not None and 0 <= one.interface < len(previous.interfaces):
            interface = previous.interfaces[one.interface]
            if interface.name != ifname or not interface.sandbox:
                continue
        found.setdefault(family_of(one.address.ip), one)
    return list(found.values())


def _wanted(mapping: PortMapping, targets: list[Assigned]) -> Iterator[HostPort]:
    protocol = mapping.protocol.lower()
    if protocol not in PROTOCOLS:
        raise _invalid(f"protocol: is {mapping.protocol!r}, must be one of {', '.join(PROTOCOLS)}")
    for key, port in (("hostPort", mapping.host_port), ("containerPort", mapping.container_port)):
        if not 0 < port <= LARGEST_PORT:
            raise _invalid(f"{key}: is {port}, must be 1 to {LARGEST_PORT}")
    host = _host(mapping.host_ip)
    for one in targets:
        target = one.address.ip
        if host is None or host.version == target.version:
            everywhere = host is None or host.is_unspecified
            yield HostPort(
                protocol,
                None if everywhere else host,
                mapping.host_port,
                target,
                mapping.container_port,
                one.address.network,
            )


def _host(text: str) -> Address | None:
    if not text:
        return None
    try:
        host = ip_address(text)
    except ValueError as error:
        raise _invalid(f"hostIP: {error}") from error
    if isinstance(host, IPv6Address) and (host.scope_id or host.ipv4_mapped):
        raise _invalid(f"hostIP: {text} must have no scope, and an IPv4 address is to be given as one")
    return host


def _invalid(reason: str) -> CniError:
    return CniError(Code.INVALID_CONFIG, "Invalid port mapping", f"{reason}.")
