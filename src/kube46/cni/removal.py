"""DEL and GC of the plugins whose attachments are veth pairs, masqueraded addresses and reservations: alike for all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from kube46.cni import pods, wiring
from kube46.cni.configurations import Network
from kube46.cni.delegates import Ipam, ipam_of
from kube46.cni.errors import CniError
from kube46.cni.masquerading import Masquerading
from kube46.cni.requests import Attachment, Request
from kube46.cni.spoofing import SpoofChecks
from kube46.netlink import Netlink

if TYPE_CHECKING:
    from kube46.addresses.families import Address


def delete(masquerading: Masquerading, checks: SpoofChecks, request: Request, network: Network) -> None:
    """Disconnect the pod; with or without its namespace, and as often as it is asked for."""
    ipam = ipam_of(network) if network.ipam.type else None
    host_link = wiring.host_link(request.attachment)

    def unmasquerade(ipam: Ipam) -> None:
        # Before the addresses are free for others; and only its own, as an old request must not hit others.
        owned = ipam.addresses_of(request, network)
        masquerading.remove(owned or masquerading.owned_by(frozenset([host_link])))

    def unlink() -> None:
        with Netlink() as host:
            if not host.remove_link(host_link) and request.netns:
                pods.delete_interface(host, request)

    with every() as step:
        if network.ip_masq and ipam:
            step(lambda: unmasquerade(ipam))
        step(unlink)
        if network.macspoofchk:
            step(lambda: checks.remove(frozenset([host_link])))
        if ipam:
            step(lambda: ipam.delete(request, network))


def collect_garbage(
    masquerading: Masquerading,
    checks: SpoofChecks,
    request: Request,
    network: Network,
    valid: frozenset[Attachment],
) -> None:
    """Remove this network's links, masqueraded addresses and reservations of attachments that are not valid.

    A link is gone with its pod's namespace, and nothing tells then of which network it was. So whatever is for a link
    that is not there is removed: a pod's link is made before its elements.
    """
    kept = {wiring.host_link(one) for one in valid}
    with Netlink() as host, every() as step:
        owners: dict[Address, str] = {}
        checked: set[str] = set()
        if network.ip_masq:
            step(lambda: owners.update(masquerading.owners()))
        if network.macspoofchk:
            step(lambda: checked.update(link for link, _ in checks.allowed()))
        links = {one.name: one.alias for one in host.links()}  # after those
        stale = {name for name, alias in links.items() if wiring.is_of(alias, network.name)} - kept
        there = links.keys() - stale
        step(lambda: masquerading.remove(str(one) for one, owner in owners.items() if owner and owner not in there))
        step(lambda: checks.remove(frozenset(checked - there)))
        for name in stale:
            step(partial(host.remove_link, name))
        if network.ipam.type:
            step(lambda: ipam_of(network).collect_garbage(request, network, valid))


@contextmanager
def every() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Each step is taken, whatever becomes of those before it; what the first failure raised is raised at the end."""
    failures: list[CniError | OSError] = []

    def step(action: Callable[[], object]) -> None:
        try:
            action()
        except (CniError, OSError) as error:
            failures.append(error)

    yield step
    if failures:
        raise failures[0]
