"""What follows for an object when its owners go."""

from typing import Any

import msgspec
import pytest

from kube46.api.objects import Object
from kube46.api.resources import CONFIG_MAPS, Resource
from kube46.lab.controllers.garbage.rules import Graph, Step, decide, propagation, unseen_owners, without

KIND: Resource[Object] = Resource("", "v1", "configmaps", "ConfigMap", True, Object)


def thing(uid: str, *owners: str, ends: str = "", namespace: str = "n", blocks: bool = True) -> Object:
    """An object; `ends` is the finalizer that its deletion waits for."""
    references = [{"kind": "ConfigMap", "name": o, "uid": o, "blockOwnerDeletion": blocks} for o in owners]
    meta: dict[str, Any] = {"name": uid, "uid": uid, "namespace": namespace, "ownerReferences": references}
    if ends:
        meta |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [ends, "other"]}
    return msgspec.convert({"metadata": meta}, Object)


def graph(*objects: Object) -> Graph:
    found = Graph()
    for one in objects:
        found.change(KIND, None, one)
    return found


@pytest.mark.parametrize(
    ("objects", "absent", "step", "drop"),
    [
        ([thing("x")], [], Step.NOTHING, []),
        ([thing("a"), thing("x", "a")], [], Step.NOTHING, []),
        ([thing("x", "a")], ["a"], Step.DELETE, []),
        ([thing("x", "a")], [], Step.NOTHING, []),
        ([thing("b"), thing("x", "a", "b")], ["a"], Step.DROP_OWNERS, ["a"]),
        ([thing("x", "a", "b")], ["a", "b"], Step.DELETE, []),
        ([thing("a", ends="foregroundDeletion"), thing("x", "a")], [], Step.DELETE, []),
        ([thing("a", ends="foregroundDeletion"), thing("x", "a"), thing("y", "x")], [], Step.DELETE_IN_FOREGROUND, []),
        ([thing("a", ends="foregroundDeletion"), thing("b"), thing("x", "a", "b")], [], Step.DROP_OWNERS, ["a"]),
        ([thing("x", ends="orphan"), thing("y", "x")], [], Step.ORPHAN_DEPENDENTS, []),
        ([thing("x", ends="foregroundDeletion"), thing("y", "x")], [], Step.DELETE_DEPENDENTS, []),
        ([thing("x", ends="foregroundDeletion"), thing("y", "x", blocks=False)], [], Step.FINISH_FOREGROUND, []),
        ([thing("x", ends="foregroundDeletion")], [], Step.FINISH_FOREGROUND, []),
        ([thing("x", "a", ends="other")], ["a"], Step.NOTHING, []),
    ],
)
def test_steps(objects: list[Object], absent: list[str], step: Step, drop: list[str]) -> None:
    """The step for object x."""
    found = graph(*objects)
    decision = decide(found, found.nodes["x"], absent)
    assert (decision.step, sorted(decision.drop)) == (step, drop)


def test_a_circle_is_broken_where_it_closes() -> None:
    """In a circle whose first object goes in the foreground, the one that it depends on keeps nobody waiting."""
    first, second, third = thing("a", "c", ends="foregroundDeletion"), thing("b", "a"), thing("c", "b")
    found = graph(first, second, third)
    assert not decide(found, found.nodes["b"], []).unblock
    found.change(KIND, second, thing("b", "a", ends="foregroundDeletion"))
    decision = decide(found, found.nodes["c"], [])
    assert (decision.step, decision.unblock) == (Step.DELETE_IN_FOREGROUND, True)
    found.change(KIND, third, thing("c", "b", ends="foregroundDeletion", blocks=False))
    assert decide(found, found.nodes["b"], []).step is Step.FINISH_FOREGROUND


def test_going_objects_call_nobody_that_goes() -> None:
    """Who goes already is not looked at again when its owner goes, or a circle would turn for ever."""
    found = graph(
        thing("a", "b", ends="foregroundDeletion"), thing("b", "a", ends="foregroundDeletion"), thing("x", "a")
    )
    assert found.affected_by("a") == ["x"]
    assert found.affected_by("b") == []


def test_a_going_owner_calls_its_dependents() -> None:
    """When an owner goes its dependents are looked at; when a dependent goes its owners are."""
    found = graph(thing("a"), thing("x", "a"))
    assert found.change(KIND, thing("x", "a"), None) == {"a"}
    found.change(KIND, None, thing("x", "a"))
    assert found.change(KIND, thing("a"), None) == {"x"}


def test_object_made_again_is_another() -> None:
    """An owner made again under its name does not keep the dependents of the former one."""
    found = graph(thing("a"), thing("x", "a"))
    assert "x" in found.change(KIND, thing("a"), thing("b"))
    assert [o.uid for o in unseen_owners(found, found.nodes["x"])] == ["a"]


def test_owner_in_another_namespace_must_be_asked_for() -> None:
    """A reference to an object of another namespace is not taken for granted."""
    found = graph(thing("a", namespace="m"), thing("x", "a"))
    assert [o.uid for o in unseen_owners(found, found.nodes["x"])] == ["a"]


def test_graph_forgets() -> None:
    """After all objects are gone nothing is kept."""
    found = graph(thing("a"), thing("x", "a"), thing("y", "a", "x"))
    for one in (thing("a"), thing("x", "a"), thing("y", "a", "x")):
        found.change(KIND, one, None)
    assert (found.nodes, found.dependents) == ({}, {})


def test_finalizers_choose_the_policy() -> None:
    """A deletion keeps to what was asked for before, and a finalizer is taken off alone."""
    found = graph(thing("x", ends="orphan"), thing("y", ends="foregroundDeletion"), thing("z"))
    assert [propagation(found.nodes[uid]) for uid in "xyz"] == ["Orphan", "Foreground", "Background"]
    assert without(["a", "b"], "a") == ["b"]
    assert without(["a"], "a") is None
    assert CONFIG_MAPS.kind == KIND.kind
