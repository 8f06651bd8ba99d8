"""Watches pods without a node, and binds each through the `binding` subresource, as kube-scheduler does.

A pod just bound counts on its node at once, though the watch has not shown it yet. Pods that fit nowhere wait for a
node to change or a pod to go.
"""

import contextlib
import logging
from collections import defaultdict

from kube46.api.objects import Node, Pod
from kube46.api.resources import NODES, PODS
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import Conflict, NotFound
from kube46.kubernetes.events import EventRecorder
from kube46.kubernetes.queues import WorkQueue
from kube46.lab.controllers import clock
from kube46.lab.controllers.scheduler import rules

log = logging.getLogger(__name__)
NAME = "default-scheduler"
# Choosing and counting a pod in is one step without a pause; only the writes overlap.
WORKERS = 8


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    for cache in (caches.of(PODS), caches.of(NODES)):
        await cache.synced.wait()
    scheduler = Scheduler(client, caches)
    await scheduler.queue.run(scheduler.sync, WORKERS)


class Scheduler:
    """The rules joined to a cluster's pods and nodes."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self.queue: WorkQueue[Key] = WorkQueue("scheduler")
        self._client, self._pods, self._nodes = client, caches.of(PODS), caches.of(NODES)
        self._events = EventRecorder(client, NAME)
        self._loads: defaultdict[str, rules.Load] = defaultdict(rules.Load)
        self._placed: dict[Key, tuple[str, Pod]] = {}
        self._waiting: set[Key] = set()
        self._nodes.listen(self._node_changed)
        self._pods.listen(self._pod_changed)

    async def sync(self, key: Key) -> None:
        """Gives the pod a node, or says why it has none."""
        pod = self._pods.get(key)
        self._waiting.discard(key)
        if pod is None or not _is_ours(pod) or key in self._placed:
            return
        if pod.spec.scheduling_gates:
            await self._refuse(pod, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")
            return
        for name in rules.unsupported(pod):
            message = f"{name} is not honoured by kube46's scheduler; the pod is placed without it"
            await self._events.record(PODS, pod, "UnsupportedField", message, "Warning")
        choice = rules.choose(pod, ((node, self._loads[node.metadata.name]) for node in self._nodes.values()))
        if choice.node:
            await self._bind(pod, choice.node)
            return
        self._waiting.add(key)
        await self._events.record(PODS, pod, "FailedScheduling", choice.message, "Warning")
        await self._refuse(pod, "Unschedulable", choice.message)

    async def _bind(self, pod: Pod, node: str) -> None:
        meta = pod.metadata
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        self._place(pod, node)
        try:
            await self._client.request("POST", PODS.path(meta.namespace, meta.name, "binding"), body=binding)
        except (Conflict, NotFound):  # bound by an earlier life of ours, or gone; the watch tells
            self._unplace(pod.key)
            return
        except BaseException:
            self._unplace(pod.key)
            raise
        log.info("Pod bound pod=%s/%s node=%s", meta.namespace, meta.name, node)
        message = f"Successfully assigned {meta.namespace}/{meta.name} to {node}"
        await self._events.record(PODS, pod, "Scheduled", message)

    async def _refuse(self, pod: Pod, reason: str, message: str) -> None:
        """Writes the PodScheduled condition unless it says so already."""
        old = next((c for c in pod.status.conditions if c.type == "PodScheduled"), None)
        if old and (old.status, old.reason, old.message) == ("False", reason, message):
            return
        since = old.last_transition_time if old and old.status == "False" else None
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": reason,
            "message": message,
            "lastTransitionTime": since or clock.text(clock.now()),
        }
        body = {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [condition]}}
        with contextlib.suppress(NotFound, Conflict):
            await self._client.patch(
                PODS, pod.metadata.name, body, pod.metadata.namespace, subresource="status", kind="strategic"
            )

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        key = (new or old).key  # type: ignore[union-attr]
        gone = new is None or (old and old.metadata.uid != new.metadata.uid) or _ended(new)
        if gone and self._unplace(key):
            self._wake()
        if new is None or _ended(new):
            return
        if new.spec.node_name:
            self._unplace(key)
            self._place(new, new.spec.node_name)
        elif _is_ours(new):
            self.queue.add(key)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if new and (old is None or _matters(old) != _matters(new)):
            self._wake()

    def _wake(self) -> None:
        for key in self._waiting:
            self.queue.add(key)

    def _place(self, pod: Pod, node: str) -> None:
        self._placed[pod.key] = (node, pod)
        self._loads[node].add(pod)

    def _unplace(self, key: Key) -> bool:
        place = self._placed.pop(key, None)
        if place:
            self._loads[place[0]].add(place[1], -1)
        return place is not None


def _is_ours(pod: Pod) -> bool:
    meta, spec = pod.metadata, pod.spec
    return not spec.node_name and spec.scheduler_name == NAME and not meta.deletion_timestamp and not _ended(pod)


def _ended(pod: Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")


def _matters(node: Node) -> tuple[object, ...]:
    ready = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
    return node.metadata.labels, node.spec.taints, node.spec.unschedulable, node.status.allocatable, ready
