"""Services and EndpointSlices → elements of the table's maps (semantics 5.1–5.3). Pure; both families by one path."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from kube46.addresses.families import Family, Prefix, family_of
from kube46.api.objects import ClientIPConfig, EndpointSlice, Service, ServiceCIDR, ServicePort
from kube46.proxy import affinity, firewall
from kube46.proxy.endpoints import Choice, address_text, choose
from kube46.proxy.firewall import collapsed, prefix_key
from kube46.proxy.layout import LOCAL, PROTOCOLS, backend_map, pick_chain
from kube46.proxy.settings import NodeView

Element = tuple[str, str]
"""Where a value lies: (name of the map or set, key)."""
Elements = Mapping[Element, str]
"""What a table holds. A set's elements have the value ""."""

PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
"""Services with this label belong to another proxy."""
REFUSE = "goto refuse"
DROP = "drop"


@dataclass(frozen=True, slots=True)
class Frontend:
    """Where clients knock: a key of one scope's maps in one family."""

    scope: str
    family: Family
    protocol: str
    key: str
    """In the scope's maps of verdicts."""
    place: str
    """In the protocol's map of backends, but for their index."""

    def verdict_map(self, role: str = "") -> str:
        """The map of verdicts; `role` is "", "-near" or "-far"."""
        return f"{self.scope}{role}{self.family.version}"

    def backend(self, index: int) -> Element:
        """Where its `index`-th backend lies."""
        return backend_map(self.scope, self.protocol, self.family), f"{self.place} . {index}"


def service_elements(
    service: Service, slices: Sequence[EndpointSlice], node: NodeView, before: Elements
) -> dict[Element, str]:
    """All that one Service contributes. `before` is what it contributed last: backends that stay keep their places."""
    found: dict[Element, str] = {}
    if _is_others(service):
        return found
    for family, cluster_ip in cluster_ips(service).items():
        found[f"cluster-ips{family.version}", cluster_ip] = ""
        for port in service.spec.ports:
            if _is_served(service, port):
                choice = choose(port, slices, family, node)
                client = _memory(service, port)
                outside = [*_external_frontends(service, port, family, node)]
                for frontend in outside:
                    found.update(_external(service, frontend, choice, client, before))
                found.update(_firewall(service, port, family, node))
                inside = _at(cluster_ip, port, family)
                found.update(_internal(service, inside, choice, client, before))
                for backend in choice.own.intersection(_reached(service, choice, outside=bool(outside))):
                    address = backend.partition(" ")[0]
                    found[f"hairpin{family.version}", f"{address} . {address}"] = ""
    return found


def frontends(service: Service, port: ServicePort, family: Family, node: NodeView) -> Iterator[Frontend]:
    """Everywhere that a Service port is served in a family; nowhere without a cluster address of it (K-2)."""
    if (cluster_ip := cluster_ips(service).get(family)) is not None and _is_served(service, port):
        yield _at(cluster_ip, port, family)
        yield from _external_frontends(service, port, family, node)


def _is_others(service: Service) -> bool:
    return service.spec.type == "ExternalName" or PROXY_NAME_LABEL in service.metadata.labels


def _is_served(service: Service, port: ServicePort) -> bool:
    return not _is_others(service) and port.protocol.lower() in PROTOCOLS and 0 < port.port < 65536


def cluster_ips(service: Service) -> dict[Family, str]:
    """The Service's cluster address of each family it has one in; none for headless ones (K-2)."""
    spec = service.spec
    addresses = spec.cluster_ips or (spec.cluster_ip,)
    found: dict[Family, str] = {}
    for text in addresses:
        for family in Family:
            canonical = address_text(text, family)
            if canonical is not None and (not spec.ip_families or family in spec.ip_families):
                found.setdefault(family, canonical)
    return found


def static_elements(node: NodeView, service_cidrs: Iterable[ServiceCIDR]) -> dict[Element, str]:
    """What depends on the node and the cluster, not on a Service: who is a pod, which addresses are Services'."""
    ranges: dict[str, list[Prefix]] = {}
    for family in Family:
        ranges[f"pods{family.version}"] = list(node.pods.get(family, ()))
        ranges[f"nodeport-ips{family.version}"] = list(node.nodeport_addresses.get(family, ()))
    for cidr in service_cidrs:
        for prefix in map(ip_network, cidr.spec.cidrs):
            ranges.setdefault(f"service-cidrs{family_of(prefix).version}", []).append(prefix)
    return {(name, prefix_key(prefix)): "" for name, prefixes in ranges.items() for prefix in collapsed(prefixes)}


def _at(address: str, port: ServicePort, family: Family) -> Frontend:
    protocol = port.protocol.lower()
    return Frontend("service", family, protocol, f"{address} . {protocol} . {port.port}", f"{address} . {port.port}")


