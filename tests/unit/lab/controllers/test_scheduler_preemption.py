"""Which pods go to make room for a more important one."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.objects import Pod
from kube46.api.workload_objects import PodDisruptionBudget
from kube46.lab.controllers.scheduler.places import Cluster
from kube46.lab.controllers.scheduler.preemption import Verdict, preempt
from kube46.lab.controllers.scheduler.rules import choose
from kube46.lab.controllers.scheduler.waiting import LONGEST_DELAY, TELL_AGAIN_SECONDS, Waiting
from unit.lab.controllers.scheduling import asks, cluster, node, pod

ROOM = {"cpu": "1", "memory": "1Gi", "pods": "10"}


def one(name: str, priority: int, cpu: str = "500m", **more: Any) -> Pod:
    return pod(name, containers=[asks(cpu=cpu)], priority=priority, **more)


def budget(allowed: int, labels: dict[str, str]) -> PodDisruptionBudget:
    whole = {
        "metadata": {"name": "b", "namespace": "n"},
        "spec": {"selector": {"matchLabels": labels}},
        "status": {"disruptionsAllowed": allowed},
    }
    return msgspec.convert(whole, PodDisruptionBudget)


def verdict(who: Pod, there: Cluster, *budgets: PodDisruptionBudget) -> Verdict:
    return preempt(who, there, choose(who, there).refusals, budgets)


def victims(who: Pod, there: Cluster, *budgets: PodDisruptionBudget) -> tuple[str, list[str]]:
    found = verdict(who, there, *budgets).candidate
    assert found
    return found.node, [one.metadata.name for one in found.victims]


def test_as_few_as_needed_go_the_least_important_first() -> None:
    """Of pods of lower priority those stay that can, the most important first; equals that run longer stay."""
    there = cluster(
        node("a", allocatable=ROOM), a=[one("low", 1, "300m"), one("mid", 2, "300m"), one("high", 3, "400m")]
    )
    assert victims(one("vip", 9, "300m"), there) == ("a", ["low"])
    assert victims(one("vip", 9, "600m"), there) == ("a", ["mid", "low"])
    assert victims(one("vip", 3, "600m"), there) == ("a", ["mid", "low"])
    old, young = ({"startTime": f"2026-11-23T{hour}:00:00Z"} for hour in ("10", "11"))
    there = cluster(node("a", allocatable=ROOM), a=[one("young", 1, status=young), one("old", 1, status=old)])
    assert victims(one("vip", 9), there) == ("a", ["young"])


@pytest.mark.parametrize(
    ("a", "b", "best"),
    [
        ([one("x", 5, "1")], [one("y", 4, "1")], "b"),  # the dearest victim
        ([one("x1", 5), one("x2", 4)], [one("y1", 5), one("y2", 3)], "b"),  # the sum
        ([one("x1", 0), one("x2", 0)], [one("y", 0, "1")], "b"),  # the number
        ([one("x", 5, "1", status={"startTime": "2026-11-23T10:00:00Z"})],
         [one("y", 5, "1", status={"startTime": "2026-11-23T11:00:00Z"})], "b"),  # the youngest
        ([one("x", 5, "1")], [one("y", 5, "1")], "a"),
    ],
)  # fmt: skip
def test_the_node_that_loses_least(a: list[Pod], b: list[Pod], best: str) -> None:
    """Priorities, numbers and ages of the victims decide, in this order."""
    there = cluster(node("a", allocatable=ROOM), node("b", allocatable=ROOM), a=a, b=b)
    assert victims(one("vip", 9, "1"), there)[0] == best


def test_budgets_are_broken_last() -> None:
    """Protected pods stay where others can go, on the node and among nodes; only in need they go, too."""
    safe = {"labels": {"app": "db"}}
    there = cluster(node("a", allocatable=ROOM), a=[one("db", 1, **safe), one("web", 2)])
    assert victims(one("vip", 9), there, budget(0, {"app": "db"})) == ("a", ["web"])
    assert victims(one("vip", 9), there, budget(1, {"app": "db"})) == ("a", ["db"])
    assert victims(one("vip", 9, "1"), there, budget(0, {"app": "db"})) == ("a", ["web", "db"])
    there = cluster(
        node("a", allocatable=ROOM), node("b", allocatable=ROOM), a=[one("db", 1, "1", **safe)], b=[one("web", 2, "1")]
    )
    assert victims(one("vip", 9), there, budget(0, {"app": "db"})) == ("b", ["web"])


@pytest.mark.parametrize(
    ("who", "text"),
    [
        (one("vip", 1), "preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, "
         "1 Preemption is not helpful for scheduling."),
        (one("vip", 9, "2"), "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."),
        (one("vip", 9, preemptionPolicy="Never"), "preemption: not eligible due to preemptionPolicy=Never."),
    ],
)  # fmt: skip
def test_why_nothing_helps(who: Pod, text: str) -> None:
    """The words are kube-scheduler's."""
    there = cluster(node("a", allocatable=ROOM), node("b", unschedulable=True), a=[one("x", 1, "1")])
    assert verdict(who, there) == Verdict(message=text, clears="Never" not in text)


