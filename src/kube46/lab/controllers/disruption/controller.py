"""Watches PodDisruptionBudgets, pods and their controllers, and writes how many pods may be evicted."""

from collections.abc import Iterable
from typing import Any

from kube46.api.objects import Object, Pod
from kube46.api.resources import BUDGETS, DEPLOYMENTS, PODS, REPLICA_SETS, STATEFUL_SETS
from kube46.api.workload_objects import PodDisruptionBudget
from kube46.controllers.indexes import Index
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import Conflict, NotFound
from kube46.kubernetes.events import EventRecorder
from kube46.kubernetes.queues import WorkQueue
from kube46.lab.controllers import clock, owners
from kube46.lab.controllers.disruption import rules
from kube46.lab.controllers.statuses import same

WORKERS = 2


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(PODS, BUDGETS, STATEFUL_SETS, REPLICA_SETS, DEPLOYMENTS)
    loop = Budgets(client, caches)
    await loop.queue.run(loop.sync, WORKERS)


class Budgets:
    """The rules joined to a cluster's budgets, pods and controllers."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self.queue: WorkQueue[Key] = WorkQueue("disruption")
        self._client, self._budgets = client, caches.of(BUDGETS)
        self._events = EventRecorder(client, "controllermanager")
        self._sets, self._deployments = caches.of(REPLICA_SETS), caches.of(DEPLOYMENTS)
        self._numbered = caches.of(STATEFUL_SETS)
        self._pods: Index[str, Pod] = Index(caches.of(PODS), lambda pod: [pod.metadata.namespace])
        self._near: Index[str, PodDisruptionBudget] = Index(self._budgets, lambda one: [one.metadata.namespace])
        self._budgets.listen(lambda old, new: self.queue.add((new or old).key))  # type: ignore[union-attr]
        caches.of(PODS).listen(self._pod_changed)
        self._sets.listen(self._scale_changed)
        self._deployments.listen(self._scale_changed)
        self._numbered.listen(self._scale_changed)

    async def sync(self, key: Key) -> None:
        """Makes one budget's status right."""
        budget = self._budgets.get(key)
        if budget is None:
            return
        pods = [pod for pod in self._pods.objects(budget.metadata.namespace) if rules.selects(budget, pod)]
        scale, failure = self._scale(pods) if rules.needs_scale(budget) else (0, "")
        now = clock.now()
        status = rules.status(budget, pods, scale, now, failure)
        if failure:
            text = f"Failed to calculate the number of expected pods: {failure}"
            await self._events.record(BUDGETS, budget, "CalculateExpectedPodCountFailed", text, "Warning")
        if not same(budget.status, status):
            await self._write(budget, status)
        if wait := rules.until_recheck(budget, now):
            self.queue.add_after(key, wait)

    def _scale(self, pods: Iterable[Pod]) -> tuple[int, str]:
        """How many pods the controllers of these ask for together, and why that is not known."""
        scales: dict[str, int] = {}
        for pod in pods:
            owner, namespace = owners.controller_of(pod), pod.metadata.namespace
            if owner is None:
                continue  # a pod without one adds nothing, as upstream
            top: Any = None
            if owner.kind == "ReplicaSet" and (top := self._sets.get((namespace, owner.name))):
                above = owners.controller_of(top)
                top = self._deployments.get((namespace, above.name)) or top if above else top
            elif owner.kind == "StatefulSet":
                top = self._numbered.get((namespace, owner.name))
            if top is None:
                return 0, f'found no controllers for pod "{pod.metadata.name}"'
            scales[top.metadata.uid] = top.spec.replicas
        return sum(scales.values()), ""

    async def _write(self, budget: PodDisruptionBudget, status: dict[str, Any]) -> None:
        meta = budget.metadata
        # The version keeps an eviction that was allowed meanwhile from being forgotten.
        body = {"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version}, "status": status}
        try:
            await self._client.patch(BUDGETS, meta.name, body, meta.namespace, subresource="status")
        except NotFound:
            return
        except Conflict:
            self.queue.add_after(budget.key, 0.05)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            for near in self._near.objects(pod.metadata.namespace) if pod else ():
                if pod and rules.selects(near, pod):
                    self.queue.add(near.key)

    def _scale_changed(self, old: Object | None, new: Object | None) -> None:
        """What is asked for changed: the budgets of the namespace are few."""
        if old is None or new is None or old.metadata.generation != new.metadata.generation:
            for near in self._near.objects((new or old).metadata.namespace):  # type: ignore[union-attr]
                self.queue.add(near.key)
