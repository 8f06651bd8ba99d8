"""Which EndpointSlices mirror an Endpoints object that somebody wrote for a Service without a selector: pure.

Source: kubernetes/pkg/controller/endpointslicemirroring/{reconciler.go,utils.go}, semantics 4.4.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec.structs import replace

from kube46.addresses.families import Family, family_of
from kube46.api.objects import (
    Endpoint,
    EndpointConditions,
    EndpointPort,
    Endpoints,
    EndpointSlice,
    Meta,
    OwnerReference,
    Service,
    TargetRef,
)
from kube46.controllers.endpointslices.endpoints import EndpointKey, PortKey, endpoint_key, port_key
from kube46.controllers.endpointslices.packing import Slices, pack
from kube46.controllers.endpointslices.rules import MANAGED_BY, SERVICE_NAME
from kube46.controllers.endpointslices.triggers import ANNOTATION

CONTROLLER = "endpointslicemirroring-controller.k8s.io"
SKIP, LEADER = "endpointslice.kubernetes.io/skip-mirror", "control-plane.alpha.kubernetes.io/leader"
NOT_COPIED = (ANNOTATION, "kubectl.kubernetes.io/last-applied-configuration")
MOST = 1000  # addresses of a subset that are mirrored
Group = tuple[str, PortKey]


@dataclass(slots=True)
class Plan:
    """The writes, and Events (reason, message) about what is not mirrored."""

    slices: Slices = field(default_factory=Slices)
    notices: list[tuple[str, str]] = field(default_factory=list)


def mirrored(endpoints: Endpoints | None, service: Service | None) -> bool:
    """Whether the object is to be mirrored (M-1)."""
    if endpoints is None or service is None or service.spec.selector is not None:
        return False
    meta = endpoints.metadata
    return meta.labels.get(SKIP) != "true" and LEADER not in meta.annotations and not meta.deletion_timestamp


def plan(endpoints: Endpoints, existing: Iterable[EndpointSlice]) -> Plan:
    """The changes that make `existing`, this loop's slices of the Service, mirror the object."""
    result = Plan()
    wanted = _groups(endpoints, result.notices)
    held: dict[Group, list[EndpointSlice]] = {}
    for one in existing:
        held.setdefault((one.address_type, port_key(one.ports)), []).append(one)
    for group, (ports, found) in wanted.items():
        result.slices.add(pack(held.pop(group, []), found, blank(endpoints, Family(group[0]), ports), MOST))
    result.slices.delete += [one for rest in held.values() for one in rest]
    notes = annotations(endpoints)
    for one in [one for one in result.slices.unchanged if one.metadata.annotations != notes]:
        result.slices.unchanged.remove(one)
        result.slices.update.append(one)
    meta = [replace(one, metadata=replace(one.metadata, annotations=notes)) for one in result.slices.update]
    result.slices.update = meta
    return result


def blank(endpoints: Endpoints, family: Family, ports: tuple[EndpointPort, ...]) -> EndpointSlice:
    """A new slice without endpoints; it belongs to the Endpoints object, and goes with it."""
    meta = endpoints.metadata
    owner = OwnerReference("v1", "Endpoints", meta.name, meta.uid, controller=True, block_owner_deletion=True)
    labels = {**meta.labels, SERVICE_NAME: meta.name, MANAGED_BY: CONTROLLER}
    own = Meta(
        namespace=meta.namespace,
        generate_name=f"{meta.name}-",
        labels=labels,
        annotations=annotations(endpoints),
        owner_references=(owner,),
    )
    return EndpointSlice(metadata=own, address_type=family.value, ports=ports)


def annotations(endpoints: Endpoints) -> dict[str, str]:
    """Those of the object, but two that are its own affair (M-3)."""
    return {key: text for key, text in endpoints.metadata.annotations.items() if key not in NOT_COPIED}


def _groups(
    endpoints: Endpoints, notices: list[tuple[str, str]]
) -> dict[Group, tuple[tuple[EndpointPort, ...], dict[EndpointKey, Endpoint]]]:
    """The endpoints by family and ports, whatever families the Service has (M-2)."""
    found: dict[Group, tuple[tuple[EndpointPort, ...], dict[EndpointKey, Endpoint]]] = {}
    bad = cut = 0
    for subset in endpoints.subsets or ():
        ports = tuple(msgspec.convert({"name": "", **port}, EndpointPort) for port in subset.get("ports") or ())
        taken = 0
        for key, ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in subset.get(key) or ():
                family = _family(address.get("ip") or "")
                if family is None or taken >= MOST:
                    bad, cut = bad + (family is None), cut + (family is not None)
                    continue
                taken += 1
                one = _endpoint(address, ready=ready)
                found.setdefault((family.value, port_key(ports)), (ports, {}))[1][endpoint_key(one)] = one
    if bad:
        notices.append(("InvalidIPAddress", f"Skipped {bad} invalid IP addresses when mirroring to EndpointSlices"))
    if cut:
        text = f"A max of {MOST} addresses can be mirrored to EndpointSlices per Endpoints subset."
        notices.append(("TooManyAddressesToMirror", f"{text} {cut} addresses were skipped"))
    return found


def _family(text: str) -> Family | None:
    try:
        return family_of(str(ipaddress.ip_address(text)))
    except ValueError:
        return None


def _endpoint(address: dict[str, Any], *, ready: bool) -> Endpoint:
    target = address.get("targetRef")
    return Endpoint(
        addresses=(address["ip"],),
        conditions=EndpointConditions(ready=ready),
        hostname=address.get("hostname") or None,
        node_name=address.get("nodeName"),
        target_ref=msgspec.convert(target, TargetRef) if target else None,
    )
