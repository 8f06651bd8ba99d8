"""Which pods a ReplicaSet makes and deletes, and its status."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.objects import Pod, ReplicaSet
from kube46.api.resources import REPLICA_SETS
from kube46.lab.controllers import clock
from kube46.lab.controllers.availability import next_available
from kube46.lab.controllers.ownedpods import batches
from kube46.lab.controllers.replicasets import rules

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def pod(name: str, *, node: str = "n1", phase: str = "Running", ready_for: int | None = 60, **more: Any) -> Pod:
    """A pod that is ready since `ready_for` seconds, or not at all."""
    since = clock.text(NOW - timedelta(seconds=ready_for or 0))
    condition = {"type": "Ready", "status": str(ready_for is not None), "lastTransitionTime": since}
    restarts = [{"restartCount": more.pop("restarts", 0)}]
    born = clock.text(NOW - timedelta(seconds=more.pop("age", 100)))
    meta = {"name": name, "namespace": "n", "uid": name, "labels": {"app": "web"}, "creationTimestamp": born, **more}
    status = {"phase": phase, "conditions": [condition], "containerStatuses": restarts}
    return msgspec.convert({"metadata": meta, "spec": {"nodeName": node}, "status": status}, Pod)


def owner(replicas: int, min_ready: int = 0) -> ReplicaSet:
    template = {"metadata": {"labels": {"app": "web"}, "name": "ignored"}, "spec": {"containers": [{"name": "c"}]}}
    spec = {"replicas": replicas, "minReadySeconds": min_ready, "template": template}
    return msgspec.convert({"metadata": {"name": "web", "uid": "rs", "generation": 3}, "spec": spec}, ReplicaSet)


COST = {"annotations": {rules.DELETION_COST: "-5"}}


@pytest.mark.parametrize(
    ("kept", "gone"),
    [
        (pod("kept"), pod("gone", node="")),
        (pod("kept"), pod("gone", phase="Pending", ready_for=None)),
        (pod("kept"), pod("gone", ready_for=None)),
        (pod("kept"), pod("gone", **COST)),
        (pod("kept", ready_for=90), pod("gone", ready_for=10)),
        (pod("kept"), pod("gone", restarts=4)),
        (pod("kept", age=200), pod("gone", age=20)),
    ],
    ids=["unassigned", "pending", "unready", "cheap", "ready for less", "restarted", "younger"],
)
def test_who_is_deleted_first(kept: Pod, gone: Pod) -> None:
    """Upstream's order: unassigned, pending, unready, cheap, just ready, often restarted, young."""
    for pods in ([kept, gone], [gone, kept]):
        assert [p.metadata.name for p in rules.plan(owner(1), pods, pods).delete] == ["gone"]


def test_crowded_nodes_lose_pods_first() -> None:
    """Of five pods on two nodes those stay that are spread."""
    pods = [pod(f"p{i}", node="n1" if i < 4 else "n2") for i in range(5)]
    gone = rules.plan(owner(2), pods, pods).delete
    assert sorted(p.spec.node_name for p in pods if p not in gone) == ["n1", "n2"]


@given(st.integers(0, 20), st.lists(st.sampled_from(["n1", "n2", "n3"]), max_size=20))
def test_plan_reaches_the_number(replicas: int, nodes: list[str]) -> None:
    """Making and deleting as planned ends at the number asked for, and the rest is spread evenly if it was."""
    pods = [pod(f"p{i}", node=name) for i, name in enumerate(sorted(nodes))]
    plan = rules.plan(owner(replicas), pods, pods)
    assert len(pods) + plan.create - len(plan.delete) == replicas
    assert not (plan.create and plan.delete)
    counts = [sum(p.spec.node_name == n for p in pods if p not in plan.delete) for n in ("n1", "n2", "n3")]
    before = [nodes.count(n) for n in ("n1", "n2", "n3")]
    if max(before) - min(before) <= 1:
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (4, [1, 2, 1]), (10, [1, 2, 4, 3])])
def test_creation_starts_slowly(count: int, sizes: list[int]) -> None:
    """One request finds out that a template is refused."""
    assert list(batches(count)) == sizes


def test_ended_and_dying_pods_do_not_count() -> None:
    """Succeeded, failed and terminating pods are replaced."""
    dying = pod("d", deletionTimestamp=clock.text(NOW))
    assert rules.active([pod("a"), pod("s", phase="Succeeded"), pod("f", phase="Failed"), dying]) == [pod("a")]


def test_pod_is_of_the_template() -> None:
    """A new pod has the template's labels and spec, a name prefix, and its owner as controller."""
    made = rules.pod_of(owner(1), REPLICA_SETS)
    assert made["metadata"]["labels"] == {"app": "web"}
    assert made["metadata"]["generateName"] == "web-"
    assert "name" not in made["metadata"]
    assert made["metadata"]["ownerReferences"][0] == {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "web",
        "uid": "rs",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    assert made["spec"] == {"containers": [{"name": "c"}]}


def test_status_counts_and_waits() -> None:
    """A pod ready for less than minReadySeconds is not available yet, and the time until then is told."""
    pods = [pod("a", ready_for=60), pod("b", ready_for=10), pod("c", ready_for=None)]
    held = owner(3, min_ready=30)
    status = rules.status(held, pods, 1, NOW)
    names = ("replicas", "readyReplicas", "availableReplicas", "fullyLabeledReplicas", "terminatingReplicas")
    assert [status[name] for name in names] == [3, 2, 1, 3, 1]
    assert status["observedGeneration"] == 3
    assert next_available(pods, 30, NOW) == 20
    assert next_available(pods, 0, NOW) is None


def test_failure_is_a_condition() -> None:
    """What could not be made is told in ReplicaFailure as it was first, however later tries fail."""
    first = rules.status(owner(1), [], 0, NOW, "FailedCreate: quota exceeded")
    held = msgspec.convert({"metadata": {"name": "web"}, "status": {"conditions": first["conditions"]}}, ReplicaSet)
    later = rules.status(held, [], 0, NOW + timedelta(hours=1), "FailedCreate: pod web-x7k2p: quota exceeded")
    assert later["conditions"] == first["conditions"]
    assert first["conditions"][0]["reason"] == "FailedCreate"
    assert first["conditions"][0]["message"] == "quota exceeded"
    assert rules.status(held, [], 0, NOW)["conditions"] == []
