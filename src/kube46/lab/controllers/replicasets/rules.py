"""Which pods of a ReplicaSet or ReplicationController to make and delete, and its status: pure.

Source: kubernetes/pkg/controller/replicaset/{replica_set.go,replica_set_utils.go}, pkg/controller/controller_utils.go
(`ActivePodsWithRanks`).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from kube46.api.objects import Pod, ReplicaSet, ReplicationController
from kube46.api.resources import Resource
from kube46.controllers.selectors import contains
from kube46.lab.controllers import clock
from kube46.lab.controllers.owners import reference

Replicated = ReplicaSet | ReplicationController
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}
# Most pods made or deleted in one pass, as upstream.
BURST = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """How many pods to make, or which to delete."""

    create: int = 0
    delete: tuple[Pod, ...] = ()


def active(pods: Iterable[Pod]) -> list[Pod]:
    """The pods that count: neither ended nor being deleted."""
    return [p for p in pods if p.status.phase not in ("Succeeded", "Failed") and not p.metadata.deletion_timestamp]


def plan(owner: Replicated, pods: Sequence[Pod], related: Iterable[Pod]) -> Plan:
    """What makes the active `pods` as many as asked for; `related` are the active pods of the same Deployment."""
    missing = owner.spec.replicas - len(pods)
    if missing >= 0:
        return Plan(create=min(missing, BURST))
    return Plan(delete=tuple(_first_to_go(pods, related)[: min(-missing, BURST)]))


def _first_to_go(pods: Iterable[Pod], related: Iterable[Pod]) -> list[Pod]:
    """Pods in the order of their deletion.

    A node counts as less crowded with each of its pods that is before in this order, so that the rest is spread well;
    upstream counts once and may empty a node.
    """
    crowd = Counter(pod.spec.node_name for pod in related)
    ranked = []
    for pod in sorted(pods, key=lambda pod: _rank(pod, 0)):
        ranked.append((_rank(pod, crowd[pod.spec.node_name]), pod))
        crowd[pod.spec.node_name] -= 1
    return [pod for _, pod in sorted(ranked, key=lambda entry: entry[0])]


def pod_of(owner: Replicated, resource: Resource[Any]) -> dict[str, Any]:
    """A new pod of the template."""
    template = owner.spec.template
    meta = template.get("metadata") or {}
    kept = {key: meta[key] for key in ("labels", "annotations", "finalizers") if meta.get(key)}
    owners = [msgspec.to_builtins(reference(resource, owner))]
    return {
        "metadata": {**kept, "generateName": f"{owner.metadata.name}-", "ownerReferences": owners},
        "spec": template.get("spec") or {},
    }


def status(
    owner: Replicated, pods: Sequence[Pod], terminating: int, now: datetime, failure: str = ""
) -> dict[str, Any]:
    """The status that `pods` make; `failure` is why the last pass could not make or delete pods."""
    wanted = (owner.spec.template.get("metadata") or {}).get("labels") or {}
    return {
        "replicas": len(pods),
        "fullyLabeledReplicas": sum(contains(pod.metadata.labels, wanted) for pod in pods),
        "readyReplicas": sum(pod.status.ready for pod in pods),
        "availableReplicas": sum(available(pod, owner.spec.min_ready_seconds, now) for pod in pods),
        "terminatingReplicas": terminating,
        "observedGeneration": owner.metadata.generation,
        "conditions": _conditions(owner, failure, now),
    }


def available(pod: Pod, min_ready_seconds: int, now: datetime) -> bool:
    """Whether the pod has been ready for so long."""
    return pod.status.ready and (
        not min_ready_seconds or clock.seconds_since(ready_since(pod), now) >= min_ready_seconds
    )


def ready_since(pod: Pod) -> str | None:
    """When the pod's Ready condition last changed."""
    return next((c.last_transition_time for c in pod.status.conditions if c.type == "Ready"), None)


def _rank(pod: Pod, crowd: int) -> tuple[Any, ...]:
    """Pods to delete first sort first: unassigned, pending, unready, cheap, crowded, young, often restarted."""
    cost = pod.metadata.annotations.get(DELETION_COST, "0")
    restarts = max((c.restart_count for c in pod.status.container_statuses), default=0)
    return (
        bool(pod.spec.node_name),
        PHASES.get(pod.status.phase, 0),
        pod.status.ready,
        int(cost) if cost.lstrip("+-").isdecimal() else 0,
        -crowd,
        _young_first(ready_since(pod) if pod.status.ready else None),
        -restarts,
        _young_first(pod.metadata.creation_timestamp),
        pod.metadata.name,
    )


def _young_first(written: str | None) -> timedelta:
    moment = clock.parse(written)
    return datetime.min.replace(tzinfo=moment.tzinfo) - moment if moment else timedelta.min


def _conditions(owner: Replicated, failure: str, now: datetime) -> list[dict[str, Any]]:
    """ReplicaFailure while pods can't be made or deleted; other conditions are kept.

    It tells the first failure: each message names another pod, and each write of a status wakes the owner's key, so
    that telling every failure would try again at once, for ever.
    """
    held = [msgspec.to_builtins(c) for c in owner.status.conditions if failure or c.type != "ReplicaFailure"]
    if not failure or any(c["type"] == "ReplicaFailure" for c in held):
        return held
    reason, _, message = failure.partition(": ")
    new = {"type": "ReplicaFailure", "status": "True", "reason": reason, "message": message}
    return [*held, {**new, "lastTransitionTime": clock.text(now)}]
