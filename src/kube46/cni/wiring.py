"""Pure: what an attachment to a bridge looks like – names, gateways, routes and settings of a pod's interface."""

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Interface, IPv6Interface, ip_interface, ip_network

from kube46.addresses.families import Address, Family, Prefix, family_of, in_order
from kube46.cni.configurations import Network
from kube46.cni.errors import CniError, Code
from kube46.cni.requests import Attachment
from kube46.cni.results import Assigned, Result, Route

DEFAULTS = {Family.IPV4: ip_network("0.0.0.0/0"), Family.IPV6: ip_network("::/0")}
POD_INTERFACE = 2  # in a result: the bridge, the host's end, the pod's end
PTP_INTERFACE = 1  # the host's end, the pod's end
MAC = re.compile(r"([0-9a-f]{2}[:-]){5}[0-9a-f]{2}|([0-9a-f]{4}\.){2}[0-9a-f]{4}", re.IGNORECASE)
ALIAS_WORD = "kube46"
ALIAS_BYTES, LONGEST_NETWORK = 255, 200
SMALLEST_IPV6_MTU = 1280  # RFC 8200 section 5; the kernel has no IPv6 on a link of less


@dataclass(frozen=True, slots=True)
class Wiring:
    """What is to be set in the pod and on the bridge. Every route has the gateway it goes through, if any."""

    addresses: tuple[Assigned, ...]
    routes: tuple[Route, ...]
    bridge_addresses: tuple[IPv4Interface | IPv6Interface, ...]

    @property
    def own(self) -> tuple[Address, ...]:
        """The pod's addresses, without their subnets."""
        return tuple(one.address.ip for one in self.addresses)

    @property
    def gateways(self) -> tuple[Address, ...]:
        """The gateways of the addresses, each once."""
        return tuple(dict.fromkeys(one.gateway for one in self.addresses if one.gateway))

    @property
    def families(self) -> frozenset[Family]:
        """The families that the pod has."""
        return frozenset(family_of(one.address.ip) for one in self.addresses)


def plan(network: Network, assigned: Result) -> Wiring:
    """The wiring for what an IPAM plugin assigned. Raises CniError 103 when that is nothing, 7 for the MTU."""
    _check_assigned(network, assigned)
    addresses = tuple(
        replace(one, interface=POD_INTERFACE, gateway=_gateway(one) if network.gateway else one.gateway)
        for one in assigned.ips
    )
    gateways = {family_of(one.address.ip): one.gateway for one in reversed(addresses) if one.gateway}
    routes = list(assigned.routes)
    if network.is_default_gateway:
        there = {route.destination for route in routes if route.gateway}
        routes += [
            Route(DEFAULTS[family], gateways[family])
            for family in dict.fromkeys(family_of(one.address.ip) for one in addresses)
            if DEFAULTS[family] not in there
        ]
    on_bridge = [ip_interface((one.gateway, one.address.network.prefixlen)) for one in addresses if one.gateway]
    return Wiring(addresses, tuple(routes), tuple(dict.fromkeys(on_bridge)) if network.gateway else ())


def plan_ptp(network: Network, assigned: Result) -> Wiring:
    """The wiring of a pod without a bridge. Raises CniError as `plan`, and 7 when an address has no gateway."""
    _check_assigned(network, assigned)
    for one in assigned.ips:
        if not one.gateway:
            details = f"ipam: {one.address} has no gateway, through which ptp leads everything; give it one."
            raise CniError(Code.INVALID_CONFIG, "Invalid network configuration", details)
    return Wiring(tuple(replace(one, interface=PTP_INTERFACE) for one in assigned.ips), assigned.routes, ())


def _check_assigned(network: Network, assigned: Result) -> None:
    if not assigned.ips:
        raise CniError(Code.DELEGATE_FAILED, "The IPAM plugin assigned no address", f"ipam.type: {network.ipam.type}.")
    if not carries_ipv6(network.mtu) and Family.IPV6 in families_of(assigned):
        details = f"mtu: is {network.mtu}, must be {SMALLEST_IPV6_MTU} at least for a pod with IPv6, or 0."
        raise CniError(Code.INVALID_CONFIG, "Invalid network configuration", details)


def carries_ipv6(mtu: int) -> bool:
    """Whether the kernel has IPv6, and its settings, on a link of that MTU in bytes; 0 is the kernel's own."""
    return mtu == 0 or mtu >= SMALLEST_IPV6_MTU


def next_hop(route: Route, wiring: Wiring) -> Address | None:
    """Through whom the pod reaches a route's destination: the route's gateway, else the subnet's."""
    if route.gateway:
        return route.gateway
    family = family_of(route.destination)
    return next((one.gateway for one in wiring.addresses if one.gateway and family_of(one.gateway) is family), None)


@dataclass(frozen=True, slots=True)
class GatewayRoute:
    """A route of a pod to its gateway or, through that, to its subnet, from one of its addresses."""

    destination: Prefix
    gateway: Address | None
    source: Address


def gateway_routes(wiring: Wiring) -> tuple[GatewayRoute, ...]:
    """The routes that lead even to the pod's own subnet through its gateway; the gateway itself is on the link."""
    found: list[GatewayRoute] = []
    for one in wiring.addresses:
        if one.gateway:
            found.append(GatewayRoute(ip_network(one.gateway), None, one.address.ip))
            if one.address.network.num_addresses > 1:
                found.append(GatewayRoute(one.address.network, one.gateway, one.address.ip))
    return tuple(found)


