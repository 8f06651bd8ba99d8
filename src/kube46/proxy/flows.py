"""Which tracked connections a change makes stale: endless protocols' ones to endpoints that went (K-17). Pure.

A UDP client that keeps its port keeps its connection-tracking entry alive for ever, also when the endpoint it was
translated to is gone (kubernetes#139628); TCP notices by itself. A node port's datagrams that came before its Service
were tracked untranslated and must be forgotten too.
"""

from collections.abc import Iterable
from ipaddress import ip_address

from kube46.addresses.families import Address, Family
from kube46.netlink.conntrack import Flow
from kube46.proxy.claims import Changes, Claims
from kube46.proxy.layout import LOCAL, SCOPES, backend_map

ENDLESS = {"udp": 17, "sctp": 132}
"""Protocols whose entries live as long as packets come, and their numbers."""
ENDLESS_BACKENDS = {
    backend_map(scope, protocol, family): (family, protocol)
    for scope in SCOPES
    for protocol in ENDLESS
    for family in Family
}
NODE_PORTS = {f"nodeport{family.version}": family for family in Family}


def stale_flows(changes: Changes, desired: Claims) -> set[Flow]:
    """The flows to forget after these changes have been carried out."""
    staying: dict[tuple[str, str], set[str]] = {}
    found: set[Flow] = set()
    for (name, key), change in changes.items():
        if name in ENDLESS_BACKENDS and change.old is not None:
            family, protocol = ENDLESS_BACKENDS[name]
            frontend = key.rpartition(" . ")[0]
            if (name, frontend) not in staying:
                staying[name, frontend] = set(_backends(desired, name, frontend))
            if change.old not in staying[name, frontend]:
                address, _, port = change.old.partition(" . ")
                found.add(_flow(family, protocol, frontend, (ip_address(address), int(port))))
        elif name in NODE_PORTS and change.old is None:
            protocol, _, port = key.partition(" . ")
            if protocol in ENDLESS:
                found.add(_flow(NODE_PORTS[name], protocol, port, None))
    return found


def _backends(desired: Claims, name: str, frontend: str) -> Iterable[str]:
    """The backends that a frontend has now, near ones and those of the node."""
    for index in (0, LOCAL):
        while (value := desired.value((name, f"{frontend} . {index}"))) is not None:
            yield value
            index += 1


def _flow(family: Family, protocol: str, frontend: str, endpoint: tuple[Address, int] | None) -> Flow:
    """`frontend` is `address . port`, or a node port alone."""
    *address, port = frontend.split(" . ")
    return Flow(family, ENDLESS[protocol], ip_address(address[0]) if address else None, int(port), endpoint)
