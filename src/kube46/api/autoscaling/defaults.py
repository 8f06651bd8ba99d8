"""Static defaulting of HorizontalPodAutoscalers (k8s.io/kubernetes pkg/apis/autoscaling/v2/defaults.go)."""

from __future__ import annotations

import copy
from typing import Any

Object = dict[str, Any]

CPU_PERCENT = 80
UP = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
DOWN = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


def default(obj: Object) -> None:
    """One replica at least, and 80 % of the CPU asked for; half a behaviour is completed."""
    spec = obj.setdefault("spec", {})
    if spec.get("minReplicas") is None:
        spec["minReplicas"] = 1
    if not spec.get("metrics"):
        spec["metrics"] = [cpu(CPU_PERCENT)]
    behavior = spec.get("behavior")
    if behavior is not None:
        for name, rules in (("scaleUp", UP), ("scaleDown", DOWN)):
            given = {key: value for key, value in (behavior.get(name) or {}).items() if value is not None}
            behavior[name] = {**copy.deepcopy(rules), **given}
    obj.setdefault("status", {}).setdefault("currentMetrics", None)
    obj["status"].setdefault("desiredReplicas", 0)


def cpu(percent: int) -> Object:
    """The metric that `targetCPUUtilizationPercentage` of autoscaling/v1 means."""
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}
