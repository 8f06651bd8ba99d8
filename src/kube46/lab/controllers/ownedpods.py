"""The pods of one kind of owner: finding, adopting, making and deleting them, each write awaited in the cache.

What the loops of DaemonSets, StatefulSets and Jobs have in common.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from kube46.api.objects import LabelSelector, Object, Pod
from kube46.api.resources import PODS, Resource
from kube46.controllers.expectations import Expectations
from kube46.controllers.indexes import Index
from kube46.controllers.selectors import matches
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import ApiError, Conflict, Forbidden, KubernetesError, NotFound
from kube46.kubernetes.events import EventRecorder
from kube46.kubernetes.queues import WorkQueue
from kube46.lab.controllers import owners
from kube46.lab.controllers.statuses import same

T = TypeVar("T", bound=Object)
LOOK_AGAIN_SECONDS = 1.0


class OwnedPods(Generic[T]):
    """The pods of all owners of one kind, and the queue of the owners to look at."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        resource: Resource[T],
        selector: Callable[[T], LabelSelector],
        component: str,
    ) -> None:
        self.queue: WorkQueue[Key] = WorkQueue(resource.kind.lower())
        self.events = EventRecorder(client, component)
        self.owners = caches.of(resource)
        self._client, self._resource, self._selector = client, resource, selector
        self._cache = caches.of(PODS)
        self._pods: Index[str, Pod] = Index(self._cache, lambda pod: [_place(pod)])
        self._near: Index[str, T] = Index(self.owners, lambda owner: [owner.metadata.namespace])
        self._written: Expectations[Key, Pod] = Expectations(self._cache, self.queue.add)
        self._written.follow()
        self.owners.listen(self._owner_changed)
        self._cache.listen(self._pod_changed)

    def settled(self, owner: T) -> bool:
        """Whether the cache shows all that was written for the owner; if not, it is looked at again."""
        if self._written.pending(owner.key):
            self.queue.add_after(owner.key, LOOK_AGAIN_SECONDS)
            return False
        return True

    async def claim(self, owner: T) -> list[Pod]:
        """The pods that the owner controls, ended and ending ones too, after adoption and release."""
        meta = owner.metadata
        mine, orphans = self._pods.objects(meta.uid), self._pods.objects(f"/{meta.namespace}")
        claim = owners.claim(owner, self._selector(owner), mine, orphans)
        adopted = []
        if claim.adopt and await self._lives(owner):
            mark = owners.reference(self._resource, owner)
            alive = [pod for pod in claim.adopt if pod.status.phase not in ("Succeeded", "Failed")]
            adopted = [pod for pod in alive if await self.patch(owner, pod, owners.adoption(mark, pod))]
        for pod in claim.release:
            await self.patch(owner, pod, owners.without(pod, lambda o: o.uid == meta.uid))
        return claim.keep + adopted

    async def create(self, owner: T, body: dict[str, Any]) -> bool:
        """Makes a pod; False where the namespace is going. Raises KubernetesError after an Event about it."""
        try:
            pod = await self._client.create(PODS, body, owner.metadata.namespace)
        except Forbidden as error:
            if _namespace_ends(error):
                return False
            await self._failed(owner, "FailedCreate", f"Error creating: {error}")
            raise
        except KubernetesError as error:
            await self._failed(owner, "FailedCreate", f"Error creating: {error}")
            raise
        self._written.wrote(owner.key, pod)
        await self.tell(owner, "SuccessfulCreate", f"Created pod: {pod.metadata.name}")
        return True

    async def delete(self, owner: T, pod: Pod) -> None:
        """Deletes a pod, should it still be this very one."""
        meta = pod.metadata
        try:
            await self._client.delete(PODS, meta.name, meta.namespace, uid=meta.uid)
        except (NotFound, Conflict):
            return
        except KubernetesError as error:
            await self._failed(owner, "FailedDelete", f"Error deleting: {error}")
            raise
        self._written.deleted(owner.key, pod)
        await self.tell(owner, "SuccessfulDelete", f"Deleted pod: {meta.name}")

    async def patch(self, owner: T, pod: Pod, body: dict[str, Any]) -> bool:
        """Changes a pod; False when it is gone or was changed meanwhile."""
        try:
            written = await self._client.patch(PODS, pod.metadata.name, body, pod.metadata.namespace)
        except (Conflict, NotFound):
            self.queue.add_after(owner.key, LOOK_AGAIN_SECONDS)
            return False
        self._written.wrote(owner.key, written)
        return True

    async def report(self, owner: T, status: dict[str, Any]) -> bool:
        """Writes the status where it differs from what is stored; whether it is stored now."""
        if same(getattr(owner, "status", {}), status):
            return True
        meta = owner.metadata
        # The version keeps what was counted from an older status from being written over a newer one.
        body = {"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version}, "status": status}
        try:
            await self._client.patch(self._resource, meta.name, body, meta.namespace, subresource="status")
        except NotFound:
            return False
        except Conflict:
            self.queue.add_after(owner.key, 0.05)
            return False
        return True

    async def tell(self, owner: T, reason: str, message: str, type: str = "Normal") -> None:
        """An Event about the owner."""
        await self.events.record(self._resource, owner, reason, message, type)

    async def _failed(self, owner: T, reason: str, message: str) -> None:
        await self.tell(owner, reason, message, "Warning")

    async def _lives(self, owner: T) -> bool:
        """Whether the owner is still there, by the server's own word: a dead one must adopt nothing."""
        try:
            fresh = await self._client.get(self._resource, owner.metadata.name, owner.metadata.namespace)
        except NotFound:
            return False
        return fresh.metadata.uid == owner.metadata.uid and not fresh.metadata.deletion_timestamp

    def _owner_changed(self, old: T | None, new: T | None) -> None:
        self.queue.add((new or old).key)  # type: ignore[union-attr]

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            if pod is None:
                continue
            owner, namespace = owners.controller_of(pod), pod.metadata.namespace
            if owner and owner.kind == self._resource.kind:
                self.queue.add((namespace, owner.name))
            elif not owner and pod is new:
                for near in self._near.objects(namespace):
                    if matches(self._selector(near), pod.metadata.labels):
                        self.queue.add(near.key)


def _place(pod: Pod) -> str:
    """Where a pod is found: by its controller's uid, or among its namespace's orphans."""
    owner = owners.controller_of(pod)
    return owner.uid if owner else f"/{pod.metadata.namespace}"


def _namespace_ends(error: ApiError) -> bool:
    return any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or ())
