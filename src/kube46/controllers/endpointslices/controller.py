"""Watches Services, pods and nodes, and writes the EndpointSlices that follow from them.

One pod's change looks up the Services that select it by its labels, and syncs only those. A Service's sync reads its
own pods and slices from indexes; it waits while the cache does not yet show its last writes.
"""

import asyncio
import contextlib
import logging
from typing import Any

import msgspec
from prometheus_client import Counter

from kube46.api.objects import EndpointSlice, Node, Pod, Service
from kube46.api.resources import ENDPOINT_SLICES, NODES, PODS, SERVICES
from kube46.controllers.endpointslices import endpoints, hints, rules
from kube46.controllers.endpointslices.packing import Slices
from kube46.controllers.endpointslices.selecting import Selecting
from kube46.controllers.endpointslices.settings import Settings
from kube46.controllers.endpointslices.triggers import TriggerTimes
from kube46.controllers.expectations import Expectations
from kube46.controllers.indexes import Index
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import Conflict, NotFound
from kube46.kubernetes.events import EventRecorder
from kube46.kubernetes.queues import Trigger, WorkQueue

log = logging.getLogger(__name__)
SYNCS = Counter("kube46_endpointslice_syncs", "Services whose EndpointSlices were looked at.")
CHANGES = Counter("kube46_endpointslice_changes", "EndpointSlices written.", ["operation"])
# How long to wait for the watch before looking at a Service again whose writes it has not shown.
STALE_SECONDS = 1.0
ZONES_SECONDS = 0.1


async def run(settings: Settings, client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    needed = (caches.of(SERVICES), caches.of(PODS), caches.of(NODES), caches.of(ENDPOINT_SLICES))
    for cache in needed:
        await cache.synced.wait()
    loop = EndpointSlices(settings, client, caches)
    async with asyncio.TaskGroup() as group:
        group.create_task(loop.zones.run(loop.weigh_zones, ZONES_SECONDS))
        group.create_task(loop.queue.run(loop.sync, settings.workers))


class EndpointSlices:
    """The rules joined to the objects of a cluster."""

    def __init__(self, settings: Settings, client: Client, caches: Caches) -> None:
        self.queue: WorkQueue[Key] = WorkQueue("endpointslice")
        self.zones = Trigger("endpointslice-zones")
        self._settings, self._client = settings, client
        self._events = EventRecorder(client, "endpoint-slice-controller")
        self._triggers = TriggerTimes()
        self._services, self._nodes = caches.of(SERVICES), caches.of(NODES)
        self._shares = hints.shares_of(self._nodes.values())
        pods, slices = caches.of(PODS), caches.of(ENDPOINT_SLICES)
        # Indexes listen first: whoever reads them in a listener below finds the change in them.
        self._selecting = Selecting(self._services, pods)
        self._pods_on: Index[str, Pod] = Index(pods, lambda pod: [pod.spec.node_name])
        self._slices = Index(slices, _belonging)
        self._written: Expectations[Key, EndpointSlice] = Expectations(slices, self.queue.add)
        slices.listen(self._slice_changed)
        self._written.follow()
        self._services.listen(self._service_changed)
        pods.listen(self._pod_changed)
        self._nodes.listen(self._node_changed)

    async def sync(self, key: Key) -> None:
        """Makes one Service's slices right."""
        service = self._services.get(key)
        if service is None:
            self._triggers.forget(key)  # its slices are the garbage collector's
            return
        if not rules.handles(service):
            return
        if self._written.pending(key):
            self.queue.add_after(key, STALE_SECONDS)
            return
        pods = self._selecting.pods_of(service)
        plan = rules.plan(
            service,
            pods,
            lambda name: self._nodes.get(("", name)),
            self._slices.objects(key),
            maximum=self._settings.max_endpoints,
            shares=self._shares,
            trigger=self._triggers.since_last(service, pods),
        )
        SYNCS.inc()
        try:
            await self._apply(key, plan.slices)
        except (Conflict, NotFound) as error:
            log.info("A slice changed meanwhile, its Service is looked at again service=%s/%s error=%s", *key, error)
            self.queue.add_after(key, STALE_SECONDS / 10)
        for notice in plan.notices:
            await self._events.record(SERVICES, service, notice.reason, notice.message, notice.type)

    async def _apply(self, key: Key, changes: Slices) -> None:
        for new in changes.create:
            self._written.wrote(key, await self._client.create(ENDPOINT_SLICES, _body(new), new.metadata.namespace))
            CHANGES.labels("create").inc()
        for new in changes.update:
            name, namespace = new.metadata.name, new.metadata.namespace
            written = await self._client.replace(ENDPOINT_SLICES, name, _body(new), namespace)
            self._written.wrote(key, written)
            CHANGES.labels("update").inc()
        for old in changes.delete:
            meta = old.metadata
            with contextlib.suppress(NotFound):
                await self._client.delete(ENDPOINT_SLICES, meta.name, meta.namespace, uid=meta.uid)
            self._written.deleted(key, old)
            CHANGES.labels("delete").inc()

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        self.queue.add((new or old).key)  # type: ignore[union-attr]

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        for service in self._selecting.touched(old, new):
            self.queue.add(service.key)

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        if new and self._written.expects(new):
            return
        for slice_ in (old, new):
            for key in _belonging(slice_) if slice_ else ():
                self.queue.add(key)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if _zone(old) != _zone(new):
            for pod in self._pods_on.objects((new or old).metadata.name):  # type: ignore[union-attr]
                for service in self._selecting.services_of(pod):
                    self.queue.add(service.key)
        if _capacity(old) != _capacity(new):
            self.zones.set()

    async def weigh_zones(self) -> None:
        """Looks at the Services with topology-aware hints again when the zones' shares of CPUs changed."""
        shares = hints.shares_of(self._nodes.values())
        if shares != self._shares:
            self._shares = shares
            for service in self._services.values():
                if hints.topology_aware(service):
                    self.queue.add(service.key)


def _belonging(slice_: EndpointSlice) -> list[Key]:
    """The Service whose slice this is, if it is one of ours."""
    labels = slice_.metadata.labels
    if labels.get(rules.MANAGED_BY) != rules.CONTROLLER or rules.SERVICE_NAME not in labels:
        return []
    return [(slice_.metadata.namespace, labels[rules.SERVICE_NAME])]


def _zone(node: Node | None) -> str | None:
    return node.metadata.labels.get(endpoints.ZONE, "") if node else None


def _capacity(node: Node | None) -> tuple[Any, ...] | None:
    """All of a node that the zones' shares depend on."""
    if node is None:
        return None
    ready = next((c.status for c in node.status.conditions if c.type == "Ready"), "")
    return node.metadata.labels, node.status.allocatable.get("cpu"), ready


def _body(slice_: EndpointSlice) -> dict[str, Any]:
    """The slice as JSON; empty lists are null, as upstream's placeholder has them."""
    body: dict[str, Any] = msgspec.to_builtins(slice_)
    return {"endpoints": None, "ports": None, **body}
