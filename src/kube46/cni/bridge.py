"""The plugin `bridge`: a veth pair between a bridge of this node and a pod, with addresses of its families."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kube46.addresses.families import Family, family_of
from kube46.cni import checks, configurations, wiring
from kube46.cni.configurations import Network
from kube46.cni.delegates import ipam_of
from kube46.cni.errors import CniError, Code
from kube46.cni.masquerading import Masquerading
from kube46.cni.requests import Attachment, Request
from kube46.cni.results import Interface, Result
from kube46.cni.wiring import Wiring
from kube46.netlink import Link, Netlink, NetlinkError

IPV6 = Path("/proc/sys/net/ipv6")
BOOT_PROTOCOL = 3  # routes in a pod are marked as `ip route` marks its own


@dataclass(frozen=True, slots=True)
class Bridge:
    """The plugin's verbs, in the network namespace of the thread that calls them."""

    masquerading: Masquerading

    def add(self, request: Request, network: Network) -> Result:
        """Connect the pod. What was done is undone when a later step fails."""
        configurations.check_bridge(network, request.stdin)
        with _namespace(request.netns) as pod, Netlink() as host, ExitStack() as undo:
            _refuse_taken(pod, request.attachment.ifname)
            bridge = _ensure_bridge(host, network)
            assigned = Result()
            if network.ipam.type:
                assigned = ipam_of(network).add(request, network)
                undo.callback(_undoing(lambda: ipam_of(network).delete(request, network)))
            plan = wiring.plan(network, assigned) if network.ipam.type else Wiring((), (), ())
            interfaces = _connect(host, pod, request, network, undo)
            bridge = host.link(network.bridge) or bridge  # one that others made takes its MAC address from its ports
            if not network.disable_container_interface:
                _set_up_pod(pod, request.attachment.ifname, network, plan)
            _set_up_gateway(host, bridge, network, plan)
            if network.ip_masq and plan.addresses:
                undo.callback(self._unmasquerade, plan)
                self.masquerading.add([one.address for one in plan.addresses], wiring.host_link(request.attachment))
            undo.pop_all()
        return Result(
            (Interface(bridge.name, bridge.hardware_address, "", bridge.mtu), *interfaces),
            plan.addresses,
            plan.routes,
            network.dns or assigned.dns,
        )

    def delete(self, request: Request, network: Network) -> None:
        """Disconnect the pod; with or without its namespace, and as often as it is asked for."""
        ipam = ipam_of(network) if network.ipam.type else None
        host_link = wiring.host_link(request.attachment)
        if network.ip_masq and ipam:
            # Before the addresses are free for others; and only its own, as an old request must not hit others.
            owned = ipam.addresses_of(request, network)
            self.masquerading.remove(owned or self.masquerading.owned_by(frozenset([host_link])))
        with Netlink() as host:
            if not host.remove_link(host_link) and request.netns:
                _delete_in_pod(request)
        if ipam:
            ipam.delete(request, network)

    def check(self, request: Request, network: Network) -> None:
        """Raises CniError 100 naming what is not as the ADD left it."""
        configurations.check_bridge(network, request.stdin)
        if network.ipam.type:
            ipam_of(network).check(request, network)
        previous = checks.previous_result(network)
        with _namespace(request.netns) as pod, Netlink() as host:
            checks.check_host(host, request, network, previous)
            peer = checks.host_end(host, previous)
            checks.check_pod(pod, request, previous, peer)
        if network.ip_masq:
            checks.check_masquerading(self.masquerading.owners(), request, previous)

    def status(self, request: Request, network: Network) -> None:
        """Raises CniError 50 when an ADD would fail."""
        configurations.check_bridge(network, request.stdin)
        with Netlink() as host:
            link = host.link(network.bridge)
            if link and link.kind != "bridge":
                raise CniError(Code.NOT_AVAILABLE, "The bridge's name is taken", f"{link.name} is a {link.kind}.")
        if network.ipam.type:
            ipam_of(network).status(request, network)

    def collect_garbage(self, request: Request, network: Network, valid: frozenset[Attachment]) -> None:
        """Remove this network's links, masqueraded addresses and reservations of attachments that are not valid."""
        with Netlink() as host:
            links = {one.name: wiring.attachment_of(one.alias, network.name) for one in host.links() if one.alias}
            stale = {name for name, attachment in links.items() if attachment and attachment not in valid}
            if network.ip_masq:
                self.masquerading.remove(self.masquerading.owned_by(frozenset(stale)))
            for name in stale:
                host.remove_link(name)
        if network.ipam.type:
            ipam_of(network).collect_garbage(request, network, valid)

    def _unmasquerade(self, plan: Wiring) -> None:
        self.masquerading.remove([str(one.address.ip) for one in plan.addresses])


