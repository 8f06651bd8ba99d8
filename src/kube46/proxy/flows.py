"""Which tracked connections are stale: endless protocols' ones to endpoints that serve no more (K-17). Pure.

A UDP client that keeps its port keeps its connection-tracking entry alive for ever, also when the endpoint it was
translated to is gone (kubernetes#139628); TCP notices by itself. An endpoint that is only no longer chosen, because it
terminates or hints name others, keeps its flows as it keeps its TCP connections: what counts is whether it serves.
Datagrams that came before their Service were tracked untranslated and are forgotten too.

    Flows      replace(owner, live flows) makes some stale · is_stale(…) judges any entry, for a look at all of them
"""

from collections.abc import Container, Mapping, Sequence
from ipaddress import ip_address

from kube46.addresses.families import Address, Family, Prefix
from kube46.api.objects import EndpointSlice, Service
from kube46.netlink.conntrack import Flow, Place
from kube46.proxy.endpoints import serving
from kube46.proxy.rules import cluster_ips, frontends
from kube46.proxy.settings import NodeView

ENDLESS = {"udp": 17, "sctp": 132}
"""Protocols whose entries live as long as packets come, and their numbers."""
Owner = tuple[str, str]
Where = tuple[Family, str, str]
"""Family, protocol, and `address . port`, or a node port alone."""
Live = Mapping[Where, frozenset[str]]
"""Where clients may have sent to, and the endpoints (`address . port`) that may be answering them."""
NONE: Live = {}


def live(service: Service, slices: Sequence[EndpointSlice], node: NodeView) -> Live:
    """The flows that a Service may have."""
    ports = [port for port in service.spec.ports if port.protocol.lower() in ENDLESS]
    return {
        (family, frontend.protocol, frontend.place): ends
        for family in (cluster_ips(service) if ports else ())
        for port in ports
        for ends in (serving(port, slices, family),)
        for frontend in frontends(service, port, family, node)
    }


class Flows:
    """The flows of all Services, and those that have become stale."""

    def __init__(self) -> None:
        self._live: dict[Owner, Live] = {}
        self.stale: set[Flow] = set()
        """To be forgotten; whoever has, takes them out."""

    def replace(self, owner: Owner, flows: Live) -> None:
        """Put a Service's flows in the place of those it had."""
        before = self._live.pop(owner, NONE)
        if flows:
            self._live[owner] = flows
        for where, ends in before.items():
            self.stale.update(_flow(where, end) for end in ends - flows.get(where, frozenset()))
        self.stale.update(_flow(where, None) for where in flows if where not in before)
        if self.stale:
            self.stale -= {_flow(where, end) for where, ends in flows.items() for end in ends}

    def known(self) -> "Known":
        """All of them, to judge entries by."""
        return Known([*self._live.values()])


class Known:
    """What may be tracked, by number, for a look at every entry there is."""

    def __init__(self, live: Sequence[Live]) -> None:
        self._ends: dict[tuple[int, bytes, int], set[Place]] = {}
        for flows in live:
            for where, ends in flows.items():
                flow = _flow(where, None)
                place = flow.protocol, flow.address.packed if flow.address else bytes([flow.family.version]), flow.port
                self._ends.setdefault(place, set()).update((ip.packed, port) for ip, port in map(_endpoint, ends))

    def is_stale(
        self, protocol: int, own: Container[bytes], asked: Place, answering: Place, *, ranges: Sequence[Prefix]
    ) -> bool:
        """Whether an entry of a destination, and of who answers in its place, is of no endpoint that serves.

        `own` are the node's addresses, `ranges` the Services' of the family: a translated entry to a place there that
        no Service has is one of a Service that went.
        """
        ends = self._ends.get((protocol, *asked))
        if ends is None and asked[0] in own:
            version = b"\4" if len(asked[0]) == 4 else b"\6"
            ends = self._ends.get((protocol, version, asked[1]))
        if ends is None:
            return answering != asked and any(ip_address(asked[0]) in prefix for prefix in ranges)
        return answering not in ends


def _endpoint(text: str) -> tuple[Address, int]:
    address, _, port = text.partition(" . ")
    return ip_address(address), int(port)


def _flow(where: Where, end: str | None) -> Flow:
    """Those to an endpoint; of None, the untranslated ones."""
    family, protocol, place = where
    *address, port = place.split(" . ")
    endpoint = _endpoint(end) if end else None
    return Flow(family, ENDLESS[protocol], ip_address(address[0]) if address else None, int(port), endpoint)
