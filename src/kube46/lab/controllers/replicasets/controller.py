"""Watches ReplicaSets and pods, and makes, deletes, adopts and releases pods.

A pod just made or deleted is awaited in the cache before the next decision, so none is ever made twice; after a kill
the first full list shows all that was made.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence

from kube46.api.objects import Pod, ReplicaSet
from kube46.api.resources import PODS, REPLICA_SETS
from kube46.controllers.expectations import Expectations
from kube46.controllers.indexes import Index
from kube46.controllers.selectors import matches
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import ApiError, Conflict, Forbidden, KubernetesError, NotFound
from kube46.kubernetes.events import EventRecorder
from kube46.kubernetes.queues import WorkQueue
from kube46.lab.controllers import clock, owners
from kube46.lab.controllers.replicasets import rules

log = logging.getLogger(__name__)
WORKERS = 5
LOOK_AGAIN_SECONDS = 1.0


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(PODS, REPLICA_SETS)
    loop = ReplicaSets(client, caches)
    await loop.queue.run(loop.sync, WORKERS)


class ReplicaSets:
    """The rules joined to a cluster's ReplicaSets and pods."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self.queue: WorkQueue[Key] = WorkQueue("replicaset")
        self._client, self._sets = client, caches.of(REPLICA_SETS)
        self._events = EventRecorder(client, "replicaset-controller")
        pods = caches.of(PODS)
        self._pods: Index[str, Pod] = Index(pods, lambda pod: [_place(pod)])
        self._near: Index[str, ReplicaSet] = Index(self._sets, lambda owner: [owner.metadata.namespace])
        self._siblings: Index[str, ReplicaSet] = Index(self._sets, owners.controller_uid)
        self._written: Expectations[Key, Pod] = Expectations(pods, self.queue.add)
        self._written.follow()
        self._sets.listen(self._set_changed)
        pods.listen(self._pod_changed)

    async def sync(self, key: Key) -> None:
        """Makes one ReplicaSet's pods and status right."""
        owner = self._sets.get(key)
        if owner is None:
            return
        mine = await self._claim(owner)
        alive, failure = rules.active(mine), ""
        if self._written.pending(key):
            self.queue.add_after(key, LOOK_AGAIN_SECONDS)
        elif not owner.metadata.deletion_timestamp:
            failure = await self._scale(owner, rules.plan(owner, alive, self._related(owner)))
        terminating = sum(1 for pod in mine if pod.metadata.deletion_timestamp)
        await self._report(owner, alive, terminating, failure)
        if failure:
            raise RuntimeError(failure)  # tried again with back-off

    async def _claim(self, owner: ReplicaSet) -> list[Pod]:
        """The pods that the ReplicaSet controls, after adoption and release."""
        meta = owner.metadata
        controlled = self._pods.objects(meta.uid)
        claim = owners.claim(owner, owner.spec.selector, controlled, self._pods.objects(f"/{meta.namespace}"))
        adopted = []
        if claim.adopt and await self._lives(owner):
            mark = owners.reference(REPLICA_SETS, owner)
            adopted = [pod for pod in rules.active(claim.adopt) if await self._mark(pod, owners.adoption(mark, pod))]
        for pod in claim.release:
            await self._mark(pod, owners.without(pod, lambda o: o.uid == meta.uid))
        return claim.keep + adopted

    async def _lives(self, owner: ReplicaSet) -> bool:
        """Whether the ReplicaSet is still there, by the server's own word: a dead one must adopt nothing."""
        try:
            fresh = await self._client.get(REPLICA_SETS, owner.metadata.name, owner.metadata.namespace)
        except NotFound:
            return False
        return fresh.metadata.uid == owner.metadata.uid and not fresh.metadata.deletion_timestamp

    async def _mark(self, pod: Pod, patch: dict[str, object]) -> bool:
        try:
            await self._client.patch(PODS, pod.metadata.name, patch, pod.metadata.namespace)
        except (Conflict, NotFound):
            return False
        return True

    def _related(self, owner: ReplicaSet) -> list[Pod]:
        """The active pods of the ReplicaSets with the same controller, which crowd the same nodes."""
        above = owners.controller_of(owner)
        family = self._siblings.objects(above.uid) if above else [owner]
        return rules.active(pod for one in family for pod in self._pods.objects(one.metadata.uid))

    async def _scale(self, owner: ReplicaSet, plan: rules.Plan) -> str:
        """Carries the plan out; "" or the reason and message of the first failure."""
        for size in rules.batches(plan.create):
            if errors := await _together([self._create(owner) for _ in range(size)]):
                return await self._failed(owner, "FailedCreate", errors[0])
        if errors := await _together([self._delete(owner, pod) for pod in plan.delete]):
            return await self._failed(owner, "FailedDelete", errors[0])
        return ""

    async def _create(self, owner: ReplicaSet) -> None:
        try:
            pod = await self._client.create(PODS, rules.pod_of(owner), owner.metadata.namespace)
        except Forbidden as error:
            if _namespace_ends(error):
                return
            raise
        self._written.wrote(owner.key, pod)
        await self._events.record(REPLICA_SETS, owner, "SuccessfulCreate", f"Created pod: {pod.metadata.name}")

    async def _delete(self, owner: ReplicaSet, pod: Pod) -> None:
        meta = pod.metadata
        try:
            await self._client.delete(PODS, meta.name, meta.namespace, uid=meta.uid)
        except (NotFound, Conflict):  # already gone, or another pod of the name
            return
        self._written.deleted(owner.key, pod)
        await self._events.record(REPLICA_SETS, owner, "SuccessfulDelete", f"Deleted pod: {meta.name}")

    async def _failed(self, owner: ReplicaSet, reason: str, error: KubernetesError) -> str:
        word = "creating" if reason == "FailedCreate" else "deleting"
        await self._events.record(REPLICA_SETS, owner, reason, f"Error {word}: {error}", "Warning")
        return f"{reason}: {error}"

    async def _report(self, owner: ReplicaSet, pods: Sequence[Pod], terminating: int, failure: str) -> None:
        """Writes the status where it differs, and comes back when a pod becomes available by waiting."""
        now = clock.now()
        status = rules.status(owner, pods, terminating, now, failure)
        if status != rules.status_now(owner):
            meta = owner.metadata
            body = {"metadata": {"uid": meta.uid}, "status": status}
            try:
                await self._client.patch(REPLICA_SETS, meta.name, body, meta.namespace, subresource="status")
            except (NotFound, Conflict):
                return
        if wait := rules.next_available(owner, pods, now):
            self.queue.add_after(owner.key, wait)

    def _set_changed(self, old: ReplicaSet | None, new: ReplicaSet | None) -> None:
        self.queue.add((new or old).key)  # type: ignore[union-attr]

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            if pod is None:
                continue
            owner, namespace = owners.controller_of(pod), pod.metadata.namespace
            if owner:
                self.queue.add((namespace, owner.name))
            elif pod is new:
                for near in self._near.objects(namespace):
                    if matches(near.spec.selector, pod.metadata.labels):
                        self.queue.add(near.key)


async def _together(work: Sequence[Coroutine[None, None, None]]) -> list[KubernetesError]:
    """Does all the work at once and to its end, whatever fails; the failures."""
    errors: list[KubernetesError] = []

    async def one(part: Coroutine[None, None, None]) -> None:
        try:
            await part
        except KubernetesError as error:
            errors.append(error)

    async with asyncio.TaskGroup() as group:
        for part in work:
            group.create_task(one(part))
    return errors


def _place(pod: Pod) -> str:
    """Where a pod is found: by its controller's uid, or among its namespace's orphans."""
    owner = owners.controller_of(pod)
    return owner.uid if owner else f"/{pod.metadata.namespace}"


def _namespace_ends(error: ApiError) -> bool:
    return any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or ())
