"""The bridge and its ports: what the kernel is told about them, VLANs included."""

import errno
from dataclasses import dataclass

from kube46.cni import pods, vlans, wiring
from kube46.cni.configurations import Network
from kube46.cni.errors import CniError, Code
from kube46.netlink import Link, Netlink, NetlinkError


@dataclass(frozen=True, slots=True)
class Membership:
    """The VLANs of a port: that of untagged frames (0: the bridge's default), and spans of tagged ones."""

    untagged: int
    tagged: tuple[tuple[int, int], ...]


def membership(network: Network) -> Membership:
    """What the configuration asks for. Raises CniError 7."""
    tagged = vlans.tagged(network)
    return Membership(vlans.untagged(network) if vlans.wanted(network) else 0, tagged)


def ensure_bridge(host: Netlink, network: Network) -> Link:
    """The bridge, made if there is none, and up.

    Raises CniError 7 when its name is that of another kind of link or it ignores the VLANs that are asked for, 2 when
    the kernel has none.
    """
    name = network.bridge
    link = host.link(name)
    if link is None:
        _create(host, network)
        link = host.link(name)
    if link is None or link.kind != "bridge":
        details = f"bridge: {name} is a link of kind {link.kind or 'unknown' if link else 'none'}; give another name."
        raise CniError(Code.INVALID_CONFIG, "The bridge's name is taken", details)
    if vlans.wanted(network) and not link.vlan_filtering:
        details = f"bridge: {name} does not tell VLANs apart (vlan_filtering is 0); give another bridge."
        raise CniError(Code.INVALID_CONFIG, "The bridge has no VLANs", details)
    if network.promisc_mode and not link.promiscuous:
        host.set_promiscuous(name)
    if not link.up:
        host.set_up(name)
    return link


def set_up(host: Netlink, name: str, bridge: Link, network: Network, member: Membership) -> None:
    """Make a link that is a port of the bridge such a port as the configuration asks for."""
    if network.hairpin_mode:
        host.set_hairpin(name)
    if network.port_isolation:
        host.set_isolated(name)
    host.set_no_link_local(name)
    _tag(host, name, bridge, network, member)


def vlan_link(host: Netlink, bridge: Link, network: Network) -> Link:
    """The node's link in the pods' VLAN, BRIDGE.VLAN: one end of a veth pair whose other is a port of the bridge."""
    name, port = network.gateway_link, wiring.vlan_port(network.gateway_link)
    if host.link(name) is None:
        try:
            own, other = wiring.hardware_address(), wiring.hardware_address()
            host.veth(port, name, mtu=bridge.mtu, hardware_address=own, peer_hardware_address=other, master=bridge.name)
        except NetlinkError as error:
            if not error.is_presence:  # another request made it meanwhile
                raise
    for one in (port, name):
        host.set_no_link_local(one)
    if wiring.carries_ipv6(bridge.mtu):
        pods.apply(host, {f"net/ipv6/conf/{name}/{key}": "0" for key in ("accept_dad", "accept_ra")})
    _tag(host, port, bridge, network, Membership(network.vlan, ()))
    for one in (port, name):
        host.set_up(one)
    link = host.link(name)
    if link is None or link.kind != "veth":
        details = f"bridge, vlan: {name} is needed for the gateway, and is another link's name; give another bridge."
        raise CniError(Code.INVALID_CONFIG, "The gateway's link cannot be made", details)
    return link


def _tag(host: Netlink, name: str, bridge: Link, network: Network, member: Membership) -> None:
    if not member.untagged:
        return
    if not network.preserve_default_vlan and bridge.default_vlan not in (0, member.untagged):
        host.delete_vlan(name, bridge.default_vlan)
    for first, last in member.tagged:
        host.add_vlans(name, first, last)
    host.add_vlans(name, member.untagged, member.untagged, untagged=True)


def _create(host: Netlink, network: Network) -> None:
    name = network.bridge
    filtering = vlans.wanted(network)
    try:
        host.bridge(name, mtu=network.mtu, hardware_address=wiring.hardware_address(), vlan_filtering=filtering)
    except NetlinkError as error:
        if filtering and error.errno == errno.EOPNOTSUPP:
            details = "vlan, vlanTrunk: this kernel's bridges tell no VLANs apart (CONFIG_BRIDGE_VLAN_FILTERING)."
            raise CniError(Code.UNSUPPORTED_FIELD, "Unsupported field", details) from error
        if not error.is_presence:  # another request made it meanwhile
            raise
    host.set_no_link_local(name)  # an IPv6 gateway gets one below, without the kernel's wait
    if wiring.carries_ipv6(network.mtu):
        pods.apply(host, {f"net/ipv6/conf/{name}/{key}": "0" for key in ("accept_dad", "accept_ra")})
