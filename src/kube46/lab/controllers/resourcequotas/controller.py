"""Watches ResourceQuotas and whatever they count, and writes what is used.

Admission charges each write in the transaction that makes it, so what is listed after a quota was read is all that was
charged to it; a write that is charged meanwhile gives the quota another version, which refuses the count.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.api import amounts, resources
from kube46.api.objects import Object
from kube46.api.quota import rules as quotas
from kube46.api.quota.evaluating import Evaluator
from kube46.kubernetes.caches import Cache, Caches, Key, key_of
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import Conflict, KubernetesError, NotFound
from kube46.kubernetes.queues import WorkQueue
from kube46.lab.controllers import clock, discovery
from kube46.lab.controllers.garbage.controller import DEFINITIONS, FILL_SECONDS, SHARED
from kube46.lab.controllers.resourcequotas import rules

if TYPE_CHECKING:
    from kube46.api.resources import Resource

log = logging.getLogger(__name__)
WORKERS = 5
RESYNC_SECONDS = 300.0
AGAIN_SECONDS = 30.0  # until a kind is looked for again that was not served
SOON_SECONDS = 0.05  # many things often go at once
QUOTABLE = ("create", "list", "watch", "delete")
Place = tuple[str, str]


class _Listed(msgspec.Struct):
    """The first of many, and how many more there are."""

    metadata: dict[str, Any]
    items: list[msgspec.Raw] = []


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(resources.RESOURCE_QUOTAS, DEFINITIONS)
    loop = ResourceQuotas(client, caches)
    async with asyncio.TaskGroup() as group:
        group.create_task(loop.count_all())
        group.create_task(loop.queue.run(loop.sync, WORKERS))


class ResourceQuotas:
    """The rules joined to a cluster's quotas and the objects of their namespaces."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self.queue: WorkQueue[Key] = WorkQueue("resourcequota")
        self._client, self._caches = client, caches
        self._quotas = caches.of(resources.RESOURCE_QUOTAS)
        self._near: dict[str, set[Key]] = {}  # namespace → its quotas
        self._kinds: dict[Place, Resource[Object]] = {}  # that can be counted
        self._followed: dict[Place, Cache[Any]] = {}
        self._look = asyncio.Lock()
        self._known = False  # whether `_kinds` is what is served now
        self._quotas.listen(self._quota_changed)
        caches.of(DEFINITIONS).listen(self._kinds_changed)

    async def count_all(self) -> None:
        """Counts everything anew now and again, as upstream: what nobody told of is found."""
        while True:
            await asyncio.sleep(RESYNC_SECONDS)
            self._known = False
            for key in self._quotas:
                self.queue.add(key)

    async def sync(self, key: Key) -> None:
        """Makes one quota's status right."""
        quota = self._quotas.get(key)
        if quota is None:
            return
        namespace, now = key[0], clock.now()
        wanted = quotas.counted((quota.get("spec") or {}).get("hard") or {})
        countings = await self._served(wanted)
        found: amounts.Amounts = {}
        problem: KubernetesError | None = None
        for counting in countings:
            try:
                listed = await self._list(counting, namespace)
            except KubernetesError as error:  # of one kind: what is used of the others is told
                problem = error
            else:
                found |= quotas.usage(quota, counting, listed, now)
        status = quotas.status(quota, found)
        if rules.differs(quota, status):
            await self._write(key, {**quota, "status": status})
        if problem:
            raise problem
        if len(countings) < len(wanted):
            self._known = False
            self.queue.add_after(key, AGAIN_SECONDS)

    async def _write(self, key: Key, quota: dict[str, Any]) -> None:
        namespace, name = key
        try:
            await self._client.replace(resources.RESOURCE_QUOTAS, name, quota, namespace, subresource="status")
        except NotFound:
            return
        except Conflict:  # a write was charged meanwhile
            self.queue.add_after(key, SOON_SECONDS)

    async def _served(self, countings: Sequence[Evaluator]) -> list[Evaluator]:
        """Those of kinds that are served, whose objects' end is heard of from now on."""
        async with self._look:
            if not self._known:
                self._known = True
                await self._discover()
            for one in countings:
                if (one.group, one.plural) in self._kinds:
                    await self._follow((one.group, one.plural))
            return [one for one in countings if (one.group, one.plural) in self._kinds]

    async def _discover(self) -> None:
        try:
            served, failures = await discovery.readable(self._client)
        except BaseException:
            self._known = False
            raise
        kept = {place: kind for place, kind in self._kinds.items() if place[0] in failures}
        self._kinds = kept | {
            place: SHARED.get(place, kind.resource)
            for kind in served
            for place in [(kind.resource.group, kind.resource.plural)]
            if kind.resource.namespaced and kind.can(*QUOTABLE)
        }
        self._followed = {place: cache for place, cache in self._followed.items() if place in self._kinds}
        if failures:
            log.warning("Kinds of some groups are not known groups=%s", sorted(failures))

    async def _follow(self, place: Place) -> None:
        """Listens to a kind; one that can't be listed is left out until kinds are looked for again."""
        cache = self._caches.of(self._kinds[place])
        if self._followed.get(place) is not cache:
            counting = quotas.evaluator(*place)
            assert counting is not None
            self._followed[place] = cache

            def changed(old: Object | None, new: Object | None, counting: Evaluator = counting) -> None:
                if old is not None and rules.may_take_less(counting.plural, old, new):
                    self._replenish(counting, old.metadata.namespace)

            cache.listen(changed)
        try:
            async with asyncio.timeout(FILL_SECONDS):
                await cache.synced.wait()
        except TimeoutError:
            log.warning("A kind could not be listed and is not counted kind=%s", ".".join(place[::-1]))
            del self._kinds[place]

    async def _list(self, counting: Evaluator, namespace: str) -> Sequence[dict[str, Any]]:
        """The objects of a kind; where only their number counts, as many empty ones."""
        resource = self._kinds[counting.group, counting.plural]
        if (counting.group, counting.plural) in quotas.MEASURED:
            return (await self._client.list(resource.raw(), namespace)).items
        body = await self._client.request("GET", resource.path(namespace), params={"limit": "1"})
        listed = msgspec.json.decode(body, type=_Listed)
        return [{}] * (len(listed.items) + int(listed.metadata.get("remainingItemCount") or 0))

    def _quota_changed(self, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
        key = key_of(new or old)
        near = self._near.setdefault(key[0], set())
        if new is None:
            near.discard(key)
            if not near:
                del self._near[key[0]]
            return
        near.add(key)
        if old is None or rules.is_behind(new):
            self.queue.add(key)

    def _kinds_changed(self, old: Object | None, new: Object | None) -> None:
        """Another kind may be served, or one no longer: quotas that name what nobody knew are looked at again."""
        self._known = False
        for key, quota in self._quotas.items():
            if rules.is_behind(quota):
                self.queue.add_after(key, SOON_SECONDS)

    def _replenish(self, counting: Evaluator, namespace: str) -> None:
        for key in self._near.get(namespace, ()):
            quota = self._quotas.get(key)
            if quota and counting.matching((quota.get("spec") or {}).get("hard") or {}):
                self.queue.add_after(key, SOON_SECONDS)
