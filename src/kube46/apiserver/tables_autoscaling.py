"""The cells of HorizontalPodAutoscalers: each metric as `name: current/target`, two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api.autoscaling import conversion
from kube46.apiserver.tables_text import NONE, UNKNOWN, age, dig, name_of

if TYPE_CHECKING:
    import datetime

Object = dict[str, Any]
MOST = 2  # metrics that a cell lists
FIELDS = {
    "External": "external",
    "Pods": "pods",
    "Object": "object",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}


def autoscaler(found: Object, now: datetime.datetime) -> list[Any]:
    """A HorizontalPodAutoscaler of either version."""
    if "metrics" not in (found.get("spec") or {}):  # v1's, whose one target and annotations say the same
        found = {**found, "metadata": {**(found.get("metadata") or {})}}
        for name in ("spec", "status"):
            found[name] = dict(found.get(name) or {})
        conversion.to_v2(found)
    spec, status = found.get("spec") or {}, found.get("status") or {}
    target, least = spec.get("scaleTargetRef") or {}, spec.get("minReplicas")
    return [
        name_of(found),
        f"{target.get('kind', '')}/{target.get('name', '')}",
        _metrics(spec.get("metrics") or [], status.get("currentMetrics") or []),
        "<unset>" if least is None else str(least),
        spec.get("maxReplicas") or 0,
        status.get("currentReplicas") or 0,
        age(found, now),
    ]


def _metrics(specs: list[Object], statuses: list[Object]) -> str:
    shown = [_metric(spec, statuses[n] if n < len(statuses) else {}) for n, spec in enumerate(specs)]
    more = f" + {len(shown) - MOST} more..." if len(shown) > MOST else ""
    return ", ".join(shown[:MOST]) + more or NONE


def _metric(spec: Object, status: Object) -> str:
    field = FIELDS.get(spec.get("type", ""))
    if field is None:
        return "<unknown type>"
    target, current = dig(spec, field, "target") or {}, dig(status, field, "current") or {}
    if field in ("resource", "containerResource"):
        name = dig(spec, field, "name")
        if target.get("averageValue") is not None:
            return f"{name}: {current.get('averageValue', UNKNOWN)}/{target['averageValue']}"
        return f"{name}: {_percent(current, UNKNOWN)}/{_percent(target, '<auto>')}"
    if field == "pods":
        return f"{current.get('averageValue', UNKNOWN)}/{target.get('averageValue')}"
    if target.get("averageValue") is not None:
        return f"{current.get('averageValue', UNKNOWN)}/{target['averageValue']} (avg)"
    return f"{current.get('value', UNKNOWN)}/{target.get('value')}"


def _percent(found: Object, absent: str) -> str:
    value = found.get("averageUtilization")
    return absent if value is None else f"{value}%"
