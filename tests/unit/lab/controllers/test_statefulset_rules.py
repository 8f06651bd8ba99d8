"""Which numbered pod of a StatefulSet is made or deleted next, and its status."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.objects import Pod
from kube46.api.workload_objects import StatefulSet
from kube46.lab.controllers.history import LABEL
from kube46.lab.controllers.statefulsets import rules

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
Json = dict[str, Any]


def owner(replicas: int = 3, **spec: Any) -> StatefulSet:
    body = {"replicas": replicas, "serviceName": "peers", **spec}
    return msgspec.convert({"metadata": {"name": "db", "uid": "u"}, "spec": body}, StatefulSet)


def pod(number: int, value: str = "new", *, ready: bool = True, phase: str = "Running", going: bool = False) -> Pod:
    meta: Json = {"name": f"db-{number}", "labels": {LABEL: value}}
    if going:
        meta["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-11-23T11:45:00Z"}]
    return msgspec.convert({"metadata": meta, "status": {"phase": phase, "conditions": conditions}}, Pod)


def planned(one: StatefulSet, *pods: Pod) -> tuple[list[int], list[str]]:
    plan = rules.plan(one, rules.numbered(one, pods), "new", NOW)
    return plan.create, [p.metadata.name for p in plan.delete]


PARALLEL = {"podManagementPolicy": "Parallel"}


@pytest.mark.parametrize(
    ("one", "pods", "expected"),
    [
        # made in order, each waiting for the one before
        (owner(), [], ([0], [])),
        (owner(), [pod(0, ready=False)], ([], [])),
        (owner(), [pod(0)], ([1], [])),
        (owner(), [pod(0), pod(1), pod(2)], ([], [])),
        (owner(), [pod(0), pod(2)], ([1], [])),
        (owner(**PARALLEL), [], ([0, 1, 2], [])),
        (owner(2, ordinals={"start": 5}), [pod(5)], ([6], [])),
        # a minute of being ready is asked for, fifteen have passed
        (owner(minReadySeconds=60), [pod(0)], ([1], [])),
        (owner(minReadySeconds=6000), [pod(0)], ([], [])),
        # ended ones are replaced, ending ones awaited
        (owner(), [pod(0, phase="Failed"), pod(1)], ([], ["db-0"])),
        (owner(), [pod(0, going=True), pod(1)], ([], [])),
        # too many: the last first, one at a time, when all are well
        (owner(1), [pod(0), pod(1), pod(2)], ([], ["db-2"])),
        (owner(1), [pod(0), pod(1), pod(2, going=True)], ([], [])),
        (owner(1), [pod(0), pod(1, ready=False), pod(2)], ([], ["db-2"])),
        (owner(1), [pod(0), pod(1, ready=False), pod(2, ready=False)], ([], [])),
        (owner(1), [pod(0), pod(1), pod(2, ready=False)], ([], ["db-2"])),
        (owner(0, **PARALLEL), [pod(0), pod(1)], ([], ["db-1", "db-0"])),
    ],
)
def test_order(one: StatefulSet, pods: list[Pod], expected: tuple[list[int], list[str]]) -> None:
    """Up from the first, down from the last."""
    assert planned(one, *pods) == expected


def rolling(**how: Any) -> Json:
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": how}}


OLD = [pod(0, "old"), pod(1, "old"), pod(2, "old")]


@pytest.mark.parametrize(
    ("one", "pods", "deleted"),
    [
        (owner(), OLD, ["db-2"]),
        (owner(), [*OLD[:2], pod(2, ready=False)], []),
        (owner(), [*OLD[:2], pod(2)], ["db-1"]),
        (owner(**rolling(partition=2)), [*OLD[:2], pod(2)], []),
        (owner(**rolling(partition=9)), OLD, []),
        (owner(**rolling(maxUnavailable=2)), OLD, ["db-2", "db-1"]),
        (owner(**PARALLEL), [*OLD[:2], pod(2, ready=False)], []),
        (owner(**PARALLEL), [*OLD[:2], pod(2, "old", ready=False)], ["db-2"]),
        (owner(updateStrategy={"type": "OnDelete"}), OLD, []),
    ],
)
def test_rollout(one: StatefulSet, pods: list[Pod], deleted: list[str]) -> None:
    """From the last to the first, each well before the next, down to the partition."""
    assert planned(one, *pods) == ([], deleted)


def test_identity() -> None:
    """Name, host name and subdomain come from the number and the Service; names of others are not taken for ours."""
    made = rules.pod_of(owner(), 1, {"metadata": {"labels": {"a": "b"}}, "spec": {"subdomain": "x"}}, "db-v")
    assert (made["metadata"]["name"], made["spec"]) == (
        "db-1",
        {"hostname": "db-1", "subdomain": "peers", "volumes": []},
    )
    assert made["metadata"]["labels"] == {"a": "b", rules.NAME_LABEL: "db-1", rules.NUMBER_LABEL: "1", LABEL: "db-v"}
    others = [msgspec.convert({"metadata": {"name": name}}, Pod) for name in ("db-01", "db-x", "db", "db-1-2", "db-²")]
    assert rules.numbered(owner(), others) == {}


def test_partition_gives_old_revisions() -> None:
    """A pod below the partition that is made anew is made as it was."""
    one = owner(**rolling(partition=2))
    assert [rules.revision_for(one, number, "old", "new") for number in range(4)] == ["old", "old", "new", "new"]


def test_status_ends_a_rollout() -> None:
    """The update revision becomes the current one when all pods are of it and ready, not before."""
    half = rules.status(owner(), [pod(0, "old"), pod(1, "old"), pod(2)], "old", "new", NOW)
    assert (half["currentRevision"], half["currentReplicas"], half["updatedReplicas"]) == ("old", 2, 1)
    done = rules.status(owner(), [pod(0), pod(1), pod(2)], "old", "new", NOW)
    assert (done["currentRevision"], done["currentReplicas"], done["updatedReplicas"]) == ("new", 3, 3)


@given(st.integers(0, 5), st.integers(0, 5), st.booleans(), st.data())
def test_ordered_pods_are_a_line(start: int, replicas: int, roll: bool, data: st.DataObject) -> None:
    """Whichever pods get ready when, at most one pod is missing from the line, and the line gets what it is to be."""
    one = owner(replicas)
    pods = {n: pod(n, "old" if roll else "new") for n in range(start)}
    for turn in range(200):
        plan = rules.plan(one, pods, "new", NOW)
        assert len(plan.create) + len(plan.delete) <= 1
        for gone in plan.delete:
            del pods[int(gone.metadata.name.removeprefix("db-"))]
        for number in plan.create:
            pods[number] = pod(number, ready=False)
        assert len(set(range(max(pods, default=-1) + 1)) - pods.keys()) <= 1
        for number, held in pods.items():
            if not held.status.ready and (turn % 3 == 2 or data.draw(st.booleans())):
                pods[number] = pod(number)
        if sorted(pods) == list(range(replicas)) and all(rules.revision_of(p) == "new" for p in pods.values()):
            return
    raise AssertionError(f"no end: {sorted(pods)}")
