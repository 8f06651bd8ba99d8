"""Watches Deployments and ReplicaSets, and makes, sizes and clears away ReplicaSets."""

import logging

from kube46.api.objects import Deployment, ReplicaSet
from kube46.api.resources import DEPLOYMENTS, REPLICA_SETS
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import AlreadyExists, ApiError, Conflict, KubernetesError, NotFound
from kube46.lab.controllers import clock, owners
from kube46.lab.controllers.deployments import rolling, rules, status
from kube46.lab.controllers.owned import LOOK_AGAIN_SECONDS, Owned

log = logging.getLogger(__name__)
WORKERS = 5


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(DEPLOYMENTS, REPLICA_SETS)
    loop = Deployments(client, caches)
    await loop.sets.queue.run(loop.sync, WORKERS)


class Deployments:
    """The rules joined to a cluster's Deployments and ReplicaSets."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self._client = client
        self.sets: Owned[Deployment, ReplicaSet] = Owned(
            client, caches, DEPLOYMENTS, REPLICA_SETS, "deployment-controller", lambda one: one.spec.selector
        )

    async def sync(self, key: Key) -> None:
        """Makes one Deployment's ReplicaSets and status right."""
        deployment = self.sets.owners.get(key)
        if deployment is None:
            return
        owned = await self.sets.claim(deployment)
        if not self.sets.settled(deployment):
            return
        new = rules.current(deployment, owned)
        if not deployment.metadata.deletion_timestamp:
            await self._roll(deployment, new, [one for one in owned if one is not new])
        await self._report(deployment, new, owned)

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
            if not isinstance(error, ApiError) or not error.namespace_ends:
                message = f'Failed to create new replica set "{name}": {error}'
                await self.sets.tell(deployment, "ReplicaSetCreateError", message, "Warning")
                await self.sets.report(deployment, status.uncreated(deployment, message, clock.now()))
                raise
            return
        self.sets.wrote(deployment, made)
        message = f"Scaled up replica set {name} from 0 to {replicas}"
        await self.sets.tell(deployment, "ScalingReplicaSet", message)
        await self._own_revision(deployment, rules.revision_of(made))

    async def _collided(self, deployment: Deployment, name: str) -> None:
        """The name is another's: a different template gets a different name, by the collision count."""
        namespace = deployment.metadata.namespace
        there = await self._client.get(REPLICA_SETS, name, namespace)
        owner = owners.controller_of(there)
        if owner and owner.uid == deployment.metadata.uid and rules.same_template(deployment, there):
            self.sets.wrote(deployment, there)  # our own from before; the cache will show it
            self.sets.queue.add_after(deployment.key, LOOK_AGAIN_SECONDS)
            return
        count = (deployment.status.collision_count or 0) + 1
        log.warning("Name of a ReplicaSet is taken name=%s/%s collisions=%d", namespace, name, count)
        await self.sets.report(deployment, {"collisionCount": count})

    async def _annotate(self, deployment: Deployment, new: ReplicaSet, old: list[ReplicaSet]) -> None:
        """Carries over what is not of the template; a ReplicaSet that is current again becomes the latest revision."""
        latest = max(rules.revision_of(new), rules.next_revision(old))
        wanted = rules.annotations(deployment, latest)
        have = new.metadata.annotations
        least = deployment.spec.min_ready_seconds
        if least != new.spec.min_ready_seconds or any(have.get(name) != value for name, value in wanted.items()):
            meta = {"uid": new.metadata.uid, "annotations": wanted}
            await self.sets.patch(deployment, new, {"metadata": meta, "spec": {"minReadySeconds": least}})
        await self._own_revision(deployment, latest)

    async def _own_revision(self, deployment: Deployment, revision: int) -> None:
        meta = deployment.metadata
        if meta.annotations.get(rules.REVISION) != str(revision):
            body = {"metadata": {"uid": meta.uid, "annotations": {rules.REVISION: str(revision)}}}
            await self._client.patch(DEPLOYMENTS, meta.name, body, meta.namespace)

    async def _scale(self, deployment: Deployment, one: ReplicaSet, size: int, marks: dict[str, str]) -> None:
        body = {"metadata": {"uid": one.metadata.uid, "annotations": marks}, "spec": {"replicas": size}}
        if not await self.sets.patch(deployment, one, body) or size == one.spec.replicas:
            return
        way = "up" if size > one.spec.replicas else "down"
        message = f"Scaled {way} replica set {one.metadata.name} from {one.spec.replicas} to {size}"
        await self.sets.tell(deployment, "ScalingReplicaSet", message)

    async def _remove(self, deployment: Deployment, one: ReplicaSet) -> None:
        meta = one.metadata
        try:
            await self._client.delete(
                REPLICA_SETS, meta.name, meta.namespace, uid=meta.uid, resource_version=meta.resource_version
            )
        except (NotFound, Conflict):
            return
        self.sets.deleted(deployment, one)

    async def _report(self, deployment: Deployment, new: ReplicaSet | None, owned: list[ReplicaSet]) -> None:
        now = clock.now()
        if await self.sets.report(deployment, status.status(deployment, new, owned, now)) and (
            wait := status.until_deadline(deployment, now)
        ):
            self.sets.queue.add_after(deployment.key, wait)
