"""CHECK: is what the result of the ADD says still so in the kernel?"""

from collections.abc import Mapping
from ipaddress import ip_network

from kube46.addresses.families import Address
from kube46.cni import results, wiring
from kube46.cni.configurations import Network
from kube46.cni.errors import CniError, Code
from kube46.cni.requests import LINK_NAME_BYTES, Request
from kube46.cni.results import Result
from kube46.netlink import Link, Netlink


def previous_result(network: Network) -> Result:
    """The result of the ADD. Raises CniError 7 when the runtime gave none."""
    if network.prev_result is None:
        details = "prevResult: it is missing; CHECK needs the result of the ADD."
        raise CniError(Code.INVALID_CONFIG, "Invalid network configuration", details)
    return results.parse(network.prev_result)


def check_host(host: Netlink, request: Request, network: Network, previous: Result) -> None:
    """Raises CniError 100 when the bridge or the host's end of the pod's link is not as it was."""
    bridge = host.link(network.bridge)
    if bridge is None or bridge.kind != "bridge":
        raise _failed(f"there is no bridge {network.bridge}")
    if not bridge.up:
        raise _failed(f"the bridge {bridge.name} is down")
    if bridge.promiscuous != network.promisc_mode:
        raise _failed(f"the bridge {bridge.name} has promiscuous mode {bridge.promiscuous}, not {network.promisc_mode}")
    for one in previous.interfaces:
        if one.name == bridge.name and not one.sandbox and one.mac not in ("", bridge.hardware_address):
            raise _failed(f"the bridge {bridge.name} has MAC address {bridge.hardware_address}, not {one.mac}")
    end = host_end(host, previous)
    if end.master != bridge.index:
        raise _failed(f"{end.name} is no port of {bridge.name}")
    if not end.up and not network.disable_container_interface:
        raise _failed(f"{end.name} is down")
    if network.gateway:
        if host.link(network.gateway_link) is None:
            raise _failed(f"there is no link {network.gateway_link}")
        _check_gateways(host, network.gateway_link, previous)
    for path, value in wiring.forwarding(wiring.families_of(previous)).items() if network.gateway else ():
        if host.sysctl(path) != value:
            raise _failed(f"{path} is not {value}")


def check_host_routes(host: Netlink, end: Link, previous: Result) -> None:
    """Raises CniError 100 when the host's end of a pod's link, its addresses or the routes are not as they were."""
    if not end.up:
        raise _failed(f"{end.name} is down")
    _check_gateways(host, end.name, previous)
    there = {route.destination for route in host.routes(None) if route.link == end.index}
    for assigned in previous.ips:
        if ip_network(assigned.address.ip) not in there:
            raise _failed(f"there is no route to {assigned.address.ip} on {end.name}")
    for path, value in wiring.forwarding(wiring.families_of(previous)).items():
        if host.sysctl(path) != value:
            raise _failed(f"{path} is not {value}")


def check_spoofing(allowed: set[tuple[str, str]], end: Link, previous: Result) -> None:
    """Raises CniError 100 when frames with other MAC addresses than the pod's would pass."""
    macs = {one.mac for one in previous.interfaces if one.sandbox}
    if {mac for link, mac in allowed if link == end.name} != macs:
        raise _failed(f"{end.name} is not held to the MAC address {', '.join(sorted(macs))}")


def _check_gateways(host: Netlink, link: str, previous: Result) -> None:
    there = {str(one.interface.ip) for one in host.addresses(link)}
    for assigned in previous.ips:
        if assigned.gateway and str(assigned.gateway) not in there:
            raise _failed(f"{link} has no address {assigned.gateway}")


def host_end(host: Netlink, previous: Result) -> Link:
    """The host's end of the pod's link. Raises CniError 100 when there is none."""
    for one in previous.interfaces:
        nameable = 0 < len(one.name.encode()) <= LINK_NAME_BYTES  # other plugins name what are no links
        link = host.link(one.name) if nameable and not one.sandbox else None
        if link and link.kind == "veth":
            return link
    raise _failed("the host's end of the pod's link is missing")


def check_pod(pod: Netlink, request: Request, previous: Result, peer: Link) -> None:
    """Raises CniError 100 when the pod's interface, an address or a route is not as it was."""
    name = request.attachment.ifname
    link = pod.link(name)
    if link is None or link.kind != "veth":
        raise _failed(f"the pod has no veth {name}")
    if link.peer != peer.index or peer.peer != link.index:
        raise _failed(f"the pod's {name} is not the other end of {peer.name}")
    for one in previous.interfaces:
        if one.name == name and one.sandbox and one.mac not in ("", link.hardware_address):
            raise _failed(f"the pod's {name} has MAC address {link.hardware_address}, not {one.mac}")
    if previous.ips and not link.up:
        raise _failed(f"the pod's {name} is down")
    there = {one.interface for one in pod.addresses(name)}
    for assigned in previous.ips:
        if assigned.address not in there:
            raise _failed(f"the pod's {name} has no address {assigned.address}")
    found = pod.routes(None)
    for route in previous.routes:
        if "table" in route.numbers:
            continue  # only the main table is listed
        if not any(one.destination == route.destination and route.gateway in (None, one.via) for one in found):
            raise _failed(f"the pod has no route to {route.destination} via {route.gateway}")


def check_masquerading(owners: Mapping[Address, str], request: Request, previous: Result) -> None:
    """Raises CniError 100 when an address of the pod is not masqueraded."""
    for assigned in previous.ips:
        if owners.get(assigned.address.ip) != wiring.host_link(request.attachment):
            raise _failed(f"{assigned.address.ip} is not masqueraded")


def _failed(what: str) -> CniError:
    return CniError(Code.CHECK_FAILED, "The attachment is not as it was made", f"{what}; delete the pod to mend it.")
