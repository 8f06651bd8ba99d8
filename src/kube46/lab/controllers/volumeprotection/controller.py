"""Watches claims, volumes and pods, and takes the protection away from what was deleted and is not in use."""

from collections.abc import Iterable
from typing import Any

from kube46.api.objects import Object, Pod
from kube46.api.resources import CLAIMS, PERSISTENT_VOLUMES, PODS, Resource
from kube46.api.storage_objects import PV_PROTECTION, PVC_PROTECTION, PersistentVolume, PersistentVolumeClaim
from kube46.controllers.indexes import Index
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import Conflict, NotFound
from kube46.kubernetes.queues import WorkQueue
from kube46.lab.controllers import clock
from kube46.lab.controllers.volumeprotection import rules

CLAIM, VOLUME = "claim", "volume"
Task = tuple[str, Key]
LOOK_AGAIN_SECONDS = 0.1


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(CLAIMS, PERSISTENT_VOLUMES, PODS)
    loop = Protection(client, caches)
    await loop.queue.run(loop.sync)


class Protection:
    """The rules joined to a cluster's claims, volumes and pods."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self.queue: WorkQueue[Task] = WorkQueue("storage-protection")
        self._client = client
        self._claims, self._volumes = caches.of(CLAIMS), caches.of(PERSISTENT_VOLUMES)
        self._pods: Index[Key, Pod] = Index(caches.of(PODS), _mounted)
        self._claims.listen(self._claim_changed)
        self._volumes.listen(self._volume_changed)
        caches.of(PODS).listen(self._pod_changed)

    async def sync(self, task: Task) -> None:
        """Looks at one claim or volume."""
        try:
            if task[0] == VOLUME:
                volume = self._volumes.get(task[1])
                if volume and rules.volume_may_go(volume):
                    await self._let_go(PERSISTENT_VOLUMES, volume, PV_PROTECTION)
            elif claim := self._claims.get(task[1]):
                await self._claim(claim)
        except NotFound:
            return
        except Conflict:
            self.queue.add_after(task, LOOK_AGAIN_SECONDS)

    async def _claim(self, claim: PersistentVolumeClaim) -> None:
        pods = self._pods.objects(claim.key)
        if rules.may_go(claim, pods) and not await self._kept(claim):
            await self._let_go(CLAIMS, claim, PVC_PROTECTION)
        elif condition := rules.unused(claim, pods, clock.text(clock.now())):
            body = {"metadata": {"uid": claim.metadata.uid}, "status": {"conditions": [condition]}}
            meta = claim.metadata
            await self._client.patch(CLAIMS, meta.name, body, meta.namespace, subresource="status", kind="strategic")

    async def _kept(self, claim: PersistentVolumeClaim) -> bool:
        """Whether the server itself knows a pod that our cache doesn't show yet."""
        listing = await self._client.list(PODS, claim.metadata.namespace)
        name = claim.metadata.name
        return any(name in pod.claims.values() and rules.keeps(pod, name) for pod in listing.items)

    async def _let_go(self, resource: Resource[Any], value: Object, finalizer: str) -> None:
        meta = value.metadata
        if finalizer not in meta.finalizers:
            return
        left = [name for name in meta.finalizers if name != finalizer]
        body = {"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version, "finalizers": left}}
        await self._client.patch(resource, meta.name, body, meta.namespace)

    def _claim_changed(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        if new:
            self.queue.add((CLAIM, new.key))

    def _volume_changed(self, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        if new and new.metadata.deletion_timestamp:
            self.queue.add((VOLUME, new.key))

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        for pod in filter(None, (old, new)):
            for key in _mounted(pod):
                self.queue.add((CLAIM, key))


def _mounted(pod: Pod) -> Iterable[Key]:
    return {(pod.metadata.namespace, name) for name in pod.claims.values()}
