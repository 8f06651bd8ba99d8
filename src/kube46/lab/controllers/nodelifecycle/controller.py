"""Watches leases, nodes and pods, and carries out what a node's silence means.

Silence is counted from the last sign of life that this process saw itself, so neither a wrong clock nor a restart of
this loop makes a living node look dead. A node is looked at when something about it changes and when its time is up.
"""

import logging
import time
from dataclasses import dataclass
from typing import Any

import msgspec

from kube46.api.objects import Lease, Node, Pod
from kube46.api.resources import LEASES, NODES, PODS
from kube46.controllers.indexes import Index
from kube46.kubernetes.caches import Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import Conflict, NotFound
from kube46.kubernetes.events import EventRecorder
from kube46.kubernetes.queues import WorkQueue
from kube46.lab.controllers import clock
from kube46.lab.controllers.nodelifecycle import rules

log = logging.getLogger(__name__)
LEASE_NAMESPACE = "kube-node-lease"


@dataclass(frozen=True, slots=True)
class Settings:
    """`grace_seconds` is how long a node may be silent, and how long pods of a node that is gone are kept."""

    grace_seconds: float = 40.0


async def run(settings: Settings, client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    leases = caches.of(LEASES, LEASE_NAMESPACE)
    await caches.filled(NODES, PODS)
    await leases.synced.wait()
    loop = NodeLifecycle(settings, client, caches)
    await loop.queue.run(loop.sync)


class NodeLifecycle:
    """The rules joined to a cluster's nodes, by name."""

    def __init__(self, settings: Settings, client: Client, caches: Caches) -> None:
        self.queue: WorkQueue[str] = WorkQueue("node-lifecycle")
        self._grace, self._client = settings.grace_seconds, client
        self._events = EventRecorder(client, "node-controller")
        self._nodes, self._leases = caches.of(NODES), caches.of(LEASES, LEASE_NAMESPACE)
        pods = caches.of(PODS)
        self._pods: Index[str, Pod] = Index(pods, lambda pod: [pod.spec.node_name])
        self._beats: dict[str, rules.Heartbeat] = {}
        self._missed: dict[str, float] = {}
        self._tainted: dict[str, dict[tuple[str, str], str]] = {}
        self._nodes.listen(self._node_changed)
        self._leases.listen(self._lease_changed)
        pods.listen(self._pod_changed)

    async def sync(self, name: str) -> None:
        """Makes one node's conditions, taints and pods say what its silence means."""
        node = self._nodes.get(("", name))
        try:
            if node is None:
                await self._bury(name)
                return
            self._missed.pop(name, None)
            self._hear(node)
            await self._judge(node)
        except (Conflict, NotFound) as error:
            log.info("A node or pod changed meanwhile, the node is looked at again node=%s error=%s", name, error)
            self.queue.add_after(name, 0.1)

    async def _judge(self, node: Node) -> None:
        name, now = node.metadata.name, clock.now()
        left = self._grace - (time.monotonic() - self._beats[name].seen)
        if left > 0:
            self.queue.add_after(name, left + 0.05)
        elif conditions := rules.silent_conditions(node, now):
            log.warning("Node is silent node=%s seconds=%d", name, self._grace)
            await self._client.patch(NODES, name, _status(node, conditions), subresource="status", kind="strategic")
            await self._events.record(NODES, node, "NodeNotReady", f"Node {name} status is now: NodeNotReady")
            return  # the watch brings the node back with its new conditions
        taints = rules.taints(node, now)
        if taints is not None:
            await self._client.patch(NODES, name, _taints(node, [msgspec.to_builtins(t) for t in taints]))
            return
        await self._judge_pods(node)

    async def _judge_pods(self, node: Node) -> None:
        now, name = clock.now(), node.metadata.name
        node, self._tainted[name] = rules.dated(node, self._tainted.get(name, {}), now)
        for pod in self._pods.objects(name):
            if rules.readiness(node) == "Unknown" and (conditions := rules.unready(pod, now)):
                await self._say(pod, conditions)
            wait = rules.eviction_wait(pod, node, now)
            if wait is None or pod.metadata.deletion_timestamp:
                continue
            if wait > 0:
                self.queue.add_after(name, wait + 0.05)
                continue
            await self._say(pod, rules.driven_away(now))
            await self._delete(pod, None)
            message = f"Marking for deletion Pod {pod.metadata.namespace}/{pod.metadata.name}"
            await self._events.record(PODS, pod, "TaintManagerEviction", message)

    async def _bury(self, name: str) -> None:
        """Deletes the pods of a node that is gone, after a while in which it may come back."""
        self._beats.pop(name, None)
        self._tainted.pop(name, None)
        pods = self._pods.objects(name)
        if not name or not pods:
            self._missed.pop(name, None)
            return
        left = self._grace - (time.monotonic() - self._missed.setdefault(name, time.monotonic()))
        if left > 0:
            self.queue.add_after(name, left + 0.05)
            return
        try:
            await self._client.get(NODES, name)
        except NotFound:
            for pod in pods:
                log.info("Pod of a vanished node deleted pod=%s/%s node=%s", *pod.key, name)
                await self._delete(pod, 0)

    async def _say(self, pod: Pod, conditions: list[dict[str, Any]]) -> None:
        meta, body = pod.metadata, _status(pod, conditions)
        await self._client.patch(PODS, meta.name, body, meta.namespace, subresource="status", kind="strategic")

    async def _delete(self, pod: Pod, grace_seconds: int | None) -> None:
        meta = pod.metadata
        await self._client.delete(PODS, meta.name, meta.namespace, uid=meta.uid, grace_period_seconds=grace_seconds)

    def _hear(self, node: Node) -> None:
        """Takes the node's lease and its own heartbeat as signs of life."""
        name = node.metadata.name
        lease = self._leases.get((LEASE_NAMESPACE, name))
        posted = [c.last_heartbeat_time or "" for c in node.status.conditions if c.type == "Ready"]
        sign = " ".join([node.metadata.uid, (lease.spec.renew_time if lease else "") or "", *posted])
        moment = time.monotonic()
        self._beats.setdefault(name, rules.Heartbeat(sign, moment)).hear(sign, moment)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        self.queue.add((new or old).metadata.name)  # type: ignore[union-attr]

    def _lease_changed(self, old: Lease | None, new: Lease | None) -> None:
        if new and (node := self._nodes.get(("", new.metadata.name))):
            self._hear(node)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        """A pod newly on a node is looked at with it; most changes of pods concern nobody here."""
        if new and new.spec.node_name and (old is None or not old.spec.node_name or new.status.ready):
            node = self._nodes.get(("", new.spec.node_name))
            if node is None or node.spec.taints:
                self.queue.add(new.spec.node_name)


def _status(value: Node | Pod, conditions: list[dict[str, Any]]) -> dict[str, Any]:
    return {"metadata": {"uid": value.metadata.uid}, "status": {"conditions": conditions}}


def _taints(node: Node, taints: list[dict[str, Any]]) -> dict[str, Any]:
    """The list is replaced, so the patch names the version that it was read from."""
    meta = node.metadata
    mark = {"uid": meta.uid, "resourceVersion": meta.resource_version}
    return {"metadata": mark, "spec": {"taints": taints or None}}
