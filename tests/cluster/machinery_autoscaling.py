"""Conversations about HorizontalPodAutoscalers, which are stored as v2 and written as v1, too: each owns its names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cluster.machinery_applies import FORCE, apply
from cluster.machinery_patches import get, patch, post, put
from cluster.machinery_requests import TABLE

if TYPE_CHECKING:
    from cluster.machinery_player import Step

OLD, NEW = (f"/apis/autoscaling/{version}/namespaces/{{ns}}/horizontalpodautoscalers" for version in ("v1", "v2"))
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
NOTES = "autoscaling.alpha.kubernetes.io/"
METRICS = '[{"type":"Resource","resource":{"name":"memory","targetAverageUtilization":70}}]'


def old(name: str, percent: int | None = 50, annotations: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """An autoscaler as v1 has it."""
    own = {} if percent is None else {"targetCPUUtilizationPercentage": percent}
    meta = {"name": name, **({"annotations": annotations} if annotations else {})}
    spec = {"scaleTargetRef": TARGET, "maxReplicas": 3, **own, **more}
    return {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}


def new(name: str, *metrics: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The same as v2 has it."""
    spec = {"scaleTargetRef": TARGET, "maxReplicas": 3, **({"metrics": list(metrics)} if metrics else {}), **more}
    kind = "HorizontalPodAutoscaler"
    return {"apiVersion": "autoscaling/v2", "kind": kind, "metadata": {"name": name}, "spec": spec}


def metric(name: str, percent: int) -> dict[str, Any]:
    """A target of v2."""
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": name, "target": target}}


def part(name: str, **spec: Any) -> dict[str, Any]:
    """Some fields of v1."""
    kind = "HorizontalPodAutoscaler"
    return {"apiVersion": "autoscaling/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


STATUS = {"currentReplicas": 1, "desiredReplicas": 2, "currentCPUUtilizationPercentage": 40}
CONVERSATIONS: dict[str, list[Step]] = {
    "autoscaling: two versions": [
        post(OLD, old("o")), get(f"{OLD}/o"), get(f"{NEW}/o"), patch(f"{OLD}/o?fieldManager=y", {"spec": {"maxReplicas": 5}}), patch(f"{NEW}/o?fieldManager=z", {"spec": {"minReplicas": 2}}),
        patch(f"{OLD}/o?fieldManager=y", {"spec": {"targetCPUUtilizationPercentage": 60}}), put(f"{OLD}/o?fieldManager=w", old("o", 70)), get(f"{NEW}/o"), get(f"{OLD}?includeObject=None", accept=TABLE), get(NEW, accept=TABLE),
        patch(f"{OLD}/o/status?fieldManager=s", {"status": STATUS}), get(f"{OLD}/o"), get(f"{NEW}/o"), get(f"{OLD}?includeObject=None", accept=TABLE),
        post(OLD, old("bare", None)), post(OLD, old("noted", None, {f"{NOTES}metrics": METRICS, "x": "y"})), get(f"{NEW}/noted"), get(f"{OLD}/noted"), get(f"{OLD}?includeObject=None", accept=TABLE),
        post(NEW, new("n", metric("memory", 70), metric("cpu", 50))), get(f"{OLD}/n"), patch(f"{OLD}/n?fieldManager=y", {"spec": {"targetCPUUtilizationPercentage": 60}}), get(f"{NEW}/n"), post(NEW, new("d")), get(f"{OLD}?includeObject=None", accept=TABLE),
    ],
    "autoscaling: applies": [
        apply(f"{OLD}/a", old("a")), apply(f"{OLD}/a", old("a", 60)), apply(f"{OLD}/a", old("a", 70), "you"), apply(f"{OLD}/a", old("a", 70), "you", FORCE), get(f"{OLD}/a"), get(f"{NEW}/a"),
        apply(f"{OLD}/a", part("a", maxReplicas=3), "x"), apply(f"{OLD}/a", part("a", maxReplicas=9), "x", FORCE), apply(f"{NEW}/a", new("a", metric("cpu", 10)), "z"), apply(f"{OLD}/a", old("a", None), "you"), get(f"{NEW}/a"),
        post(OLD, old("b")), apply(f"{OLD}/b", old("b", 60)), apply(f"{OLD}/b", old("b", 60), "me", FORCE), post(NEW, new("c", metric("memory", 70))), apply(f"{OLD}/c", old("c", None), "me"), get(f"{NEW}/c"), apply(f"{OLD}/c", {**part("c"), "spec": {"none": 1}}),
    ],
}  # fmt: skip
