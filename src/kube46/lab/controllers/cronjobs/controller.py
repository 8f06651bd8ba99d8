"""Watches CronJobs and Jobs, makes Jobs when they are due, and clears old ones away."""

import contextlib
from datetime import datetime

from kube46.api.resources import CRON_JOBS, JOBS
from kube46.api.workload_objects import CronJob, Job
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import AlreadyExists, Conflict, KubernetesError, NotFound
from kube46.lab.controllers import clock
from kube46.lab.controllers.cronjobs import rules
from kube46.lab.controllers.owned import Owned

WORKERS = 2
# The longest sleep: a machine that slept itself, or a clock that was set, is noticed after so many seconds.
LOOK_AGAIN_SECONDS = 60.0


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(JOBS, CRON_JOBS)
    loop = CronJobs(client, caches)
    await loop.jobs.queue.run(loop.sync, WORKERS)


class CronJobs:
    """The rules joined to a cluster's CronJobs and Jobs."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self._client = client
        self.jobs: Owned[CronJob, Job] = Owned(client, caches, CRON_JOBS, JOBS, "cronjob-controller")

    async def sync(self, key: Key) -> None:
        """Makes one CronJob's Jobs and status right."""
        owner = self.jobs.owners.get(key)
        if owner is None or owner.metadata.deletion_timestamp:
            return
        jobs = self.jobs.controlled(owner.metadata.uid)
        for job, condition in rules.completed(owner, jobs):
            text = f"Saw completed job: {job.metadata.name}, condition: {condition}"
            await self.jobs.tell(owner, "SawCompletedJob", text)
        for job in rules.obsolete(owner, jobs):
            await self._delete(owner, job)
        made: datetime | None = None
        if not owner.spec.suspend:
            due = rules.due(owner, clock.now())
            if due.wait is not None:
                self.jobs.queue.add_after(key, min(due.wait + 0.05, LOOK_AGAIN_SECONDS))
            if due.now is not None:
                made = await self._start(owner, rules.active(jobs), due.now)
        await self.jobs.report(owner, rules.status(owner, jobs, made))

    async def _start(self, owner: CronJob, active: list[Job], moment: datetime) -> datetime | None:
        """Makes the Job of that time, as far as `concurrencyPolicy` allows; the time, if it was made."""
        if active and owner.spec.concurrency_policy == "Forbid":
            text = "Not starting job because prior execution is running and concurrency policy is Forbid"
            await self.jobs.tell(owner, "JobAlreadyActive", text)
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
            await self.jobs.tell(owner, "FailedCreate", f"Error creating job: {error}", "Warning")
            raise
        await self.jobs.tell(owner, "SuccessfulCreate", f"Created job {body['metadata']['name']}")
        return moment

    async def _delete(self, owner: CronJob, job: Job) -> None:
        meta = job.metadata
        with contextlib.suppress(NotFound, Conflict):
            await self._client.delete(JOBS, meta.name, meta.namespace, uid=meta.uid, propagation="Background")
            await self.jobs.tell(owner, "SuccessfulDelete", f"Deleted job {meta.name}")
