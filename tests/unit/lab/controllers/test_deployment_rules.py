"""Which ReplicaSets a Deployment has and how large they are, and its status."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kube46.api.objects import Deployment, ReplicaSet
from kube46.lab.controllers.deployments import rolling, rules, status

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "host"}]}}


def deployment(replicas: int = 3, held: dict[str, Any] | None = None, **spec: Any) -> Deployment:
    body = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE, **spec}
    meta = {"name": "web", "namespace": "n", "uid": "d", "generation": 2, "annotations": {"note": "x"}}
    return msgspec.convert({"metadata": meta, "spec": body, "status": held or {}}, Deployment)


def owned(
    revision: int, replicas: int, *, free: int | None = None, template: Any = None, pods: int | None = None
) -> ReplicaSet:
    free = replicas if free is None else free
    held = {"replicas": replicas if pods is None else pods, "readyReplicas": free, "availableReplicas": free}
    meta = {"name": f"web-{revision}", "annotations": {rules.REVISION: str(revision)}}
    body = {"replicas": replicas, "template": template or TEMPLATE}
    return msgspec.convert({"metadata": meta, "spec": body, "status": held}, ReplicaSet)


def test_new_set_carries_the_hash() -> None:
    """Name, labels, selector and template of a new ReplicaSet carry the hash, and it is found again by its template."""
    made = rules.new_set(deployment(), [owned(4, 0, template={"x": 1})], 3)
    value = made["metadata"]["labels"][rules.HASH_LABEL]
    assert made["metadata"]["name"] == f"web-{value}"
    assert made["spec"]["selector"]["matchLabels"] == {"app": "web", rules.HASH_LABEL: value}
    assert made["spec"]["template"]["metadata"]["labels"] == {"app": "web", rules.HASH_LABEL: value}
    assert made["metadata"]["annotations"][rules.REVISION] == "5"
    assert made["metadata"]["annotations"]["note"] == "x"
    assert rules.HASH_LABEL not in TEMPLATE["metadata"]["labels"]
    stored = msgspec.convert(made, ReplicaSet)
    assert rules.current(deployment(), [owned(4, 0, template={"x": 1}), stored]) == stored


def test_hash_depends_on_template_and_collisions_only() -> None:
    """The order of keys does not matter; another template or a collision does."""
    value = rules.template_hash({"a": 1, "b": {"c": 2, "d": 3}}, 0)
    assert value == rules.template_hash({"b": {"d": 3, "c": 2}, "a": 1}, 0)
    assert len({value, rules.template_hash({"a": 2}, 0), rules.template_hash({"a": 1, "b": {"c": 2, "d": 3}}, 1)}) == 3
    assert set(value) <= set(rules.SAFE)


def test_history_is_limited() -> None:
    """The oldest empty ReplicaSets go; one with pods stays."""
    old = [owned(3, 0), owned(1, 0), owned(2, 1), owned(4, 0)]
    gone = rules.obsolete(deployment(revisionHistoryLimit=2), old)
    assert [one.metadata.name for one in gone] == ["web-1", "web-3"]
    assert not rules.obsolete(deployment(), old)


def conditions(held: dict[str, Any]) -> dict[str, str]:
    return {c["type"]: f"{c['status']} {c['reason']}" for c in held["conditions"]}


def after(held: dict[str, Any], new: ReplicaSet | None, seconds: int, **spec: Any) -> dict[str, Any]:
    """The status, given the one before, so much later."""
    sets = [new] if new else []
    return status.status(deployment(held=held, **spec), new, sets, NOW + timedelta(seconds=seconds))


def test_conditions_of_a_rollout() -> None:
    """Progressing is told from creation to completion, and Available once enough pods are."""
    made = after({}, owned(1, 3, free=0, pods=0), 0)
    assert conditions(made) == {
        "Available": "False MinimumReplicasUnavailable",
        "Progressing": "True NewReplicaSetCreated",
    }
    some = after(made, owned(1, 3, free=2), 1)
    assert conditions(some)["Progressing"] == "True ReplicaSetUpdated"
    done = after(some, owned(1, 3), 2)
    assert conditions(done) == {
        "Available": "True MinimumReplicasAvailable",
        "Progressing": "True NewReplicaSetAvailable",
    }
    assert after(done, owned(1, 3), 999) == done


def test_stuck_rollout_is_told() -> None:
    """Without progress for progressDeadlineSeconds, Progressing becomes False; the time until then is known."""
    spec = {"progressDeadlineSeconds": 60}
    made = after({}, owned(1, 3, free=0), 0, **spec)
    assert status.until_deadline(deployment(held=made, **spec), NOW + timedelta(seconds=20)) == 41
    assert conditions(after(made, owned(1, 3, free=0), 59, **spec))["Progressing"].startswith("True")
    stuck = after(made, owned(1, 3, free=0), 60, **spec)
    assert conditions(stuck)["Progressing"] == "False ProgressDeadlineExceeded"
    assert status.until_deadline(deployment(held=stuck, **spec), NOW) is None
    assert conditions(after(stuck, owned(1, 3), 99, **spec))["Progressing"] == "True NewReplicaSetAvailable"


def test_pause_and_failure_are_told() -> None:
    """A pause is a condition until resumed, and a ReplicaSet that can't make pods says why."""
    made = after({}, owned(1, 3, free=0), 0)
    paused = after(made, owned(1, 3, free=0), 1, paused=True)
    assert conditions(paused)["Progressing"] == "Unknown DeploymentPaused"
    assert conditions(after(paused, owned(1, 3, free=1), 2, paused=True)) == conditions(paused)
    assert conditions(after(paused, owned(1, 3, free=0), 3))["Progressing"] == "Unknown DeploymentResumed"
    failing = {"replicas": 0, "conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}]}
    broken = msgspec.structs.replace(owned(1, 3), status=msgspec.convert(failing, type(owned(1, 3).status)))
    assert conditions(after(made, broken, 1))["ReplicaFailure"] == "True FailedCreate"
    assert "ReplicaFailure" not in conditions(after(made, owned(1, 3), 1))


def test_refused_set_is_told() -> None:
    """A ReplicaSet that can't be made is why nothing progresses, told once, until one is made; not without deadline."""
    refused = status.uncreated(deployment(), "too long", NOW)
    assert conditions(refused) == {"Progressing": "False ReplicaSetCreateError"}
    assert status.uncreated(deployment(held=refused), "used: 2", NOW + timedelta(hours=1)) == refused
    assert status.uncreated(deployment(progressDeadlineSeconds=status.NO_DEADLINE), "too long", NOW) == {}
    assert conditions(after(refused, None, 1))["Progressing"] == "False ReplicaSetCreateError"
    assert conditions(after(refused, owned(1, 3, free=0, pods=0), 2))["Progressing"] == "True NewReplicaSetCreated"
    rolled = status.uncreated(deployment(held=after({}, owned(1, 3), 0)), "too long", NOW)
    assert list(conditions(rolled)) == ["Available", "Progressing"]


@pytest.mark.parametrize(
    ("strategy", "replicas", "expected"),
    [
        ({}, 3, 0),
        ({}, 4, 1),
        ({"rollingUpdate": {"maxUnavailable": 2, "maxSurge": 0}}, 3, 2),
        ({"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 0}}, 3, 1),
        ({"rollingUpdate": {"maxUnavailable": "100%"}}, 3, 3),
        ({"type": "Recreate"}, 3, 0),
    ],
)
def test_how_many_may_be_missing(strategy: dict[str, Any], replicas: int, expected: int) -> None:
    """maxUnavailable is rounded down, and is one when neither it nor maxSurge allows any change."""
    assert rolling.max_unavailable(deployment(replicas, strategy=strategy)) == expected
