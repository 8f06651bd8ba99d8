"""Which of a StatefulSet's numbered pods to make or delete next, and its status: pure.

Pods are made from the first to the last and deleted from the last to the first. With `OrderedReady` one at a time,
each waiting for those before it to be ready; with `Parallel` all at once. A rollout always goes from the last to the
first, and stops at `partition`.
Source: kubernetes/pkg/controller/statefulset/{stateful_set_control.go,stateful_set_utils.go}.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from kube46.api.objects import Pod
from kube46.api.resources import STATEFUL_SETS
from kube46.api.workload_objects import StatefulSet
from kube46.lab.controllers.history import LABEL
from kube46.lab.controllers.owners import reference
from kube46.lab.controllers.replicasets.rules import available
from kube46.lab.controllers.shares import resolve
from kube46.lab.controllers.statefulsets import claims

NAME_LABEL, NUMBER_LABEL = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
ENDED = ("Failed", "Succeeded")


@dataclass(slots=True)
class Plan:
    """Numbers of pods to make, and pods to delete."""

    create: list[int] = field(default_factory=list)
    delete: list[Pod] = field(default_factory=list)


def number_of(owner: StatefulSet, pod: Pod) -> int | None:
    """The number in the pod's name; None when it is not named by this owner."""
    prefix, _, number = pod.metadata.name.rpartition("-")
    own = prefix == owner.metadata.name and number.isascii() and number.isdecimal()
    return int(number) if own and str(int(number)) == number else None


def numbered(owner: StatefulSet, pods: Iterable[Pod]) -> dict[int, Pod]:
    """The pods by their numbers."""
    return {number: pod for pod in pods if (number := number_of(owner, pod)) is not None}


def pod_of(owner: StatefulSet, number: int, template: dict[str, Any], revision: str) -> dict[str, Any]:
    """The pod of that number; its host name and the Service's name make it known to DNS."""
    name, meta = f"{owner.metadata.name}-{number}", template.get("metadata") or {}
    own = {NAME_LABEL: name, NUMBER_LABEL: str(number), LABEL: revision}
    kept = {key: meta[key] for key in ("annotations", "finalizers") if meta.get(key)}
    spec = {**(template.get("spec") or {}), "hostname": name}
    spec["volumes"] = claims.mounted(owner, number, spec.get("volumes") or [])
    if owner.spec.service_name:
        spec["subdomain"] = owner.spec.service_name
    else:
        spec.pop("subdomain", None)
    return {
        "metadata": {
            **kept,
            "name": name,
            "labels": {**(meta.get("labels") or {}), **own},
            "ownerReferences": [msgspec.to_builtins(reference(STATEFUL_SETS, owner))],
        },
        "spec": spec,
    }


def revision_for(owner: StatefulSet, number: int, current: str, update: str) -> str:
    """The revision that a new pod of that number gets: below `partition` the old one."""
    strategy = owner.spec.update_strategy
    held_back = strategy.type == "RollingUpdate" and number < owner.spec.ordinals.start + partition(owner)
    return current if held_back else update


def partition(owner: StatefulSet) -> int:
    """How many of the first pods a rollout leaves alone."""
    return owner.spec.update_strategy.rolling_update.partition


def plan(owner: StatefulSet, pods: Mapping[int, Pod], update: str, now: datetime) -> Plan:
    """The next step; `update` is the name of the revision to roll out."""
    start, ordered = owner.spec.ordinals.start, owner.spec.pod_management_policy != "Parallel"
    wanted = range(start, start + owner.spec.replicas)
    result = Plan()
    for number in wanted:
        if not _keep(owner, number, pods.get(number), result, now) and ordered:
            return result
    if not _shrink(owner, pods, wanted, result, now, ordered=ordered):
        return result
    if owner.spec.update_strategy.type == "RollingUpdate" and not result.create and not result.delete:
        _roll(owner, pods, wanted, update, result, now)
    return result


def _keep(owner: StatefulSet, number: int, pod: Pod | None, result: Plan, now: datetime) -> bool:
    """Makes or replaces one pod; whether it is well."""
    if pod is None:
        result.create.append(number)
    elif pod.metadata.deletion_timestamp:
        return False
    elif pod.status.phase in ENDED:
        result.delete.append(pod)
    return pod is not None and well(owner, pod, now)


def _shrink(
    owner: StatefulSet, pods: Mapping[int, Pod], wanted: range, result: Plan, now: datetime, *, ordered: bool
) -> bool:
    """Deletes pods that are too many, the last first; whether the rollout may go on."""
    condemned = [pods[number] for number in sorted(pods, reverse=True) if number not in wanted]
    ill = [pods[n] for n in sorted(pods) if not well(owner, pods[n], now)]
    for pod in condemned:
        if pod.metadata.deletion_timestamp:
            if ordered:
                return False
            continue
        if ordered and not well(owner, pod, now) and pod is not ill[0]:
            return False  # those before it are to be well first
        result.delete.append(pod)
        if ordered:
            return False
    return True


def _roll(owner: StatefulSet, pods: Mapping[int, Pod], wanted: range, update: str, result: Plan, now: datetime) -> None:
    most = owner.spec.update_strategy.rolling_update.max_unavailable
    budget = max(1, resolve(1 if most is None else most, owner.spec.replicas, up=False))
    budget -= sum(not well(owner, pods[number], now) for number in wanted if number in pods)
    for number in reversed(wanted[partition(owner) :]):
        pod = pods[number]
        if revision_of(pod) == update or pod.metadata.deletion_timestamp:
            continue
        if well(owner, pod, now):
            if budget <= 0:
                return
            budget -= 1
        result.delete.append(pod)


def revision_of(pod: Pod) -> str:
    """The name of the revision that the pod was made of."""
    return pod.metadata.labels.get(LABEL, "")


def well(owner: StatefulSet, pod: Pod, now: datetime) -> bool:
    """Whether the pod runs, is ready, has been so for `minReadySeconds`, and stays."""
    running = pod.status.phase == "Running" and not pod.metadata.deletion_timestamp
    return running and available(pod, owner.spec.min_ready_seconds, now)


def status(owner: StatefulSet, pods: Sequence[Pod], current: str, update: str, now: datetime) -> dict[str, Any]:
    """The status that the pods make; a finished rollout makes its revision the current one."""
    running = [pod for pod in pods if not pod.metadata.deletion_timestamp and pod.status.phase == "Running"]
    ready = sum(pod.status.ready for pod in running)
    fresh = sum(revision_of(pod) == update for pod in pods if not pod.metadata.deletion_timestamp)
    old = sum(revision_of(pod) == current for pod in pods if not pod.metadata.deletion_timestamp)
    done = owner.spec.update_strategy.type == "RollingUpdate" and fresh == ready == len(pods) == owner.spec.replicas
    if done:
        current, old = update, fresh
    return {
        "replicas": len(pods),
        "readyReplicas": ready,
        "availableReplicas": sum(well(owner, pod, now) for pod in pods),
        "currentReplicas": old,
        "updatedReplicas": fresh,
        "currentRevision": current,
        "updateRevision": update,
        "observedGeneration": owner.metadata.generation,
    }