def _undoing(action: Callable[[], None]) -> Callable[[], None]:
    """The action, whose own failure must not hide the error that made it necessary."""

    def run() -> None:
        try:
            action()
        except (CniError, OSError) as error:
            error.add_note("raised while undoing an ADD")

    return run


@contextmanager
def _namespace(path: str) -> Iterator[Netlink]:
    """The pod's networking. Raises CniError 3 when there is no such namespace, 4 when it is none or the node's."""
    try:
        pod = Netlink(Path(path).absolute())
    except FileNotFoundError as error:
        details = f"CNI_NETNS: {path}: {error.strerror}."
        raise CniError(Code.UNKNOWN_CONTAINER, "The network namespace does not exist", details) from error
    except OSError as error:
        details = f"CNI_NETNS: {path}: {error.strerror}; give the path of a network namespace."
        raise CniError(Code.INVALID_ENVIRONMENT, "Invalid CNI_NETNS", details) from error
    with pod:
        if os.path.samestat(os.fstat(pod.namespace), Path("/proc/thread-self/ns/net").stat()):
            details = f"CNI_NETNS: {path} is the node's own network namespace, not a container's."
            raise CniError(Code.INVALID_ENVIRONMENT, "Invalid CNI_NETNS", details)
        yield pod


def _ensure_bridge(host: Netlink, network: Network) -> Link:
    """The bridge, made if there is none, and up. Raises CniError 7 when its name is that of another kind of link."""
    name = network.bridge
    link = host.link(name)
    if link is None:
        _create_bridge(host, network)
        link = host.link(name)
    if link is None or link.kind != "bridge":
        details = f"bridge: {name} is a link of kind {link.kind or 'unknown' if link else 'none'}; give another name."
        raise CniError(Code.INVALID_CONFIG, "The bridge's name is taken", details)
    if network.promisc_mode and not link.promiscuous:
        host.set_promiscuous(name)
    if not link.up:
        host.set_up(name)
    return link


def _create_bridge(host: Netlink, network: Network) -> None:
    name = network.bridge
    try:
        host.bridge(name, mtu=network.mtu, hardware_address=wiring.hardware_address())
    except NetlinkError as error:
        if not error.is_presence:  # another request made it meanwhile
            raise
    host.set_no_link_local(name)  # an IPv6 gateway gets one below, without the kernel's wait
    _set(host, {f"net/ipv6/conf/{name}/accept_dad": "0", f"net/ipv6/conf/{name}/accept_ra": "0"})


def _connect(
    host: Netlink, pod: Netlink, request: Request, network: Network, undo: ExitStack
) -> tuple[Interface, Interface]:
    """Make the veth pair, its host end a port of the bridge."""
    name, ifname = wiring.host_link(request.attachment), request.attachment.ifname
    macs = wiring.hardware_address(), network_mac(request, network) or wiring.hardware_address()
    host.delete_link(name)  # of an ADD that was killed: a live one's interface was found before
    undo.callback(host.remove_link, name)
    host.veth(
        name,
        ifname,
        pod.namespace,
        mtu=network.mtu,
        hardware_address=macs[0],
        peer_hardware_address=macs[1],
        master=network.bridge,
    )
    if network.hairpin_mode:
        host.set_hairpin(name)
    if network.port_isolation:
        host.set_isolated(name)
    host.set_no_link_local(name)
    host.set_alias(name, wiring.alias(network.name, request.attachment))
    if not network.disable_container_interface:
        host.set_up(name)
    mtu = network.mtu or 1500
    return Interface(name, macs[0], "", mtu), Interface(ifname, macs[1], request.netns, mtu)


