"""What an update of a Service may not change (semantics 1.6)."""

from __future__ import annotations

from kube46.api.errors import FieldError, forbidden, invalid
from kube46.api.services import validation
from kube46.api.services.traits import (
    EXTERNAL_NAME,
    LOAD_BALANCER,
    SINGLE,
    Spec,
    families,
    headless,
    ips,
    is_type,
    needs_health_port,
)

ONCE = "may not change once set"
POLICY = "spec.ipFamilyPolicy"


def errors(spec: Spec, old: Spec) -> list[FieldError]:
    """Every forbidden change, in upstream's order."""
    return [*_addresses(spec, old), *_families(spec, old), *_balancer_class(spec, old), *_health_port(spec, old)]


def _addresses(spec: Spec, old: Spec) -> list[FieldError]:
    if is_type(spec, EXTERNAL_NAME) or is_type(old, EXTERNAL_NAME) or (headless(old) and headless(spec)):
        return []
    new, before = ips(spec), ips(old)
    if len(new) == len(before):
        return [
            invalid(f"spec.clusterIPs[{i}]", new, ONCE)
            for i, (a, b) in enumerate(zip(before, new, strict=True))
            if a != b
        ]
    found = []
    if not new:
        found.append(invalid("spec.clusterIPs[0]", None, "primary clusterIP can not be unset"))
    elif before and new[0] != before[0]:
        found.append(invalid("spec.clusterIPs[0]", new, ONCE))
    if len(new) == 1 < len(before) and spec.get("ipFamilyPolicy") != SINGLE:
        text = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        found.append(invalid(POLICY, spec.get("ipFamilyPolicy"), text))
    return found


def _families(spec: Spec, old: Spec) -> list[FieldError]:
    """The paths and values are upstream's, odd as they are: always index 0, and cluster IPs for families."""
    if is_type(spec, EXTERNAL_NAME) or is_type(old, EXTERNAL_NAME) or headless(old) or headless(spec):
        return []
    new, before, field = families(spec), families(old), "spec.ipFamilies[0]"
    if len(new) == len(before):
        return [invalid(field, new, ONCE) for a, b in zip(before, new, strict=True) if a != b]
    found = []
    if len(new) < len(before) and not ips(spec):
        found.append(invalid(field, new, "primary ipFamily can not be unset"))
    if new and before and new[0] != before[0]:
        found.append(invalid(field, ips(spec), ONCE))
    if len(new) == 1 < len(before) and spec.get("ipFamilyPolicy") != SINGLE:
        text = "must be set to 'SingleStack' when releasing the secondary ipFamily"
        found.append(invalid(POLICY, spec.get("ipFamilyPolicy"), text))
    return found


def _balancer_class(spec: Spec, old: Spec) -> list[FieldError]:
    found = []
    value, both = spec.get("loadBalancerClass"), is_type(spec, LOAD_BALANCER) and is_type(old, LOAD_BALANCER)
    if both and value != old.get("loadBalancerClass"):
        found.append(invalid("spec.loadBalancerClass", value, ONCE))
    return found + validation.balancer_class(spec)


def _health_port(spec: Spec, old: Spec) -> list[FieldError]:
    both = needs_health_port(spec) and needs_health_port(old)
    if both and spec.get("healthCheckNodePort", 0) != old.get("healthCheckNodePort", 0):
        return [forbidden("spec.healthCheckNodePort", "field is immutable")]
    return []
