"""The plugin `bridge`: a veth pair between a bridge of this node and a pod, with addresses of its families."""

from contextlib import ExitStack

from kube46.addresses.families import Family, family_of
from kube46.cni import checks, configurations, pods, ports, removal, wiring
from kube46.cni.configurations import Network
from kube46.cni.delegates import ipam_of
from kube46.cni.errors import CniError, Code
from kube46.cni.masquerading import Masquerading
from kube46.cni.requests import Attachment, Request
from kube46.cni.results import Interface, Result
from kube46.cni.spoofing import SpoofChecks
from kube46.cni.wiring import Wiring
from kube46.netlink import Link, Netlink


class Bridge:
    """The plugin's verbs, in the network namespace of the thread that calls them."""

    def __init__(self, masquerading: Masquerading) -> None:
        self._masquerading, self._spoofing = masquerading, SpoofChecks(masquerading.tables)

    def add(self, request: Request, network: Network) -> Result:
        """Connect the pod. What was done is undone when a later step fails."""
        configurations.check_bridge(network)
        membership = ports.membership(network)
        mac = pods.hardware_address(request, network)
        with pods.namespace(request.netns) as pod, Netlink() as host, ExitStack() as undo:
            pods.refuse_taken(pod, request.attachment.ifname)
            assigned = Result()
            if network.ipam.type:
                assigned = ipam_of(network).add(request, network)
                undo.callback(pods.undoing(lambda: ipam_of(network).delete(request, network)))
            plan = wiring.plan(network, assigned) if network.ipam.type else Wiring((), (), ())
            bridge = ports.ensure_bridge(host, network)
            name = wiring.host_link(request.attachment)
            undo.callback(pods.undoing(lambda: host.remove_link(name)))
            interfaces = self._connect(host, pod, bridge, request, network, membership, mac, undo)
            bridge = host.link(network.bridge) or bridge  # one that others made takes its MAC address from its ports
            if not network.disable_container_interface:
                options = {"detect_duplicates": network.enabledad, "routed": network.routed}
                pods.set_up(pod, request.attachment.ifname, plan, mtu=network.mtu, **options)
                if network.enabledad:
                    pods.await_unique(pod, request.attachment.ifname)
            gateway = _set_up_gateway(host, bridge, network, plan)
            if network.ip_masq and plan.addresses:
                undo.callback(pods.undoing(lambda: self._masquerading.remove([str(one) for one in plan.own])))
                self._masquerading.add([one.address for one in plan.addresses], name)
            if not network.disable_container_interface:
                pods.announce(host, pod, interfaces)
            undo.pop_all()
        ends = (Interface(bridge.name, bridge.hardware_address, "", bridge.mtu), *interfaces, *gateway)
        return Result(ends, plan.addresses, plan.routes, network.resolver or assigned.dns)

    def delete(self, request: Request, network: Network) -> None:
        """Disconnect the pod; with or without its namespace, and as often as it is asked for."""
        removal.delete(self._masquerading, self._spoofing, request, network)

    def check(self, request: Request, network: Network) -> None:
        """Raises CniError 100 naming what is not as the ADD left it."""
        configurations.check_bridge(network)
        if network.ipam.type:
            ipam_of(network).check(request, network)
        previous = checks.previous_result(network)
        with pods.namespace(request.netns) as pod, Netlink() as host:
            checks.check_host(host, request, network, previous)
            end = checks.host_end(host, previous)
            checks.check_pod(pod, request, previous, end)
        if network.ip_masq:
            checks.check_masquerading(self._masquerading.owners(), request, previous)
        if network.macspoofchk:
            checks.check_spoofing(self._spoofing.allowed(), end, previous)

    def status(self, request: Request, network: Network) -> None:
        """Raises CniError 50 when an ADD would fail."""
        configurations.check_bridge(network)
        with Netlink() as host:
            link = host.link(network.bridge)
            if link and link.kind != "bridge":
                raise CniError(Code.NOT_AVAILABLE, "The bridge's name is taken", f"{link.name} is a {link.kind}.")
        if network.ipam.type:
            ipam_of(network).status(request, network)

    def collect_garbage(self, request: Request, network: Network, valid: frozenset[Attachment]) -> None:
        """Remove this network's links, masqueraded addresses and reservations of attachments that are not valid."""
        removal.collect_garbage(self._masquerading, self._spoofing, request, network, valid)

    def _connect(
        self,
        host: Netlink,
        pod: Netlink,
        bridge: Link,
        request: Request,
        network: Network,
        membership: ports.Membership,
        mac: str,
        undo: ExitStack,
    ) -> tuple[Interface, Interface]:
        """Make the veth pair, its host end a port of the bridge."""
        name, ifname = wiring.host_link(request.attachment), request.attachment.ifname
        own = wiring.hardware_address()
        host.delete_link(name)  # of an ADD that was killed: a live one's interface was found before
        host.veth(
            name,
            ifname,
            pod.namespace,
            mtu=network.mtu,
            hardware_address=own,
            peer_hardware_address=mac,
            master=network.bridge,
        )
        ports.set_up(host, name, bridge, network, membership)
        host.set_alias(name, wiring.alias(network.name, request.attachment))
        if network.macspoofchk:
            undo.callback(pods.undoing(lambda: self._spoofing.remove(frozenset([name]))))
            self._spoofing.add(name, mac)
        if not network.disable_container_interface:
            host.set_up(name)
        mtu = network.mtu or configurations.DEFAULT_MTU
        return Interface(name, own, "", mtu), Interface(ifname, mac, request.netns, mtu)


def _set_up_gateway(host: Netlink, bridge: Link, network: Network, plan: Wiring) -> tuple[Interface, ...]:
    """Give the bridge, or its port in the pods' VLAN, the gateways' addresses, and let the node forward their families.

    Returns that port's interface, if it is one.
    """
    if not plan.bridge_addresses:
        return ()
    link = ports.vlan_link(host, bridge, network) if network.vlan else bridge
    there = {str(one.interface) for one in host.addresses(link.name)}
    for address in plan.bridge_addresses:
        if str(address) in there:
            continue
        for text in there.difference(map(str, plan.bridge_addresses)):
            _make_way(host, link.name, text, str(address), network)
        if family_of(address.ip) is Family.IPV6:
            # Without one the bridge could not ask for the pods' link addresses on behalf of others (RFC 4861, 7.2.2).
            host.add_address(link.name, wiring.link_local(link.hardware_address))
        host.add_address(link.name, str(address))
        host.set_hardware_address(link.name, link.hardware_address)
    pods.apply(host, wiring.forwarding(plan.families))
    return (Interface(link.name, link.hardware_address, "", link.mtu),) if network.vlan else ()


def _make_way(host: Netlink, bridge: str, there: str, wanted: str, network: Network) -> None:
    """Remove an address that cannot stay beside the wanted one, with forceAddress. Raises CniError 102 without."""
    if not wiring.in_conflict(there, wanted):
        return
    if not network.force_address:
        details = f"{bridge} has {there} and should have {wanted}; set forceAddress to replace it."
        raise CniError(Code.CONFLICT, "The bridge has another address", details)
    host.delete_address(bridge, there)
