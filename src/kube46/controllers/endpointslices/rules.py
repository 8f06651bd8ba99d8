"""What is to be done with the EndpointSlices of one Service: pure.

Source: kubernetes/staging/src/k8s.io/endpointslice/reconciler.go, semantics 4.1 and 4.2.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from kube46.addresses.families import Family
from kube46.api.objects import (
    Endpoint,
    EndpointPort,
    EndpointSlice,
    Meta,
    Node,
    OwnerReference,
    Pod,
    Service,
)
from kube46.controllers.endpointslices import endpoints
from kube46.controllers.endpointslices.endpoints import EndpointKey, PortKey
from kube46.controllers.endpointslices.hints import Notice, Shares, hint
from kube46.controllers.endpointslices.packing import Slices, pack
from kube46.controllers.endpointslices.triggers import ANNOTATION

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"
RESERVED_LABELS = (SERVICE_NAME, MANAGED_BY, HEADLESS)


@dataclass(slots=True)
class Plan:
    """The writes, and Events about them."""

    slices: Slices = field(default_factory=Slices)
    notices: list[Notice] = field(default_factory=list)


@dataclass(slots=True)
class _Group:
    """The endpoints of the pods that resolve the Service's ports to the same numbers."""

    ports: tuple[EndpointPort, ...]
    endpoints: dict[EndpointKey, Endpoint] = field(default_factory=dict)


def handles(service: Service) -> bool:
    """Whether the loop cares for the Service; an empty selector is one, and selects every pod (C4-1)."""
    return service.spec.selector is not None and service.spec.type != "ExternalName"


def plan(
    service: Service,
    pods: Iterable[Pod],
    node_of: Callable[[str], Node | None],
    existing: Iterable[EndpointSlice],
    *,
    maximum: int = 100,
    shares: Shares | None = None,
    trigger: str = "",
) -> Plan:
    """The changes that make `existing`, this loop's slices of the Service, right for `pods`, which it selects."""
    result = Plan()
    wanted = endpoints.families(service)
    chosen = [pod for pod in pods if endpoints.takes_part(pod)]
    old = list(existing)
    result.slices.delete += [s for s in old if s.address_type not in wanted]
    for family in wanted:
        part = _family(service, chosen, node_of, [s for s in old if s.address_type == family], family, maximum)
        result.notices += hint(service, shares, part, family)
        result.slices.add(part)
    _reuse(service, result.slices)
    if service.metadata.deletion_timestamp:
        result.slices.create.clear()
    for changed in (result.slices.create, result.slices.update):
        changed[:] = [_triggered(s, trigger) for s in changed]
    return result


def blank(service: Service, family: Family, ports: tuple[EndpointPort, ...] = ()) -> EndpointSlice:
    """A new slice without endpoints."""
    owner = OwnerReference(
        api_version="v1",
        kind="Service",
        name=service.metadata.name,
        uid=service.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )
    meta = Meta(
        namespace=service.metadata.namespace,
        generate_name=f"{service.metadata.name}-",
        labels=labels(service),
        owner_references=(owner,),
    )
    return EndpointSlice(metadata=meta, address_type=family.value, ports=ports)


def labels(service: Service) -> dict[str, str]:
    """The Service's labels, and those that say whose slice it is (C4-9)."""
    own = {key: value for key, value in service.metadata.labels.items() if key not in RESERVED_LABELS}
    if service.spec.cluster_ip in ("", "None"):
        own[HEADLESS] = ""
    return {**own, SERVICE_NAME: service.metadata.name, MANAGED_BY: CONTROLLER}


def _family(
    service: Service,
    pods: Iterable[Pod],
    node_of: Callable[[str], Node | None],
    existing: list[EndpointSlice],
    family: Family,
    maximum: int,
) -> Slices:
    groups = _groups(service, pods, node_of, family)
    result = Slices(delete=[s for s in existing if not _owned(s, service)])
    by_ports: dict[PortKey, list[EndpointSlice]] = {}
    for old in existing:
        if _owned(old, service):
            by_ports.setdefault(endpoints.port_key(old.ports), []).append(old)
    for key, group in groups.items():
        result.add(pack(by_ports.pop(key, []), group.endpoints, blank(service, family, group.ports), maximum))
    result.delete += [old for slices in by_ports.values() for old in slices]
    _hold_place(result, service, family)
    return result


def _groups(
    service: Service, pods: Iterable[Pod], node_of: Callable[[str], Node | None], family: Family
) -> dict[PortKey, _Group]:
    groups: dict[PortKey, _Group] = {}
    for pod in sorted(pods, key=lambda pod: pod.metadata.name):
        node = node_of(pod.spec.node_name)
        # A pod on a node that is not there counts only where even unready pods do (C4-4); the node's coming wakes us.
        if node is None and not service.spec.publish_not_ready_addresses:
            continue
        value = endpoints.endpoint(pod, node, service, family)
        if value is not None:
            ports = endpoints.ports(service, pod)
            group = groups.setdefault(endpoints.port_key(ports), _Group(ports))
            group.endpoints[endpoints.endpoint_key(value)] = value
    return groups


def _hold_place(result: Slices, service: Service, family: Family) -> None:
    """Where nothing would be left, an empty slice says that the Service was looked at (C4-8)."""
    if result.create or result.update or result.unchanged:
        return
    place = blank(service, family)
    for old in result.delete:
        if len(result.delete) == 1 and _is_placeholder(old, place) and _owned(old, service):
            result.delete.remove(old)
            result.unchanged.append(old)
            return
    result.create.append(place)


def _is_placeholder(old: EndpointSlice, place: EndpointSlice) -> bool:
    return not old.endpoints and not old.ports and old.metadata.labels == place.metadata.labels


def _reuse(service: Service, slices: Slices) -> None:
    """Turns a deletion and a creation of one family into an update, so that names survive (C4-8)."""
    for new in list(slices.create):
        for old in slices.delete:
            if old.address_type == new.address_type and _owned(old, service):
                slices.create.remove(new)
                slices.delete.remove(old)
                slices.update.append(replace(new, metadata=replace(old.metadata, labels=new.metadata.labels)))
                break


def _owned(old: EndpointSlice, service: Service) -> bool:
    return any(o.controller and o.uid == service.metadata.uid for o in old.metadata.owner_references)


def _triggered(new: EndpointSlice, trigger: str) -> EndpointSlice:
    kept = {key: value for key, value in new.metadata.annotations.items() if key != ANNOTATION}
    annotations = {**kept, ANNOTATION: trigger} if trigger else kept
    return replace(new, metadata=replace(new.metadata, annotations=annotations))
