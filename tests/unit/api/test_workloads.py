"""Defaults of DaemonSets, StatefulSets, Jobs, CronJobs and budgets, and their mistakes, in upstream's words."""

import copy
from typing import Any

import pytest

from kube46.api.workloads import cronjobs, jobs, policies, sets, validation

Json = dict[str, Any]


def workload(**spec: Any) -> Json:
    pod = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "host"}]}}
    return {
        "metadata": {"name": "web", "uid": "u-1"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": pod, **spec},
    }


def told(errors: list[Any]) -> list[str]:
    return [error.text for error in errors]


def daemon_set(**spec: Any) -> list[str]:
    obj = workload(**spec)
    sets.default_daemon_set(obj)
    return told(sets.daemon_set_errors(obj))


def stateful_set(**spec: Any) -> list[str]:
    obj = workload(**spec)
    sets.default_stateful_set(obj)
    return told(sets.stateful_set_errors(obj))


def job(name: str = "web", policy: str = "Never", **spec: Any) -> Json:
    obj = workload(**spec)
    del obj["spec"]["selector"]
    obj["metadata"]["name"] = name
    obj["spec"]["template"]["spec"]["restartPolicy"] = policy
    jobs.default(obj)
    jobs.select(obj)
    return obj


def cron_job(**spec: Any) -> list[str]:
    body = {"schedule": "* * * * *", "jobTemplate": {"spec": copy.deepcopy(job()["spec"])}, **spec}
    del body["jobTemplate"]["spec"]["selector"]
    obj = {"metadata": {"name": "web"}, "spec": body}
    cronjobs.default(obj)
    return told(cronjobs.errors(obj, new=True))


def test_defaults() -> None:
    """What a client may leave out."""
    one, other, third = workload(), workload(), job()
    sets.default_daemon_set(one)
    sets.default_stateful_set(other)
    assert one["spec"]["updateStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
    }
    assert other["spec"]["updateStrategy"]["rollingUpdate"] == {"partition": 0, "maxUnavailable": 1}
    assert (other["spec"]["replicas"], other["spec"]["podManagementPolicy"]) == (1, "OrderedReady")
    spec = third["spec"]
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"], spec["suspend"]) == (1, 1, 6, False)
    assert third["metadata"]["labels"] == spec["template"]["metadata"]["labels"]
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u-1"}}
    assert spec["template"]["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "web"
    assert jobs.errors(third) == []
    assert (daemon_set(), stateful_set(), cron_job()) == ([], [], [])


ROLLING = "spec.updateStrategy.rollingUpdate"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            daemon_set(updateStrategy={"rollingUpdate": {"maxUnavailable": 0}}),
            [f"{ROLLING}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"],
        ),
        (
            daemon_set(updateStrategy={"rollingUpdate": {"maxUnavailable": 1, "maxSurge": "10%"}}),
            [f'{ROLLING}.maxSurge: Invalid value: "10%": may not be set when maxUnavailable is non-zero'],
        ),
        (
            daemon_set(updateStrategy={"rollingUpdate": {"maxUnavailable": "101%"}}),
            [f'{ROLLING}.maxUnavailable: Invalid value: "101%": must not be greater than 100%'],
        ),
        (
            daemon_set(selector={"matchLabels": {"app": "other"}}),
            [
                'spec.template.metadata.labels: Invalid value: {"app":"web"}: '
                "`selector` does not match template `labels`"
            ],
        ),
        (
            daemon_set(selector=None),
            [
                "spec.selector: Required value",
                'spec.template.metadata.labels: Invalid value: {"app":"web"}: '
                "`selector` does not match template `labels`",
            ],
        ),
        (
            stateful_set(podManagementPolicy="Random"),
            ["spec.podManagementPolicy: Invalid value: \"Random\": must be 'OrderedReady' or 'Parallel'"],
        ),
        (
            stateful_set(updateStrategy={"type": "OnDelete", "rollingUpdate": {}}),
            [f"{ROLLING}: Invalid value: {{}}: only allowed for updateStrategy 'RollingUpdate'"],
        ),
        (
            stateful_set(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": -1}}),
            [f"{ROLLING}.partition: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (
            told(jobs.errors(job(policy="Always"))),
            ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
        ),
        (
            told(jobs.errors(job(completionMode="Indexed", parallelism=1))),
            ["spec.completions: Required value: when completion mode is Indexed"],
        ),
        (
            told(jobs.errors(job(name="a.b", completionMode="Indexed", completions=2))),
            ['metadata.name: Invalid value: "a.b": will not able to create pod with invalid DNS label: a.b-1'],
        ),
        (
            told(jobs.errors(job(backoffLimit=-1))),
            ["spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (cron_job(schedule=""), ["spec.schedule: Required value"]),
        (
            cron_job(schedule="TZ=UTC 0 0 * * *"),
            [
                'spec.schedule: Invalid value: "TZ=UTC 0 0 * * *": '
                "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
            ],
        ),
        (cron_job(timeZone="Mars/North"), ['spec.timeZone: Invalid value: "Mars/North": unknown time zone Mars/North']),
        (cron_job(timeZone="../etc"), ['spec.timeZone: Invalid value: "../etc": unknown time zone ../etc']),
        (
            cron_job(concurrencyPolicy="Maybe"),
            [
                'spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace"',
            ],
        ),
        (
            told(policies.budget_errors({"spec": {"minAvailable": 1, "maxUnavailable": 1}})),
            [
                'spec: Invalid value: {"minAvailable":1,"maxUnavailable":1}: '
                "minAvailable and maxUnavailable cannot be both set"
            ],
        ),
        (told(policies.revision_errors({"revision": 1})), ["data: Required value: data is mandatory"]),
    ],
)
def test_errors(found: list[str], expected: list[str]) -> None:
    """Each mistake is told once, by its field."""
    assert found == expected


def test_what_stays() -> None:
    """Identity and template of numbered pods and of Jobs; a Job that has not begun may still be sent elsewhere."""
    old = workload(serviceName="a")
    new = workload(serviceName="b")
    assert told(validation.immutable(new, old, *sets.FIXED)) == [
        'spec.serviceName: Invalid value: "b": field is immutable'
    ]
    held, moved = job(suspend=True), job(suspend=True)
    moved["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "fast"}
    assert jobs.errors(moved, held) == []
    held["status"] = {"startTime": "2026-11-23T12:00:00Z"}
    assert [e.field for e in jobs.errors(moved, held)] == ["spec.template"]
    more = job(completions=5)
    assert [e.field for e in jobs.errors(more, job())] == ["spec.completions"]


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("low", 5, []),
        ("high", 10**9 + 1, ["value"]),
        ("system-x", 1, ["metadata.name"]),
        ("system-node-critical", 2000001000, []),
    ],
)
def test_priorities(name: str, value: int, field: list[str]) -> None:
    """Names and numbers of the system are kept for it, and a value stays."""
    obj: Json = {"metadata": {"name": name}, "value": value}
    policies.default_priority(obj)
    assert [error.field for error in policies.priority_errors(obj)] == field
    assert [error.field for error in policies.priority_errors(obj, {**obj, "value": -1})] == ["value"]
