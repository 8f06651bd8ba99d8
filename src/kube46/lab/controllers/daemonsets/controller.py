"""Watches DaemonSets, nodes and pods, and makes and deletes pods."""

from typing import Any

from kube46.api.objects import Node, Pod
from kube46.api.resources import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
from kube46.api.workload_objects import DaemonSet
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.lab.controllers import clock, history
from kube46.lab.controllers.availability import next_available
from kube46.lab.controllers.daemonsets import rules
from kube46.lab.controllers.ownedpods import OwnedPods

WORKERS = 2


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(PODS, NODES, DAEMON_SETS, CONTROLLER_REVISIONS)
    loop = DaemonSets(client, caches)
    await loop.pods.queue.run(loop.sync, WORKERS)


class DaemonSets:
    """The rules joined to a cluster's DaemonSets, nodes and pods."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self.pods: OwnedPods[DaemonSet] = OwnedPods(
            client, caches, DAEMON_SETS, "daemonset-controller", lambda owner: owner.spec.selector
        )
        self._history = history.History(client, caches, self.pods)
        self._nodes = caches.of(NODES)
        self._nodes.listen(self._node_changed)

    async def sync(self, key: Key) -> None:
        """Makes one DaemonSet's pods and status right."""
        owner = self.pods.owners.get(key)
        if owner is None or owner.metadata.deletion_timestamp:
            return
        revision = await self._history.current(owner)
        if revision is None:
            return
        value = history.hash_of(revision)
        mine = await self.pods.claim(owner)
        by_node = rules.by_node(mine)
        nodes, now = list(self._nodes.values()), clock.now()
        if self.pods.settled(owner):
            plan = rules.plan(owner, nodes, by_node, value, now)
            await self.pods.delete(owner, plan.delete)
            await self.pods.create(owner, [rules.pod_on(owner, name, value) for name in plan.create])
            if plan.again:
                self.pods.queue.add_after(key, plan.again)
        await self.pods.report(owner, rules.status(owner, nodes, by_node, value, now))
        await self._history.prune(owner, self._live(mine, revision.metadata.name, owner), _limit(owner))
        if wait := next_available(mine, owner.spec.min_ready_seconds, now):
            self.pods.queue.add_after(key, wait)

    @staticmethod
    def _live(pods: list[Pod], current: str, owner: DaemonSet) -> set[str]:
        """Names of the revisions that pods are of."""
        hashes = {pod.metadata.labels.get(history.LABEL, "") for pod in pods}
        return {current, *(f"{owner.metadata.name}-{value}" for value in hashes)}

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if old is None or new is None or _matter(old) != _matter(new):
            for key in self.pods.owners:
                self.pods.queue.add(key)


def _matter(node: Node) -> tuple[Any, ...]:
    """All of a node that decides about its pods."""
    return node.metadata.labels, node.spec


def _limit(owner: DaemonSet) -> int:
    return owner.spec.revision_history_limit
