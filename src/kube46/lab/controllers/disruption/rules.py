"""How many pods of a PodDisruptionBudget may be evicted now: pure.

Source: kubernetes/pkg/controller/disruption/disruption.go.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from kube46.api.objects import Pod
from kube46.api.workload_objects import PodDisruptionBudget
from kube46.controllers.selectors import matches
from kube46.lab.controllers import clock
from kube46.lab.controllers.shares import resolve

# An evicted pod that is not being deleted after so many seconds counts again.
DELETION_SECONDS = 120.0


def selects(budget: PodDisruptionBudget, pod: Pod) -> bool:
    """Whether the budget is about the pod; no selector selects nothing, an empty one everything."""
    selector = budget.spec.selector
    return selector is not None and matches(selector, pod.metadata.labels)


def needs_scale(budget: PodDisruptionBudget) -> bool:
    """Whether the budget is a share, or a number that may be missing, of what the pods' controllers ask for."""
    return budget.spec.max_unavailable is not None or isinstance(budget.spec.min_available, str)


def healthy_wanted(budget: PodDisruptionBudget, pods: int, scale: int) -> tuple[int, int]:
    """How many pods are expected, and how many must stay healthy; `scale` is what the controllers ask for."""
    least, missing = budget.spec.min_available, budget.spec.max_unavailable
    if missing is not None:
        return scale, max(0, scale - resolve(missing, scale, up=True))
    if isinstance(least, str):
        return scale, resolve(least, scale, up=True)
    return (pods, least) if least is not None else (0, 0)


def status(
    budget: PodDisruptionBudget, pods: Sequence[Pod], scale: int, now: datetime, failure: str = ""
) -> dict[str, Any]:
    """The status; with a `failure` nothing may be evicted, and the condition says why."""
    expected, wanted = healthy_wanted(budget, len(pods), scale)
    evicted = _evicted(budget, pods, now)
    healthy = sum(p.status.ready and not p.metadata.deletion_timestamp and p.metadata.name not in evicted for p in pods)
    allowed = max(0, healthy - wanted) if expected > 0 and not failure else 0
    return {
        "expectedPods": expected,
        "desiredHealthy": wanted,
        "currentHealthy": healthy,
        "disruptionsAllowed": allowed,
        "disruptedPods": {name: evicted.get(name) for name in {**_held(budget), **evicted}},
        "observedGeneration": budget.metadata.generation,
        "conditions": [_condition(budget, allowed, now, failure)],
    }


def until_recheck(budget: PodDisruptionBudget, now: datetime) -> float | None:
    """Seconds until an eviction that deleted nothing is forgotten."""
    waits = [DELETION_SECONDS - clock.seconds_since(moment, now) for moment in _held(budget).values()]
    return max(0.1, min(waits)) if waits else None


def _held(budget: PodDisruptionBudget) -> dict[str, str]:
    return budget.status.get("disruptedPods") or {}


def _evicted(budget: PodDisruptionBudget, pods: Iterable[Pod], now: datetime) -> dict[str, str]:
    """Pods whose eviction was allowed, and that are not yet being deleted."""
    there = {pod.metadata.name for pod in pods if not pod.metadata.deletion_timestamp}
    fresh = {name: at for name, at in _held(budget).items() if clock.seconds_since(at, now) < DELETION_SECONDS}
    return {name: moment for name, moment in fresh.items() if name in there}


def _condition(budget: PodDisruptionBudget, allowed: int, now: datetime, failure: str) -> dict[str, Any]:
    reason = "SyncFailed" if failure else "SufficientPods" if allowed else "InsufficientPods"
    new = {"type": "DisruptionAllowed", "status": "True" if allowed else "False", "reason": reason, "message": failure}
    old: dict[str, Any] = next(iter(budget.status.get("conditions") or ()), {})
    same = old.get("status") == new["status"]
    since = old["lastTransitionTime"] if same and old.get("lastTransitionTime") else clock.text(now)
    return {**new, "lastTransitionTime": since, "observedGeneration": budget.metadata.generation}
