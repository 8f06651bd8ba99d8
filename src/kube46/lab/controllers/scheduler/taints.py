"""Taints and tolerations: pure.

Source: kubernetes/pkg/scheduler/framework/plugins/{nodeunschedulable,tainttoleration}.
"""

from collections.abc import Iterable, Sequence

from kube46.api.objects import Node, Pod, Taint, Toleration
from kube46.lab.controllers.scheduler.places import Cluster, Place
from kube46.lab.controllers.scheduler.plugins import HIGHEST, Check, Refusal, lowest_first

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
CORDONED = Refusal(("node(s) were unschedulable",), final=True)
TAINTED = Refusal(("node(s) had untolerated taint(s)",), final=True)


def tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    """Whether one of the tolerations matches the taint."""
    return any(_tolerates(toleration, taint) for toleration in tolerations)


def unschedulable(pod: Pod, cluster: Cluster) -> Check:
    """Filter: the node is cordoned, and the pod doesn't tolerate that."""
    tolerates = tolerated(Taint(UNSCHEDULABLE, "", "NoSchedule"), pod.spec.tolerations)
    return lambda place: CORDONED if place.node.spec.unschedulable and not tolerates else None


def tainted(pod: Pod, cluster: Cluster) -> Check:
    """Filter: the node has a taint that forbids, and the pod doesn't tolerate it."""
    return lambda place: None if welcome(pod, place.node) else TAINTED


def welcome(pod: Pod, node: Node) -> bool:
    """Whether the pod tolerates all of the node's taints that forbid."""
    return all(tolerated(taint, pod.spec.tolerations) for taint in _hard(node))


def preferred(pod: Pod, cluster: Cluster, places: Sequence[Place]) -> Sequence[int]:
    """Score: few untolerated taints that only warn."""
    counts = [
        sum(t.effect == "PreferNoSchedule" and not tolerated(t, pod.spec.tolerations) for t in place.node.spec.taints)
        for place in places
    ]
    return lowest_first(counts) if any(counts) else [HIGHEST] * len(places)


def _hard(node: Node) -> list[Taint]:
    """Taints that forbid, and one for a node that isn't ready though nobody has tainted it yet."""
    taints = [t for t in node.spec.taints if t.effect in ("NoSchedule", "NoExecute")]
    ready = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
    if not ready and not any(t.key in (NOT_READY, UNREACHABLE) for t in taints):
        taints.append(Taint(NOT_READY, "", "NoSchedule"))
    return taints


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and toleration.value == taint.value