def pod_settings(
    ifname: str, families: Iterable[Family], *, detect_duplicates: bool, routed: bool = False, mtu: int = 0
) -> dict[str, str]:
    """The sysctls of the pod's interface, to be set before it comes up.

    A pod without IPv6 gets no address of it, not even a link-local one. Duplicate address detection is off unless asked
    for: it delays the use of an address by one to two seconds, and the IPAM plugin sees to uniqueness.
    """
    settings = {}
    if carries_ipv6(mtu):
        settings[f"net/ipv6/conf/{ifname}/disable_ipv6"] = "0" if Family.IPV6 in families else "1"
    if Family.IPV6 in families:
        settings[f"net/ipv6/conf/{ifname}/accept_dad"] = "1" if detect_duplicates else "0"
        settings[f"net/ipv6/conf/{ifname}/accept_ra"] = "0"
        settings[f"net/ipv6/conf/{ifname}/ndisc_notify"] = "1"
        settings[f"net/ipv6/conf/{ifname}/keep_addr_on_down"] = "1"
        settings["net/ipv6/conf/lo/disable_ipv6"] = "0"
    if Family.IPV4 in families:
        settings[f"net/ipv4/conf/{ifname}/arp_notify"] = "1"
    if routed:
        # A node that sends a packet out where it came in tells the sender of a shorter way: past the node's rules.
        for family in families:
            for scope in ("all", ifname):
                settings[f"net/{family.lower()}/conf/{scope}/accept_redirects"] = "0"
    return settings


def forwarding(families: Iterable[Family]) -> dict[str, str]:
    """The sysctls by which a node forwards packets of these families."""
    switches = {Family.IPV4: "net/ipv4/ip_forward", Family.IPV6: "net/ipv6/conf/all/forwarding"}
    return dict.fromkeys(in_order(switches, families), "1")


def host_link(attachment: Attachment) -> str:
    """The name of the host's end of a pod's veth: the same for every request about the attachment."""
    digest = hashlib.sha256(f"{attachment.container_id}/{attachment.ifname}".encode())
    return "veth" + digest.hexdigest()[:11]


def vlan_port(link: str) -> str:
    """The name of the bridge port whose other end is the node's own link in a VLAN."""
    return "vlan" + hashlib.sha256(link.encode()).hexdigest()[:11]


def alias(network: str, attachment: Attachment) -> str:
    """The description of the host's end, from which GC learns whose network it is of.

    The attachment is for readers, and cut where the kernel's bytes end: the link's name tells it exactly.
    """
    text = f"{ALIAS_WORD} {_alias_network(network)} {attachment.container_id} {attachment.ifname}"
    return text.encode()[:ALIAS_BYTES].decode(errors="ignore")


def is_ours(alias_text: str) -> bool:
    """Whether an alias says that its link is an attachment's."""
    return alias_text.startswith(f"{ALIAS_WORD} ")


def is_of(alias_text: str, network: str) -> bool:
    """Whether an alias says that its link is one of that network."""
    return alias_text.startswith(f"{ALIAS_WORD} {_alias_network(network)} ")


def _alias_network(network: str) -> str:
    return network if len(network) <= LONGEST_NETWORK else hashlib.sha256(network.encode()).hexdigest()


def checked_mac(text: str) -> str:
    """A MAC address that was asked for, in the kernel's way of writing. Raises CniError 7 when it is none for a pod."""
    digits = re.sub("[:.-]", "", text.lower()) if MAC.fullmatch(text) else ""
    if not digits or int(digits[:2], 16) & 1 or not int(digits, 16):
        details = f"mac: {text!r} is no unicast MAC address; give one like 02:00:00:00:00:01."
        raise CniError(Code.INVALID_CONFIG, "Invalid network configuration", details)
    return bytes.fromhex(digits).hex(":")


def hardware_address() -> str:
    """A random MAC address, unicast and locally administered.

    Given at creation: udev leaves such a link alone, and a bridge keeps it rather than take its lowest port's.
    """
    first, *rest = os.urandom(6)
    return bytes([first & 0xFC | 0x02, *rest]).hex(":")


def link_local(mac: str) -> str:
    """The link-local address made of a MAC address (RFC 4291 appendix A), with its prefix length."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 0x02]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(IPv6Interface((b"\xfe\x80" + bytes(6) + identifier, 64)))


def families_of(result: Result) -> frozenset[Family]:
    """The families of a result's addresses."""
    return frozenset(family_of(one.address.ip) for one in result.ips)


def in_conflict(there: str, wanted: str) -> bool:
    """Whether an address of a bridge cannot stay beside another: a second IPv4 one, or an overlapping IPv6 subnet."""
    old, new = ip_interface(there), ip_interface(wanted)
    if old.version != new.version or old.is_link_local:
        return False
    return old.version == 4 or old.network.overlaps(new.network)


def _gateway(assigned: Assigned) -> Address:
    """The gateway that IPAM gave, else the first address of the subnet."""
    return assigned.gateway or assigned.address.network.network_address + 1
