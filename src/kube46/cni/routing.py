"""A node's routes to the pods of the others, in the kernel.

They are known by protocol number and priority together, so that nobody else's route is replaced or removed, even one to
the same prefix.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from kube46.addresses.families import Address
from kube46.cni.rules import PodRoute
from kube46.netlink import PROTOCOL, Netlink, NetlinkError

PRIORITY = 46
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """What a pass did; `refused` holds the kernel's reasons."""

    added: int
    deleted: int
    refused: tuple[str, ...]


def apply(wanted: frozenset[PodRoute]) -> Change:
    """Make the kernel's pod routes the wanted ones, by their difference; one refused does not stop the others."""
    with Netlink() as node:
        there = {
            PodRoute(route.destination, route.via)
            for route in node.routes(PROTOCOL)
            if route.priority == PRIORITY and route.via is not None
        }
        refused = []
        added = 0
        # Replacing comes first: a node that got another address is never without a route meanwhile.
        for route in sorted(wanted - there, key=lambda route: str(route.destination)):
            try:
                node.replace_route(str(route.destination), str(route.via), priority=PRIORITY)
                added += 1
            except NetlinkError as error:
                refused.append(str(error))
        kept = {route.destination for route in wanted}
        gone = [route for route in there if route.destination not in kept]
        for route in gone:
            node.delete_route(str(route.destination), str(route.via), priority=PRIORITY)
    return Change(added, len(gone), tuple(refused))


def mtu_towards(addresses: Iterable[Address]) -> int:
    """The MTU, in bytes, of the link that has one of a node's addresses; 0 when none has."""
    wanted = frozenset(addresses)
    with Netlink() as node:
        mtus = {link.index: link.mtu for link in node.links()}
        found = [mtus[one.link] for one in node.addresses() if one.interface.ip in wanted and one.link in mtus]
    return min(found, default=0)
