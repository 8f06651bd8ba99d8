"""On which nodes a DaemonSet's pods are, how a new template reaches them, and its status."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.objects import Node, Pod
from kube46.api.workload_objects import DaemonSet
from kube46.lab.controllers.daemonsets import rules
from kube46.lab.controllers.history import LABEL

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
Json = dict[str, Any]


def owner(template: Json | None = None, **rolling: Any) -> DaemonSet:
    strategy = {"type": "OnDelete"} if rolling.pop("on_delete", False) else {"rollingUpdate": rolling}
    pod = {"metadata": {"labels": {"app": "d"}}, "spec": template or {}}
    body = {"metadata": {"name": "d", "uid": "u"}, "spec": {"template": pod, "updateStrategy": strategy}}
    return msgspec.convert(body, DaemonSet)


def node(name: str = "n1", labels: Json | None = None, *taints: Json, **spec: Any) -> Node:
    return msgspec.convert(
        {"metadata": {"name": name, "labels": labels or {}}, "spec": {"taints": taints, **spec}}, Node
    )


def pod(
    place: str, value: str = "new", *, name: str = "", ready: bool = True, phase: str = "Running", going: bool = False
) -> Pod:
    meta: Json = {"name": name or f"d-{place}-{value}", "labels": {LABEL: value}}
    meta["creationTimestamp"] = "2026-11-23T11:00:00Z" if value == "old" else "2026-11-23T11:30:00Z"
    if going:
        meta["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-11-23T11:45:00Z"}]
    status = {"phase": phase, "conditions": conditions}
    return msgspec.convert({"metadata": meta, "spec": {"nodeName": place}, "status": status}, Pod)


def names(found: list[Pod]) -> list[str]:
    return sorted(one.metadata.name for one in found)


def planned(one: DaemonSet, nodes: list[Node], pods: list[Pod]) -> tuple[list[str], list[str]]:
    plan = rules.plan(one, nodes, rules.by_node(pods), "new", NOW)
    return sorted(plan.create), names(plan.delete)


NO_EXECUTE = {"key": "x", "effect": "NoExecute"}
NO_SCHEDULE = {"key": "x", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("template", "place", "expected"),
    [
        ({}, node(), (True, True)),
        ({}, node(unschedulable=True), (True, True)),
        ({}, node("n1", {}, {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}), (True, True)),
        ({}, node("n1", {}, {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}), (True, True)),
        ({}, node("n1", {}, NO_SCHEDULE), (False, True)),
        ({}, node("n1", {}, NO_EXECUTE), (False, False)),
        ({"tolerations": [{"operator": "Exists"}]}, node("n1", {}, NO_EXECUTE), (True, True)),
        ({"nodeSelector": {"disk": "fast"}}, node(), (False, False)),
        ({"nodeSelector": {"disk": "fast"}}, node("n1", {"disk": "fast"}), (True, True)),
        ({"nodeName": "n2"}, node(), (False, False)),
        ({}, node("n1", {}, {"key": "node.kubernetes.io/network-unavailable", "effect": "NoSchedule"}), (False, True)),
        (
            {"hostNetwork": True},
            node("n1", {}, {"key": "node.kubernetes.io/network-unavailable", "effect": "NoSchedule"}),
            (True, True),
        ),
    ],
)
def test_which_nodes_suit(template: Json, place: Node, expected: tuple[bool, bool]) -> None:
    """Selectors, affinity and taints decide; troubles that pass don't drive pods away."""
    assert rules.suits(owner(template), place) == expected


@pytest.mark.parametrize(
    ("pods", "created", "deleted"),
    [
        ([], ["n1", "n2"], []),
        ([pod("n1")], ["n2"], []),
        ([pod("n1"), pod("n2"), pod("n2", name="z")], [], ["z"]),
        ([pod("n1"), pod("n2"), pod("elsewhere")], [], []),
        ([pod("n1"), pod("n2", going=True)], [], []),
        ([pod("n1"), pod("n2", phase="Failed")], [], ["d-n2-new"]),
    ],
)
def test_one_pod_a_node(pods: list[Pod], created: list[str], deleted: list[str]) -> None:
    """Missing pods are made, surplus and ended ones go; a bound pod of a vanished node is its node's affair."""
    assert planned(owner(), [node("n1"), node("n2")], pods) == (created, deleted)


