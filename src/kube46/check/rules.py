"""Which probes a cluster gets, and which answers count.

A tick needs the responder's pod name, the family, the client address it saw and the probe's own nonce: an answer of the
wrong pod, over the wrong family, translated where it should not be, or from an earlier run is a cross.
"""

from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from kube46.addresses import prefixes
from kube46.addresses.families import Family
from kube46.check.model import ANYONE, Cell, Kind, Layout, Node, Place, Probe, Responder, Result, Target

LARGE = 64 * 1024
# Larger than any link here: travels as fragments.
FRAGMENTED = 4000
# Fits the nodes' links (1500) but not the outside's (1400): the answer gets through only by path MTU discovery.
DISCOVERED = 1440
# From the first datagram, lost, to one that is cut small enough: the sender has to learn the path's MTU between them.
DISCOVERY_ATTEMPTS = 4


def places(layout: Layout) -> list[Place]:
    """Every place probes start from, in the order of the matrix' rows."""
    found = [Place(kind, node.name) for kind in (Kind.NODE, Kind.POD) for node in layout.nodes]
    return found + ([Place(Kind.OUTSIDE)] if layout.outside else [])


def probes(layout: Layout, nonce: Callable[[], str]) -> list[Probe]:
    """All probes of a run, each with a nonce of its own."""
    found: list[Probe] = []
    for place in places(layout):
        for family in layout.families:
            for number, probe in enumerate(_from(layout, place, family)):
                name = f"{place.label}/{family}/{number}"
                found.append(replace(probe, id=name, nonce=nonce()))
    return found


def judge(probe: Probe, result: Result | None) -> str:
    """Why the probe failed; empty when it passed."""
    if result is None:
        return "the place gave no result"
    if result.error:
        return result.error
    expected = probe.client or (result.local,)
    checks = (
        (result.nonce == probe.nonce, "an answer to another question"),
        (result.pod in probe.pods, f"answered by {result.pod}, not by {' or '.join(probe.pods)}"),
        (result.family == probe.family, f"arrived over IPv{result.family}"),
        (
            probe.client == ANYONE or result.client in expected,
            f"client seen as {result.client}, not as {' or '.join(expected)}",
        ),
        (result.size == probe.reply, f"{result.size} bytes came back of {probe.reply}"),
    )
    return next((reason for passed, reason in checks if not passed), "")


def cells(all_probes: Iterable[Probe], results: dict[str, Result]) -> list[Cell]:
    """The matrix: one cell for each place, target and family that has probes."""
    grouped: dict[tuple[str, str, int], list[str]] = {}
    counts: dict[tuple[str, str, int], int] = {}
    for probe in all_probes:
        key = (probe.place.label, str(probe.target), probe.family)
        counts[key] = counts.get(key, 0) + 1
        failures = grouped.setdefault(key, [])
        result = results.get(probe.id)
        if reason := judge(probe, result):
            failures.append(f"{_where(probe, result)}: {reason}")
    return [
        Cell(place, target, f"IPv{version}", counts[place, target, version], tuple(failures))
        for (place, target, version), failures in grouped.items()
    ]


def _where(probe: Probe, result: Result | None) -> str:
    """What was asked: protocol, name and the address it has, port, and the size of what is larger than usual."""
    host = f"[{probe.host}]" if ":" in probe.host else probe.host
    found = f" ({result.address})" if result and result.address not in ("", probe.host) else ""
    largest = max(probe.size, probe.reply)
    size = f" with {largest} bytes" if probe.target is Target.LARGE else ""
    return f"{probe.protocol} {host}:{probe.port}{found}{size}"


def _from(layout: Layout, place: Place, family: Family) -> Iterator[Probe]:
    if place.kind is not Kind.OUTSIDE:
        yield from _pods(layout, place, family)
        yield from _services(layout, place, family)
        yield from _names(layout, place, family)
        yield from _large(layout, place, family)
    yield from _node_ports(layout, place, family)
    if place.kind is Kind.OUTSIDE:
        yield from _from_outside(layout, place, family)


def _probe(place: Place, family: Family, target: Target, responder: Responder, host: str, port: int) -> Probe:
    return Probe("", place, target, family.version, host, port, (responder.pod,), "")


