"""When a CronJob's next Job is due, which of its old ones go, and its status: pure.

Source: kubernetes/pkg/controller/cronjob/{cronjob_controllerv2.go,utils.go}.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from kube46.api.resources import CRON_JOBS, JOBS
from kube46.api.workload_objects import CronJob, Job
from kube46.api.workloads import schedules
from kube46.lab.controllers import clock
from kube46.lab.controllers.jobs.rules import finished
from kube46.lab.controllers.owners import reference

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"


@dataclass(frozen=True, slots=True)
class Due:
    """The time that is due now, if one is, and seconds until the next."""

    now: datetime | None = None
    wait: float | None = None


def due(owner: CronJob, now: datetime) -> Due:
    """What the schedule says; times that were missed by more than `startingDeadlineSeconds` are not due."""
    schedule = schedules.parse(owner.spec.schedule)
    zone = ZoneInfo(owner.spec.time_zone) if owner.spec.time_zone else UTC
    since = clock.parse(owner.status.get("lastScheduleTime") or owner.metadata.creation_timestamp) or now
    limit = owner.spec.starting_deadline_seconds
    if limit is not None:
        since = max(since, now - timedelta(seconds=limit))
    following = schedules.following(schedule, now, zone)
    wait = (following - now).total_seconds() if following else None
    return Due(schedules.latest(schedule, since, now, zone), wait)


def job_of(owner: CronJob, moment: datetime) -> dict[str, Any]:
    """The Job of one time; its name is that time's, so that it is made once."""
    template = owner.spec.job_template
    notes = {**(template.metadata.get("annotations") or {}), SCHEDULED: clock.text(moment)}
    meta: dict[str, Any] = {
        "name": f"{owner.metadata.name}-{int(moment.timestamp()) // 60}",
        "annotations": notes,
        "ownerReferences": [msgspec.to_builtins(reference(CRON_JOBS, owner))],
    }
    if labels := template.metadata.get("labels"):
        meta["labels"] = labels
    return {"metadata": meta, "spec": template.spec}


def active(jobs: Iterable[Job]) -> list[Job]:
    """Those of the schedule that have not ended, by name; `kubectl create job --from` makes others."""
    ours = (job for job in jobs if SCHEDULED in job.metadata.annotations and not finished(job))
    return sorted(ours, key=lambda job: job.metadata.name)


def completed(owner: CronJob, jobs: Iterable[Job]) -> list[tuple[Job, str]]:
    """Those that the status says are active and that have ended, with the condition that ended them."""
    held = {one.get("uid") for one in owner.status.get("active") or ()}
    return [(job, end["type"]) for job in jobs if job.metadata.uid in held and (end := finished(job))]


def obsolete(owner: CronJob, jobs: Sequence[Job]) -> list[Job]:
    """The oldest ended ones beyond the history limits."""
    gone: list[Job] = []
    for kind, limit in (
        ("Complete", owner.spec.successful_jobs_history_limit),
        ("Failed", owner.spec.failed_jobs_history_limit),
    ):
        ended = [job for job in jobs if (finished(job) or {}).get("type") == kind]
        ended.sort(key=lambda job: (job.status.get("startTime") or "", job.metadata.name))
        gone += ended[: max(0, len(ended) - limit)]
    return [job for job in gone if not job.metadata.deletion_timestamp]


def status(owner: CronJob, jobs: Iterable[Job], last: datetime | None) -> dict[str, Any]:
    """The status; `last` is the time of the last Job made."""
    every = list(jobs)
    ends = [str(job.status["completionTime"]) for job in every if job.status.get("completionTime")]
    before = owner.status.get("lastSuccessfulTime")
    return {
        "active": [_about(job) for job in active(every)],
        "lastScheduleTime": clock.text(last) if last else owner.status.get("lastScheduleTime"),
        "lastSuccessfulTime": max([*ends, before] if before else ends, default=None),
    }


def _about(job: Job) -> dict[str, str]:
    meta = job.metadata
    named = {"kind": JOBS.kind, "apiVersion": JOBS.api_version, "name": meta.name, "namespace": meta.namespace}
    return {**named, "uid": meta.uid}
