"""A Deployment's status, as `kubectl rollout status` and `kubectl wait --for=condition=Available` read it: pure.

Source: kubernetes/pkg/controller/deployment/{sync.go,progress.go}.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from kube46.api.objects import Condition, Deployment, ReplicaSet
from kube46.lab.controllers import clock
from kube46.lab.controllers.deployments.rolling import max_unavailable

DEFAULT_DEADLINE = 600
# A Deployment without a deadline has this one (math.MaxInt32), which upstream takes for none.
NO_DEADLINE = 2147483647
REFUSED = "ReplicaSetCreateError"
ORDER = {"Available": 0, "Progressing": 1, "ReplicaFailure": 2}


def status(
    deployment: Deployment, new: ReplicaSet | None, owned: Iterable[ReplicaSet], now: datetime
) -> dict[str, Any]:
    """The status that the ReplicaSets make."""
    every = list(owned)
    ready, free = (sum(getattr(one.status, name) for one in every) for name in ("ready_replicas", "available_replicas"))
    counts = {
        "replicas": sum(one.status.replicas for one in every),
        "updatedReplicas": new.status.replicas if new else 0,
        "readyReplicas": ready,
        "availableReplicas": free,
        "unavailableReplicas": max(0, sum(one.spec.replicas for one in every) - free),
        "observedGeneration": deployment.metadata.generation,
        "collisionCount": deployment.status.collision_count,
    }
    fresh = [_available(deployment, free, now), _progressing(deployment, new, counts, now)]
    kinds = {condition.type for condition in fresh if condition}
    fresh.append(_failure(deployment, new, every, now))
    others = [c for c in deployment.status.conditions if c.type not in ("Available", "Progressing", "ReplicaFailure")]
    kept = [c for c in deployment.status.conditions if c.type == "Progressing" and "Progressing" not in kinds]
    return {**counts, "conditions": _written(c for c in [*fresh, *kept, *others] if c)}


def uncreated(deployment: Deployment, message: str, now: datetime) -> dict[str, Any]:
    """What the status tells of a new ReplicaSet that was refused, the first time; nothing without a deadline."""
    if _deadline(deployment) is None:
        return {}
    old, new = _held(deployment, "Progressing"), Condition("Progressing", "False", REFUSED, message)
    told = old if old and (old.status, old.reason) == (new.status, new.reason) else _dated(old, new, now)
    others = [c for c in deployment.status.conditions if c.type != "Progressing"]
    return {"conditions": _written([told, *others])}


def until_deadline(deployment: Deployment, now: datetime) -> float | None:
    """Seconds until the rollout counts as stuck; None when it is complete, paused, stuck already or has no deadline."""
    old = _held(deployment, "Progressing")
    limit = _deadline(deployment)
    if not old or limit is None or deployment.spec.paused or old.status == "False":
        return None
    if old.reason == "NewReplicaSetAvailable":
        return None
    return max(0.0, limit - clock.seconds_since(old.last_update_time, now)) + 1


def _written(conditions: Iterable[Condition]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(c) for c in sorted(conditions, key=lambda c: ORDER.get(c.type, len(ORDER)))]


def _available(deployment: Deployment, count: int, now: datetime) -> Condition:
    enough = count >= deployment.spec.replicas - max_unavailable(deployment)
    if enough:
        new = Condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        text = "Deployment does not have minimum availability."
        new = Condition("Available", "False", "MinimumReplicasUnavailable", text)
    return _dated(_held(deployment, "Available"), new, now)


def _progressing(
    deployment: Deployment, new: ReplicaSet | None, counts: dict[str, Any], now: datetime
) -> Condition | None:
    """None keeps what there is."""
    old = _held(deployment, "Progressing")
    if _deadline(deployment) is None:
        return None
    if deployment.spec.paused:
        if old and old.reason in ("ProgressDeadlineExceeded", "DeploymentPaused"):
            return None
        return _dated(old, Condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused"), now)
    if old and old.reason == "DeploymentPaused":
        text = "Deployment is resumed"
        return _dated(old, Condition("Progressing", "Unknown", "DeploymentResumed", text), now)
    name = f'ReplicaSet "{new.metadata.name}"' if new else f'Deployment "{deployment.metadata.name}"'
    complete = new and all(
        counts[kind] == deployment.spec.replicas for kind in ("updatedReplicas", "replicas", "availableReplicas")
    )
    if complete:
        text = f"{name} has successfully progressed."
        return _dated(old, Condition("Progressing", "True", "NewReplicaSetAvailable", text), now)
    if old is None or (new and old.reason == REFUSED):
        text = f'Created new replica set "{new.metadata.name}"' if new else f"{name} is progressing."
        return _dated(old, Condition("Progressing", "True", "NewReplicaSetCreated", text), now)
    if _moved(deployment, counts) or old.reason == "NewReplicaSetAvailable":
        text = f"{name} is progressing."
        return _dated(old, Condition("Progressing", "True", "ReplicaSetUpdated", text), now, moved=True)
    limit = _deadline(deployment)
    if old.status != "False" and limit is not None and clock.seconds_since(old.last_update_time, now) >= limit:
        text = f"{name} has timed out progressing."
        return _dated(old, Condition("Progressing", "False", "ProgressDeadlineExceeded", text), now)
    return None


def _failure(
    deployment: Deployment, new: ReplicaSet | None, every: Iterable[ReplicaSet], now: datetime
) -> Condition | None:
    """Why pods can't be made, as a ReplicaSet says it, the new one first."""
    told = [c for one in [*([new] if new else []), *every] for c in one.status.conditions if c.type == "ReplicaFailure"]
    if not told:
        return None
    new_one = Condition("ReplicaFailure", told[0].status, told[0].reason, told[0].message)
    return _dated(_held(deployment, "ReplicaFailure"), new_one, now)


def _moved(deployment: Deployment, counts: dict[str, Any]) -> bool:
    """Whether the rollout came nearer to its end since the status was written."""
    held = deployment.status
    old_before, old_now = held.replicas - held.updated_replicas, counts["replicas"] - counts["updatedReplicas"]
    return bool(
        counts["updatedReplicas"] > held.updated_replicas
        or old_now < old_before
        or counts["readyReplicas"] > held.ready_replicas
        or counts["availableReplicas"] > held.available_replicas
    )


def _dated(old: Condition | None, new: Condition, now: datetime, *, moved: bool = False) -> Condition:
    """The new condition with its times; the old one when nothing about it changed."""
    if old and not moved and (old.status, old.reason, old.message) == (new.status, new.reason, new.message):
        return old
    since = old.last_transition_time if old and old.status == new.status else clock.text(now)
    return msgspec.structs.replace(new, last_transition_time=since, last_update_time=clock.text(now))


def _held(deployment: Deployment, kind: str) -> Condition | None:
    return next((c for c in deployment.status.conditions if c.type == kind), None)


def _deadline(deployment: Deployment) -> int | None:
    given = deployment.spec.progress_deadline_seconds
    limit = DEFAULT_DEADLINE if given is None else given
    return None if limit == NO_DEADLINE else limit
