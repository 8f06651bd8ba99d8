"""Watches Endpoints and Services, and keeps the mirrored EndpointSlices."""

import contextlib
from typing import Any

import msgspec

from kube46.api.objects import Endpoints, EndpointSlice, Service
from kube46.api.resources import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from kube46.controllers.endpointslices.packing import Slices
from kube46.controllers.endpointslices.rules import MANAGED_BY, SERVICE_NAME
from kube46.controllers.expectations import Expectations
from kube46.controllers.indexes import Index
from kube46.controllers.mirroring import rules
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import Conflict, NotFound
from kube46.kubernetes.events import EventRecorder
from kube46.kubernetes.queues import WorkQueue

WORKERS = 2
STALE_SECONDS = 1.0


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(SERVICES, ENDPOINTS, ENDPOINT_SLICES)
    loop = Mirroring(client, caches)
    await loop.queue.run(loop.sync, WORKERS)


class Mirroring:
    """The rules joined to the objects of a cluster."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self.queue: WorkQueue[Key] = WorkQueue("endpointslicemirroring")
        self._client = client
        self._events = EventRecorder(client, "endpoint-slice-mirroring-controller")
        self._services, self._endpoints = caches.of(SERVICES), caches.of(ENDPOINTS)
        slices = caches.of(ENDPOINT_SLICES)
        self._slices: Index[Key, EndpointSlice] = Index(slices, _belonging)
        self._written: Expectations[Key, EndpointSlice] = Expectations(slices, self.queue.add)
        slices.listen(self._slice_changed)
        self._written.follow()
        self._services.listen(self._changed)
        self._endpoints.listen(self._changed)

    async def sync(self, key: Key) -> None:
        """Makes the mirror of one Endpoints object right, or takes it away."""
        if self._written.pending(key):
            self.queue.add_after(key, STALE_SECONDS)
            return
        endpoints, existing = self._endpoints.get(key), self._slices.objects(key)
        plan = rules.Plan(Slices(delete=existing))
        if endpoints is not None and rules.mirrored(endpoints, self._services.get(key)):
            plan = rules.plan(endpoints, existing)
            for reason, message in plan.notices:
                await self._events.record(ENDPOINTS, endpoints, reason, message, "Warning")
        try:
            await self._apply(key, plan.slices)
        except (Conflict, NotFound):
            self.queue.add_after(key, STALE_SECONDS / 10)

    async def _apply(self, key: Key, changes: Slices) -> None:
        for new in changes.create:
            self._written.wrote(key, await self._client.create(ENDPOINT_SLICES, _body(new), key[0]))
        for new in changes.update:
            written = await self._client.replace(ENDPOINT_SLICES, new.metadata.name, _body(new), key[0])
            self._written.wrote(key, written)
        for old in changes.delete:
            with contextlib.suppress(NotFound):
                await self._client.delete(ENDPOINT_SLICES, old.metadata.name, key[0], uid=old.metadata.uid)
            self._written.deleted(key, old)

    def _changed(self, old: Service | Endpoints | None, new: Service | Endpoints | None) -> None:
        self.queue.add((new or old).key)  # type: ignore[union-attr]

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        if new and self._written.expects(new):
            return
        for one in (old, new):
            for key in _belonging(one) if one else ():
                self.queue.add(key)


def _belonging(one: EndpointSlice) -> list[Key]:
    """The Service whose slice this is, if it is a mirrored one."""
    labels = one.metadata.labels
    if labels.get(MANAGED_BY) != rules.CONTROLLER or SERVICE_NAME not in labels:
        return []
    return [(one.metadata.namespace, labels[SERVICE_NAME])]


def _body(one: EndpointSlice) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.to_builtins(one)
    return {"endpoints": None, "ports": None, **body}
