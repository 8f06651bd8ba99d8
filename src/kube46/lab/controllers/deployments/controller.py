"""Watches Deployments and ReplicaSets, and makes, sizes and clears away ReplicaSets."""

import logging
from typing import Any

from kube46.api.objects import Deployment, ReplicaSet
from kube46.api.resources import DEPLOYMENTS, REPLICA_SETS
from kube46.controllers.expectations import Expectations
from kube46.controllers.indexes import Index
from kube46.controllers.selectors import matches
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import AlreadyExists, Conflict, Forbidden, KubernetesError, NotFound
from kube46.kubernetes.events import EventRecorder
from kube46.kubernetes.queues import WorkQueue
from kube46.lab.controllers import clock, owners
from kube46.lab.controllers.deployments import rolling, rules, status

log = logging.getLogger(__name__)
WORKERS = 5
LOOK_AGAIN_SECONDS = 1.0


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(DEPLOYMENTS, REPLICA_SETS)
    loop = Deployments(client, caches)
    await loop.queue.run(loop.sync, WORKERS)


class Deployments:
    """The rules joined to a cluster's Deployments and ReplicaSets."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self.queue: WorkQueue[Key] = WorkQueue("deployment")
        self._client, self._deployments = client, caches.of(DEPLOYMENTS)
        self._events = EventRecorder(client, "deployment-controller")
        sets = caches.of(REPLICA_SETS)
        self._sets: Index[str, ReplicaSet] = Index(sets, lambda one: [_place(one)])
        self._near: Index[str, Deployment] = Index(self._deployments, lambda one: [one.metadata.namespace])
        self._written: Expectations[Key, ReplicaSet] = Expectations(sets, self.queue.add)
        self._written.follow()
        self._deployments.listen(self._deployment_changed)
        sets.listen(self._set_changed)

    async def sync(self, key: Key) -> None:
        """Makes one Deployment's ReplicaSets and status right."""
        deployment = self._deployments.get(key)
        if deployment is None:
            return
        owned = await self._claim(deployment)
        if self._written.pending(key):
            self.queue.add_after(key, LOOK_AGAIN_SECONDS)
            return
        new = rules.current(deployment, owned)
        if not deployment.metadata.deletion_timestamp:
            await self._roll(deployment, new, [one for one in owned if one is not new])
        await self._report(deployment, new, owned)

    async def _claim(self, deployment: Deployment) -> list[ReplicaSet]:
        """The ReplicaSets that the Deployment controls, after adoption and release."""
        meta = deployment.metadata
        mine, orphans = self._sets.objects(meta.uid), self._sets.objects(f"/{meta.namespace}")
        claim = owners.claim(deployment, deployment.spec.selector, mine, orphans)
        mark = owners.reference(DEPLOYMENTS, deployment)
        if claim.adopt and await self._lives(deployment):
            for one in claim.adopt:
                await self._patch(deployment, one, owners.adoption(mark, one))
        for one in claim.release:
            await self._patch(deployment, one, owners.without(one, lambda o: o.uid == meta.uid))
        return claim.keep

    async def _lives(self, deployment: Deployment) -> bool:
        """Whether the Deployment is still there, by the server's own word: a dead one must adopt nothing."""
        try:
            fresh = await self._client.get(DEPLOYMENTS, deployment.metadata.name, deployment.metadata.namespace)
        except NotFound:
            return False
        return fresh.metadata.uid == deployment.metadata.uid and not fresh.metadata.deletion_timestamp

    async def _roll(self, deployment: Deployment, new: ReplicaSet | None, old: list[ReplicaSet]) -> None:
        """One step of the way from the old ReplicaSets to the new one."""
        wanted = rolling.sizes(deployment, new, old)
        if new is not None:
            await self._annotate(deployment, new, old)
        elif "" in wanted:
            await self._create(deployment, old, wanted.pop(""))
        marks = rolling.counts(deployment)
        for one in [*([new] if new else []), *old]:
            size, have = wanted.get(one.metadata.name, one.spec.replicas), one.metadata.annotations
            stale = bool(size) and any(have.get(name) != value for name, value in marks.items())
            if size != one.spec.replicas or stale:
                await self._scale(deployment, one, size, marks)
        if not deployment.spec.paused:
            for one in rules.obsolete(deployment, old):
                await self._remove(deployment, one)

    async def _create(self, deployment: Deployment, old: list[ReplicaSet], replicas: int) -> None:
        body = rules.new_set(deployment, old, replicas)
        name, namespace = body["metadata"]["name"], deployment.metadata.namespace
        try:
            made = await self._client.create(REPLICA_SETS, body, namespace)
        except AlreadyExists:
            await self._collided(deployment, name)
            return
        except KubernetesError as error:
            if not isinstance(error, Forbidden) or "being terminated" not in str(error):
                message = f'Failed to create new replica set "{name}": {error}'
                await self._events.record(DEPLOYMENTS, deployment, "ReplicaSetCreateError", message, "Warning")
                raise
            return
        self._written.wrote(deployment.key, made)
        message = f"Scaled up replica set {name} from 0 to {replicas}"
        await self._events.record(DEPLOYMENTS, deployment, "ScalingReplicaSet", message)
        await self._own_revision(deployment, rules.revision_of(made))

    async def _collided(self, deployment: Deployment, name: str) -> None:
        """The name is another's: a different template gets a different name, by the collision count."""
        namespace = deployment.metadata.namespace
        there = await self._client.get(REPLICA_SETS, name, namespace)
        owner = owners.controller_of(there)
        if owner and owner.uid == deployment.metadata.uid and rules.same_template(deployment, there):
            self._written.wrote(deployment.key, there)  # our own from before; the cache will show it
            self.queue.add_after(deployment.key, LOOK_AGAIN_SECONDS)
            return
        count = (deployment.status.collision_count or 0) + 1
        log.warning("Name of a ReplicaSet is taken name=%s/%s collisions=%d", namespace, name, count)
        await self._write_status(deployment, {"collisionCount": count})

    async def _annotate(self, deployment: Deployment, new: ReplicaSet, old: list[ReplicaSet]) -> None:
        """Carries over what is not of the template; a ReplicaSet that is current again becomes the latest revision."""
        latest = max(rules.revision_of(new), rules.next_revision(old))
        wanted = rules.annotations(deployment, latest)
        have = new.metadata.annotations
        least = deployment.spec.min_ready_seconds
        if least != new.spec.min_ready_seconds or any(have.get(name) != value for name, value in wanted.items()):
            meta = {"uid": new.metadata.uid, "annotations": wanted}
            await self._patch(deployment, new, {"metadata": meta, "spec": {"minReadySeconds": least}})
        await self._own_revision(deployment, latest)

    async def _own_revision(self, deployment: Deployment, revision: int) -> None:
        meta = deployment.metadata
        if meta.annotations.get(rules.REVISION) != str(revision):
            body = {"metadata": {"uid": meta.uid, "annotations": {rules.REVISION: str(revision)}}}
            await self._client.patch(DEPLOYMENTS, meta.name, body, meta.namespace)

    async def _scale(self, deployment: Deployment, one: ReplicaSet, size: int, marks: dict[str, str]) -> None:
        body = {"metadata": {"uid": one.metadata.uid, "annotations": marks}, "spec": {"replicas": size}}
        if not await self._patch(deployment, one, body) or size == one.spec.replicas:
            return
        way = "up" if size > one.spec.replicas else "down"
        message = f"Scaled {way} replica set {one.metadata.name} from {one.spec.replicas} to {size}"
        await self._events.record(DEPLOYMENTS, deployment, "ScalingReplicaSet", message)

    async def _remove(self, deployment: Deployment, one: ReplicaSet) -> None:
        meta = one.metadata
        try:
            await self._client.delete(
                REPLICA_SETS, meta.name, meta.namespace, uid=meta.uid, resource_version=meta.resource_version
            )
        except (NotFound, Conflict):
            return
        self._written.deleted(deployment.key, one)

    async def _patch(self, deployment: Deployment, one: ReplicaSet, body: dict[str, Any]) -> bool:
        meta = one.metadata
        try:
            self._written.wrote(deployment.key, await self._client.patch(REPLICA_SETS, meta.name, body, meta.namespace))
        except (NotFound, Conflict):
            self.queue.add_after(deployment.key, LOOK_AGAIN_SECONDS)
            return False
        return True

    async def _report(self, deployment: Deployment, new: ReplicaSet | None, owned: list[ReplicaSet]) -> None:
        now = clock.now()
        wanted = status.status(deployment, new, owned, now)
        if wanted != status.status_now(deployment):
            await self._write_status(deployment, wanted)
        elif wait := status.until_deadline(deployment, now):
            self.queue.add_after(deployment.key, wait)

    async def _write_status(self, deployment: Deployment, body: dict[str, Any]) -> None:
        meta = deployment.metadata
        # The version keeps a count that was decided from an older status from being written over a newer one.
        patch = {"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version}, "status": body}
        try:
            await self._client.patch(DEPLOYMENTS, meta.name, patch, meta.namespace, subresource="status")
        except NotFound:
            return
        except Conflict:
            self.queue.add_after(deployment.key, 0.05)

    def _deployment_changed(self, old: Deployment | None, new: Deployment | None) -> None:
        self.queue.add((new or old).key)  # type: ignore[union-attr]

    def _set_changed(self, old: ReplicaSet | None, new: ReplicaSet | None) -> None:
        for one in (old, new):
            if one is None:
                continue
            owner, namespace = owners.controller_of(one), one.metadata.namespace
            if owner:
                self.queue.add((namespace, owner.name))
            elif one is new:
                for near in self._near.objects(namespace):
                    if matches(near.spec.selector, one.metadata.labels):
                        self.queue.add(near.key)


def _place(one: ReplicaSet) -> str:
    """Where a ReplicaSet is found: by its controller's uid, or among its namespace's orphans."""
    owner = owners.controller_of(one)
    return owner.uid if owner else f"/{one.metadata.namespace}"
