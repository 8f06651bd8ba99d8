"""Static defaulting of Deployments, ReplicaSets, ReplicationControllers and PodTemplates."""

from __future__ import annotations

from typing import Any

from kube46.api.pods.defaults import default_spec

Object = dict[str, Any]

REVISIONS, DEADLINE = 10, 600  # old ReplicaSets kept; seconds until a roll-out counts as stuck


def replica_set(obj: Object) -> None:
    """One replica unless told otherwise; a status always tells its replicas."""
    spec = obj.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    default_spec(spec.setdefault("template", {}).setdefault("spec", {}))
    obj.setdefault("status", {}).setdefault("replicas", 0)


def replication_controller(obj: Object) -> None:
    """The same; selector and labels are the template's unless given."""
    spec = obj.setdefault("spec", {})
    template = spec.get("template")
    labels = ((template or {}).get("metadata") or {}).get("labels")
    if labels and not spec.get("selector"):
        spec["selector"] = dict(labels)
    if labels and not (obj.setdefault("metadata", {}).get("labels")):
        obj["metadata"]["labels"] = dict(labels)
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    if template is not None:
        default_spec(template.setdefault("spec", {}))
    obj.setdefault("status", {}).setdefault("replicas", 0)


def pod_template(obj: Object) -> None:
    """Its pods' defaults."""
    default_spec(obj.setdefault("template", {}).setdefault("spec", {}))


def deployment(obj: Object) -> None:
    """One replica, rolled out a quarter at a time."""
    spec = obj.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    if spec.get("strategy") is None:
        spec["strategy"] = {}
    strategy: Object = spec["strategy"]
    strategy["type"] = strategy.get("type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
        for key in ("maxUnavailable", "maxSurge"):
            if rolling.get(key) is None:
                rolling[key] = "25%"
    for key, value in (("revisionHistoryLimit", REVISIONS), ("progressDeadlineSeconds", DEADLINE)):
        if spec.get(key) is None:
            spec[key] = value
    default_spec(spec.setdefault("template", {}).setdefault("spec", {}))
    obj.setdefault("status", {})
