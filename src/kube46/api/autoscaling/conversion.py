"""HorizontalPodAutoscalers of autoscaling/v1 and v2: what v1 has no field for travels in annotations.

Source: k8s.io/kubernetes pkg/apis/autoscaling/v1/conversion.go. Objects are stored in the form of v2.
"""

from __future__ import annotations

import json
from typing import Any

from kube46.api.autoscaling.defaults import cpu

Object = dict[str, Any]

PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, STATUSES, BEHAVIOR, CONDITIONS = (
    PREFIX + name for name in ("metrics", "current-metrics", "behavior", "conditions")
)
SOURCES = {"Object": "object", "Pods": "pods", "Resource": "resource", "External": "external"}
SOURCES["ContainerResource"] = "containerResource"
# v1's flat field → where v2 keeps it, for metrics and for their current values
FLAT = {"targetValue": "value", "targetAverageValue": "averageValue", "targetAverageUtilization": "averageUtilization"}
CURRENT = {name.replace("target", "current", 1): field for name, field in FLAT.items()}
# what v1 always writes of a current value
WRITTEN = dict.fromkeys(("pods", "resource", "containerResource"), "currentAverageValue")
WRITTEN |= dict.fromkeys(("object", "external"), "currentValue")


def to_v2(obj: Object) -> None:
    """The stored form of an object of autoscaling/v1."""
    spec, status, notes = obj.setdefault("spec", {}), obj.setdefault("status", {}), _annotations(obj)
    percent = spec.pop("targetCPUUtilizationPercentage", None)
    own = [cpu(percent)] if percent is not None else []
    spec["metrics"] = [_nested(metric) for metric in _decoded(notes.get(METRICS))] + own
    if behavior := _behavior(notes.get(BEHAVIOR)):
        spec["behavior"] = behavior
    current = status.pop("currentCPUUtilizationPercentage", None)
    if listed := _decoded(notes.get(STATUSES)):
        status["currentMetrics"] = [_nested(metric, "current") for metric in listed]
    elif current is not None:
        seen = {"name": "cpu", "current": {"averageUtilization": current}}
        status["currentMetrics"] = [{"type": "Resource", "resource": seen}]
    if conditions := _decoded(notes.get(CONDITIONS)):
        status["conditions"] = conditions
    _annotate(obj, {})


def to_v1(obj: Object) -> None:
    """The form of autoscaling/v1 of a stored object; one that has it already stays as it is."""
    spec, status = obj.setdefault("spec", {}), obj.setdefault("status", {})
    if "metrics" not in spec:
        return
    metrics, others = spec.pop("metrics", None) or [], []
    for metric in metrics:
        percent = _cpu_percent(metric)
        if percent is None:
            others.append(_flat(metric))
        else:
            spec.setdefault("targetCPUUtilizationPercentage", percent)
    seen, conditions = status.pop("currentMetrics", None) or [], status.pop("conditions", None)
    for metric in seen:
        resource = metric.get("resource") or {}
        percent = (resource.get("current") or {}).get("averageUtilization")
        if metric.get("type") == "Resource" and resource.get("name") == "cpu" and percent is not None:
            status["currentCPUUtilizationPercentage"] = percent
    listed = {METRICS: others, STATUSES: [_flat(metric, "current") for metric in seen], CONDITIONS: conditions}
    notes = {name: value for name, value in listed.items() if value}
    if behavior := spec.pop("behavior", None):
        notes[BEHAVIOR] = {_capital(name): _rules(rules) for name, rules in behavior.items()}
    _annotate(obj, {name: json.dumps(value, separators=(",", ":")) for name, value in notes.items()})


def _annotations(obj: Object) -> dict[str, str]:
    return (obj.get("metadata") or {}).get("annotations") or {}


def _annotate(obj: Object, notes: dict[str, str]) -> None:
    """Leave of the annotations above only these."""
    kept = {k: v for k, v in _annotations(obj).items() if k not in (METRICS, STATUSES, BEHAVIOR, CONDITIONS)}
    meta = obj.setdefault("metadata", {})
    meta.pop("annotations", None)
    if kept or notes:
        meta["annotations"] = {**kept, **notes}


def _decoded(text: str | None) -> list[Object]:
    """A list of objects; what is not one counts as nothing, as upstream."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return found if isinstance(found, list) and all(isinstance(one, dict) for one in found) else []


def _cpu_percent(metric: Object) -> int | None:
    resource = metric.get("resource") or {}
    if metric.get("type") != "Resource" or resource.get("name") != "cpu":
        return None
    found: int | None = (resource.get("target") or {}).get("averageUtilization")
    return found


def _flat(metric: Object, part: str = "target") -> Object:
    """A metric of v2 as v1 writes it into an annotation."""
    field = SOURCES.get(metric.get("type", ""), "")
    source = dict(metric.get(field) or {})
    values, named = source.pop(part, None) or {}, source.pop("metric", None) or {}
    about = source.pop("describedObject", None)
    if about is not None:
        source["target"] = about
    if "name" in named:
        source["metricName"] = named["name"]
    if "selector" in named:
        source["metricSelector" if field == "external" else "selector"] = named["selector"]
    for flat, nested in (FLAT if part == "target" else CURRENT).items():
        if values.get(nested) is not None:
            source["averageValue" if field == "object" and nested == "averageValue" else flat] = values[nested]
    if part == "current" and field in WRITTEN:
        source.setdefault(WRITTEN[field], "0")
    return {"type": metric.get("type", ""), field: source}


def _nested(metric: Object, part: str = "target") -> Object:
    """The reverse; the kind of target follows from which value there is."""
    field = SOURCES.get(metric.get("type", ""), "")
    source = dict(metric.get(field) or {})
    names = FLAT if part == "target" else CURRENT
    values = {nested: source.pop(flat) for flat, nested in names.items() if flat in source}
    if field == "object":
        if "averageValue" in source:
            values["averageValue"] = source.pop("averageValue")
        source["describedObject"] = source.pop("target", {})
    identifier = {"name": source.pop("metricName")} if "metricName" in source else {}
    for name in ("selector", "metricSelector"):
        if name in source:
            identifier["selector"] = source.pop(name)
    if identifier:
        source["metric"] = identifier
    if part == "target":
        kinds = {"averageUtilization": "Utilization", "averageValue": "AverageValue", "value": "Value"}
        values["type"] = next((kind for key, kind in kinds.items() if key in values), "AverageValue")
    return {"type": metric.get("type", ""), field: {**source, part: values}}


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def _rules(rules: Object | None) -> Object | None:
    """Scaling rules with the names that Go gives their fields: upstream writes its internal type."""
    if rules is None:
        return None
    policies = [{_capital(key): value for key, value in policy.items()} for policy in rules.get("policies") or ()]
    names = ("stabilizationWindowSeconds", "selectPolicy")
    shown = {_capital(name): rules.get(name) for name in names}
    return {**shown, "Policies": policies or None, "Tolerance": rules.get("tolerance")}


def _behavior(text: str | None) -> Object:
    """The reverse of what `to_v1` writes; nothing for what can't be read."""
    try:
        found = json.loads(text or "{}")
        return {_small(name): _lowered(rules) for name, rules in found.items() if rules}
    except (ValueError, AttributeError, TypeError):
        return {}


def _lowered(rules: Object) -> Object:
    named = {_small(name): value for name, value in rules.items() if value is not None}
    if "policies" in named:
        named["policies"] = [{_small(key): value for key, value in one.items()} for one in named["policies"]]
    return named


def _small(name: str) -> str:
    return name[:1].lower() + name[1:]
