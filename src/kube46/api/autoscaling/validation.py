"""Errors of HorizontalPodAutoscalers (k8s.io/kubernetes pkg/apis/autoscaling/validation/validation.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api import names
from kube46.api.autoscaling.conversion import SOURCES
from kube46.api.errors import FieldError, each_invalid, forbidden, invalid, not_supported, required
from kube46.api.quantities import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

Object = dict[str, Any]

MOST_STABLE, LONGEST_PERIOD = 3600, 1800  # seconds
ONLY = "must populate information for the given metric source"
TARGETS = ("Utilization", "Value", "AverageValue")


def errors(obj: Object, old: Object | None = None) -> list[FieldError]:
    """Every error of `spec`."""
    spec: Object = obj["spec"]
    found: list[FieldError] = []
    low, high = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if low is not None and low < 0:
        found.append(invalid("spec.minReplicas", low, "must be greater than or equal to 0"))
    if high < 0:
        found.append(invalid("spec.maxReplicas", high, "must be greater than or equal to 1"))
    if low is not None and high < low:
        found.append(invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`"))
    target = spec.get("scaleTargetRef") or {}
    before = (old or {}).get("spec", {}).get("scaleTargetRef")
    same = before is not None and all(before.get(key) == target.get(key) for key in ("apiVersion", "kind"))
    free = None if same else target.get("kind") == "ReplicationController"
    found += _reference("spec.scaleTargetRef", target, free)
    metrics = spec.get("metrics") or []
    for index, metric in enumerate(metrics):
        found += _metric(f"spec.metrics[{index}]", metric)
    if low == 0 and not any(metric.get("type") in ("Object", "External") for metric in metrics):
        text = "must specify at least one Object or External metric to support scaling to zero replicas"
        found.append(forbidden("spec.metrics", text))
    for name, rules in (spec.get("behavior") or {}).items():
        found += _rules(f"spec.behavior.{name}", rules or {})
    return found if high else [*found, required("spec.maxReplicas")]  # checked apart, and told last


def _reference(place: str, reference: Mapping[str, Any], free: bool | None) -> list[FieldError]:
    """Errors of a reference; `free`: it may be without a group; None: its version is not looked at."""
    found: list[FieldError] = []
    for key in ("kind", "name"):
        if value := reference.get(key):
            found += each_invalid(f"{place}.{key}", value, names.path_segment(value))
        else:
            found.append(required(f"{place}.{key}"))
    version = reference.get("apiVersion", "")
    if free is not None and version.count("/") > 1:
        found.append(invalid(f"{place}.apiVersion", version, f"unexpected GroupVersion string: {version}"))
    elif free is False and "/" not in version.strip("/"):
        found.append(invalid(f"{place}.apiVersion", version, "apiVersion must specify API group"))
    return found


def _metric(place: str, metric: Object) -> list[FieldError]:
    kind, found = metric.get("type", ""), []
    if not kind:
        found.append(required(f"{place}.type", "must specify a metric source type"))
    if kind not in SOURCES:
        found.append(not_supported(f"{place}.type", kind, SOURCES))
    order = ("object", "external", "pods", "resource", "containerResource")
    present = [name for name in order if metric.get(name) is not None]
    if present:
        found += _source(f"{place}.{present[0]}", present[0], metric[present[0]])
    wanted = SOURCES.get(kind, "")
    if not wanted:
        found.append(not_supported(f"{place}.type", kind, SOURCES))
    elif wanted not in present:
        found.append(required(f"{place}.{wanted}", ONLY))
    if len(present) != 1:
        text = "must populate the given metric source only"
        found += [forbidden(f"{place}.{name}", text) for name in present if name != wanted]
    return found


def _source(place: str, name: str, source: Object) -> list[FieldError]:
    target, found = source.get("target") or {}, []
    if name == "object":
        found += _reference(f"{place}.describedObject", source.get("describedObject") or {}, free=True)
    if name in ("object", "external", "pods"):
        metric = (source.get("metric") or {}).get("name", "")
        if metric:
            found += each_invalid(f"{place}.metric.name", metric, names.path_segment(metric))
        else:
            found.append(required(f"{place}.metric.name", "must specify a metric name"))
    elif not source.get("name"):
        found.append(required(f"{place}.name", "must specify a resource name"))
    if name == "containerResource":
        container = source.get("container", "")
        if container:
            found += each_invalid(f"{place}.container", container, names.label(container))
        else:
            found.append(required(f"{place}.container", "must specify a container"))
    return found + _target(f"{place}.target", target) + _fitting(f"{place}.target", name, target)


def _target(place: str, target: Object) -> list[FieldError]:
    kind, found = target.get("type", ""), []
    if not kind:
        found.append(required(f"{place}.type", "must specify a metric target type"))
    if kind not in TARGETS:
        found.append(invalid(f"{place}.type", kind, "must be either Utilization, Value, or AverageValue"))
    low = [key for key in ("value", "averageValue") if target.get(key) is not None and parse(target[key]) <= 0]
    found += [invalid(f"{place}.{key}", target[key], "must be positive") for key in low]
    if (share := target.get("averageUtilization")) is not None and share < 1:
        found.append(invalid(f"{place}.averageUtilization", share, "must be greater than 0"))
    return found


def _fitting(place: str, name: str, target: Object) -> list[FieldError]:
    """Errors of which value is given for which source."""
    value, average, share = (target.get(key) is not None for key in ("value", "averageValue", "averageUtilization"))
    if name == "pods":
        text = "must specify a positive target averageValue"
        return [] if average else [required(f"{place}.averageValue", text)]
    if name in ("object", "external"):
        what = "value or averageValue" if name == "object" else "value for metric or a per-pod target"
        if not value and not average:
            return [required(f"{place}.averageValue", f"must set either a target {what}")]
        text = "may not set both a target value for metric and a per-pod target"
        return [forbidden(f"{place}.value", text)] if name == "external" and value and average else []
    if not share and not average:
        text = "must set either a target raw value or a target utilization"
        return [required(f"{place}.averageUtilization", text)]
    text = "may not set both a target raw value and a target utilization"
    return [forbidden(f"{place}.averageValue", text)] if share and average else []


def _rules(place: str, rules: Object) -> list[FieldError]:
    found: list[FieldError] = []
    window, policy = rules.get("stabilizationWindowSeconds"), rules.get("selectPolicy")
    if window is not None and window < 0:
        found.append(invalid(f"{place}.stabilizationWindowSeconds", window, "must be greater than or equal to zero"))
    if window is not None and window > MOST_STABLE:
        text = f"must be less than or equal to {MOST_STABLE}"
        found.append(invalid(f"{place}.stabilizationWindowSeconds", window, text))
    if policy is not None and policy not in ("Max", "Min", "Disabled"):
        found.append(not_supported(f"{place}.selectPolicy", policy, ("Max", "Min", "Disabled")))
    if not rules.get("policies"):
        found.append(required(f"{place}.policies", "must specify at least one Policy"))
    for index, one in enumerate(rules.get("policies") or ()):
        found += _policy(f"{place}.policies[{index}]", one)
    return found


def _policy(place: str, policy: Object) -> list[FieldError]:
    found: list[FieldError] = []
    if policy.get("type") not in ("Pods", "Percent"):
        found.append(not_supported(f"{place}.type", policy.get("type", ""), ("Pods", "Percent")))
    low = [key for key in ("value", "periodSeconds") if (policy.get(key) or 0) <= 0]
    found += [invalid(f"{place}.{key}", policy.get(key) or 0, "must be greater than zero") for key in low]
    if (policy.get("periodSeconds") or 0) > LONGEST_PERIOD:
        text = f"must be less than or equal to {LONGEST_PERIOD}"
        found.append(invalid(f"{place}.periodSeconds", policy["periodSeconds"], text))
    return found