def test_nobody_else_goes_while_victims_are_ending() -> None:
    """A pod whose victims take their time does not drive more pods away."""
    ending = one("x", 1, "1", meta={"deletionTimestamp": "2026-11-23T12:00:00Z"})
    there = cluster(node("a", allocatable=ROOM), node("b", allocatable=ROOM), a=[ending], b=[one("y", 1, "1")])
    who = one("vip", 9, status={"nominatedNodeName": "a"})
    assert verdict(who, there).message == "preemption: not eligible due to a terminating pod on the nominated node."
    assert verdict(one("vip", 9), there).candidate


FEW = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["100m", "300m", "600m"])), max_size=6)


@given(FEW, FEW, st.integers(1, 4), st.sampled_from(["200m", "500m", "1"]))
def test_victims_are_enough_and_each_is_needed(
    first: list[tuple[int, str]], second: list[tuple[int, str]], priority: int, cpu: str
) -> None:
    """With the victims gone the pod fits; with any one of them back it doesn't; nothing of the cluster has changed."""
    pods = {name: [one(f"{name}{i}", *about) for i, about in enumerate(found)]
            for name, found in (("a", first), ("b", second))}  # fmt: skip
    there = cluster(node("a", allocatable=ROOM), node("b", allocatable=ROOM), **pods)
    who = one("vip", priority, cpu)
    choice = choose(who, there)
    if choice.node:
        return
    before = {name: set(place.pods) for name, place in there.places.items()}
    found = preempt(who, there, choice.refusals).candidate
    assert {name: set(place.pods) for name, place in there.places.items()} == before
    if found is None:
        lower = [p for p in [*pods["a"], *pods["b"]] if p.spec.priority < priority]
        with there.without(*lower):
            assert not choose(who, there).node
        return
    assert all(victim.spec.priority < priority for victim in found.victims)
    with there.without(*found.victims):
        assert choose(who, there).node == found.node or cpu == "200m"
        for victim in found.victims:
            there.add(victim, found.node)
            assert choose(who, there).node != found.node
            there.remove(victim.key)


def test_waiting_pods_are_woken_by_what_may_help() -> None:
    """Only by a filter that refused them, later after each try; the same is said again after a minute."""
    now = [0.0]
    waiting = Waiting(lambda: now[0])
    waiting.refuse(("n", "p"), {"NodePorts"})
    assert list(waiting.wake({"InterPodAffinity"})) == []
    assert list(waiting.wake({"NodePorts"})) == list(waiting.wake()) == [(("n", "p"), pytest.approx(0.1))]
    now[0] = 1.0
    assert list(waiting.wake()) == [(("n", "p"), 0.0)]
    for _ in range(20):
        waiting.refuse(("n", "p"), {"NodePorts"})
    assert list(waiting.wake()) == [(("n", "p"), LONGEST_DELAY)]
    assert waiting.tell(("n", "p"), "why")
    assert not waiting.tell(("n", "p"), "why")
    assert waiting.tell(("n", "p"), "other")
    now[0] += TELL_AGAIN_SECONDS
    assert waiting.tell(("n", "p"), "other")
    waiting.forget(("n", "p"))
    assert list(waiting.wake()) == []
