"""Which node a pod gets, and why it gets none."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.objects import Node, Pod
from kube46.lab.controllers.scheduler.rules import Load, choose, unsupported

READY = [{"type": "Ready", "status": "True"}]


def node(name: str, labels: dict[str, str] | None = None, *, ready: bool = True, **spec: Any) -> Node:
    allocatable = spec.pop("allocatable", {})
    status = {"conditions": READY if ready else [], "allocatable": allocatable}
    return msgspec.convert({"metadata": {"name": name, "labels": labels or {}}, "spec": spec, "status": status}, Node)


def pod(owner: str = "", containers: list[dict[str, Any]] | None = None, **spec: Any) -> Pod:
    owners = [{"kind": "ReplicaSet", "uid": owner, "controller": True}] if owner else []
    meta = {"name": "p", "namespace": "n", "uid": "u", "ownerReferences": owners}
    return msgspec.convert({"metadata": meta, "spec": {"containers": containers or [{}], **spec}}, Pod)


def load(*pods: Pod) -> Load:
    found = Load()
    for one in pods:
        found.add(one)
    return found


TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
NOT_READY = {"key": "node.kubernetes.io/not-ready", "operator": "Exists"}
CORDON = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}
SSD = {"key": "disk", "operator": "In", "values": ["ssd"]}
NAMED = {"key": "metadata.name", "operator": "In", "values": ["n"]}


def affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": required}}


def port(number: int, **more: Any) -> dict[str, Any]:
    return {"ports": [{"containerPort": 1, "hostPort": number, **more}]}


def asks(**requests: str) -> dict[str, Any]:
    return {"resources": {"requests": requests}}


@pytest.mark.parametrize(
    ("where", "who", "fits"),
    [
        (node("n"), pod(), True),
        (node("n", ready=False), pod(), False),
        (node("n", ready=False), pod(tolerations=[NOT_READY]), True),
        (node("n", unschedulable=True), pod(), False),
        (node("n", unschedulable=True), pod(tolerations=[CORDON]), True),
        (node("n", taints=[TAINT]), pod(), False),
        (node("n", taints=[TAINT]), pod(tolerations=[{"key": "gpu", "value": "yes"}]), True),
        (node("n", taints=[TAINT]), pod(tolerations=[{"key": "gpu", "value": "no"}]), False),
        (node("n", taints=[TAINT]), pod(tolerations=[{"operator": "Exists"}]), True),
        (node("n", taints=[TAINT]), pod(tolerations=[{"operator": "Exists", "effect": "NoExecute"}]), False),
        (node("n", taints=[{**TAINT, "effect": "PreferNoSchedule"}]), pod(), True),
        (node("n", {"disk": "ssd"}), pod(nodeSelector={"disk": "ssd"}), True),
        (node("n", {"disk": "hdd"}), pod(nodeSelector={"disk": "ssd"}), False),
        (node("n", {"disk": "ssd"}), pod(**affinity({"matchExpressions": [SSD]})), True),
        (node("n"), pod(**affinity({"matchExpressions": [SSD]})), False),
        (node("n"), pod(**affinity({"matchExpressions": [SSD]}, {"matchFields": [NAMED]})), True),
        (node("n"), pod(**affinity({})), False),
        (
            node("n", {"c": "8"}),
            pod(**affinity({"matchExpressions": [{"key": "c", "operator": "Gt", "values": ["4"]}]})),
            True,
        ),
    ],
)
def test_where_a_pod_fits(where: Node, who: Pod, fits: bool) -> None:
    """Readiness, cordon, taints, selector and required affinity decide."""
    assert (choose(who, [(where, Load())]).node == "n") is fits


@pytest.mark.parametrize(
    ("there", "wanted", "fits"),
    [
        (port(80), port(80), False),
        (port(80), port(81), True),
        (port(80), port(80, protocol="UDP"), True),
        (port(80, hostIP="10.0.0.1"), port(80, hostIP="10.0.0.2"), True),
        (port(80, hostIP="10.0.0.1"), port(80, hostIP="::"), False),
        (asks(cpu="600m"), asks(cpu="400m"), True),
        (asks(cpu="600m"), asks(cpu="401m"), False),
        (asks(memory="1Gi"), asks(memory="1Gi"), True),
        (asks(memory="1Gi"), asks(memory="1025Mi"), False),
    ],
)
def test_ports_and_resources_are_taken_once(there: dict[str, Any], wanted: dict[str, Any], fits: bool) -> None:
    """A host port has one owner, and requests must fit what is left."""
    where = node("n", allocatable={"cpu": "1", "memory": "2Gi", "pods": "10"})
    assert bool(choose(pod(containers=[wanted]), [(where, load(pod(containers=[there])))]).node) is fits


def test_pods_of_one_owner_are_spread_first() -> None:
    """Fewest pods of the same owner win, then fewest pods, then the name."""
    crowded, mine = load(pod("x"), pod("x"), pod("x")), load(pod("mine"))
    assert choose(pod("mine"), [(node("a"), mine), (node("b"), crowded)]).node == "b"
    assert choose(pod("other"), [(node("a"), mine), (node("b"), crowded)]).node == "a"
    assert choose(pod("other"), [(node("b"), Load()), (node("a"), Load())]).node == "a"


def test_preferred_taint_is_avoided() -> None:
    """PreferNoSchedule counts more than a crowd."""
    soft = node("a", taints=[{**TAINT, "effect": "PreferNoSchedule"}])
    assert choose(pod(), [(soft, Load()), (node("b"), load(pod("x"), pod("y")))]).node == "b"


def test_message_counts_the_reasons() -> None:
    """The message is kube-scheduler's, with the nodes counted by reason."""
    nodes = [
        (node("a", taints=[TAINT]), Load()),
        (node("b", ready=False), Load()),
        (node("c", unschedulable=True), Load()),
    ]
    assert choose(pod(), nodes).message == (
        "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) had untolerated taint(s)."
    )
    assert choose(pod(), []).message == "no nodes available to schedule pods"


def test_unsupported_fields_are_named() -> None:
    """What the scheduler does not honour is told by its path."""
    who = pod(affinity={"podAntiAffinity": {"x": []}}, topologySpreadConstraints=[{"maxSkew": 1}])
    assert unsupported(who) == ["spec.affinity.podAntiAffinity", "spec.topologySpreadConstraints"]


@given(st.lists(st.sampled_from("xyz"), max_size=40), st.integers(1, 5))
def test_each_owner_is_spread_evenly(owners: list[str], count: int) -> None:
    """Whatever comes in whatever order, two nodes never differ by more than one pod of an owner."""
    nodes = [(node(f"n{i}"), Load()) for i in range(count)]
    for owner in owners:
        one = pod(owner)
        {n.metadata.name: load for n, load in nodes}[choose(one, nodes).node].add(one)
    for owner in "xyz":
        counts = [load.owners[owner] for _, load in nodes]
        assert max(counts) - min(counts) <= 1


@given(st.lists(st.sampled_from([port(80), asks(cpu="300m"), {}]), max_size=10))
def test_load_forgets_what_it_counted(containers: list[dict[str, Any]]) -> None:
    """Pods counted in and out again leave a node that takes anything."""
    found, pods = Load(), [pod("x", [container]) for container in containers]
    for sign in (1, -1):
        for one in pods:
            found.add(one, sign)
    where = node("n", allocatable={"cpu": "1", "pods": "1"})
    assert choose(pod(containers=[{**port(80), **asks(cpu="1")}]), [(where, found)]).node == "n"
