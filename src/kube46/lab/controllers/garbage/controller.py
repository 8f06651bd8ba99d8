"""Watches the metadata of every kind of object, and does what ownership asks for.

The graph is built from watches; before anything is deleted for want of an owner, the server itself is asked.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable
from typing import Any

from kube46.api import resources
from kube46.api.objects import Object, OwnerReference
from kube46.api.resources import Resource
from kube46.kubernetes.caches import Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import Conflict, KubernetesError, NotFound
from kube46.kubernetes.queues import WorkQueue, keep
from kube46.lab.controllers import discovery, owners
from kube46.lab.controllers.garbage import rules
from kube46.lab.controllers.garbage.rules import Node, Step

log = logging.getLogger(__name__)
WORKERS = 5
DISCOVER_SECONDS = 30.0
FILL_SECONDS = 10.0  # a kind that can't be listed in this time may have gone: it is looked for again
DEFINITIONS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False, Object
)
# Nothing owns Events or is owned by them.
IGNORED = {("", "events"), ("events.k8s.io", "events")}
# Kinds that other loops of this process watch anyway, under the type that they share the cache by.
SHARED: dict[tuple[str, str], Resource[Any]] = {
    (resource.group, resource.plural): resource
    for resource in (
        resources.PODS,
        resources.NODES,
        resources.SERVICES,
        resources.ENDPOINT_SLICES,
        resources.REPLICA_SETS,
        resources.DEPLOYMENTS,
        resources.NAMESPACES,
    )
}


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    collector = GarbageCollector(client, caches)
    async with asyncio.TaskGroup() as group:
        group.create_task(keep("garbage-collector discovery", collector.discover))
        await collector.ready.wait()
        group.create_task(collector.queue.run(collector.sync, WORKERS))


class GarbageCollector:
    """The graph joined to all kinds of a cluster."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self.queue: WorkQueue[str] = WorkQueue("garbage-collector")
        self.ready, self._look = asyncio.Event(), asyncio.Event()
        self._client, self._caches = client, caches
        caches.of(DEFINITIONS).listen(lambda old, new: self._look.set())
        self._graph = rules.Graph()
        self._kinds: dict[tuple[str, str], Resource[Object]] = {}
        self._gone: set[tuple[str, str]] = set()  # groups and kinds that were served once: no such object is left

    async def discover(self) -> None:
        """Finds kinds when a definition of one changes, and now and again; watches each that can be cleaned up."""
        while True:
            self._look.clear()
            try:
                await self._watch(await discovery.served(self._client))
                self.ready.set()
            except KubernetesError as error:
                log.warning("Kinds could not be discovered error=%s", error)
            try:
                async with asyncio.timeout(DISCOVER_SECONDS if self.ready.is_set() else 1.0):
                    await self._look.wait()
            except TimeoutError:
                pass

    async def sync(self, uid: str) -> None:
        """Does the next step for one object, and looks at its dependents when they may be affected."""
        node = self._graph.nodes.get(uid)
        if node is None or node.value.metadata.deletion_timestamp or self._ends(uid):
            for dependent in self._graph.affected_by(uid):
                self.queue.add(dependent)
        if node is None:
            return
        absent = [o.uid for o in rules.unseen_owners(self._graph, node) if not await self._lives(o, node)]
        decision = rules.decide(self._graph, node, absent)
        try:
            await self._do(node, decision)
        except NotFound:
            return
        except Conflict as error:
            log.info("An object changed meanwhile uid=%s error=%s", uid, error)
            self.queue.add_after(uid, 0.1)

    def _ends(self, uid: str) -> bool:
        return uid in self._graph.nodes and self._graph.nodes[uid].ends_with(rules.FOREGROUND)

    async def _do(self, node: Node, decision: rules.Decision) -> None:
        match decision.step:
            case Step.DELETE:
                await self._delete(node, rules.propagation(node))
            case Step.DELETE_IN_FOREGROUND:
                if decision.unblock:
                    await self._patch(node, owners.unblocked(node.value))
                await self._delete(node, "Foreground")
            case Step.DROP_OWNERS:
                await self._patch(node, owners.without(node.value, lambda o: o.uid in decision.drop))
            case Step.ORPHAN_DEPENDENTS:
                for dependent in self._graph.dependents_of(node.uid):
                    await self._patch(dependent, owners.without(dependent.value, lambda o: o.uid == node.uid))
                await self._finish(node, rules.ORPHAN)
            case Step.FINISH_FOREGROUND:
                await self._finish(node, rules.FOREGROUND)
            case Step.DELETE_DEPENDENTS | Step.NOTHING:
                pass  # the dependents were put in the queue above, and their going brings this object back

    async def _watch(self, kinds: Iterable[discovery.Served]) -> None:
        """Listens to new kinds once all of their caches are full, so that no owner seems to be missing."""
        fresh = []
        kinds = list(kinds)
        self._forget({(kind.resource.group, kind.resource.plural) for kind in kinds})
        for kind in kinds:
            place = (kind.resource.group, kind.resource.plural)
            if kind.can("list", "watch", "delete") and place not in self._kinds and place not in IGNORED:
                self._gone.discard((kind.resource.group, kind.resource.kind))
                resource = self._kinds[place] = SHARED.get(place, kind.resource)
                fresh.append((resource, self._caches.of(resource)))
        try:
            async with asyncio.timeout(FILL_SECONDS):
                for _, cache in fresh:
                    await cache.synced.wait()
        except TimeoutError:
            empty = [resource for resource, cache in fresh if not cache.synced.is_set()]
            log.warning("Kinds could not be listed kinds=%s", [resource.plural for resource in empty])
            for resource in empty:
                self._drop(resource)
        for resource, cache in fresh:
            if not cache.synced.is_set():
                continue

            def changed(old: Object | None, new: Object | None, resource: Resource[Object] = resource) -> None:
                for uid in self._graph.change(resource, old, new):
                    self.queue.add(uid)

            cache.listen(changed)
        # who had such an owner was left alone while its kind was not known
        for uid in self._graph.owned_by_kinds({(resource.group, resource.kind) for resource, _ in fresh}):
            self.queue.add(uid)

    def _forget(self, served: Collection[tuple[str, str]]) -> None:
        """Stops watching kinds whose definition is gone."""
        for place in [place for place in self._kinds if place not in served]:
            resource = self._kinds[place]
            self._gone.add((resource.group, resource.kind))
            self._drop(resource)

    def _drop(self, resource: Resource[Object]) -> None:
        del self._kinds[resource.group, resource.plural]
        self._caches.drop(resource)

    async def _lives(self, owner: OwnerReference, node: Node) -> bool:
        """Whether an owner that the graph doesn't show is there, by the server's own word."""
        resource = self._kind_of(owner)
        namespace = node.value.metadata.namespace
        if resource is None and (owner.api_version.rpartition("/")[0], owner.kind) in self._gone:
            return False
        if resource is None or (resource.namespaced and not namespace):
            log.warning("An owner's kind is not known, its dependents stay kind=%s name=%s", owner.kind, owner.name)
            return True
        try:
            found = await self._client.get(resource, owner.name, namespace if resource.namespaced else "")
        except NotFound:
            return False
        return found.metadata.uid == owner.uid

    def _kind_of(self, owner: OwnerReference) -> Resource[Object] | None:
        group = owner.api_version.rpartition("/")[0]
        known = (kind for kind in self._kinds.values() if (kind.group, kind.kind) == (group, owner.kind))
        return next(known, None)

    async def _delete(self, node: Node, policy: str) -> None:
        meta = node.value.metadata
        await self._client.delete(node.resource, meta.name, meta.namespace, uid=meta.uid, propagation=policy)
        log.info("Object without owners deleted kind=%s name=%s/%s", node.resource.kind, meta.namespace, meta.name)

    async def _finish(self, node: Node, finalizer: str) -> None:
        meta = node.value.metadata
        body = {"uid": meta.uid, "resourceVersion": meta.resource_version}
        await self._patch(node, {"metadata": {**body, "finalizers": rules.without(meta.finalizers, finalizer)}})

    async def _patch(self, node: Node, body: dict[str, object]) -> None:
        meta = node.value.metadata
        await self._client.patch(node.resource, meta.name, body, meta.namespace)
