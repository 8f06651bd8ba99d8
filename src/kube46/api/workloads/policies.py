"""PodDisruptionBudgets, PriorityClasses, ControllerRevisions (pkg/apis/{policy,scheduling,apps}/validation, 1.37)."""

from __future__ import annotations

from typing import Any

from kube46.api.errors import FieldError, forbidden, invalid, not_supported, required
from kube46.api.pods.admission import PRIORITIES
from kube46.api.selectors import selector_errors
from kube46.api.workloads import validation

Object = dict[str, Any]

EVICTIONS = ("AlwaysAllow", "IfHealthyBudget")
HIGHEST = 10**9
PREEMPTIONS = ("Never", "PreemptLowerPriority")


def budget_errors(obj: Object) -> list[FieldError]:
    """Errors of a PodDisruptionBudget's `spec`."""
    spec: Object = obj.get("spec") or {}
    found: list[FieldError] = []
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        found.append(invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"))
    for key in ("minAvailable", "maxUnavailable"):
        if spec.get(key) is not None:
            found += validation.share(f"spec.{key}", spec[key], most=True)
    found += selector_errors(spec.get("selector") or {}, "spec.selector")
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in EVICTIONS:
        found.append(not_supported("spec.unhealthyPodEvictionPolicy", policy, EVICTIONS))
    return found


def default_priority(obj: Object) -> None:
    """Pods of the class displace others."""
    if obj.get("preemptionPolicy") is None:
        obj["preemptionPolicy"] = "PreemptLowerPriority"
    obj.setdefault("value", 0)


def priority_errors(obj: Object, old: Object | None = None) -> list[FieldError]:
    """Errors of a PriorityClass; its value stays."""
    name, value, policy = obj["metadata"].get("name") or "", obj["value"], obj["preemptionPolicy"]
    found: list[FieldError] = []
    if old is not None:
        if value != old["value"]:
            found.append(forbidden("value", "may not be changed in an update."))
        if policy != old.get("preemptionPolicy"):
            found.append(invalid("preemptionPolicy", policy, "field is immutable"))
        return found
    if name.startswith("system-") and PRIORITIES.get(name) != value:
        text = "priority class names with 'system-' prefix are reserved for system use only"
        found.append(forbidden("metadata.name", f"{text}. error: {name} is not a known system priority class"))
    elif not name.startswith("system-") and value > HIGHEST:
        found.append(forbidden("value", f"maximum allowed value of a user defined priority is {HIGHEST}"))
    if policy not in PREEMPTIONS:
        found.append(not_supported("preemptionPolicy", policy, PREEMPTIONS))
    return found


def revision_errors(obj: Object, old: Object | None = None) -> list[FieldError]:
    """Errors of a ControllerRevision; its data stays."""
    found = validation.not_negative(obj, "revision", place="")
    if old is not None:
        changed = obj.get("data") != old.get("data")
        return [*found, invalid("data", obj.get("data"), "field is immutable")] if changed else found
    if obj.get("data") is None:
        found.append(required("data", "data is mandatory"))
    elif not isinstance(obj["data"], dict):
        found.append(required("data", "data must be a valid JSON object"))
    return found
