"""Watches CronJobs and Jobs, makes Jobs when they are due, and clears old ones away."""

import contextlib
from datetime import datetime
from typing import Any

from kube46.api.resources import CRON_JOBS, JOBS
from kube46.api.workload_objects import CronJob, Job
from kube46.controllers.indexes import Index
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import AlreadyExists, Conflict, KubernetesError, NotFound
from kube46.kubernetes.events import EventRecorder
from kube46.kubernetes.queues import WorkQueue
from kube46.lab.controllers import clock, owners
from kube46.lab.controllers.cronjobs import rules
from kube46.lab.controllers.statuses import same

WORKERS = 2
# The longest sleep: a machine that slept itself, or a clock that was set, is noticed after so many seconds.
LOOK_AGAIN_SECONDS = 60.0


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(JOBS, CRON_JOBS)
    loop = CronJobs(client, caches)
    await loop.queue.run(loop.sync, WORKERS)


class CronJobs:
    """The rules joined to a cluster's CronJobs and Jobs."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self.queue: WorkQueue[Key] = WorkQueue("cronjob")
        self._client, self._owners = client, caches.of(CRON_JOBS)
        self._events = EventRecorder(client, "cronjob-controller")
        jobs = caches.of(JOBS)
        self._jobs: Index[str, Job] = Index(jobs, owners.controller_uid)
        self._owners.listen(self._owner_changed)
        jobs.listen(self._job_changed)

    async def sync(self, key: Key) -> None:
        """Makes one CronJob's Jobs and status right."""
        owner = self._owners.get(key)
        if owner is None or owner.metadata.deletion_timestamp:
            return
        jobs = self._jobs.objects(owner.metadata.uid)
        for job in rules.obsolete(owner, jobs):
            await self._delete(owner, job)
        made: datetime | None = None
        if not owner.spec.suspend:
            due = rules.due(owner, clock.now())
            if due.wait is not None:
                self.queue.add_after(key, min(due.wait + 0.05, LOOK_AGAIN_SECONDS))
            if due.now is not None:
                made = await self._start(owner, rules.active(jobs), due.now)
        await self._report(owner, rules.status(owner, jobs, made))

    async def _start(self, owner: CronJob, active: list[Job], moment: datetime) -> datetime | None:
        """Makes the Job of that time, as far as `concurrencyPolicy` allows; the time, if it was made."""
        if active and owner.spec.concurrency_policy == "Forbid":
            text = "Not starting job because prior execution is running and concurrency policy is Forbid"
            await self._tell(owner, "JobAlreadyActive", text)
            return None
        if owner.spec.concurrency_policy == "Replace":
            for job in active:
                await self._delete(owner, job)
        body = rules.job_of(owner, moment)
        try:
            await self._client.create(JOBS, body, owner.metadata.namespace)
        except AlreadyExists:  # made before a kill, or before the status was written
            return moment
        except KubernetesError as error:
            await self._tell(owner, "FailedCreate", f"Error creating job: {error}", "Warning")
            raise
        await self._tell(owner, "SuccessfulCreate", f"Created job {body['metadata']['name']}")
        return moment

    async def _delete(self, owner: CronJob, job: Job) -> None:
        meta = job.metadata
        with contextlib.suppress(NotFound, Conflict):
            await self._client.delete(JOBS, meta.name, meta.namespace, uid=meta.uid, propagation="Background")
            await self._tell(owner, "SuccessfulDelete", f"Deleted job {meta.name}")

    async def _report(self, owner: CronJob, status: dict[str, Any]) -> None:
        if same(owner.status, status):
            return
        meta = owner.metadata
        body = {"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version}, "status": status}
        try:
            await self._client.patch(CRON_JOBS, meta.name, body, meta.namespace, subresource="status")
        except NotFound:
            return
        except Conflict:
            self.queue.add_after(owner.key, 0.05)

    async def _tell(self, owner: CronJob, reason: str, message: str, type: str = "Normal") -> None:
        await self._events.record(CRON_JOBS, owner, reason, message, type)

    def _owner_changed(self, old: CronJob | None, new: CronJob | None) -> None:
        self.queue.add((new or old).key)  # type: ignore[union-attr]

    def _job_changed(self, old: Job | None, new: Job | None) -> None:
        for job in (old, new):
            owner = owners.controller_of(job) if job else None
            if job and owner and owner.kind == CRON_JOBS.kind:
                self.queue.add((job.metadata.namespace, owner.name))
