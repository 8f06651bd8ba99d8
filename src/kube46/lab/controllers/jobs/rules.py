"""How many pods of a Job are to run, and when it has ended: pure.

No pod is counted twice or forgotten: a finalizer keeps an ended pod until the status names it; a pod that the status
names and that has lost its finalizer is counted.
Source: kubernetes/pkg/controller/job/{job_controller.go,backoff_utils.go}, KEP-2307.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from kube46.api.objects import Pod
from kube46.api.workload_objects import Job
from kube46.lab.controllers import clock
from kube46.lab.controllers.jobs import failures, indexes, successes
from kube46.lab.controllers.jobs.pods import TRACKING

FIRST_DELAY, LONGEST_DELAY = 10.0, 600.0  # seconds after a failed pod until the next is made
KINDS = ("succeeded", "failed")
OWN = ("", "kubernetes.io/job-controller")


@dataclass(slots=True)
class Tally:
    """A Job's pods, sorted; `succeeded` and `failed` are all that ever did."""

    active: list[Pod] = field(default_factory=list)
    terminating: list[Pod] = field(default_factory=list)
    ended: list[Pod] = field(default_factory=list)  # still to be let go, by taking their finalizer away
    succeeded: int = 0
    failed: int = 0
    completed: set[int] = field(default_factory=set)
    spoilt: set[int] = field(default_factory=set)  # indexes that have failed for good
    # Of each index without a pod the last that failed: it keeps the count of failures until the next one has it.
    last: dict[int, Pod] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)  # the counting part of the status to write


def tally(job: Job, pods: Iterable[Pod], *, ends: bool = False) -> Tally:
    """Counts the pods, on top of what the status has counted before; `ends` lets all pods of a Job go that is over."""
    result = Tally(completed=indexes.parse(str(job.status.get("completedIndexes") or "")))
    result.spoilt = indexes.parse(str(job.status.get("failedIndexes") or ""))
    counts, by_uid = dict.fromkeys(KINDS, 0), {pod.metadata.uid: pod for pod in pods}
    held = job.status.get("uncountedTerminatedPods") or {}
    for kind in KINDS:  # let go since: counted now
        gone = (uid not in by_uid or TRACKING not in by_uid[uid].metadata.finalizers for uid in held.get(kind) or ())
        counts[kind] = int(job.status.get(kind) or 0) + sum(gone)
    ended = _sort(job, by_uid.values(), result)
    kept: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for pod in ended:
        number, kind = indexes.index_of(pod), outcome(job, pod)
        stays = not ends and number is not None and result.last.get(number) is pod
        if not stays:
            result.ended.append(pod)
        if kind == "failed" and not failures.counts(job, pod):
            continue
        result.failed += kind == "failed" and stays
        if not stays and (kind == "failed" or not _indexed(job)):
            kept[kind].append(pod.metadata.uid)
    result.failed += counts["failed"] + len(kept["failed"])
    result.succeeded = len(result.completed) if _indexed(job) else counts["succeeded"] + len(kept["succeeded"])
    result.status = {
        "succeeded": result.succeeded if _indexed(job) else counts["succeeded"],
        "failed": counts["failed"],
        "uncountedTerminatedPods": kept,
        "completedIndexes": indexes.written(result.completed) or None,
        "failedIndexes": indexes.written(result.spoilt) if job.spec.backoff_limit_per_index is not None else None,
        "active": len(result.active),
        "ready": sum(pod.status.ready for pod in result.active),
        "terminating": len(result.terminating),
    }
    return result


def _sort(job: Job, pods: Iterable[Pod], result: Tally) -> list[Pod]:
    """Sorts the pods and finds out about indexes; those that have ended and are still to be counted."""
    ended = []
    for pod in pods:
        kind = outcome(job, pod)
        if not kind:
            result.active.append(pod)
            continue
        if pod.status.phase not in ("Succeeded", "Failed"):
            result.terminating.append(pod)
        if kind != "ending" and TRACKING in pod.metadata.finalizers:
            ended.append(pod)
    if not _indexed(job):
        return ended
    numbered = [(number, pod) for pod in ended if (number := indexes.index_of(pod)) is not None]
    good = {number for number, pod in numbered if outcome(job, pod) == "succeeded"}
    result.completed |= {number for number in good if number < (job.spec.completions or 0)}
    if job.spec.backoff_limit_per_index is not None:
        bad = [(number, pod) for number, pod in numbered if outcome(job, pod) == "failed"]
        result.spoilt |= {number for number, pod in bad if failures.spoils(job, pod)} - result.completed
        over = result.completed | result.spoilt | {indexes.index_of(pod) for pod in result.active}
        for number, pod in sorted(bad, key=lambda one: failures.tries(one[1])):
            if number not in over:
                result.last[number] = pod
    return ended


def outcome(job: Job, pod: Pod) -> str:
    """`succeeded`, `failed`, `ending` (not yet to be counted), or "" while the pod is at work."""
    if pod.status.phase in ("Succeeded", "Failed"):
        return pod.status.phase.lower()
    if pod.metadata.deletion_timestamp:
        return "ending" if job.spec.pod_replacement_policy == "Failed" else "failed"
    return ""


