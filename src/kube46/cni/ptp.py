"""The plugin `ptp`: a veth pair between this node and a pod, without a bridge: a route for each address of the pod.

The node's end has the gateways' addresses, as /32 and /128, and the node a route of that length to each address of the
pod. In the pod everything, its own subnet included, goes through the gateways.
"""

from contextlib import ExitStack
from ipaddress import ip_network

from kube46.addresses.families import Family
from kube46.cni import checks, configurations, pods, removal, wiring
from kube46.cni.configurations import Network
from kube46.cni.delegates import ipam_of
from kube46.cni.masquerading import Masquerading
from kube46.cni.requests import Attachment, Request
from kube46.cni.results import Interface, Result
from kube46.cni.spoofing import SpoofChecks
from kube46.cni.wiring import Wiring
from kube46.netlink import Netlink


class Ptp:
    """The plugin's verbs, in the network namespace of the thread that calls them."""

    def __init__(self, masquerading: Masquerading) -> None:
        self._masquerading, self._spoofing = masquerading, SpoofChecks(masquerading.tables)

    def add(self, request: Request, network: Network) -> Result:
        """Connect the pod. What was done is undone when a later step fails."""
        configurations.check_ptp(network)
        mac = pods.hardware_address(request, network)
        with pods.namespace(request.netns) as pod, Netlink() as host, ExitStack() as undo:
            pods.refuse_taken(pod, request.attachment.ifname)
            assigned = ipam_of(network).add(request, network)
            undo.callback(pods.undoing(lambda: ipam_of(network).delete(request, network)))
            plan = wiring.plan_ptp(network, assigned)
            name = wiring.host_link(request.attachment)
            undo.callback(pods.undoing(lambda: host.remove_link(name)))
            interfaces = _connect(host, pod, request, network, mac)
            mtu = network.mtu
            pods.set_up(pod, request.attachment.ifname, plan, detect_duplicates=False, routed=True, mtu=mtu)
            _set_up_host(host, interfaces[0], plan)
            if network.ip_masq:
                undo.callback(pods.undoing(lambda: self._masquerading.remove([str(one) for one in plan.own])))
                self._masquerading.add([one.address for one in plan.addresses], interfaces[0].name)
            pods.announce(host, pod, interfaces)
            undo.pop_all()
        return Result(interfaces, plan.addresses, plan.routes, network.resolver or assigned.dns)

    def delete(self, request: Request, network: Network) -> None:
        """Disconnect the pod; with or without its namespace, and as often as it is asked for."""
        removal.delete(self._masquerading, self._spoofing, request, network)

    def check(self, request: Request, network: Network) -> None:
        """Raises CniError 100 naming what is not as the ADD left it."""
        configurations.check_ptp(network)
        ipam_of(network).check(request, network)
        previous = checks.previous_result(network)
        with pods.namespace(request.netns) as pod, Netlink() as host:
            end = checks.host_end(host, previous)
            checks.check_host_routes(host, end, previous)
            checks.check_pod(pod, request, previous, end)
        if network.ip_masq:
            checks.check_masquerading(self._masquerading.owners(), request, previous)

    def status(self, request: Request, network: Network) -> None:
        """Raises CniError 50 when an ADD would fail."""
        configurations.check_ptp(network)
        ipam_of(network).status(request, network)

    def collect_garbage(self, request: Request, network: Network, valid: frozenset[Attachment]) -> None:
        """Remove this network's links, masqueraded addresses and reservations of attachments that are not valid."""
        removal.collect_garbage(self._masquerading, self._spoofing, request, network, valid)


def _connect(host: Netlink, pod: Netlink, request: Request, network: Network, mac: str) -> tuple[Interface, Interface]:
    """Make the veth pair, its host end up."""
    name, ifname = wiring.host_link(request.attachment), request.attachment.ifname
    own = wiring.hardware_address()
    host.delete_link(name)  # of an ADD that was killed: a live one's interface was found before
    host.veth(name, ifname, pod.namespace, mtu=network.mtu, hardware_address=own, peer_hardware_address=mac)
    host.set_no_link_local(name)
    host.set_alias(name, wiring.alias(network.name, request.attachment))
    host.set_up(name)
    mtu = network.mtu or configurations.DEFAULT_MTU
    return Interface(name, own, "", mtu), Interface(ifname, mac, request.netns, mtu)


def _set_up_host(host: Netlink, end: Interface, plan: Wiring) -> None:
    """Give the node's end the gateways' addresses and the node the way to the pod, and let it forward."""
    pods.apply(host, wiring.forwarding(plan.families))
    if Family.IPV6 in plan.families:
        # Without one the node could not ask for the pod's link address on behalf of others (RFC 4861, 7.2.2).
        host.add_address(end.name, wiring.link_local(end.mac))
    for gateway in plan.gateways:
        host.add_address(end.name, f"{gateway}/{gateway.max_prefixlen}")
    for address in plan.own:
        host.replace_route(str(ip_network(address)), None, end.name, pods.BOOT_PROTOCOL)
