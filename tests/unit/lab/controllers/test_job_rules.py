"""How a Job's pods are counted, how many run, when it has ended; and when CronJobs are due."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.objects import Meta, Pod
from kube46.api.workload_objects import CronJob, Job
from kube46.lab.controllers.cronjobs import rules as cron
from kube46.lab.controllers.jobs import indexes, rules, status
from kube46.lab.controllers.jobs.pods import TRACKING, pod_of

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
Json = dict[str, Any]


def job(held: Json | None = None, **spec: Any) -> Job:
    body = {"completions": 1, "parallelism": 1, "template": {"spec": {"restartPolicy": "Never"}}, **spec}
    return msgspec.convert({"metadata": {"name": "j", "uid": "u"}, "spec": body, "status": held or {}}, Job)


def pod(
    uid: str,
    phase: str = "Running",
    *,
    tracked: bool = True,
    going: bool = False,
    index: int | None = None,
    seconds: int = 0,
) -> Pod:
    """A pod; `seconds` is how long ago it ended."""
    meta: Json = {"name": f"j-{uid}", "uid": uid, "finalizers": [TRACKING] if tracked else []}
    if index is not None:
        meta["annotations"] = {indexes.INDEX: str(index)}
    if going:
        meta["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    held: Json = {"phase": phase}
    if phase in ("Succeeded", "Failed"):
        end = (NOW - timedelta(seconds=seconds)).isoformat()
        held["containerStatuses"] = [{"name": "c", "state": {"terminated": {"finishedAt": end}}}]
    return msgspec.convert({"metadata": meta, "status": held}, Pod)


def test_no_pod_is_counted_twice_or_forgotten() -> None:
    """An ended pod is named by the status, then let go, then counted; whatever is seen again on the way."""
    first = rules.tally(job(), [pod("a", "Succeeded")])
    assert (first.succeeded, first.status["succeeded"], len(first.ended)) == (1, 0, 1)
    assert first.status["uncountedTerminatedPods"] == {"succeeded": ["a"], "failed": []}
    again = rules.tally(job(first.status), [pod("a", "Succeeded")])
    assert (again.succeeded, again.status) == (1, first.status)
    for left in ([pod("a", "Succeeded", tracked=False)], []):
        done = rules.tally(job(first.status), left)
        assert (done.succeeded, done.status["succeeded"], done.ended) == (1, 1, [])
        assert rules.tally(job(done.status), left).status == done.status


@given(
    st.lists(st.sampled_from(["Succeeded", "Failed"]), max_size=6),
    st.lists(st.integers(0, 99), min_size=60, max_size=60),
)
def test_counts_are_exact_in_any_order(phases: list[str], chances: list[int]) -> None:
    """Pods end, statuses are lost or written, finalizers go, pods vanish, in any order: each counts exactly once."""
    pods = {str(n): pod(str(n), phase) for n, phase in enumerate(phases)}
    held: Json = {}
    for turn, chance in enumerate(chances):
        count = rules.tally(job(held, completions=99), pods.values())
        assert count.succeeded == phases.count("Succeeded") and count.failed == phases.count("Failed")
        if chance % 2 or turn > 50:
            held = count.status
            for n, one in enumerate(count.ended):
                if (chance + n) % 3 or turn > 50:
                    pods[one.metadata.uid] = pod(one.metadata.uid, one.status.phase, tracked=False)
        for uid, one in list(pods.items()):
            if chance > 70 and TRACKING not in one.metadata.finalizers:
                del pods[uid]
    assert held.get("succeeded", 0) == phases.count("Succeeded")
    assert held.get("failed", 0) == phases.count("Failed")


@pytest.mark.parametrize(
    ("spec", "pods", "expected"),
    [
        ({}, [], -1),
        ({"completions": 5, "parallelism": 2}, [], -2),
        ({"completions": 5, "parallelism": 2}, [pod("a"), pod("b", "Succeeded")], -1),
        ({"completions": 2, "parallelism": 2}, [pod("a"), pod("b", "Succeeded")], 0),
        ({"completions": 5, "parallelism": 0}, [pod("a")], 1),
        ({"suspend": True, "parallelism": 3}, [pod("a"), pod("b")], 2),
        # without completions no more pods are made once one has succeeded
        ({"completions": None, "parallelism": 3}, [pod("a"), pod("b", "Succeeded")], 0),
        ({"completions": None, "parallelism": 3}, [pod("a"), pod("b", "Failed")], -2),
        ({"parallelism": 1}, [pod("a", going=True)], -1),
        ({"parallelism": 1, "podReplacementPolicy": "Failed"}, [pod("a", going=True)], 0),
    ],
)
def test_how_many_run(spec: Json, pods: list[Pod], expected: int) -> None:
    """Positive: too many; negative: too few."""
    one = job(**spec)
    assert rules.surplus(one, rules.tally(one, pods)) == expected


@pytest.mark.parametrize(
    ("spec", "held", "pods", "expected"),
    [
        ({}, {}, [pod("a")], ""),
        ({}, {}, [pod("a", "Succeeded")], "CompletionsReached"),
        ({"backoffLimit": 1}, {}, [pod("a", "Failed")], ""),
        ({"backoffLimit": 1}, {"failed": 1}, [pod("a", "Failed")], "BackoffLimitExceeded"),
        ({"activeDeadlineSeconds": 60}, {"startTime": "2026-11-23T11:58:00Z"}, [pod("a")], "DeadlineExceeded"),
        ({"activeDeadlineSeconds": 600}, {"startTime": "2026-11-23T11:58:00Z"}, [pod("a")], ""),
        ({"completions": None}, {}, [pod("a"), pod("b", "Succeeded")], ""),
        ({"completions": None}, {}, [pod("b", "Succeeded")], "CompletionsReached"),
        ({"completions": 0}, {}, [], "CompletionsReached"),
    ],
)
def test_verdict(spec: Json, held: Json, pods: list[Pod], expected: str) -> None:
    """Success, too many failures, or too long."""
    one = job(held, **spec)
    assert rules.verdict(one, rules.tally(one, pods), NOW)[1] == expected


def test_conditions_wait_for_the_last_pod() -> None:
    """A Job is Complete or Failed only when all of its pods have ended and are counted."""

    def kinds(one: Job, pods: list[Pod]) -> tuple[Json, list[str]]:
        found = status.status(one, rules.tally(one, pods), NOW)
        return found, [c["type"] for c in found["conditions"] if c["status"] == "True"]

    met, names = kinds(job(), [pod("a", "Succeeded")])
    assert names == ["SuccessCriteriaMet"]
    done, names = kinds(job(met), [])
    assert names == ["SuccessCriteriaMet", "Complete"]
    assert done["completionTime"] == "2026-11-23T12:00:00Z"
    failing, names = kinds(job(backoffLimit=0), [pod("a", "Failed"), pod("b")])
    assert names == ["FailureTarget"]
    failed, names = kinds(job(failing, backoffLimit=0), [])
    assert (names, failed["completionTime"]) == (["FailureTarget", "Failed"], None)
    assert status.news(job(failing), failed) == [
        ("Warning", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    ]
    held, names = kinds(job(suspend=True), [])
    assert (names, held["startTime"]) == (["Suspended"], None)
    resumed, names = kinds(job(held), [])
    assert (names, bool(resumed["startTime"])) == ([], True)


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([], 0),
        ([pod("a", "Failed", seconds=4)], 6),
        ([pod("a", "Failed", seconds=4), pod("b", "Failed", seconds=30)], 16),
        ([pod("a", "Failed", seconds=30)], 0),
        ([pod("a", "Failed", seconds=4), pod("b", "Succeeded", seconds=2)], 0),
        ([pod(str(n), "Failed", seconds=n) for n in range(20)], 600),
    ],
)
def test_failures_slow_it_down(pods: list[Pod], expected: float) -> None:
    """Ten seconds after the first failure, doubled with each, ten minutes at most; a success forgives."""
    assert rules.delay(pods, NOW) == expected


@given(st.sets(st.integers(0, 60)))
def test_indexes_come_back(numbers: set[int]) -> None:
    """What is written is read again."""
    assert indexes.parse(indexes.written(numbers)) == numbers


def test_indexed_jobs_fill_gaps() -> None:
    """Each number is completed once; a failed one is tried again, and its pod knows it."""
    one = job(completionMode="Indexed", completions=4, parallelism=3, held={"completedIndexes": "0"})
    count = rules.tally(one, [pod("a", index=1), pod("b", "Succeeded", index=2), pod("c", "Failed", index=3)])
    assert (count.succeeded, count.status["completedIndexes"]) == (2, "0,2")
    assert rules.new_numbers(one, count, 5) == [3]
    made = pod_of(job(completionMode="Indexed", template={"spec": {"containers": [{"name": "c"}]}}), 3)
    assert (made["metadata"]["generateName"], made["spec"]["hostname"]) == ("j-3-", "j-3")
    assert made["spec"]["containers"][0]["env"] == [{"name": "JOB_COMPLETION_INDEX", "value": "3"}]
    assert indexes.written([0, 1, 2, 5, 6, 9]) == "0-2,5,6,9"


def cron_job(held: Json | None = None, **spec: Any) -> CronJob:
    meta = {"name": "c", "uid": "u", "creationTimestamp": "2026-11-23T10:30:00Z"}
    body = {"schedule": "0 * * * *", "jobTemplate": {"spec": {}}, **spec}
    return msgspec.convert({"metadata": meta, "spec": body, "status": held or {}}, CronJob)


LATER = NOW + timedelta(minutes=10)


@pytest.mark.parametrize(
    ("one", "hour"),
    [
        (cron_job(), 12),
        (cron_job({"lastScheduleTime": "2026-11-23T12:00:00Z"}), None),
        (cron_job({"lastScheduleTime": "2026-11-23T09:00:00Z"}), 12),
        (cron_job(startingDeadlineSeconds=300), None),
        (cron_job(startingDeadlineSeconds=900), 12),
        (cron_job(schedule="0 13 * * *", timeZone="Europe/Berlin"), 12),
        (cron_job(schedule="0 13 * * *"), None),
    ],
)
def test_what_is_due(one: CronJob, hour: int | None) -> None:
    """The last time that was missed, unless it was made or is too long ago."""
    found = cron.due(one, LATER).now
    assert (found.hour if found else None) == hour


def test_job_of_a_time_and_history() -> None:
    """A time's Job has a name of its own; the oldest beyond the limits go, those that run stay."""
    made = cron.job_of(cron_job(), NOW)
    assert made["metadata"]["name"] == f"c-{int(NOW.timestamp()) // 60}"
    jobs = [
        job({"startTime": f"2026-11-23T0{n}:00:00Z", "conditions": [{"type": kind, "status": "True"}]} if kind else {})
        for n, kind in enumerate(["Complete", "Complete", "Failed", "Failed", ""])
    ]
    limits = cron_job(successfulJobsHistoryLimit=1, failedJobsHistoryLimit=0)
    assert [one.status["startTime"][12] for one in cron.obsolete(limits, jobs)] == ["0", "2", "3"]
    assert cron.status(limits, jobs, NOW)["active"] == []  # made by hand: none of the schedule's


def test_jobs_of_the_schedule_are_active_until_they_end() -> None:
    """A Job that `kubectl create job --from` made is not; one that has ended is told once, by its uid."""
    ours, manual = (
        msgspec.structs.replace(job(), metadata=Meta(name=name, uid=name, annotations={}))
        for name in ("ours", "manual")
    )
    ours.metadata.annotations[cron.SCHEDULED] = "2026-11-23T12:00:00Z"
    assert cron.active([ours, manual]) == [ours]
    held = cron.status(cron_job(), [ours, manual], NOW)
    assert [one["name"] for one in held["active"]] == ["ours"]
    ended = msgspec.structs.replace(ours, status={"conditions": [{"type": "Complete", "status": "True"}]})
    assert cron.completed(cron_job(held), [ended, manual]) == [(ended, "Complete")]
    assert cron.completed(cron_job(cron.status(cron_job(held), [ended], None)), [ended]) == []
