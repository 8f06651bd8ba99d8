"""Whether a pod may be evicted: the one PodDisruptionBudget that selects it must have a disruption to spare.

The budget is charged and the pod marked in the transaction that deletes the pod, so that two evictions never share one
disruption. Source: kubernetes/pkg/registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.api.selectors import matches
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.transactions import now

if TYPE_CHECKING:
    from kube46.apiserver.strategy import Object, Transaction

VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."
SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
MOST_PENDING = 2000  # evictions that the loop has not confirmed yet


def charge(txn: Transaction, namespace: str, name: str) -> None:
    """Takes the disruption from the pod's budget and marks the pod; raises StatusError 429 when there is none left.

    A pod that has ended, is ending or does not run yet disturbs nobody.
    """
    pod = txn.get("pods", name, namespace)
    if pod is None:
        return  # the deletion says so
    status = pod.get("status") or {}
    if status.get("phase") not in ("Succeeded", "Failed", "Pending") and not pod["metadata"].get("deletionTimestamp"):
        labels = pod["metadata"].get("labels") or {}
        budgets = [b for b in txn.list("poddisruptionbudgets", namespace) if _selects(b, labels)]
        if len(budgets) > 1:
            raise StatusError(500, "", SEVERAL)
        if budgets and not _spared(budgets[0], status):
            txn.update("poddisruptionbudgets", _charged(budgets[0], name))
    others = [c for c in status.get("conditions") or () if c.get("type") != "DisruptionTarget"]
    mark = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    mark |= {"message": "Eviction API: evicting", "lastTransitionTime": now()}
    pod["status"] = {**status, "conditions": [*others, mark]}
    txn.update("pods", pod)


def _selects(budget: Object, labels: dict[str, str]) -> bool:
    """No selector selects nothing, an empty one everything."""
    selector = (budget.get("spec") or {}).get("selector")
    return selector is not None and matches(selector, labels)


def _spared(budget: Object, pod_status: Object) -> bool:
    """Whether the pod is not among those that count: it is not ready, and enough others are, or it may always go."""
    if any(c.get("type") == "Ready" and c.get("status") == "True" for c in pod_status.get("conditions") or ()):
        return False
    status = budget.get("status") or {}
    wanted = status.get("desiredHealthy", 0)
    always = budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
    return always or bool(wanted > 0 and status.get("currentHealthy", 0) >= wanted)


def _charged(budget: Object, pod: str) -> Object:
    name, status = budget["metadata"]["name"], dict(budget.get("status") or {})
    healthy, wanted = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise _refused(f"The disruption budget {name} is still being processed by the server.", 10)
    if len(status.get("disruptedPods") or ()) > MOST_PENDING:
        raise _refused(f"The disruption budget {name} waits for too many evictions that are not confirmed.", 10)
    if status.get("disruptionsAllowed", 0) <= 0:
        failed = next((c for c in status.get("conditions") or () if c.get("reason") == "SyncFailed"), None)
        text = f"The disruption budget {name} does not allow evicting pods currently"
        if failed:
            text += f" because it failed sync: {failed.get('message', '')}"
        elif healthy <= wanted:
            text = f"The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently"
        raise _refused(text)
    status["disruptionsAllowed"] -= 1
    status["disruptedPods"] = {**(status.get("disruptedPods") or {}), pod: now()}
    return {**budget, "status": status}


def _refused(cause: str, seconds: int = 0) -> StatusError:
    """429; clients such as `kubectl drain` try again."""
    details: Object = {"causes": [{"reason": "DisruptionBudget", "message": cause}]}
    if seconds:
        details["retryAfterSeconds"] = seconds
    return StatusError(429, "TooManyRequests", VIOLATES, details, retry_after=seconds or None)
