"""On which nodes a DaemonSet's pods are, which of them go and where new ones come, and its status: pure.

Source: kubernetes/pkg/controller/daemon/{daemon_controller.go,update.go,util/daemonset_util.go}.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from kube46.api.objects import Node, Pod, PodSpec
from kube46.api.resources import DAEMON_SETS
from kube46.api.workload_objects import DaemonSet
from kube46.lab.controllers import clock
from kube46.lab.controllers.history import LABEL
from kube46.lab.controllers.owners import reference
from kube46.lab.controllers.replicasets.rules import available
from kube46.lab.controllers.scheduler.nodeaffinity import selected
from kube46.lab.controllers.scheduler.taints import tolerated
from kube46.lab.controllers.shares import resolve

# Pods of a DaemonSet stay on and come to nodes with these troubles.
TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
NO_NETWORK = ("node.kubernetes.io/network-unavailable", "NoSchedule")
# A pod that ended is replaced when it is so old, so that one that always ends at once does not keep us busy.
ENDED_SECONDS = 10.0
ByNode = Mapping[str, Sequence[Pod]]


@dataclass(slots=True)
class Plan:
    """Nodes that get a pod, pods that go, and seconds until another look, if one is needed."""

    create: list[str] = field(default_factory=list)
    delete: list[Pod] = field(default_factory=list)
    again: float | None = None


def pod_on(owner: DaemonSet, node: str, value: str) -> dict[str, Any]:
    """A new pod for the node, bound there by the scheduler; `value` is the hash of the template's revision."""
    meta = owner.spec.template.get("metadata") or {}
    spec = dict(owner.spec.template.get("spec") or {})
    affinity = dict(spec.get("affinity") or {})
    place = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    # The terms of the template hold for this node, or there would be no pod for it.
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [place]}}
    affinity["nodeAffinity"] = {**(affinity.get("nodeAffinity") or {}), **required}
    spec |= {"affinity": affinity, "tolerations": _tolerations(spec)}
    kept = {key: meta[key] for key in ("annotations", "finalizers") if meta.get(key)}
    return {
        "metadata": {
            **kept,
            "labels": {**(meta.get("labels") or {}), LABEL: value},
            "generateName": f"{owner.metadata.name}-",
            "ownerReferences": [msgspec.to_builtins(reference(DAEMON_SETS, owner))],
        },
        "spec": spec,
    }


def _tolerations(spec: dict[str, Any]) -> list[dict[str, Any]]:
    listed = list(spec.get("tolerations") or ())
    wanted = [*TOLERATED, NO_NETWORK] if spec.get("hostNetwork") else TOLERATED
    for key, effect in wanted:
        if not any((t.get("key"), t.get("effect"), t.get("operator")) == (key, effect, "Exists") for t in listed):
            listed.append({"key": key, "operator": "Exists", "effect": effect})
    return listed


def suits(owner: DaemonSet, node: Node) -> tuple[bool, bool]:
    """Whether a pod is to run on the node, and whether one that runs there is to stay."""
    template = owner.spec.template.get("spec") or {}
    pod = Pod(spec=msgspec.convert({**template, "tolerations": _tolerations(template)}, PodSpec))
    if pod.spec.node_name not in ("", node.metadata.name) or not selected(pod, node):
        return False, False
    hostile = [t for t in node.spec.taints if not tolerated(t, pod.spec.tolerations)]
    here = not any(t.effect in ("NoSchedule", "NoExecute") for t in hostile)
    return here, not any(t.effect == "NoExecute" for t in hostile)


def node_of(pod: Pod) -> str:
    """The node that the pod is on or was made for."""
    if pod.spec.node_name:
        return pod.spec.node_name
    affinity = pod.spec.affinity.node_affinity if pod.spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    for term in required.node_selector_terms if required else ():
        for one in term.match_fields:
            if one.key == "metadata.name" and one.operator == "In" and len(one.values) == 1:
                return one.values[0]
    return ""


def by_node(pods: Iterable[Pod]) -> dict[str, list[Pod]]:
    """Pods by their node, oldest first."""
    found: dict[str, list[Pod]] = {}
    for pod in sorted(pods, key=lambda pod: (pod.metadata.creation_timestamp or "", pod.metadata.name)):
        found.setdefault(node_of(pod), []).append(pod)
    return found


