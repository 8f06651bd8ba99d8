"""Validation of a whole Service, every error collected in upstream's order (semantics 1.8.1, V-1 to V-23)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api import ip, names
from kube46.api.errors import FieldError, each_invalid, forbidden, invalid, not_supported, required
from kube46.api.metadata import labels_valid
from kube46.api.services import consistency, ports
from kube46.api.services.traits import (
    CLUSTER,
    CLUSTER_IP,
    EXTERNAL_NAME,
    LOAD_BALANCER,
    LOCAL,
    NODE_PORT,
    NONE,
    TYPES,
    Spec,
    externally_accessible,
    families,
    headless,
    ips,
    is_type,
    needs_health_port,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Object = dict[str, Any]

HINTS = "service.kubernetes.io/topology-aware-hints"
MODE = "service.kubernetes.io/topology-mode"
RANGES_ANNOTATION = "service.beta.kubernetes.io/load-balancer-source-ranges"
ONLY_BALANCER = "may only be used when `type` is 'LoadBalancer'"
MAX_AFFINITY = 86400  # seconds
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")


def errors(service: Object, old_service: Object | None = None) -> list[FieldError]:
    """Every error of a Service but those of common metadata; malformed values that `old_service` holds pass."""
    spec, old = service["spec"], old_service["spec"] if old_service else None
    checks: tuple[Callable[[Spec], list[FieldError]], ...] = (
        _by_type, ports.each_port, _selector, _affinity,
        lambda spec: consistency.errors(spec, old),
        lambda spec: _external_ips(spec, old),
        _type, ports.together,
        lambda spec: _source_ranges(service, old_service),
        _allocation, balancer_class, _external_policy, _internal_policy, _distribution,
    )  # fmt: skip
    return _topology(service) + [error for check in checks for error in check(spec)]


def _annotations(service: Object) -> dict[str, str]:
    return (service.get("metadata") or {}).get("annotations") or {}


def _topology(service: Object) -> list[FieldError]:
    annotations = _annotations(service)
    if HINTS in annotations and MODE in annotations and annotations[HINTS] != annotations[MODE]:
        text = f"must match annotations[{HINTS}] when both are specified"
        return [invalid(f"metadata.annotations[{MODE}]", annotations[MODE], text)]
    return []


def _by_type(spec: Spec) -> list[FieldError]:
    found = []
    if not spec.get("ports") and not headless(spec) and not is_type(spec, EXTERNAL_NAME):
        found.append(required("spec.ports"))
    if is_type(spec, LOAD_BALANCER, NODE_PORT) and headless(spec):
        text = f"may not be set to 'None' for {spec['type']} services"
        found.append(invalid("spec.clusterIPs[0]", NONE, text))
    return found + _external_name(spec) if is_type(spec, EXTERNAL_NAME) else found


def _external_name(spec: Spec) -> list[FieldError]:
    held = {
        "clusterIPs": bool(ips(spec)),
        "ipFamilies": bool(families(spec)),
        "ipFamilyPolicy": spec.get("ipFamilyPolicy") is not None,
    }
    text = "may not be set for ExternalName services"
    found = [forbidden(f"spec.{key}", text) for key, present in held.items() if present]
    name = spec.get("externalName", "").removesuffix(".")
    if not name:
        return [*found, required("spec.externalName")]
    return found + each_invalid("spec.externalName", name, names.subdomain(name))


def _selector(spec: Spec) -> list[FieldError]:
    return labels_valid(spec.get("selector"), "spec.selector")


def _affinity(spec: Spec) -> list[FieldError]:
    affinity = spec.get("sessionAffinity")
    if affinity not in ("ClientIP", "None"):
        field = "spec.sessionAffinity"
        return [not_supported(field, affinity, ("ClientIP", "None"))] if affinity else [required(field)]
    if affinity == "None":
        return []  # defaulting has taken away any config
    seconds = spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"]
    if 0 < seconds <= MAX_AFFINITY:
        return []
    text = f"must be greater than 0 and less than {MAX_AFFINITY}"
    return [invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds, text)]


def _external_ips(spec: Spec, old: Spec | None) -> list[FieldError]:
    known = (old.get("externalIPs") or []) if old else []
    found: list[FieldError] = []
    for index, address in enumerate(spec.get("externalIPs") or ()):
        field = f"spec.externalIPs[{index}]"
        found += ip.legacy_ip(field, address, known) or ip.special(field, address)
    return found


def _type(spec: Spec) -> list[FieldError]:
    return [] if is_type(spec, *TYPES) else [not_supported("spec.type", spec.get("type"), TYPES)]


def _source_ranges(service: Object, old_service: Object | None) -> list[FieldError]:
    spec, field = service["spec"], "spec.LoadBalancerSourceRanges"
    wrong_type = [] if is_type(spec, LOAD_BALANCER) else [forbidden(field, ONLY_BALANCER)]
    if ranges := spec.get("loadBalancerSourceRanges"):
        known = ((old_service or {}).get("spec") or {}).get("loadBalancerSourceRanges") or []
        found = [
            error
            for index, text in enumerate(ranges)
            for error in ip.legacy_cidr(f"{field}[{index}]", text.strip(), [k.strip() for k in known])
        ]
        return wrong_type + found
    text = _annotations(service).get(RANGES_ANNOTATION)
    if text is None:
        return []
    field = f"metadata.annotations[{RANGES_ANNOTATION}]"
    wrong_type = [] if is_type(spec, LOAD_BALANCER) else [forbidden(field, ONLY_BALANCER)]
    unchanged = old_service is not None and _annotations(old_service).get(RANGES_ANNOTATION) == text
    if unchanged or not text.strip():
        return wrong_type
    return wrong_type + [error for part in text.strip().split(",") for error in ip.legacy_cidr(field, part.strip())]


def _allocation(spec: Spec) -> list[FieldError]:
    allocate = spec.get("allocateLoadBalancerNodePorts")
    if is_type(spec, LOAD_BALANCER):
        return [required("allocateLoadBalancerNodePorts")] if allocate is None else []
    return [] if allocate is None else [forbidden("spec.allocateLoadBalancerNodePorts", ONLY_BALANCER)]


def balancer_class(spec: Spec) -> list[FieldError]:
    """Errors of `loadBalancerClass`; on update upstream lists them twice."""
    name = spec.get("loadBalancerClass")
    if name is None:
        return []
    if not is_type(spec, LOAD_BALANCER):
        return [forbidden("spec.loadBalancerClass", ONLY_BALANCER)]
    return each_invalid("spec.loadBalancerClass", name, names.qualified(name))


def _external_policy(spec: Spec) -> list[FieldError]:
    field, policy = "spec.externalTrafficPolicy", spec.get("externalTrafficPolicy")
    found = []
    if not externally_accessible(spec):
        if policy:
            found.append(invalid(field, policy, "may only be set for externally-accessible services"))
    elif policy not in (CLUSTER, LOCAL):
        found.append(not_supported(field, policy, (CLUSTER, LOCAL)) if policy else required(field))
    return found + _health_port(spec)


def _health_port(spec: Spec) -> list[FieldError]:
    field, port = "spec.healthCheckNodePort", spec.get("healthCheckNodePort", 0)
    if needs_health_port(spec):
        return each_invalid(field, port, names.port_number(port)) if port else [required(field)]
    text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
    return [invalid(field, port, text)] if port else []


def _internal_policy(spec: Spec) -> list[FieldError]:
    field, policy = "spec.internalTrafficPolicy", spec.get("internalTrafficPolicy")
    if policy is None:
        return [required(field)] if is_type(spec, NODE_PORT, LOAD_BALANCER, CLUSTER_IP) else []
    return [] if policy in (CLUSTER, LOCAL) else [not_supported(field, policy, (CLUSTER, LOCAL))]


def _distribution(spec: Spec) -> list[FieldError]:
    value = spec.get("trafficDistribution")
    if value is None or value in DISTRIBUTIONS:
        return []
    return [not_supported("spec.trafficDistribution", value, DISTRIBUTIONS, in_order=True)]
