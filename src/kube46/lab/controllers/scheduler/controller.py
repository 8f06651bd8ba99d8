"""Watches pods without a node, and binds each through the `binding` subresource, as kube-scheduler does.

A pod just bound counts on its node at once, though the watch has not shown it yet. Pods that fit nowhere make room by
their priority, or wait for a change that may help.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence

from kube46.api.objects import Namespace, Node, Pod
from kube46.api.resources import (
    BUDGETS,
    CLAIMS,
    NAMESPACES,
    NODES,
    PERSISTENT_VOLUMES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    STATEFUL_SETS,
    STORAGE_CLASSES,
)
from kube46.api.storage_objects import PersistentVolumeClaim
from kube46.controllers.indexes import Index
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import Conflict, NotFound
from kube46.kubernetes.events import EventRecorder
from kube46.kubernetes.queues import WorkQueue
from kube46.lab.controllers.scheduler import rules, volumes
from kube46.lab.controllers.scheduler.likeness import Likeness
from kube46.lab.controllers.scheduler.places import Cluster
from kube46.lab.controllers.scheduler.plugins import Filter
from kube46.lab.controllers.scheduler.preemption import preempt
from kube46.lab.controllers.scheduler.waiting import Waiting
from kube46.lab.controllers.scheduler.writing import NAME, Writer

log = logging.getLogger(__name__)
# Choosing and counting a pod in is one step without a pause; only the writes overlap.
WORKERS = 8
LOOK_AGAIN_SECONDS = 0.1


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES)
    await caches.filled(PODS, NODES, NAMESPACES, SERVICES, REPLICA_SETS, STATEFUL_SETS, BUDGETS)
    scheduler = Scheduler(client, caches)
    await scheduler.queue.run(scheduler.sync, WORKERS)


class Scheduler:
    """The rules joined to a cluster's pods and nodes."""

    def __init__(self, client: Client, caches: Caches, filters: Sequence[Filter] = rules.FILTERS) -> None:
        self.queue: WorkQueue[Key] = WorkQueue("scheduler", self._rank)
        self._pods, self._budgets = caches.of(PODS), caches.of(BUDGETS)
        self._events = EventRecorder(client, NAME)
        self._writer = Writer(client, self._events)
        self._mounting: Index[Key, Pod] = Index(self._pods, _mounted)
        self._storage = volumes.Storage(
            caches.of(CLAIMS), caches.of(PERSISTENT_VOLUMES), caches.of(STORAGE_CLASSES), self._mounting.objects
        )
        self._filters, self._waiting = (*filters, *volumes.filters(self._storage)), Waiting()
        self._namespaces: dict[str, dict[str, str]] = {}
        self._cluster = Cluster(self._namespaces, Likeness(caches).selector)
        caches.of(NAMESPACES).listen(self._namespace_changed)
        caches.of(NODES).listen(self._node_changed)
        self._pods.listen(self._pod_changed)
        caches.of(CLAIMS).listen(self._claim_changed)
        caches.of(PERSISTENT_VOLUMES).listen(lambda old, new: self.wake({volumes.NAME}))
        caches.of(STORAGE_CLASSES).listen(lambda old, new: self.wake({volumes.NAME}))

    async def sync(self, key: Key) -> None:
        """Gives the pod a node, or says why it has none."""
        pod = self._pods.get(key)
        if pod is None or not _is_ours(pod) or self._cluster.node_of(key):
            self._waiting.forget(key)
            return
        if pod.spec.scheduling_gates:
            await self._writer.refuse(pod, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")
            return
        if why := volumes.obstacle(pod, self._storage):
            await self._make_room(pod, rules.nowhere(why, self._cluster, volumes.NAME))
            return
        choice = rules.choose(pod, self._cluster, self._filters)
        if choice.node and await self._have_volumes(pod, choice.node):
            await self._bind(pod, choice.node)
        elif choice.node:
            self._cluster.nominate(pod, choice.node)  # its room stays free until its claims are bound
        else:
            await self._make_room(pod, choice)

    def wake(self, filters: Collection[str] | None = None) -> None:
        """Looks again at the pods that one of these filters refused; None is every filter."""
        for key, seconds in self._waiting.wake(filters):
            self.queue.add_after(key, seconds) if seconds else self.queue.add(key)

    async def _have_volumes(self, pod: Pod, node: str) -> bool:
        """Whether all of the pod's claims are bound; what they need on the node is begun. Their change tells."""
        plan = volumes.plan(pod, self._cluster.places[node].node, self._storage)
        try:
            for claim, volume in plan.bind:
                await self._writer.reserve(volume, claim)
            for claim in plan.provision:
                await self._writer.select(claim, node)
        except (Conflict, NotFound):
            self.queue.add_after(pod.key, LOOK_AGAIN_SECONDS)
        return not plan.waits

    async def _bind(self, pod: Pod, node: str) -> None:
        self._cluster.nominate(pod, "")
        self._cluster.add(pod, node)
        try:
            if not await self._writer.bind(pod, node):
                self._cluster.remove(pod.key)  # bound by an earlier life of ours, or gone; the watch tells
        except BaseException:
            self._cluster.remove(pod.key)
            raise
        self._waiting.forget(pod.key)

    async def _make_room(self, pod: Pod, choice: rules.Choice) -> None:
        """Drives pods of lower priority away where that helps, and says why the pod waits."""
        self._waiting.refuse(pod.key, {refusal.filter for refusal in choice.refusals.values()})
        message, nominated = choice.message, pod.status.nominated_node_name
        if choice.refusals:
            verdict = preempt(pod, self._cluster, choice.refusals, self._budgets.values(), self._filters)
            message = " ".join(filter(None, [message, verdict.message]))
            if verdict.candidate:
                nominated = verdict.candidate.node
                await self._drive_away(pod, nominated, verdict.candidate.victims)
            elif verdict.clears:
                nominated = ""
        self._cluster.nominate(pod, nominated)
        if self._waiting.tell(pod.key, message):
            await self._events.record(PODS, pod, "FailedScheduling", message, "Warning")
        await self._writer.refuse(pod, "Unschedulable", message, nominated)

    async def _drive_away(self, pod: Pod, node: str, victims: Sequence[Pod]) -> None:
        """Deletes the victims; pods of lower priority that waited for this node's room look elsewhere."""
        waited = list(self._cluster.nominated.get(node, {}).values())
        self._cluster.nominate(pod, node)
        async with asyncio.TaskGroup() as group:
            for victim in victims:
                group.create_task(self._writer.preempt(pod, node, victim))
        for other in waited:
            if other.spec.priority < pod.spec.priority:
                self._cluster.nominate(other, "")
                await self._writer.nominate(other, "")

    def _rank(self, key: Key) -> float:
        pod = self._pods.get(key)
        return -pod.spec.priority if pod else 0

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        key, cluster = (new or old).key, self._cluster  # type: ignore[union-attr]
        gone = new is None or (old and old.metadata.uid != new.metadata.uid) or _ended(new)
        if gone:
            cluster.nominate(old or new, "")  # type: ignore[arg-type]
            if cluster.remove(key):
                self.wake(rules.NEED_ROOM)
        if new is None or _ended(new):
            self.queue.add(key)  # to be forgotten
        elif new.spec.node_name:
            cluster.nominate(new, "")
            if cluster.add(new, new.spec.node_name):
                self.wake(rules.WANT_COMPANY)
        elif _is_ours(new):
            cluster.nominate(new, new.status.nominated_node_name)
            if old is None or gone or (old.spec, old.metadata.labels) != (new.spec, new.metadata.labels):
                self.queue.add(key)  # its status is what we write ourselves

    def _claim_changed(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        for pod in self._mounting.objects((new or old).key):  # type: ignore[union-attr]
            if _is_ours(pod):
                self.queue.add(pod.key)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        self._cluster.set_node((new or old).metadata.name, new)  # type: ignore[union-attr]
        if new is None or old is None or _matters(old) != _matters(new):
            self.wake()

    def _namespace_changed(self, old: Namespace | None, new: Namespace | None) -> None:
        if new:
            self._namespaces[new.metadata.name] = new.metadata.labels
        elif old:
            self._namespaces.pop(old.metadata.name, None)


def _mounted(pod: Pod) -> set[Key]:
    return {(pod.metadata.namespace, name) for name in pod.claims.values()}


def _is_ours(pod: Pod) -> bool:
    meta, spec = pod.metadata, pod.spec
    return not spec.node_name and spec.scheduler_name == NAME and not meta.deletion_timestamp and not _ended(pod)


def _ended(pod: Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")


def _matters(node: Node) -> tuple[object, ...]:
    ready = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
    return node.metadata.labels, node.spec.taints, node.spec.unschedulable, node.status.allocatable, ready