def verdict(job: Job, count: Tally, now: datetime) -> tuple[str, str, str]:
    """Condition, reason and message that the Job deserves: `SuccessCriteriaMet`, `FailureTarget`, or "" to go on."""
    held = next((c for c in job.status.get("conditions") or () if c["type"] in TARGETS and c["status"] == "True"), None)
    if held:
        return held["type"], held.get("reason", ""), held.get("message", "")
    if message := failures.ends_job(job, [*count.ended, *count.last.values()]):
        return "FailureTarget", "PodFailurePolicy", message
    if count.failed > job.spec.backoff_limit or _restarted_too_often(job, count.active):
        return "FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    if until_deadline(job, now) == 0:
        return "FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline"
    if why := failures.of_indexes(job, count.completed, count.spoilt):
        return "FailureTarget", *why
    if (rule := successes.matching(job, count.completed)) is not None:
        return "SuccessCriteriaMet", "SuccessPolicy", f"Matched rules at index {rule}"
    wanted = job.spec.completions
    done = count.succeeded > 0 and not count.active if wanted is None else count.succeeded >= wanted
    if done:
        return "SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods"
    return "", "", ""


TARGETS = {"SuccessCriteriaMet": "Complete", "FailureTarget": "Failed"}


def finished(job: Job) -> dict[str, Any] | None:
    """The condition that ended the Job, if it has ended."""
    ended = (c for c in job.status.get("conditions") or () if c["type"] in TARGETS.values() and c["status"] == "True")
    return next(ended, None)


def until_deadline(job: Job, now: datetime) -> float | None:
    """Seconds until the Job has been active too long; None when there is no such time."""
    limit, start = job.spec.active_deadline_seconds, job.status.get("startTime")
    if limit is None or not start or job.spec.suspend:
        return None
    return max(0.0, limit - clock.seconds_since(start, now))


def until_expiry(job: Job, now: datetime) -> float | None:
    """Seconds until an ended Job is to be deleted; None when it is to stay."""
    limit, end = job.spec.ttl_seconds_after_finished, finished(job)
    if limit is None or end is None:
        return None
    return max(0.0, limit - clock.seconds_since(end.get("lastTransitionTime"), now))


def surplus(job: Job, count: Tally) -> int:
    """How many pods too many are at work; negative: how many too few."""
    if job.spec.suspend:
        return len(count.active)
    at_work = len(count.active)
    if job.spec.completions is None:
        wanted = at_work if count.succeeded else job.spec.parallelism
    else:
        wanted = min(job.spec.parallelism, job.spec.completions - count.succeeded - len(count.spoilt))
    # Where only pods that have failed are replaced, those that are ending still count.
    slow = len(count.terminating) if job.spec.pod_replacement_policy == "Failed" else 0
    return max(at_work - wanted, 0) or min(at_work + slow - wanted, 0)


def delay(pods: Iterable[Pod], now: datetime) -> float:
    """Seconds to wait before another pod: doubled with each failure since the last success."""
    every = list(pods)
    good = max((ended_at(p) for p in every if p.status.phase == "Succeeded"), default=None)
    bad = sorted(ended_at(p) for p in every if p.status.phase == "Failed")
    bad = [moment for moment in bad if good is None or moment > good]
    if not bad:
        return 0.0
    return _left(len(bad), bad[-1], now)


def delay_of(count: Tally, number: int | None, now: datetime) -> float:
    """Seconds to wait before the next pod of an index that counts its own failures."""
    last = None if number is None else count.last.get(number)
    return _left(failures.tries(last) + 1, ended_at(last), now) if last else 0.0


def _left(times: int, since: datetime, now: datetime) -> float:
    wait: float = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(times - 1, 20))
    return max(0.0, wait - (now - since).total_seconds())


def ended_at(pod: Pod) -> datetime:
    """When the pod's last container ended, as far as it is known."""
    ends = [(c.state.get("terminated") or {}).get("finishedAt") for c in pod.status.container_statuses]
    known = [clock.parse(text) for text in ends if text]
    other = clock.parse(pod.metadata.deletion_timestamp or pod.metadata.creation_timestamp)
    return max([moment for moment in known if moment] or [other or clock.now() - timedelta(days=1)])


def new_numbers(job: Job, count: Tally, pods: int) -> list[int | None]:
    """For so many new pods the numbers of an Indexed Job, or nothing."""
    if not _indexed(job):
        return [None] * pods
    busy = {indexes.index_of(pod) for pod in count.active}
    if job.spec.pod_replacement_policy == "Failed":
        busy |= {indexes.index_of(pod) for pod in count.terminating}
    taken = {number for number in busy if number is not None} | count.completed | count.spoilt
    return list(indexes.missing(job.spec.completions or 0, taken, pods))


def first_to_go(pods: Sequence[Pod]) -> list[Pod]:
    """Active pods in the order of their deletion: those that do not run yet, then the youngest."""
    ordered = sorted(pods, key=lambda pod: pod.metadata.creation_timestamp or "", reverse=True)
    return sorted(ordered, key=lambda pod: (bool(pod.spec.node_name), pod.status.phase == "Running", pod.status.ready))


def _restarted_too_often(job: Job, active: Iterable[Pod]) -> bool:
    """Containers that restart within their pod count as failures, too."""
    if (job.spec.template.get("spec") or {}).get("restartPolicy") != "OnFailure":
        return False
    restarts = sum(c.restart_count for pod in active for c in pod.status.container_statuses)
    return restarts > 0 if job.spec.backoff_limit == 0 else restarts >= job.spec.backoff_limit


def _indexed(job: Job) -> bool:
    return job.spec.completion_mode == "Indexed"
