"""Where a node sends packets for a Service, and why: read off the elements that the node would program. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from kube46.addresses.families import Address, Family, Prefix, bracketed
from kube46.api.objects import Endpoint, EndpointSlice, Service, ServicePort
from kube46.proxy.endpoints import address_text, node_hints, zone_hints
from kube46.proxy.firewall import ranges_set
from kube46.proxy.layout import LOCAL, backend_map, read_pick
from kube46.proxy.rules import DROP, REFUSE, Elements, cluster_ips, service_elements
from kube46.proxy.settings import NodeView


@dataclass(frozen=True, slots=True)
class Source:
    """Who sends: its name, and its addresses by family; a pod, the node itself, or somebody outside."""

    name: str
    addresses: dict[Family, Address] = field(default_factory=dict)
    kind: str = "outside"


@dataclass(frozen=True, slots=True)
class Door:
    """One address and port of a Service, as a client sees it."""

    title: str
    address: str
    scope: str
    key: str
    place: str


def explain(service: Service, slices: Sequence[EndpointSlice], node: NodeView, source: Source) -> Iterator[str]:
    """Lines of text."""
    elements = service_elements(service, slices, node, {})
    yield f"Service {'/'.join(service.key)} ({service.spec.type}) on node {node.name}, for {source.name}"
    if not elements:
        yield f"  nothing is programmed: {_nothing(service)}"
        return
    addresses = cluster_ips(service)
    for family in Family:
        if family not in addresses:
            yield f"{family}: none; the Service has no cluster address of this family, so its node ports refuse too"
            continue
        for port in service.spec.ports:
            for door in _doors(service, port, family, addresses[family], node):
                yield from _lines(service, port, family, door, elements, slices, node, source)
            if port.node_port and not node.nodeport_addresses.get(family):
                number = f"{port.node_port}/{port.protocol}"
                yield f"{family}: node port {number} → none: {node.name} has no address of {family}"


def _nothing(service: Service) -> str:
    if service.spec.type == "ExternalName":
        return f"ExternalName is an alias in DNS, of {service.spec.external_name}"
    if not cluster_ips(service):
        return "it is headless: DNS gives the endpoints' own addresses"
    return "its label hands it to another proxy, or it has no port"


def _doors(service: Service, port: ServicePort, family: Family, cluster_ip: str, node: NodeView) -> Iterator[Door]:
    protocol = port.protocol.lower()

    def at(title: str, address: str) -> Door:
        key, place = f"{address} . {protocol} . {port.port}", f"{address} . {port.port}"
        return Door(title, bracketed(address, port.port), "service", key, place)

    yield at("cluster address", cluster_ip)
    for text in service.spec.external_ips if node.external_ips else ():
        if address := address_text(text, family):
            yield at("external address", address)
    for entry in service.status.load_balancer.ingress:
        if (address := address_text(entry.ip, family)) and entry.ip_mode in (None, "VIP"):
            yield at("load balancer", address)
    if service.spec.type in ("NodePort", "LoadBalancer") and port.node_port:
        for prefix in node.nodeport_addresses.get(family, ()):
            where = bracketed(str(prefix.network_address), port.node_port)
            title = "node port" if prefix.prefixlen == prefix.max_prefixlen else f"node port on {prefix}"
            yield Door(title, where, "nodeport", f"{protocol} . {port.node_port}", str(port.node_port))


def _lines(
    service: Service, port: ServicePort, family: Family, door: Door, elements: Elements,
    slices: Sequence[EndpointSlice], node: NodeView, source: Source,
) -> Iterator[str]:  # fmt: skip
    verdict = elements.get((f"{door.scope}{family.version}", door.key))
    if verdict is None:
        return
    why: list[str] = []
    if door.title == "load balancer" and service.spec.load_balancer_source_ranges:
        ranges = _ranges(door, family, elements)
        own = source.addresses.get(family)
        if ranges and own is not None and not any(own in one for one in ranges):
            yield f"{family}: {door.title} {door.address}/{port.protocol} → dropped"
            yield f"    {own} is in none of loadBalancerSourceRanges: {', '.join(map(str, ranges))}"
            return
        only = f"only from loadBalancerSourceRanges: {', '.join(map(str, ranges))}"
        why.append(only if ranges else f"loadBalancerSourceRanges keep nobody away: they let all of {family} in")
    if verdict.endswith("-policy"):
        near = source.kind != "outside"
        why.append(
            "externalTrafficPolicy Local does not bind pods and the node itself"
            if near else f"externalTrafficPolicy Local: only endpoints on {node.name}, the source keeps its address"
        )  # fmt: skip
        verdict = elements[f"{door.scope}-{'near' if near else 'far'}{family.version}", door.key]
    backends: tuple[str, ...] = ()
    if verdict == REFUSE:
        answer = "refused at once (TCP reset, ICMP port unreachable)"
        why.append("no endpoint of this family and port is ready, nor terminating and still serving")
    elif verdict == DROP:
        answer = "dropped"
        why.append(f"the policy is Local, there are endpoints, and none on {node.name}")
    else:
        pick = read_pick(verdict.removeprefix("goto "))
        first = LOCAL if pick.kind == "local" else 0
        name = backend_map(door.scope, pick.protocol, family)
        backends = tuple(elements[name, f"{door.place} . {first + i}"] for i in range(pick.count))
        answer = f"one of {pick.count} at random" if pick.count > 1 else "its only endpoint"
        if pick.sticky:
            why.append(f"ClientIP: the same for {pick.sticky} s after the client's last new connection")
        if pick.kind == "local" and door.title == "cluster address":
            why.append(f"internalTrafficPolicy Local: only endpoints on {node.name}")
        why.append(_masquerade(pick.kind, door, family, node, source))
        own = source.addresses.get(family)
        if pick.kind != "masquerade" and any(own == ip_address(backend.partition(" ")[0]) for backend in backends):
            why.append(f"{source.name}, picked itself, sees the node's address: hairpin")
        why += _left_out(port, family, backends, slices, node, own_only=pick.kind == "local")
    yield f"{family}: {door.title} {door.address}/{port.protocol} → {answer}"
    yield from (f"    → {_spelled(backend)}" for backend in backends)
    yield from (f"    {reason}" for reason in why if reason)


def _ranges(door: Door, family: Family, elements: Elements) -> list[Prefix]:
    """Who may use a load balancer's address; nothing: everybody."""
    chain = elements.get((f"firewall{family.version}", door.key), "").removeprefix("jump ")
    found = ranges_set(chain)
    return [ip_network(key) for name, key in elements if found and name == found[0]]


