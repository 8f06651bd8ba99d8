"""Which node a pod gets, and why it gets none."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.objects import LabelSelector, Node, Pod, PodStatus
from kube46.lab.controllers.scheduler.demands import requests
from kube46.lab.controllers.scheduler.rules import choose
from unit.lab.controllers.scheduling import asks, cluster, node, pod

TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
NOT_READY = {"key": "node.kubernetes.io/not-ready", "operator": "Exists"}
CORDON = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}
SSD = {"key": "disk", "operator": "In", "values": ["ssd"]}
NAMED = {"key": "metadata.name", "operator": "In", "values": ["n"]}
OTHER = {"key": "metadata.name", "operator": "In", "values": ["m"]}


def affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": required}}


def port(number: int, **more: Any) -> dict[str, Any]:
    return {"ports": [{"containerPort": 1, "hostPort": number, **more}]}


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
        (node("n"), pod(**affinity({"matchFields": [NAMED]})), True),
        (node("n"), pod(**affinity({"matchFields": [OTHER]})), False),
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
    assert (choose(who, cluster(where)).node == "n") is fits


@pytest.mark.parametrize(
    ("there", "wanted", "fits"),
    [
        (port(80), port(80), False),
        (port(80), port(81), True),
        (port(80), port(80, protocol="UDP"), True),
        (port(80, hostIP="10.0.0.1"), port(80, hostIP="10.0.0.2"), True),
        (port(80, hostIP="fd00::1"), port(80, hostIP="fd00::2"), True),
        (port(80, hostIP="fd00::1"), port(80, hostIP="fd00::1"), False),
        (port(80, hostIP="10.0.0.1"), port(80, hostIP="::"), False),
        (port(80, hostIP="fd00::1"), port(80, hostIP="0.0.0.0"), False),
        (asks(cpu="600m"), asks(cpu="400m"), True),
        (asks(cpu="600m"), asks(cpu="401m"), False),
        (asks(memory="1Gi"), asks(memory="1Gi"), True),
        (asks(memory="1Gi"), asks(memory="1025Mi"), False),
        (asks(**{"example.com/gpu": "1"}), asks(**{"example.com/gpu": "1"}), True),
        (asks(**{"example.com/gpu": "2"}), asks(**{"example.com/gpu": "1"}), False),
        ({}, asks(**{"example.com/none": "1"}), False),
    ],
)
def test_ports_and_resources_are_taken_once(there: dict[str, Any], wanted: dict[str, Any], fits: bool) -> None:
    """A host port has one owner, and requests must fit what is left; what a node doesn't have it cannot give."""
    room = {"cpu": "1", "memory": "2Gi", "pods": "10", "example.com/gpu": "2"}
    where = cluster(node("n", allocatable=room), n=[pod(containers=[there])])
    assert bool(choose(pod(containers=[wanted]), where).node) is fits


def test_requests_are_those_of_the_hungriest_moment() -> None:
    """Containers and sidecars together, or an init container beside the sidecars before it; overhead comes on top."""
    spec = {"initContainers": [{"restartPolicy": "Always", **asks(cpu="100m")}, asks(cpu="900m", memory="1")]}
    asked = requests(pod(containers=[asks(cpu="200m"), asks(cpu="300m")], overhead={"cpu": "50m"}, **spec))
    assert {name: str(amount.normalize()) for name, amount in asked.items()} == {"cpu": "1.05", "memory": "1"}
    whole = requests(pod(containers=[asks(cpu="200m")], resources={"requests": {"cpu": "2", "x/y": "1"}}))
    assert {name: str(amount) for name, amount in whole.items()} == {"cpu": "2"}


@pytest.mark.parametrize(
    ("reason", "cpu"), [("", "0.5"), ("Deferred", "0.5"), ("Infeasible", "0.4")], ids=["done", "deferred", "infeasible"]
)
def test_a_resized_pod_counts_what_it_wants_or_has(reason: str, cpu: str) -> None:
    """Whichever is more, as long as it may get what it wants; then what it has (KEP-1287)."""
    resized = pod(containers=[{"name": "c", **asks(cpu="500m", memory="1")}])
    has = {
        "name": "c",
        "allocatedResources": {"cpu": "300m"},
        "resources": {"requests": {"cpu": "400m", "memory": "2"}},
    }
    conditions = [{"type": "PodResizePending", "status": "True", "reason": reason}] if reason else []
    told = msgspec.convert({"containerStatuses": [has], "conditions": conditions}, PodStatus)
    asked = requests(msgspec.structs.replace(resized, status=told))
    assert {name: str(amount.normalize()) for name, amount in asked.items()} == {"cpu": cpu, "memory": "2"}


