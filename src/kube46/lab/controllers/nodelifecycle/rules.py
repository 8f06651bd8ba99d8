"""What a node's silence means for its conditions, its taints and its pods: pure.

Source: kubernetes/pkg/controller/nodelifecycle/node_lifecycle_controller.go, pkg/controller/tainteviction,
pkg/controller/podgc.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from kube46.api.objects import Condition, Node, Pod, Taint
from kube46.lab.controllers import clock
from kube46.lab.controllers.scheduler.taints import NOT_READY, UNREACHABLE, UNSCHEDULABLE, tolerated

HEARTBEATS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
OURS = (NOT_READY, UNREACHABLE, UNSCHEDULABLE)
# What admission gives pods that don't say otherwise (DefaultTolerationSeconds).
DEFAULT_SECONDS = 300


@dataclass(slots=True)
class Heartbeat:
    """The last sign of life of a node, and when we saw it come, by our own monotonic clock in seconds."""

    renewed: str
    seen: float

    def hear(self, renewed: str, moment: float) -> None:
        """A sign is new when it differs from the last: the node's clock is not trusted."""
        if renewed != self.renewed:
            self.renewed, self.seen = renewed, moment


def silent_conditions(node: Node, now: datetime) -> list[dict[str, Any]]:
    """The conditions to write for a node that is silent; none when they are written."""
    held = {c.type: c for c in node.status.conditions}
    wanted = []
    for kind in HEARTBEATS:
        old = held.get(kind)
        if old is None:
            text = "Kubelet never posted node status."
            wanted.append(_unknown(kind, "NodeStatusNeverUpdated", text, now, None))
        elif old.status != "Unknown":
            text = "Kubelet stopped posting node status."
            wanted.append(_unknown(kind, "NodeStatusUnknown", text, now, old))
    return wanted


def taints(node: Node, now: datetime) -> tuple[Taint, ...] | None:
    """The taints that the node is to have; None when it has them. Taints of others are kept."""
    ready = readiness(node)
    wanted = []
    if ready != "True":
        key = UNREACHABLE if ready == "Unknown" else NOT_READY
        wanted += [Taint(key, "", "NoSchedule", None), Taint(key, "", "NoExecute", clock.text(now))]
    if node.spec.unschedulable:
        wanted.append(Taint(UNSCHEDULABLE, "", "NoSchedule", None))
    mine = {(t.key, t.effect): t for t in node.spec.taints if t.key in OURS}
    if mine.keys() == {(t.key, t.effect) for t in wanted}:
        return None
    others = tuple(t for t in node.spec.taints if t.key not in OURS)
    return (*others, *(mine.get((t.key, t.effect), t) for t in wanted))


def readiness(node: Node) -> str:
    """The status of the Ready condition; Unknown is one that was never posted."""
    return next((c.status for c in node.status.conditions if c.type == "Ready"), "Unknown")


def eviction_wait(pod: Pod, node: Node, now: datetime) -> float | None:
    """Seconds until the node's NoExecute taints drive the pod away; None when they don't."""
    waits = [_wait(pod, taint, now) for taint in node.spec.taints if taint.effect == "NoExecute"]
    return min((wait for wait in waits if wait is not None), default=None)


def dated(node: Node, seen: Mapping[tuple[str, str], str], now: datetime) -> tuple[Node, dict[tuple[str, str], str]]:
    """The node with a time on each of its taints, and those times: `kubectl taint` gives none, so it is when we saw."""
    times = {
        (t.key, t.effect): t.time_added or seen.get((t.key, t.effect)) or clock.text(now) for t in node.spec.taints
    }
    taints = tuple(msgspec.structs.replace(t, time_added=times[t.key, t.effect]) for t in node.spec.taints)
    return msgspec.structs.replace(node, spec=msgspec.structs.replace(node.spec, taints=taints)), times


def driven_away(now: datetime) -> list[dict[str, Any]]:
    """The condition of a pod that a taint drives away."""
    words = {"reason": "DeletionByTaintManager", "message": "Taint manager: deleting due to NoExecute taint"}
    return [{"type": "DisruptionTarget", "status": "True", **words, "lastTransitionTime": clock.text(now)}]


def unready(pod: Pod, now: datetime) -> list[dict[str, Any]]:
    """The Ready condition to write for a pod on a silent node; none when it says so or the pod ended."""
    if not pod.status.ready or pod.status.phase in ("Succeeded", "Failed"):
        return []
    return [{"type": "Ready", "status": "False", "lastTransitionTime": clock.text(now)}]


def _unknown(kind: str, reason: str, message: str, now: datetime, old: Condition | None) -> dict[str, Any]:
    stamp = clock.text(now)
    beat = old.last_heartbeat_time if old and old.last_heartbeat_time else stamp
    words = {"type": kind, "status": "Unknown", "reason": reason, "message": message}
    return {**words, "lastHeartbeatTime": beat, "lastTransitionTime": stamp}


def _wait(pod: Pod, taint: Taint, now: datetime) -> float | None:
    matching = [t for t in pod.spec.tolerations if tolerated(taint, [t])]
    limits = [t.toleration_seconds for t in matching if t.toleration_seconds is not None]
    if matching and not limits:
        return None
    least = _least(limits, taint) if matching or taint.key in (NOT_READY, UNREACHABLE) else 0
    began = clock.seconds_since(taint.time_added, now) if taint.time_added else 0.0
    return max(0.0, least - began)


def _least(limits: Iterable[int], taint: Taint) -> int:
    """The shortest toleration; pods that never said anything about silent nodes have the default."""
    return max(0, min(limits, default=DEFAULT_SECONDS if taint.key in (NOT_READY, UNREACHABLE) else 0))
