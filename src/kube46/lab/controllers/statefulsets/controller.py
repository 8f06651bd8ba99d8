"""Watches StatefulSets and pods, and makes and deletes pods."""

from collections.abc import Mapping

from kube46.api.objects import Pod
from kube46.api.resources import CLAIMS, CONTROLLER_REVISIONS, PODS, STATEFUL_SETS
from kube46.api.workload_objects import ControllerRevision, StatefulSet
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.lab.controllers import clock, history
from kube46.lab.controllers.availability import next_available
from kube46.lab.controllers.ownedpods import OwnedPods
from kube46.lab.controllers.statefulsets import claims, rules
from kube46.lab.controllers.statefulsets.claiming import Claims

WORKERS = 2


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(PODS, STATEFUL_SETS, CONTROLLER_REVISIONS, CLAIMS)
    loop = StatefulSets(client, caches)
    await loop.pods.queue.run(loop.sync, WORKERS)


class StatefulSets:
    """The rules joined to a cluster's StatefulSets and pods."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self.pods: OwnedPods[StatefulSet] = OwnedPods(
            client, caches, STATEFUL_SETS, "statefulset-controller", lambda owner: owner.spec.selector
        )
        self._claims = Claims(client, caches, self.pods)
        self._history = history.History(client, caches, self.pods)

    async def sync(self, key: Key) -> None:
        """Makes one StatefulSet's pods and status right."""
        owner = self.pods.owners.get(key)
        if owner is None or owner.metadata.deletion_timestamp:
            return
        revision = await self._history.current(owner)
        if revision is None:
            return
        update = revision.metadata.name
        current = str(owner.status.get("currentRevision") or update)
        mine, now = await self.pods.claim(owner), clock.now()
        numbered = rules.numbered(owner, mine)
        if self.pods.settled(owner):
            await self._step(owner, numbered, current, revision)
        status = rules.status(owner, list(numbered.values()), current, update, now)
        await self.pods.report(owner, status)
        live = {current, update, *map(rules.revision_of, mine)}
        await self._history.prune(owner, live, owner.spec.revision_history_limit)
        if wait := next_available(mine, owner.spec.min_ready_seconds, now):
            self.pods.queue.add_after(key, wait)

    async def _step(
        self, owner: StatefulSet, numbered: Mapping[int, Pod], current: str, update: ControllerRevision
    ) -> None:
        for number, pod in numbered.items():
            await self._claims.own(owner, number, pod)
            if pod.status.phase == "Pending" and not claims.condemned(owner, number):
                await self._claims.make(owner, number)
        plan = rules.plan(owner, numbered, update.metadata.name, clock.now())
        old = next((one for one in self._history.of(owner) if one.metadata.name == current), update)
        for pod in plan.delete:
            if pod.status.phase in rules.ENDED:
                text = f"StatefulSet {owner.metadata.namespace}/{owner.metadata.name} is recreating failed Pod"
                await self.pods.tell(owner, "RecreatingFailedPod", f"{text} {pod.metadata.name}", "Warning")
        await self.pods.delete(owner, plan.delete)
        bodies = []
        for number in plan.create:
            if not await self._claims.make(owner, number):
                continue
            name = rules.revision_for(owner, number, old.metadata.name, update.metadata.name)
            template = owner.spec.template if name == update.metadata.name else history.template_of(old)
            bodies.append(rules.pod_of(owner, number, template, name))
        await self.pods.create(owner, bodies)
