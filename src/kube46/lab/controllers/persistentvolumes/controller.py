"""Watches claims, volumes, classes and pods, and binds, as kube-controller-manager's persistentvolume-binder does.

One key at a time, and only on top of caches that show all that was written: two claims must not see the same volume
free.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any

from kube46.api.objects import Node, Pod
from kube46.api.resources import CLAIMS, NODES, PERSISTENT_VOLUMES, PODS, STORAGE_CLASSES, Resource
from kube46.api.storage_objects import PROVISIONED_BY, PersistentVolume, PersistentVolumeClaim
from kube46.controllers.expectations import Expectations
from kube46.controllers.indexes import Index
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import Conflict, NotFound
from kube46.kubernetes.events import EventRecorder
from kube46.kubernetes.queues import WorkQueue
from kube46.lab.controllers.persistentvolumes import binding, placing, rules

log = logging.getLogger(__name__)
CLAIM, VOLUME = "claim", "volume"
Task = tuple[str, Key]
LOOK_AGAIN_SECONDS = 1.0


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES, PODS, NODES)
    binder = Binder(client, caches)
    await binder.queue.run(binder.sync)


class Binder:
    """The rules joined to a cluster's claims and volumes."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self.queue: WorkQueue[Task] = WorkQueue("persistentvolume-binder")
        self._client, self._events = client, EventRecorder(client, "persistentvolume-controller")
        self._claims, self._volumes = caches.of(CLAIMS), caches.of(PERSISTENT_VOLUMES)
        self._classes, self._nodes = caches.of(STORAGE_CLASSES), caches.of(NODES)
        self._pods: Index[Key, Pod] = Index(caches.of(PODS), _claimed)
        self._waiting: set[Key] = set()  # claims that a new volume, class or node may help
        self._written_claims: Expectations[Task, PersistentVolumeClaim] = Expectations(self._claims, self.queue.add)
        self._written_volumes: Expectations[Task, PersistentVolume] = Expectations(self._volumes, self.queue.add)
        self._written_claims.follow()
        self._written_volumes.follow()
        self._claims.listen(self._claim_changed)
        self._volumes.listen(self._volume_changed)
        self._classes.listen(lambda old, new: self._help_waiting())
        self._nodes.listen(self._node_changed)
        caches.of(PODS).listen(self._pod_changed)
        self._writing: Task | None = None

    async def sync(self, task: Task) -> None:
        """Makes one claim or volume right."""
        if self._writing and self._unshown(self._writing):
            self.queue.add_after(task, 0.01)
            return
        self._writing = task
        try:
            await (self._claim(task[1]) if task[0] == CLAIM else self._volume(task[1]))
        except (Conflict, NotFound):  # changed or gone meanwhile; the watch brings what is there
            self.queue.add_after(task, LOOK_AGAIN_SECONDS)

    def _unshown(self, task: Task) -> bool:
        return self._written_claims.pending(task) or self._written_volumes.pending(task)

    async def _claim(self, key: Key) -> None:
        claim = self._claims.get(key)
        self._waiting.discard(key)
        if claim is None:
            return
        step = rules.claim_step(claim, self._view(claim))
        if step.bind:
            await self._bind(claim, step.bind)
            return
        if step.phase == "Pending":
            self._waiting.add(key)
        body: dict[str, Any] = {}
        if step.storage_class:
            body["spec"] = {"storageClassName": step.storage_class}
        if step.annotations:
            body["metadata"] = {"annotations": dict(step.annotations)}
        if body:
            claim = await self._patch_claim(claim, body)
        if step.phase and claim.status.phase != step.phase:
            await self._patch_claim(claim, {"status": {"phase": step.phase}}, "status")
        if step.event:
            await self._tell(CLAIMS, claim, step.event)

    def _view(self, claim: PersistentVolumeClaim) -> rules.View:
        pods = (pod.metadata.name for pod in self._pods.objects(claim.key) if not pod.spec.node_name)
        kind = self._classes.get(("", claim.storage_class))
        volumes = {volume.metadata.name: volume for volume in self._volumes.values()}
        made = Counter(placing.node_of(one) for one in volumes.values() if PROVISIONED_BY in one.metadata.annotations)
        return rules.View(
            volumes,
            {kind.metadata.name: kind for kind in self._classes.values()},
            placing.default_class(self._classes.values()),
            tuple(pods),
            placing.choose(kind, self._nodes.values(), made) if kind else "",
        )

    async def _bind(self, claim: PersistentVolumeClaim, volume: PersistentVolume) -> None:
        """Complete what lacks of the binding: first the volume, then the claim."""
        whole = claim.status.phase == "Bound"
        if body := binding.of_volume(volume, claim):
            volume = await self._patch_volume(volume, body)
        if resized := binding.grown(volume, claim):
            volume = await self._patch_volume(volume, resized)
        if volume.status.phase != "Bound":
            volume = await self._patch_volume(volume, {"status": {"phase": "Bound", "message": None}}, "status")
        if body := binding.of_claim(claim, volume):
            claim = await self._patch_claim(claim, body)
        if status := binding.claim_status(claim, volume):
            await self._patch_claim(claim, {"status": status}, "status")
        if resized:
            text = "Resize volume succeeded; sizes are not enforced, the volume has what the disk has"
            await self._tell(CLAIMS, claim, rules.Event("VolumeResizeSuccessful", text))
        if not whole:
            log.info("Claim bound claim=%s/%s volume=%s", *claim.key, volume.metadata.name)

    async def _volume(self, key: Key) -> None:
        volume = self._volumes.get(key)
        if volume is None:
            return
        claim = await self._claim_of(volume)
        step = rules.volume_step(volume, claim)
        if claim and not claim.spec.volume_name:
            self.queue.add((CLAIM, claim.key))
        if step.unbind:
            volume = await self._patch_volume(volume, binding.unbound(volume, step.unbind))
        if step.phase and volume.status.phase != step.phase:
            status = {"phase": step.phase, "message": step.message or None}
            volume = await self._patch_volume(volume, {"status": status}, "status")
        if step.event:
            await self._tell(PERSISTENT_VOLUMES, volume, step.event)

    async def _claim_of(self, volume: PersistentVolume) -> PersistentVolumeClaim | None:
        """The claim that the volume belongs to; that it is gone is believed only the server itself."""
        ref = volume.spec.claim_ref
        if ref is None or not ref.uid:
            return None
        claim = self._claims.get((ref.namespace, ref.name))
        if claim and claim.metadata.uid == ref.uid:
            return claim
        try:
            claim = await self._client.get(CLAIMS, ref.name, ref.namespace)
        except NotFound:
            return None
        return claim if claim.metadata.uid == ref.uid else None

    async def _patch_claim(
        self, claim: PersistentVolumeClaim, body: dict[str, Any], subresource: str = ""
    ) -> PersistentVolumeClaim:
        meta = claim.metadata
        body = binding.pinned(body, meta.uid, meta.resource_version)
        written = await self._client.patch(CLAIMS, meta.name, body, meta.namespace, subresource=subresource)
        assert self._writing
        self._written_claims.wrote(self._writing, written)
        return written

    async def _patch_volume(
        self, volume: PersistentVolume, body: dict[str, Any], subresource: str = ""
    ) -> PersistentVolume:
        meta = volume.metadata
        body = binding.pinned(body, meta.uid, meta.resource_version)
        written = await self._client.patch(PERSISTENT_VOLUMES, meta.name, body, subresource=subresource)
        assert self._writing
        self._written_volumes.wrote(self._writing, written)
        return written

    async def _tell(self, resource: Resource[Any], about: Any, event: rules.Event) -> None:
        await self._events.record(resource, about, event.reason, event.message, event.type)

    def _claim_changed(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        for claim in filter(None, (old, new)):
            self.queue.add((CLAIM, claim.key))
            if claim.spec.volume_name:
                self.queue.add((VOLUME, ("", claim.spec.volume_name)))
        if old and (new is None or new.metadata.uid != old.metadata.uid):
            for volume in self._volumes.values():
                if volume.spec.claim_ref and volume.spec.claim_ref.uid == old.metadata.uid:
                    self.queue.add((VOLUME, volume.key))

    def _volume_changed(self, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        volume = new or old
        assert volume
        self.queue.add((VOLUME, volume.key))
        if ref := volume.spec.claim_ref:
            self.queue.add((CLAIM, (ref.namespace, ref.name)))
        elif new and new.status.phase == "Available":
            self._help_waiting()

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if new and placing.ready(new) and not (old and placing.ready(old)):
            self._help_waiting()

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        """Pods decide only what claims that wait are told."""
        changed = set(_claimed(old) if old else ()) ^ set(_claimed(new) if new else ())
        if old and new and old.spec.node_name != new.spec.node_name:
            changed |= set(_claimed(new))
        for key in changed & self._waiting:
            self.queue.add((CLAIM, key))

    def _help_waiting(self) -> None:
        for key in self._waiting:
            self.queue.add((CLAIM, key))


def _claimed(pod: Pod) -> Iterable[Key]:
    if pod.status.phase in ("Succeeded", "Failed"):
        return ()
    return {(pod.metadata.namespace, name) for name in pod.claims.values()}