def plan(owner: DaemonSet, nodes: Iterable[Node], pods: ByNode, value: str, now: datetime) -> Plan:
    """One pod on each node that suits, none elsewhere; then one step of a rolling update.

    While a rolling update with `maxSurge` is under way, a node has a pod of the old template and one of the new.
    """
    result = Plan()
    suited = {node.metadata.name: suits(owner, node) for node in nodes}
    surging = owner.spec.update_strategy.type == "RollingUpdate" and _limits(owner, 1)[1] > 0
    for name, (here, stays) in suited.items():
        there = pods.get(name, ())
        alive = _alive(there, result, now) if stays else []
        if here and not there:
            result.create.append(name)
        elif stays:
            fresh, old = _split(alive, value)
            result.delete += [*fresh[1:], *old[1:]] if surging else alive[1:]
        else:
            result.delete += [pod for pod in there if not pod.metadata.deletion_timestamp]
    for name, there in pods.items():  # made for a node that has gone meanwhile; bound ones go with their node
        if name not in suited:
            result.delete += [p for p in there if not p.spec.node_name and not p.metadata.deletion_timestamp]
    if owner.spec.update_strategy.type == "RollingUpdate" and not result.create and not result.delete:
        wanted = [name for name, (here, _) in suited.items() if here]
        _roll(owner, {name: pods.get(name, ()) for name in wanted}, value, now, result)
    return result


def _alive(there: Iterable[Pod], result: Plan, now: datetime) -> list[Pod]:
    alive = []
    for pod in there:
        if pod.metadata.deletion_timestamp:
            continue
        if pod.status.phase not in ("Failed", "Succeeded"):
            alive.append(pod)
        elif (wait := ENDED_SECONDS - clock.seconds_since(pod.metadata.creation_timestamp, now)) > 0:
            result.again = min(wait, result.again or wait)
        else:
            result.delete.append(pod)
    return alive


def _split(pods: Iterable[Pod], value: str) -> tuple[list[Pod], list[Pod]]:
    """Pods of the current template, and of older ones."""
    every = list(pods)
    fresh = [pod for pod in every if pod.metadata.labels.get(LABEL) == value]
    return fresh, [pod for pod in every if pod not in fresh]


def _limits(owner: DaemonSet, total: int) -> tuple[int, int]:
    """maxUnavailable and maxSurge of so many nodes."""
    rolling = owner.spec.update_strategy.rolling_update
    missing = 1 if rolling.max_unavailable is None else rolling.max_unavailable
    return resolve(missing, total, up=True), resolve(rolling.max_surge or 0, total, up=True)


def _roll(owner: DaemonSet, pods: ByNode, value: str, now: datetime, result: Plan) -> None:
    """Replaces old pods: those that serve nobody at once, others as far as the limits go."""
    missing, surge = _limits(owner, len(pods))
    least = owner.spec.min_ready_seconds
    candidates: list[tuple[str, Pod]] = []
    for name, there in pods.items():
        alive = [
            p for p in there if not p.metadata.deletion_timestamp and p.status.phase not in ("Failed", "Succeeded")
        ]
        fresh, old = _split(alive, value)
        if fresh:
            good = available(fresh[0], least, now)
            missing, surge = missing - (not good), surge - bool(old)
            result.delete += [pod for pod in old if good or not pod.status.ready]
        elif not old:
            missing -= 1
        elif available(old[0], least, now):
            candidates.append((name, old[0]))
        else:
            missing -= 1
            _replace(owner, name, old[0], result)
    for name, pod in candidates[: max(0, surge if _limits(owner, len(pods))[1] else missing)]:
        _replace(owner, name, pod, result)


def _replace(owner: DaemonSet, name: str, pod: Pod, result: Plan) -> None:
    if _limits(owner, 1)[1]:
        result.create.append(name)
    else:
        result.delete.append(pod)


def status(owner: DaemonSet, nodes: Iterable[Node], pods: ByNode, value: str, now: datetime) -> dict[str, Any]:
    """The status that the pods make, without what is not counted from them."""
    desired = current = astray = ready = updated = free = 0
    for node in nodes:
        there = pods.get(node.metadata.name, ())
        if not suits(owner, node)[0]:
            astray += bool(there)
            continue
        desired += 1
        current += bool(there)
        fresh, old = _split([p for p in there if not p.metadata.deletion_timestamp], value)
        ready += any(pod.status.ready for pod in [*fresh, *old])
        free += any(available(pod, owner.spec.min_ready_seconds, now) for pod in [*fresh, *old])
        updated += bool(fresh)
    return {
        "desiredNumberScheduled": desired,
        "currentNumberScheduled": current,
        "numberMisscheduled": astray,
        "numberReady": ready,
        "updatedNumberScheduled": updated,
        "numberAvailable": free,
        "numberUnavailable": desired - free,
        "observedGeneration": owner.metadata.generation,
    }
