"""Which endpoints a Service port uses on this node, in one family (semantics 5.2, K-6 to K-9). Pure.

Source: KEP-1669 (terminating endpoints), KEP-2433 (topology hints), pkg/proxy/topology.go.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

from kube46.addresses.families import Family, family_of
from kube46.api import ip
from kube46.api.objects import Endpoint, EndpointSlice, ServicePort
from kube46.proxy.settings import NodeView

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"
DIRECTED = f"{SERVICE_NAME_LABEL}={{}},!{HEADLESS_LABEL}"
"""The label selector of the slices that proxies look at, with the Service's name to be put in."""
MAPPED = bytes(10) + b"\xff\xff"
SOCKET_FAMILIES = {Family.IPV4: AF_INET, Family.IPV6: AF_INET6}


@dataclass(frozen=True, slots=True)
class Choice:
    """Backends (`address . port`) for a Service port; `local` are those of this node, for the policies Local.

    `known` tells "no endpoint anywhere", which is refused, from "none that the policy allows", which is dropped.
    """

    cluster: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()
    """Those of both that are on this node."""
    known: bool = False


def address_text(text: str, family: Family) -> str | None:
    """The canonical text of an address of the family, or None: only what this returns may be written to nftables.

    By the C library, a tenth of the time of `ipaddress`, and spelled as nft spells it when it lists.
    """
    if (":" in text) is not (family is Family.IPV6):  # the other family's, unless it is IPv4 in IPv6's clothes
        return _old(text, family) if "ffff" in text.lower() else None
    kind = SOCKET_FAMILIES[family]
    try:
        packed = inet_pton(kind, text)
    except (OSError, ValueError):
        return _old(text, family)
    return None if packed.startswith(MAPPED) else inet_ntop(kind, packed)


def _old(text: str, family: Family) -> str | None:
    """What old API servers took and kube-proxy reads: leading zeros, IPv4-mapped addresses, which are IPv4."""
    address = ip.sloppy(text)
    return str(address) if address is not None and family_of(address) is family else None


def directed(part: EndpointSlice) -> str:
    """The Service that proxies direct to a slice, or "": with the label headless a slice is none of theirs."""
    labels = part.metadata.labels
    return "" if HEADLESS_LABEL in labels else labels.get(SERVICE_NAME_LABEL, "")


def choose(port: ServicePort, slices: Iterable[EndpointSlice], family: Family, node: NodeView) -> Choice:
    """The backends of a Service port in one family; see K-6, K-7 and K-8 for the fallbacks."""
    ready: dict[str, Endpoint] = {}
    leaving: dict[str, Endpoint] = {}
    for backend, end in _backends(port, slices, family).items():
        if _is(end.conditions.ready, True):
            ready[backend] = end
        if _is(end.conditions.terminating, False) and _is(end.conditions.serving, True):
            leaving[backend] = end
    cluster = _nearby(ready, node) or leaving
    local = _of_node(ready, node) or _of_node(leaving, node)
    own = frozenset((*_of_node(cluster, node), *local))
    return Choice(tuple(sorted(cluster)), tuple(sorted(local)), own, bool(ready or leaving))


def serving(port: ServicePort, slices: Iterable[EndpointSlice], family: Family) -> frozenset[str]:
    """The backends of a Service port that answer, chosen by this node or not: their flows may go on (K-17)."""
    found = _backends(port, slices, family)
    return frozenset(
        backend
        for backend, end in found.items()
        if _is(end.conditions.serving, True) or _is(end.conditions.ready, True)
    )


def _is(condition: bool | None, default: bool) -> bool:
    return default if condition is None else condition


def _backends(port: ServicePort, slices: Iterable[EndpointSlice], family: Family) -> dict[str, Endpoint]:
    """Every endpoint by `address . port`. Of two with the same text the one that isn't terminating counts."""
    found: dict[str, Endpoint] = {}
    for part in slices:
        if part.address_type != family:
            continue
        for number in _port_numbers(port, part):
            for end in part.endpoints or ():
                address = address_text(end.addresses[0], family) if end.addresses else None
                if address is None:
                    continue
                backend = f"{address} . {number}"
                if backend not in found or _is(found[backend].conditions.terminating, False):
                    found[backend] = end
    return found


def _port_numbers(port: ServicePort, part: EndpointSlice) -> list[int]:
    return [
        candidate.port
        for candidate in part.ports or ()
        if candidate.port
        and 0 < candidate.port < 65536
        and (candidate.name or "") == port.name
        and (candidate.protocol or "TCP") == port.protocol
    ]


def _of_node(ends: dict[str, Endpoint], node: NodeView) -> dict[str, Endpoint]:
    return {backend: end for backend, end in ends.items() if end.node_name == node.name}


def _nearby(ready: dict[str, Endpoint], node: NodeView) -> dict[str, Endpoint]:
    """Those hinted at this node, else at its zone; all of them when one lacks the hint or none names us (K-8)."""
    if not all(end.hints for end in ready.values()):
        return ready
    for ours, hinted in ((node.name, node_hints), (node.zone, zone_hints)):
        if ours and ready and all(hinted(end) for end in ready.values()):
            near = _hinted_at(ours, ready, hinted)
            if near:
                return near
    return ready


def _hinted_at(
    ours: str, ready: dict[str, Endpoint], hinted: Callable[[Endpoint], Sequence[str]]
) -> dict[str, Endpoint]:
    return {backend: end for backend, end in ready.items() if ours in hinted(end)}


def node_hints(end: Endpoint) -> Sequence[str]:
    """The nodes that an endpoint is for; none: not said."""
    return [hint.name for hint in end.hints.for_nodes or ()] if end.hints else ()


def zone_hints(end: Endpoint) -> Sequence[str]:
    """The zones that it is for."""
    return [hint.name for hint in end.hints.for_zones or ()] if end.hints else ()
