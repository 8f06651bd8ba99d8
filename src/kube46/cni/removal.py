"""DEL and GC of the plugins whose attachments are veth pairs, masqueraded addresses and reservations: alike for all."""

from kube46.cni import pods, wiring
from kube46.cni.configurations import Network
from kube46.cni.delegates import ipam_of
from kube46.cni.masquerading import Masquerading
from kube46.cni.requests import Attachment, Request
from kube46.cni.spoofing import SpoofChecks
from kube46.netlink import Netlink


def delete(masquerading: Masquerading, checks: SpoofChecks, request: Request, network: Network) -> None:
    """Disconnect the pod; with or without its namespace, and as often as it is asked for."""
    ipam = ipam_of(network) if network.ipam.type else None
    host_link = wiring.host_link(request.attachment)
    if network.ip_masq and ipam:
        # Before the addresses are free for others; and only its own, as an old request must not hit others.
        owned = ipam.addresses_of(request, network)
        masquerading.remove(owned or masquerading.owned_by(frozenset([host_link])))
    with Netlink() as host:
        if not host.remove_link(host_link) and request.netns:
            pods.delete_interface(request)
    if network.macspoofchk:
        checks.remove(frozenset([host_link]))
    if ipam:
        ipam.delete(request, network)


def collect_garbage(
    masquerading: Masquerading,
    checks: SpoofChecks,
    request: Request,
    network: Network,
    valid: frozenset[Attachment],
) -> None:
    """Remove this network's links, masqueraded addresses and reservations of attachments that are not valid."""
    with Netlink() as host:
        links = {one.name: wiring.attachment_of(one.alias, network.name) for one in host.links() if one.alias}
        stale = frozenset(name for name, attachment in links.items() if attachment and attachment not in valid)
        if network.ip_masq:
            masquerading.remove(masquerading.owned_by(stale))
        for name in stale:
            host.remove_link(name)
    if network.macspoofchk and stale:
        checks.remove(stale)
    if network.ipam.type:
        ipam_of(network).collect_garbage(request, network, valid)