def _masquerade(kind: str, door: Door, family: Family, node: NodeView, source: Source) -> str:
    if kind == "masquerade":
        return "the endpoint sees the node's address: externalTrafficPolicy Cluster"
    if door.title != "cluster address":
        return ""
    address, ranges = source.addresses.get(family), node.pods.get(family, ())
    if not ranges or (address is not None and any(address in prefix for prefix in ranges)):
        return "the endpoint sees the client's own address"
    return "the endpoint sees the node's address: the client is none of the pods' ranges"


def _left_out(
    port: ServicePort,
    family: Family,
    backends: Iterable[str],
    slices: Sequence[EndpointSlice],
    node: NodeView,
    *,
    own_only: bool,
) -> Iterator[str]:
    chosen = {ip_address(backend.split(" ")[0]) for backend in backends}
    ends = {
        ip_address(text): end
        for part in slices
        if part.address_type == family and any((p.name or "") == port.name for p in part.ports or ())
        for end in part.endpoints or ()
        if end.addresses and (text := address_text(end.addresses[0], family)) is not None
    }
    kinds = ("node", node.name, node_hints), ("zone", node.zone, zone_hints)
    by_node = all(node.name in node_hints(end) for address, end in ends.items() if address in chosen)
    kind = None if own_only else kinds[0 if by_node else 1]
    for address, end in ends.items():
        if address not in chosen:
            yield f"not {address}: {_reason(end, kind)}"


Kind = tuple[str, str, Callable[[Endpoint], Sequence[str]]]
"""What hints name, its name here, and how they are read."""


def _reason(end: Endpoint, kind: Kind | None) -> str:
    if end.conditions.ready is False:
        if not end.conditions.terminating:
            return "not ready"
        serving = end.conditions.serving is not False
        return "terminating, and others are ready" if serving else "terminating, and it serves no more"
    if kind is not None and (names := kind[2](end)):
        return f"hints keep it for {kind[0]} {', '.join(names)}, this {_ours(kind)}"
    return f"on {end.node_name or 'no node'}"


def _ours(kind: Kind) -> str:
    what, name, _ = kind
    return f"is {name}" if what == "node" else f"node's is {name or 'unknown'}"


def _spelled(backend: str) -> str:
    address, _, port = backend.partition(" . ")
    return bracketed(address, int(port))
