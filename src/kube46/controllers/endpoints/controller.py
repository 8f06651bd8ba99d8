"""Watches Services and pods, and writes the Endpoints objects that follow from them."""

import logging
from typing import Any

from prometheus_client import Counter

from kube46.api.objects import Endpoints, Pod, Service
from kube46.api.resources import ENDPOINTS, PODS, SERVICES
from kube46.controllers.endpoints import rules
from kube46.controllers.endpointslices.rules import handles
from kube46.controllers.endpointslices.selecting import Selecting
from kube46.controllers.endpointslices.triggers import TriggerTimes
from kube46.controllers.expectations import Expectations
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import AlreadyExists, Conflict, NotFound
from kube46.kubernetes.queues import WorkQueue

log = logging.getLogger(__name__)
WRITES = Counter("kube46_endpoints_changes", "Endpoints objects written.", ["operation"])
WORKERS = 5
STALE_SECONDS = 1.0


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(SERVICES, PODS, ENDPOINTS)
    loop = EndpointsLoop(client, caches)
    await loop.queue.run(loop.sync, WORKERS)


class EndpointsLoop:
    """The rules joined to the objects of a cluster."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self.queue: WorkQueue[Key] = WorkQueue("endpoint")
        self._client = client
        self._triggers = TriggerTimes()
        self._services, self._held = caches.of(SERVICES), caches.of(ENDPOINTS)
        self._selecting = Selecting(self._services, caches.of(PODS))
        self._gone: set[Key] = set()  # Services whose deletion was seen: their Endpoints go, whoever wrote them
        self._written: Expectations[Key, Endpoints] = Expectations(self._held, self.queue.add)
        self._written.follow()
        self._services.listen(self._service_changed)
        caches.of(PODS).listen(self._pod_changed)
        self._held.listen(self._endpoints_changed)

    async def sync(self, key: Key) -> None:
        """Makes one Service's Endpoints right."""
        if self._written.pending(key):
            self.queue.add_after(key, STALE_SECONDS)
            return
        service, held = self._services.get(key), self._held.get(key)
        if service is None:
            self._triggers.forget(key)
            if held and (key in self._gone or held.metadata.labels.get(rules.MANAGED_BY) == rules.CONTROLLER):
                await self._delete(key, held)
            self._gone.discard(key)
            return
        self._gone.discard(key)
        if not handles(service):
            return
        pods = self._selecting.pods_of(service)
        body = rules.wanted(service, pods, self._triggers.since_last(service, pods))
        if held is None:
            await self._create(key, body)
        elif not rules.same(held, body):
            await self._replace(key, held, body)

    async def _create(self, key: Key, body: dict[str, Any]) -> None:
        namespace, name = key
        meta = {**body["metadata"], "name": name}
        try:
            self._written.wrote(key, await self._client.create(ENDPOINTS, {**body, "metadata": meta}, namespace))
        except AlreadyExists:  # the cache is behind
            self.queue.add_after(key, STALE_SECONDS)
        else:
            WRITES.labels("create").inc()

    async def _replace(self, key: Key, held: Endpoints, body: dict[str, Any]) -> None:
        namespace, name = key
        kept = {k: v for k, v in held.metadata.annotations.items() if k != rules.OVER_CAPACITY}
        # With the uid: kube-apiserver would make Endpoints anew that were deleted meanwhile.
        meta: dict[str, Any] = {
            "name": name,
            "uid": held.metadata.uid,
            "resourceVersion": held.metadata.resource_version,
        }
        meta |= {"labels": body["metadata"]["labels"], "annotations": {**kept, **body["metadata"]["annotations"]}}
        try:
            written = await self._client.replace(ENDPOINTS, name, {**body, "metadata": meta}, namespace)
        except (Conflict, NotFound):
            self.queue.add_after(key, STALE_SECONDS / 10)
            return
        self._written.wrote(key, written)
        WRITES.labels("update").inc()

    async def _delete(self, key: Key, held: Endpoints) -> None:
        try:
            await self._client.delete(ENDPOINTS, key[1], key[0], uid=held.metadata.uid)
        except (NotFound, Conflict):
            return
        self._written.deleted(key, held)
        WRITES.labels("delete").inc()

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        key = (new or old).key  # type: ignore[union-attr]
        if new is None:
            self._gone.add(key)
        self.queue.add(key)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        for service in self._selecting.touched(old, new):
            self.queue.add(service.key)

    def _endpoints_changed(self, old: Endpoints | None, new: Endpoints | None) -> None:
        if new is None or not self._written.expects(new):
            self.queue.add((new or old).key)  # type: ignore[union-attr]