def network_mac(request: Request, network: Network) -> str:
    """The MAC address that the runtime asks for, if any: runtimeConfig before args before CNI_ARGS."""
    return network.runtime_config.mac or network.args.cni.mac or request.args.get("MAC", "")


def _refuse_taken(pod: Netlink, ifname: str) -> None:
    if pod.link(ifname):
        raise CniError(Code.CONFLICT, "The interface exists", f"CNI_IFNAME: the container has an {ifname} already.")


def _set_up_pod(pod: Netlink, ifname: str, network: Network, plan: Wiring) -> None:
    """In the pod: the settings, then up, then addresses, then routes."""
    settings = wiring.pod_settings(ifname, plan.families, detect_duplicates=network.enabledad, routed=network.routed)
    _set(pod, settings)
    pod.set_up(ifname)
    for one in plan.addresses:
        pod.add_address(ifname, str(one.address), detect_duplicates=network.enabledad, prefix_route=not network.routed)
    for route in wiring.gateway_routes(plan) if network.routed else ():
        via = str(route.gateway) if route.gateway else None
        pod.replace_route(str(route.destination), via, ifname, BOOT_PROTOCOL)
    for route in plan.routes:
        gateway = wiring.next_hop(route, plan)
        via = str(gateway) if gateway else None
        pod.replace_route(str(route.destination), via, ifname, BOOT_PROTOCOL, **route.numbers)


def _set_up_gateway(host: Netlink, bridge: Link, network: Network, plan: Wiring) -> None:
    """Give the bridge the gateways' addresses and let the node forward their families."""
    if not plan.bridge_addresses:
        return
    there = {str(one.interface) for one in host.addresses(bridge.name)}
    for address in plan.bridge_addresses:
        if str(address) in there:
            continue
        for text in there:
            _make_way(host, bridge.name, text, str(address), network)
        if family_of(address.ip) is Family.IPV6:
            # Without one the bridge could not ask for the pods' link addresses on behalf of others (RFC 4861, 7.2.2).
            host.add_address(bridge.name, wiring.link_local(bridge.hardware_address))
        host.add_address(bridge.name, str(address))
        host.set_hardware_address(bridge.name, bridge.hardware_address)
    _set(host, wiring.forwarding(plan.families))


def _make_way(host: Netlink, bridge: str, there: str, wanted: str, network: Network) -> None:
    """Remove an address that cannot stay beside the wanted one, with forceAddress. Raises CniError 102 without."""
    if not wiring.in_conflict(there, wanted):
        return
    if not network.force_address:
        details = f"{bridge} has {there} and should have {wanted}; set forceAddress to replace it."
        raise CniError(Code.CONFLICT, "The bridge has another address", details)
    host.delete_address(bridge, there)


def _delete_in_pod(request: Request) -> None:
    """Remove the pod's interface where the host's end has another name: one that the reference plugin made."""

    try:
        with _namespace(request.netns) as pod:
            pod.delete_link(request.attachment.ifname)
    except CniError:
        return  # gone, or the node's own, in which nothing of a pod is to be removed


def _set(connection: Netlink, settings: dict[str, str]) -> None:
    """Set sysctls; those of IPv6 are left out where the kernel has none."""
    if not IPV6.exists():
        settings = {path: value for path, value in settings.items() if "/ipv6/" not in path}
    connection.sysctls(settings)
