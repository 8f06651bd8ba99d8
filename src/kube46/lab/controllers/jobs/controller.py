"""Watches Jobs and pods, makes pods, counts those that end, and deletes Jobs whose time is over."""

import asyncio
import contextlib
from collections.abc import Sequence

from kube46.api.objects import Pod
from kube46.api.resources import JOBS, PODS
from kube46.api.workload_objects import Job
from kube46.controllers.indexes import Index
from kube46.controllers.selectors import matches
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import Conflict, NotFound
from kube46.kubernetes.queues import WorkQueue
from kube46.lab.controllers import clock, owners
from kube46.lab.controllers.jobs import rules, status
from kube46.lab.controllers.jobs.pods import TRACKING, pod_of
from kube46.lab.controllers.ownedpods import OwnedPods

WORKERS = 5
BURST = 500


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(PODS, JOBS)
    loop = Jobs(client, caches)
    async with asyncio.TaskGroup() as group:
        group.create_task(loop.pods.queue.run(loop.sync, WORKERS))
        group.create_task(loop.orphans.run(loop.free))


class Jobs:
    """The rules joined to a cluster's Jobs and pods."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self._client = client
        self._all, jobs = caches.of(PODS), caches.of(JOBS)
        self._tracked: Index[Key, Pod] = Index(self._all, _job_of)
        self._near: Index[str, Job] = Index(jobs, lambda job: [job.metadata.namespace])
        self.orphans: WorkQueue[Key] = WorkQueue("job-orphan")
        self._all.listen(self._orphaned)
        self.pods: OwnedPods[Job] = OwnedPods(client, caches, JOBS, "job-controller", lambda job: job.spec.selector)

    async def sync(self, key: Key) -> None:
        """Makes one Job's pods and status right."""
        job = self.pods.owners.get(key)
        await self._let_go_orphans(key, job)
        if job is None or job.spec.managed_by not in rules.OWN:
            return
        if rules.finished(job):
            await self._ended(job)
            return
        now = clock.now()
        mine = await self.pods.claim(job)
        count = rules.tally(job, mine)
        if rules.verdict(job, count, now)[0]:
            count = rules.tally(job, mine, ends=True)
        wanted = status.status(job, count, now)
        if not await self.pods.report(job, wanted):
            return
        for pod in count.ended:  # the status names them now, so they may go
            await self._let_go(pod)
        for kind, reason, message in status.news(job, wanted):
            await self.pods.tell(job, reason, message, kind)
        if self.pods.settled(job) and not job.metadata.deletion_timestamp:
            await self._work(job, count, mine, target=rules.verdict(job, count, now)[0])
        if wait := rules.until_deadline(job, now):
            self.pods.queue.add_after(key, wait + 0.1)

    async def free(self, key: Key) -> None:
        """Lets a pod go that was a Job's, and that no Job will adopt again."""
        pod = self._all.get(key)
        if pod is None or not _is_orphan(pod):
            return
        near = self._near.objects(pod.metadata.namespace)
        if not any(matches(job.spec.selector, pod.metadata.labels) for job in near):
            await self._let_go(pod)

    def _orphaned(self, old: Pod | None, new: Pod | None) -> None:
        if new is not None and _is_orphan(new):
            self.orphans.add(new.key)

    async def _work(self, job: Job, count: rules.Tally, pods: Sequence[Pod], target: str) -> None:
        """Makes or deletes pods."""
        if target:
            await self.pods.delete(job, count.active)
            return
        more = rules.surplus(job, count)
        if more > 0:
            unwanted = rules.first_to_go(count.active)[:more]
            for pod in unwanted:
                await self._let_go(pod)  # not wanted any more is not failed
            await self.pods.delete(job, unwanted)
        elif more < 0:
            await self._add(job, count, pods, min(-more, BURST))

    async def _add(self, job: Job, count: rules.Tally, pods: Sequence[Pod], more: int) -> None:
        """Makes pods, each when failures before it allow."""
        now, alone = clock.now(), job.spec.backoff_limit_per_index is not None
        if not alone and (wait := rules.delay(pods, now)):
            self.pods.queue.add_after(job.key, wait)
            return
        bodies = []
        for number in rules.new_numbers(job, count, more):
            if alone and (wait := rules.delay_of(count, number, now)):
                self.pods.queue.add_after(job.key, wait)
            else:
                bodies.append(pod_of(job, number, None if number is None else count.last.get(number)))
        await self.pods.create(job, bodies)

    async def _ended(self, job: Job) -> None:
        """Lets the last pods go, and deletes the Job when its time is over."""
        for pod in self._tracked.objects(job.key):
            if rules.outcome(job, pod):
                await self._let_go(pod)
        wait = rules.until_expiry(job, clock.now())
        if wait:
            self.pods.queue.add_after(job.key, wait + 0.1)
        elif wait is not None and not job.metadata.deletion_timestamp:
            meta = job.metadata
            with contextlib.suppress(NotFound, Conflict):
                await self._client.delete(JOBS, meta.name, meta.namespace, uid=meta.uid, propagation="Background")

    async def _let_go_orphans(self, key: Key, job: Job | None) -> None:
        """Pods of a Job that is gone would else never be."""
        for pod in self._tracked.objects(key):
            owner = owners.controller_of(pod)
            if job is None or (owner and owner.uid != job.metadata.uid):
                await self._let_go(pod)

    async def _let_go(self, pod: Pod) -> None:
        if TRACKING not in pod.metadata.finalizers:
            return
        meta = pod.metadata
        body = {"metadata": {"uid": meta.uid, "$deleteFromPrimitiveList/finalizers": [TRACKING]}}
        with contextlib.suppress(NotFound, Conflict):
            await self._client.patch(PODS, meta.name, body, meta.namespace, kind="strategic")


def _is_orphan(pod: Pod) -> bool:
    return TRACKING in pod.metadata.finalizers and owners.controller_of(pod) is None


def _job_of(pod: Pod) -> list[Key]:
    """The Job whose pod this is, while its finalizer keeps it."""
    owner = owners.controller_of(pod)
    tracked = owner and owner.kind == JOBS.kind and TRACKING in pod.metadata.finalizers
    return [(pod.metadata.namespace, owner.name)] if owner and tracked else []