def test_pod_is_for_its_node() -> None:
    """The scheduler can bind the pod to that node only, and its node is known before."""
    made = rules.pod_on(owner({"affinity": {"podAffinity": {}}, "tolerations": [{"key": "mine"}]}), "n7", "v")
    assert rules.node_of(msgspec.convert(made, Pod)) == "n7"
    assert made["metadata"]["labels"] == {"app": "d", LABEL: "v"}
    assert made["spec"]["affinity"]["podAffinity"] == {}
    assert {t["key"] for t in made["spec"]["tolerations"]} == {"mine", *(key for key, _ in rules.TOLERATED)}


@pytest.mark.parametrize(
    ("rolling", "pods", "created", "deleted"),
    [
        ({}, [pod("n1", "old"), pod("n2", "old")], [], ["d-n1-old"]),
        ({"maxUnavailable": "100%"}, [pod("n1", "old"), pod("n2", "old")], [], ["d-n1-old", "d-n2-old"]),
        ({}, [pod("n1"), pod("n2", "old")], [], ["d-n2-old"]),
        ({}, [pod("n1", ready=False), pod("n2", "old")], [], []),
        ({}, [pod("n1", "old", ready=False), pod("n2", "old")], [], ["d-n1-old"]),
        ({}, [pod("n1", "old", going=True), pod("n2", "old")], [], []),
        ({"on_delete": True}, [pod("n1", "old"), pod("n2", "old")], [], []),
        ({"maxUnavailable": 0, "maxSurge": 1}, [pod("n1", "old"), pod("n2", "old")], ["n1"], []),
        ({"maxUnavailable": 0, "maxSurge": 1}, [pod("n1", "old"), pod("n1", ready=False), pod("n2", "old")], [], []),
        ({"maxUnavailable": 0, "maxSurge": 1}, [pod("n1", "old"), pod("n1"), pod("n2", "old")], [], ["d-n1-old"]),
    ],
)
def test_rolling_update(rolling: Json, pods: list[Pod], created: list[str], deleted: list[str]) -> None:
    """As many old pods go as may be missing, or new ones come as may surge; those that serve nobody go at once."""
    assert planned(owner(**rolling), [node("n1"), node("n2")], pods) == (created, deleted)


@given(st.integers(1, 6), st.integers(1, 6), st.data())
def test_rollout_keeps_its_promise_and_ends(count: int, missing: int, data: st.DataObject) -> None:
    """Never more nodes without an available pod than maxUnavailable, whichever pods get ready when; and an end."""
    nodes = [node(f"n{i}") for i in range(count)]
    pods = {f"n{i}": pod(f"n{i}", "old") for i in range(count)}
    for turn in range(100):
        plan = rules.plan(owner(maxUnavailable=missing), nodes, rules.by_node(pods.values()), "new", NOW)
        for gone in plan.delete:
            del pods[gone.spec.node_name]
        for place in plan.create:
            pods[place] = pod(place, ready=False)
        assert sum(p.status.ready for p in pods.values()) >= count - missing
        for place, one in pods.items():
            if not one.status.ready and (turn % 3 == 2 or data.draw(st.booleans())):
                pods[place] = pod(place)
        if len(pods) == count and all(p.metadata.labels[LABEL] == "new" and p.status.ready for p in pods.values()):
            return
    raise AssertionError("the rollout did not end")


def test_status() -> None:
    """Nodes are counted, not pods; a pod on a node that is not for it is astray."""
    nodes = [node("n1"), node("n2"), node("n3", {}, NO_SCHEDULE)]
    pods = [pod("n1"), pod("n2", "old", ready=False), pod("n3")]
    assert rules.status(owner(), nodes, rules.by_node(pods), "new", NOW) == {
        "desiredNumberScheduled": 2,
        "currentNumberScheduled": 2,
        "numberMisscheduled": 1,
        "numberReady": 1,
        "updatedNumberScheduled": 1,
        "numberAvailable": 1,
        "numberUnavailable": 1,
        "observedGeneration": 0,
    }
