"""Watches ReplicaSets, or ReplicationControllers, and pods, and makes, deletes, adopts and releases pods."""

from collections.abc import Callable
from typing import Generic, TypeVar

from kube46.api.objects import LabelSelector, Pod, ReplicaSet, ReplicationController
from kube46.api.resources import PODS, REPLICA_SETS, REPLICATION_CONTROLLERS, Resource
from kube46.controllers.indexes import Index
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import KubernetesError
from kube46.lab.controllers import clock, owners
from kube46.lab.controllers.availability import next_available
from kube46.lab.controllers.ownedpods import OwnedPods
from kube46.lab.controllers.replicasets import rules

WORKERS = 5
T = TypeVar("T", ReplicaSet, ReplicationController)


async def run(client: Client, caches: Caches) -> None:
    """Keeps ReplicaSets until cancelled."""
    await caches.filled(PODS, REPLICA_SETS)
    loop = Replicas(client, caches, REPLICA_SETS, "replicaset-controller", lambda owner: owner.spec.selector)
    await loop.pods.queue.run(loop.sync, WORKERS)


async def run_old(client: Client, caches: Caches) -> None:
    """Keeps ReplicationControllers until cancelled."""
    await caches.filled(PODS, REPLICATION_CONTROLLERS)

    def selector(owner: ReplicationController) -> LabelSelector:
        return LabelSelector(match_labels=owner.spec.selector)

    loop = Replicas(client, caches, REPLICATION_CONTROLLERS, "replication-controller", selector)
    await loop.pods.queue.run(loop.sync, WORKERS)


class Replicas(Generic[T]):
    """The rules joined to a cluster's owners of one kind and their pods."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        resource: Resource[T],
        component: str,
        selector: Callable[[T], LabelSelector],
    ) -> None:
        self._siblings: Index[str, T] = Index(caches.of(resource), owners.controller_uid)
        self._resource: Resource[T] = resource
        self.pods: OwnedPods[T] = OwnedPods(client, caches, resource, component, selector)

    async def sync(self, key: Key) -> None:
        """Makes one owner's pods and status right."""
        owner = self.pods.owners.get(key)
        if owner is None:
            return
        mine, failure, error = await self.pods.claim(owner), "", None
        alive = rules.active(mine)
        if self.pods.settled(owner) and not owner.metadata.deletion_timestamp:
            plan = rules.plan(owner, alive, self._related(owner))
            if error := await self._scale(owner, plan):
                failure = f"{'FailedCreate' if plan.create else 'FailedDelete'}: {error}"
        terminating, now = sum(1 for pod in mine if pod.metadata.deletion_timestamp), clock.now()
        status = rules.status(owner, alive, terminating, now, failure)
        if self._resource is REPLICATION_CONTROLLERS:
            del status["terminatingReplicas"]  # younger than this kind
        await self.pods.report(owner, status)
        if wait := next_available(alive, owner.spec.min_ready_seconds, now):
            self.pods.queue.add_after(key, wait)
        if error:
            raise error  # tried again with back-off

    def _related(self, owner: T) -> list[Pod]:
        """The active pods of the owners with the same controller, which crowd the same nodes."""
        above = owners.controller_of(owner)
        family = self._siblings.objects(above.uid) if above else [owner]
        return rules.active(pod for one in family for pod in self.pods.controlled(one.metadata.uid))

    async def _scale(self, owner: T, plan: rules.Plan) -> KubernetesError | None:
        """Carries the plan out; the first failure."""
        try:
            await self.pods.create(owner, [rules.pod_of(owner, self._resource)] * plan.create)
            await self.pods.delete(owner, plan.delete)
        except KubernetesError as error:
            return error
        return None