@pytest.mark.parametrize(
    ("nodes", "spec", "best"),
    [
        ([node("a", taints=[{**TAINT, "effect": "PreferNoSchedule"}]), node("b")], {}, "b"),
        ([node("a"), node("b", {"disk": "ssd"})], {"weight": 1}, "b"),
        ([node("a", allocatable={"cpu": "1", "memory": "4Gi"}), node("b", allocatable={"cpu": "8", "memory": "4Gi"})],
         {}, "b"),
        ([node("b"), node("a")], {}, "a"),
    ],
)  # fmt: skip
def test_which_node_is_better(nodes: list[Node], spec: dict[str, Any], best: str) -> None:
    """Soft taints, preferred labels and free resources decide among nodes that fit; else the name."""
    wish = [{**spec, "preference": {"matchExpressions": [SSD]}}] if spec else []
    who = pod(affinity={"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": wish}})
    assert choose(who, cluster(*nodes)).node == best


def test_message_counts_the_reasons() -> None:
    """The message is kube-scheduler's, with the nodes counted by reason."""
    small = {"cpu": "1", "memory": "1"}
    there = cluster(
        node("a", taints=[TAINT]), node("b", ready=False), node("c", unschedulable=True), node("d", allocatable=small)
    )
    assert choose(pod(containers=[asks(cpu="2", memory="2")]), there).message == (
        "0/4 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 node(s) were unschedulable, "
        "2 node(s) had untolerated taint(s)."
    )
    one = choose(pod(**affinity({"matchFields": [OTHER]})), cluster(node("a"), node("m", taints=[TAINT])))
    assert one.message == (
        "0/2 nodes are available: 1 node(s) didn't satisfy plugin(s) [NodeAffinity], "
        "1 node(s) had untolerated taint(s)."
    )
    assert choose(pod(), cluster()).message == "no nodes available to schedule pods"


def test_room_made_for_another_is_not_taken() -> None:
    """A pod keeps off the room that a nominated pod of its priority or a higher one waits for; that pod takes it."""
    there, nominated = cluster(node("n", allocatable={"cpu": "1"})), pod("vip", containers=[asks(cpu="1")], priority=5)
    there.nominate(nominated, "n")
    assert not choose(pod(containers=[asks(cpu="1")], priority=5), there).node
    assert choose(pod(containers=[asks(cpu="1")], priority=6), there).node == "n"
    assert choose(nominated, there).node == "n"
    there.nominate(nominated, "")
    assert choose(pod(containers=[asks(cpu="1")]), there).node == "n"


@given(st.lists(st.sampled_from("xyz"), max_size=30), st.integers(1, 4))
def test_pods_of_a_workload_are_spread(apps: list[str], count: int) -> None:
    """Whatever comes in whatever order, two nodes never differ by more than one pod of a workload."""
    there = cluster(*(node(f"n{i}") for i in range(count)))
    there.alike = lambda pod: LabelSelector(pod.metadata.labels)
    for app in apps:
        one = pod(labels={"app": app})
        there.add(one, choose(one, there).node)
    for app in "xyz":
        counts = [sum(p.metadata.labels["app"] == app for p in place.pods.values()) for place in there.nodes()]
        assert max(counts) - min(counts) <= 1


FAR = {"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {}, "topologyKey": "x"}]}
SHAPES: list[dict[str, Any]] = [
    {"containers": [port(80)]},
    {"containers": [asks(cpu="300m")]},
    {"labels": {"a": "b"}},
    {"affinity": {"podAntiAffinity": FAR}},
    {"meta": {"deletionTimestamp": "2026-11-23T12:00:00Z"}},
]


@given(st.lists(st.tuples(st.sampled_from(SHAPES), st.sampled_from("nm")), max_size=10), st.data())
def test_a_cluster_forgets_what_it_counted(shapes: list[tuple[dict[str, Any], str]], data: st.DataObject) -> None:
    """Pods counted in, again, elsewhere and out, in any order, leave nothing behind."""
    there = cluster(node("n"), node("m"))
    pods = [pod(**shape) for shape, _ in shapes]
    for one, (_, name) in zip(pods, shapes, strict=True):
        there.add(one, name)
        there.add(one, name)
        with there.without(one):
            assert not there.node_of(one.key)
    for one in data.draw(st.permutations(pods)):
        there.add(one, "n")
        there.remove(one.key)
    empty = cluster(node("n"), node("m"))
    assert (there.crowds, there.terms, there.nominated) == (empty.crowds, empty.terms, empty.nominated)
    for place in there.nodes():
        assert (place.pods, place.ports) == ({}, {})
        assert not any([*place.requested.values(), *place.assumed.values()])
