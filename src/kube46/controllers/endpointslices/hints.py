"""Hints: which zones or nodes should use an endpoint, by `trafficDistribution` or by the zones' share of CPUs.

Source: kubernetes/staging/src/k8s.io/endpointslice/{trafficdist,topologycache}; KEP-4444, KEP-3015, KEP-2433;
semantics H-1 to H-3. The topology-aware kind needs no memory: what is hinted already is read from the slices.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from kube46.api.objects import Endpoint, EndpointHints, EndpointSlice, Node, Service, ZoneHint
from kube46.api.quantities import parse
from kube46.controllers.endpointslices.endpoints import ZONE
from kube46.controllers.endpointslices.packing import Slices

ANNOTATIONS = ("service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode")
EXCLUDED_LABELS = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
SAME_ZONE = ("PreferClose", "PreferSameZone", "PreferSameNode")
OVERLOAD = 0.2
Shares = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Notice:
    """An Event for the Service."""

    reason: str
    message: str
    type: str


class _Disabled(Exception):
    """Zones cannot be served in proportion; the text says why."""


@dataclass(slots=True)
class _Allocation:
    """How many endpoints a zone must, may and should have."""

    least: int
    most: int
    desired: float


def topology_aware(service: Service) -> bool:
    """Whether hints follow the zones' CPUs; this disables trafficDistribution. The older annotation wins."""
    annotations = service.metadata.annotations
    value = next((annotations[name] for name in ANNOTATIONS if name in annotations), "")
    return value in ("Auto", "auto")


def shares_of(nodes: Iterable[Node]) -> Shares | None:
    """Each zone's share of the ready nodes' allocatable CPUs; None when one has no zone or CPUs, or zones are few."""
    cpus: Counter[str] = Counter()
    for node in nodes:
        if any(label in node.metadata.labels for label in EXCLUDED_LABELS) or not _is_ready(node):
            continue
        zone, milli = node.metadata.labels.get(ZONE, ""), int(parse(node.status.allocatable.get("cpu", 0)) * 1000)
        if not zone or not milli:
            return None
        cpus[zone] += milli
    total = sum(cpus.values())
    return {zone: milli / total for zone, milli in cpus.items()} if len(cpus) > 1 else None


def hint(service: Service, shares: Shares | None, slices: Slices, family: str) -> list[Notice]:
    """Sets the hints of one family's slices; unchanged slices that need other hints become ones to update."""
    if not topology_aware(service):
        _each(slices, _distribution(service.spec.traffic_distribution))
        return []
    hinted_before = any(e.hints for s in [*slices.unchanged, *slices.update, *slices.delete] for e in s.endpoints or ())
    try:
        _by_zone(shares, slices)
    except _Disabled as reason:
        _each(slices, lambda _: None)
        return [Notice("TopologyAwareHintsDisabled", f"{reason}, addressType: {family}", "Warning")]
    if hinted_before:
        return []
    message = f"Topology Aware Hints has been enabled, addressType: {family}"
    return [Notice("TopologyAwareHintsEnabled", message, "Normal")]


def _distribution(mode: str | None) -> Callable[[Endpoint], EndpointHints | None]:
    """Hints by `trafficDistribution`: an endpoint's own zone, and its own node for PreferSameNode."""

    def hints_of(endpoint: Endpoint) -> EndpointHints | None:
        if mode not in SAME_ZONE or not endpoint.conditions.ready:
            return None
        zones = (ZoneHint(endpoint.zone),) if endpoint.zone else ()
        nodes = (ZoneHint(endpoint.node_name),) if endpoint.node_name and mode == "PreferSameNode" else ()
        return EndpointHints(zones, nodes) if zones or nodes else None

    return hints_of


def _each(slices: Slices, hints_of: Callable[[Endpoint], EndpointHints | None]) -> None:
    def wrong(old: EndpointSlice) -> bool:
        return any(e.hints != hints_of(e) for e in old.endpoints or ())

    def hinted(old: EndpointSlice) -> EndpointSlice:
        if not wrong(old):
            return old
        return replace(old, endpoints=tuple(replace(e, hints=hints_of(e)) for e in old.endpoints or ()))

    slices.create[:] = map(hinted, slices.create)
    slices.update[:] = map(hinted, slices.update)
    slices.update += map(hinted, filter(wrong, slices.unchanged))
    slices.unchanged[:] = [old for old in slices.unchanged if not wrong(old)]


