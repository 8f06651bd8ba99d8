"""Watches ReplicaSets and pods, and makes, deletes, adopts and releases pods."""

from kube46.api.objects import Pod, ReplicaSet
from kube46.api.resources import PODS, REPLICA_SETS
from kube46.controllers.indexes import Index
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import KubernetesError
from kube46.lab.controllers import clock, owners
from kube46.lab.controllers.availability import next_available
from kube46.lab.controllers.ownedpods import OwnedPods
from kube46.lab.controllers.replicasets import rules

WORKERS = 5


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(PODS, REPLICA_SETS)
    loop = ReplicaSets(client, caches)
    await loop.pods.queue.run(loop.sync, WORKERS)


class ReplicaSets:
    """The rules joined to a cluster's ReplicaSets and pods."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self._siblings: Index[str, ReplicaSet] = Index(caches.of(REPLICA_SETS), owners.controller_uid)
        self.pods: OwnedPods[ReplicaSet] = OwnedPods(
            client, caches, REPLICA_SETS, "replicaset-controller", lambda owner: owner.spec.selector
        )

    async def sync(self, key: Key) -> None:
        """Makes one ReplicaSet's pods and status right."""
        owner = self.pods.owners.get(key)
        if owner is None:
            return
        mine, failure = await self.pods.claim(owner), ""
        alive = rules.active(mine)
        if self.pods.settled(owner) and not owner.metadata.deletion_timestamp:
            failure = await self._scale(owner, rules.plan(owner, alive, self._related(owner)))
        terminating, now = sum(1 for pod in mine if pod.metadata.deletion_timestamp), clock.now()
        await self.pods.report(owner, rules.status(owner, alive, terminating, now, failure))
        if wait := next_available(alive, owner.spec.min_ready_seconds, now):
            self.pods.queue.add_after(key, wait)
        if failure:
            raise RuntimeError(failure)  # tried again with back-off

    def _related(self, owner: ReplicaSet) -> list[Pod]:
        """The active pods of the ReplicaSets with the same controller, which crowd the same nodes."""
        above = owners.controller_of(owner)
        family = self._siblings.objects(above.uid) if above else [owner]
        return rules.active(pod for one in family for pod in self.pods.controlled(one.metadata.uid))

    async def _scale(self, owner: ReplicaSet, plan: rules.Plan) -> str:
        """Carries the plan out; "" or the reason and message of the first failure."""
        reason = "FailedCreate" if plan.create else "FailedDelete"
        try:
            await self.pods.create(owner, [rules.pod_of(owner)] * plan.create)
            await self.pods.delete(owner, plan.delete)
        except KubernetesError as error:
            return f"{reason}: {error}"
        return ""