def _is_self(place: Place, responder: Responder) -> bool:
    return place.kind is Kind.POD and place.node == responder.node and responder.asks


def _pods(layout: Layout, place: Place, family: Family) -> Iterator[Probe]:
    for responder in layout.responders:
        if not _is_self(place, responder):
            target = Target.POD_HERE if responder.node == place.node else Target.POD_THERE
            yield _probe(place, family, target, responder, responder.addresses[family], layout.port)


def _services(layout: Layout, place: Place, family: Family) -> Iterator[Probe]:
    for responder in layout.responders:
        to = _probe(place, family, Target.CLUSTER_IP, responder, responder.cluster_ips[family], layout.port)
        to = replace(to, client=_behind_service(layout, place, family, responder))
        if _is_self(place, responder):
            to = replace(to, target=Target.HAIRPIN)
            yield to
            yield replace(to, protocol="UDP")
        else:
            yield to
            yield replace(to, target=Target.UDP, protocol="UDP")


def _behind_service(layout: Layout, place: Place, family: Family, responder: Responder) -> tuple[str, ...]:
    """Whom a responder may see behind its ClusterIP: pods keep their address, nodes may be masqueraded (K-10).

    A pod that reaches itself must be: it would take the answer from its own address for a stranger's.
    """
    if place.kind is Kind.NODE or _is_self(place, responder):
        return _addresses(_node(layout, place.node), family)
    return ()


def _names(layout: Layout, place: Place, family: Family) -> Iterator[Probe]:
    # A node's resolver is not the cluster's: it asks the DNS Service, over the family that is checked. A pod finds the
    # Service by its own resolver and search path, the headless name by the server of that family.
    server = layout.dns.get(family, "")
    zone = f"{layout.namespace}.svc.{layout.domain}"
    for responder in layout.responders:
        if not _is_self(place, responder):
            by_name = _probe(place, family, Target.NAME, responder, responder.service, layout.port)
            by_name = replace(by_name, client=_behind_service(layout, place, family, responder))
            if place.kind is Kind.NODE:
                by_name = replace(by_name, host=f"{responder.service}.{zone}", dns_server=server)
            yield replace(by_name, attempts=2)
            host = f"{responder.pod}.{layout.headless}.{zone}"
            to = _probe(place, family, Target.HEADLESS, responder, host, layout.port)
            yield replace(to, dns_server=server, attempts=2)


def _large(layout: Layout, place: Place, family: Family) -> Iterator[Probe]:
    for responder in layout.responders:
        if responder.node == place.node:
            continue
        behind = _behind_service(layout, place, family, responder)
        for host, client in ((responder.addresses[family], ()), (responder.cluster_ips[family], behind)):
            to = replace(_probe(place, family, Target.LARGE, responder, host, layout.port), client=client)
            yield replace(to, size=LARGE, reply=LARGE)
            yield replace(to, protocol="UDP", size=FRAGMENTED, reply=FRAGMENTED)


def _node_ports(layout: Layout, place: Place, family: Family) -> Iterator[Probe]:
    for node in layout.nodes:
        for responder in layout.responders:
            to = _probe(place, family, Target.NODE_PORT, responder, node.addresses[family], responder.node_port)
            yield replace(to, client=_addresses(node, family))


def _from_outside(layout: Layout, place: Place, family: Family) -> Iterator[Probe]:
    for node in layout.nodes:
        for responder in layout.responders:
            to = _probe(place, family, Target.UDP, responder, node.addresses[family], responder.node_port)
            to = replace(to, client=_addresses(node, family))
            yield replace(to, protocol="UDP")
            to = replace(to, target=Target.LARGE)
            yield replace(to, size=LARGE, reply=LARGE)
            yield replace(to, protocol="UDP", reply=DISCOVERED, timeout=0.5, attempts=DISCOVERY_ATTEMPTS)


def _node(layout: Layout, name: str) -> Node:
    return next(node for node in layout.nodes if node.name == name)


def _addresses(node: Node, family: Family) -> tuple[str, ...]:
    """The addresses a node masquerades to: its own, or the first of its pod range, which its bridge has."""
    cidr = node.pod_cidrs.get(family)
    bridge = (str(prefixes.nth(prefixes.parse(cidr), 1)),) if cidr else ()
    return (node.addresses[family], *bridge)