def _external_frontends(service: Service, port: ServicePort, family: Family, node: NodeView) -> Iterable[Frontend]:
    """External and load-balancer addresses of the family (K-3, K-18), and the node port."""
    texts = service.spec.external_ips if node.external_ips else ()
    external = (address_text(text, family) for text in texts)
    for address in (*filter(None, external), *balanced(service, family)):
        yield _at(address, port, family)
    if service.spec.type in ("NodePort", "LoadBalancer") and 0 < port.node_port < 65536:
        protocol = port.protocol.lower()
        yield Frontend("nodeport", family, protocol, f"{protocol} . {port.node_port}", str(port.node_port))


def balanced(service: Service, family: Family) -> list[str]:
    """The addresses of the load balancer that this node answers for (K-3)."""
    ingress = (entry.ip for entry in service.status.load_balancer.ingress if entry.ip_mode in (None, "VIP"))
    return [*filter(None, (address_text(text, family) for text in ingress))]


def _firewall(service: Service, port: ServicePort, family: Family, node: NodeView) -> dict[Element, str]:
    if not service.spec.load_balancer_source_ranges or service.spec.type != "LoadBalancer":
        return {}
    addresses = balanced(service, family)
    ranges = firewall.allowed(service, addresses, family, node)
    keys = [_at(address, port, family).key for address in addresses]
    return firewall.elements(keys, ranges, family) if ranges else {}


@dataclass(frozen=True, slots=True)
class Memory:
    """Session affinity ClientIP: the Service port's number, and how many seconds a client is remembered; 0: not."""

    port: int = 0
    timeout: int = 0


FORGETFUL = Memory()


def _memory(service: Service, port: ServicePort) -> Memory:
    if service.spec.session_affinity != "ClientIP":
        return FORGETFUL
    config = service.spec.session_affinity_config
    timeout = ((config and config.client_ip) or ClientIPConfig()).timeout_seconds
    return Memory(affinity.number(*service.key, port.name, port.protocol), timeout)


def _reached(service: Service, choice: Choice, *, outside: bool) -> Iterator[str]:
    """The backends that some address of the Service port leads to."""
    own_only = service.spec.internal_traffic_policy == "Local"
    if outside or not own_only:
        yield from choice.cluster
    if own_only or (outside and service.spec.external_traffic_policy == "Local"):
        yield from choice.local


def _internal(
    service: Service, frontend: Frontend, choice: Choice, client: Memory, before: Elements
) -> dict[Element, str]:
    """To the cluster address: any backend, or this node's when internalTrafficPolicy is Local."""
    own_only = service.spec.internal_traffic_policy == "Local"
    kind, backends, first = ("local", choice.local, LOCAL) if own_only else ("pick", choice.cluster, 0)
    verdict = _goto(frontend, kind, backends, client) if choice.known else REFUSE
    return {(frontend.verdict_map(), frontend.key): verdict, **_placed(frontend, backends, first, client, before)}


def _external(
    service: Service, frontend: Frontend, choice: Choice, client: Memory, before: Elements
) -> dict[Element, str]:
    """To an external address or a node port: any backend with the source hidden, or by externalTrafficPolicy Local."""
    where: Element = (frontend.verdict_map(), frontend.key)
    if not choice.known:
        return {where: REFUSE}
    everywhere = _placed(frontend, choice.cluster, 0, client, before)
    if service.spec.external_traffic_policy != "Local":
        return {where: _goto(frontend, "masquerade", choice.cluster, client), **everywhere}
    return {
        where: f"goto {frontend.scope}-policy",
        (frontend.verdict_map("-near"), frontend.key): _goto(frontend, "pick", choice.cluster, client),
        (frontend.verdict_map("-far"), frontend.key): _goto(frontend, "local", choice.local, client),
        **everywhere,
        **_placed(frontend, choice.local, LOCAL, client, before),
    }


def _goto(frontend: Frontend, kind: str, backends: Sequence[str], client: Memory) -> str:
    if not backends:
        return DROP
    return f"goto {pick_chain(frontend.scope, kind, frontend.protocol, len(backends), sticky=client.timeout)}"


def _placed(
    frontend: Frontend, backends: Sequence[str], first: int, client: Memory, before: Elements
) -> dict[Element, str]:
    places = placed(backends, _places(frontend, first, before))
    found: dict[Element, str] = {frontend.backend(first + index): backend for index, backend in enumerate(places)}
    if client.timeout and places:
        found.update(affinity.elements(frontend.family, frontend.scope, frontend.key, client.port, places, first))
    return found


def _places(frontend: Frontend, first: int, elements: Elements) -> list[str]:
    """The backends of a frontend in their places."""
    found: list[str] = []
    while (backend := elements.get(frontend.backend(first + len(found)))) is not None:
        found.append(backend)
    return found


def placed(wanted: Sequence[str], before: Sequence[str]) -> list[str]:
    """`wanted` in an order that differs from `before` in as few places as its members do."""
    if not before:
        return list(wanted)
    staying = set(wanted)
    places: list[str | None] = [backend if backend in staying else None for backend in before[: len(wanted)]]
    places += [None] * (len(wanted) - len(places))
    kept = set(places)
    newcomers = iter([backend for backend in wanted if backend not in kept])
    return [next(newcomers) if backend is None else backend for backend in places]
