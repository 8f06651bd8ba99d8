"""Objects of one kind that belong to owners of another: finding, adopting and changing them, each write awaited.

What the loops of all workloads have in common: a queue of owners, woken by changes of an owner or of what it owns.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from kube46.api.objects import LabelSelector, Object
from kube46.api.resources import Resource
from kube46.controllers.expectations import Expectations
from kube46.controllers.indexes import Index
from kube46.controllers.selectors import matches
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import Conflict, NotFound
from kube46.kubernetes.events import EventRecorder
from kube46.kubernetes.queues import WorkQueue
from kube46.lab.controllers import owners
from kube46.lab.controllers.statuses import same

T = TypeVar("T", bound=Object)
C = TypeVar("C", bound=Object)
LOOK_AGAIN_SECONDS = 1.0


class Owned(Generic[T, C]):
    """The `children` of all owners of one kind; without a `selector` nothing is adopted or released."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        resource: Resource[T],
        children: Resource[C],
        component: str,
        selector: Callable[[T], LabelSelector] | None = None,
    ) -> None:
        self.queue: WorkQueue[Key] = WorkQueue(resource.kind.lower())
        self.owners = caches.of(resource)
        self._client, self.resource, self._children, self._selector = client, resource, children, selector
        self._events = EventRecorder(client, component)
        cache = caches.of(children)
        self._by_owner: Index[str, C] = Index(cache, lambda child: [_place(child)])
        self._near: Index[str, T] = Index(self.owners, lambda owner: [owner.metadata.namespace])
        self._written: Expectations[Key, C] = Expectations(cache, self.queue.add)
        self._written.follow()
        self.owners.listen(self._owner_changed)
        cache.listen(self._child_changed)

    def settled(self, owner: T) -> bool:
        """Whether the cache shows all that was written for the owner; if not, it is looked at again."""
        if self._written.pending(owner.key):
            self.queue.add_after(owner.key, LOOK_AGAIN_SECONDS)
            return False
        return True

    def controlled(self, uid: str) -> list[C]:
        """What the owner with this uid controls, as it stands."""
        return self._by_owner.objects(uid)

    async def claim(self, owner: T) -> list[C]:
        """What the owner controls, what has ended or is ending too, after adoption and release."""
        meta = owner.metadata
        mine = self._by_owner.objects(meta.uid)
        if self._selector is None:
            return mine
        claim = owners.claim(owner, self._selector(owner), mine, self._by_owner.objects(f"/{meta.namespace}"))
        adopted = []
        if claim.adopt and await self._lives(owner):
            mark = owners.reference(self.resource, owner)
            fit = [child for child in claim.adopt if self._adoptable(child)]
            adopted = [child for child in fit if await self.patch(owner, child, owners.adoption(mark, child))]
        for child in claim.release:
            await self.patch(owner, child, owners.without(child, lambda o: o.uid == meta.uid))
        return claim.keep + adopted

    async def patch(self, owner: T, child: C, body: dict[str, Any]) -> bool:
        """Changes one; False when it is gone or was changed meanwhile."""
        meta = child.metadata
        try:
            written = await self._client.patch(self._children, meta.name, body, meta.namespace)
        except (Conflict, NotFound):
            self.queue.add_after(owner.key, LOOK_AGAIN_SECONDS)
            return False
        self.wrote(owner, written)
        return True

    def wrote(self, owner: T, child: C) -> None:
        """Notes what the server answered to a write of the caller's own."""
        self._written.wrote(owner.key, child)

    def deleted(self, owner: T, child: C) -> None:
        """Notes a deletion of the caller's own."""
        self._written.deleted(owner.key, child)

    async def report(self, owner: T, status: dict[str, Any]) -> bool:
        """Writes the status where it differs from what is stored; whether it is stored now."""
        if same(msgspec.to_builtins(getattr(owner, "status", {})), status):
            return True
        meta = owner.metadata
        # The version keeps what was counted from an older status from being written over a newer one.
        body = {"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version}, "status": status}
        try:
            await self._client.patch(self.resource, meta.name, body, meta.namespace, subresource="status")
        except NotFound:
            return False
        except Conflict:
            self.queue.add_after(owner.key, 0.05)
            return False
        return True

    async def tell(self, owner: T, reason: str, message: str, type: str = "Normal") -> None:
        """An Event about the owner."""
        await self._events.record(self.resource, owner, reason, message, type)

    def _adoptable(self, child: C) -> bool:
        return True

    async def _lives(self, owner: T) -> bool:
        """Whether the owner is still there, by the server's own word: a dead one must adopt nothing."""
        try:
            fresh = await self._client.get(self.resource, owner.metadata.name, owner.metadata.namespace)
        except NotFound:
            return False
        return fresh.metadata.uid == owner.metadata.uid and not fresh.metadata.deletion_timestamp

    def _owner_changed(self, old: T | None, new: T | None) -> None:
        self.queue.add((new or old).key)  # type: ignore[union-attr]

    def _child_changed(self, old: C | None, new: C | None) -> None:
        for child in (old, new):
            if child is None:
                continue
            owner, namespace = owners.controller_of(child), child.metadata.namespace
            if owner and owner.kind == self.resource.kind:
                self.queue.add((namespace, owner.name))
            elif self._selector and not owner and child is new:
                for near in self._near.objects(namespace):
                    if matches(self._selector(near), child.metadata.labels):
                        self.queue.add(near.key)


def _place(child: Object) -> str:
    """Where an object is found: by its controller's uid, or among its namespace's orphans."""
    owner = owners.controller_of(child)
    return owner.uid if owner else f"/{child.metadata.namespace}"