def _by_zone(shares: Shares | None, slices: Slices) -> None:
    total = sum(_ready(e) for s in [*slices.create, *slices.update, *slices.unchanged] for e in s.endpoints or ())
    allocations = _allocations(shares, total)
    given = _keep_valid(slices, allocations)
    hints = _own_zones(slices, given)
    _balance(hints, allocations, given)
    if not given:
        raise _Disabled("No hints allocated for zones")

    places = iter(hints)

    def hinted(old: EndpointSlice) -> EndpointSlice:
        found = []
        for endpoint in old.endpoints or ():
            zone = next(places)
            found.append(replace(endpoint, hints=EndpointHints((ZoneHint(zone),)) if zone else None))
        return replace(old, endpoints=tuple(found))

    slices.create[:] = map(hinted, slices.create)
    slices.update[:] = map(hinted, slices.update)


def _allocations(shares: Shares | None, total: int) -> dict[str, _Allocation]:
    if shares is None:
        raise _Disabled("Insufficient Node information: allocatable CPU or zone not specified on one or more nodes")
    size = f"({total} endpoints, {len(shares)} zones)"
    if len(shares) > total:
        raise _Disabled(f"Insufficient number of endpoints {size}")
    least = {zone: math.ceil(share * total / (1 + OVERLOAD)) for zone, share in shares.items()}
    spare = total - sum(least.values())
    if spare < 0:
        raise _Disabled(
            "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold " + size
        )
    return {zone: _Allocation(n, n + spare, max(shares[zone] * total, n)) for zone, n in least.items()}


def _keep_valid(slices: Slices, allocations: Mapping[str, _Allocation]) -> Counter[str]:
    """Moves unchanged slices whose hints are missing or too many to those to update; counts the hints of the others."""
    given: Counter[str] = Counter()
    for old in list(slices.unchanged):
        zones = [[z.name for z in e.hints.for_zones] if e.hints else [] for e in old.endpoints or () if _ready(e)]
        here = Counter(name for names in zones for name in names)
        fits = all(name in allocations and given[name] + n <= allocations[name].most for name, n in here.items())
        if fits and all(zones):
            given.update(here)
        else:
            slices.unchanged.remove(old)
            slices.update.append(old)
    return given


def _own_zones(slices: Slices, given: Counter[str]) -> list[str]:
    """A hint for each endpoint that may change, in order: its own zone; "" when it is not ready."""
    hints = []
    for old in [*slices.create, *slices.update]:
        for endpoint in old.endpoints or ():
            if _ready(endpoint) and not endpoint.zone:
                raise _Disabled("One or more endpoints do not have a zone specified")
            zone = (endpoint.zone or "") if _ready(endpoint) else ""
            hints.append(zone)
            if zone:
                given[zone] += 1
    return hints


def _balance(hints: list[str], allocations: Mapping[str, _Allocation], given: Counter[str]) -> None:
    """Re-hints endpoints of zones with too many to zones with too few."""
    giving, receiving = _transfers(allocations, given)
    for place, zone in enumerate(hints):
        if not receiving:
            break
        if zone and giving.get(zone, 0) > 0:
            target = next(iter(receiving))
            hints[place] = target
            for counts, name in ((giving, zone), (receiving, target)):
                counts[name] -= 1
                if not counts[name]:
                    del counts[name]
            given[zone] -= 1
            given[target] += 1


def _transfers(allocations: Mapping[str, _Allocation], given: Mapping[str, int]) -> tuple[Counter[str], Counter[str]]:
    """Whole endpoints that each zone gives and receives, largest difference first."""
    surplus = {zone: given.get(zone, 0) - a.desired for zone, a in allocations.items()}
    giving: Counter[str] = Counter()
    receiving: Counter[str] = Counter()
    while True:
        giver, receiver = max(surplus, key=surplus.__getitem__), min(surplus, key=surplus.__getitem__)
        give, take = surplus[giver], -surplus[receiver]
        if (give < 1 and take < 1) or give < 0.5 or take < 0.5:
            return giving, receiving
        giving[giver] += 1
        receiving[receiver] += 1
        surplus[giver] -= 1
        surplus[receiver] += 1


def _ready(endpoint: Endpoint) -> bool:
    return bool(endpoint.conditions.ready)


def _is_ready(node: Node) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
