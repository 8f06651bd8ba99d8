# ruff: noqa: E501 – tables of cases are read across
"""Pods go where their claims' volumes are, or can be had."""

from typing import Any

import pytest

from kube46.api.storage_objects import BIND_COMPLETED, SELECTED_NODE
from kube46.lab.controllers.scheduler import rules
from kube46.lab.controllers.scheduler.places import Cluster
from kube46.lab.controllers.scheduler.volumes import Plan, Storage, filters, obstacle, plan
from unit.lab.controllers.storage import claim, for_claim, node, pod, storage_class, volume

DONE = {BIND_COMPLETED: "yes"}
HERE, THERE = node("here", zone="a"), node("there", zone="b")


def storage(*objects: Any, pods: Any = ()) -> Storage:
    """Claims, volumes and classes by their kinds, with the classes `fast` (at once), `later` and `manual` (wait)."""
    kinds = [
        storage_class(),
        storage_class("later", waits=True),
        storage_class("manual", waits=True, provisioner="kubernetes.io/no-provisioner"),
    ]
    by_kind: dict[str, Any] = {}
    for one in [*objects, *kinds]:
        by_kind.setdefault(type(one).__name__, {})[one.key] = one
    return Storage(
        by_kind.get("PersistentVolumeClaim", {}), by_kind.get("PersistentVolume", {}), by_kind["StorageClass"],
        lambda key: [p for p in pods if key[1] in p.claims.values()],
    )  # fmt: skip


def refusals(one: Any, held: Storage) -> dict[str, list[str]]:
    """The nodes that are refused, and why."""
    cluster = Cluster()
    for place in (HERE, THERE):
        cluster.set_node(place.metadata.name, place)
    found = {}
    for name, place in cluster.places.items():
        refusal = rules.first(rules.prepared(one, cluster, filters(held)), place)
        if refusal:
            found[name] = list(refusal.reasons)
    return found


@pytest.mark.parametrize(
    ("held", "text"),
    [
        (storage(), 'persistentvolumeclaim "data" not found'),
        (storage(claim(deleted=True)), 'persistentvolumeclaim "data" is being deleted'),
        (storage(claim(volumeName="x", phase="Lost")), 'persistentvolumeclaim "data" bound to non-existent persistentvolume "x"'),
        (storage(claim()), "pod has unbound immediate PersistentVolumeClaims"),
        (storage(claim(storageClassName="later", volumeName="x")), "pod has unbound immediate PersistentVolumeClaims"),
        (storage(claim(storageClassName="later")), ""),
        (storage(claim(volumeName="disk", notes=DONE), volume()), ""),
    ],
)  # fmt: skip
def test_what_keeps_a_pod_from_every_node(held: Storage, text: str) -> None:
    """A claim that is missing, going, lost, or to be bound first is told in kube-scheduler's words."""
    assert obstacle(pod("web", "data"), held) == text


def test_a_pod_follows_its_volume() -> None:
    """A bound volume's node affinity refuses other nodes; a volume that is gone refuses all."""
    one, bound = pod("web", "data"), claim(volumeName="disk", notes=DONE)
    assert refusals(one, storage(bound, volume(node="here"))) == {
        "there": ["node(s) didn't match PersistentVolume's node affinity"]
    }
    assert set(refusals(one, storage(bound))) == {"here", "there"}
    assert refusals(pod("web"), storage()) == {}


def test_a_waiting_claim_takes_a_volume_that_is_there_or_is_provisioned() -> None:
    """Static volumes are used where they lie; without any, a class that provisions takes every node it allows."""
    one, waiting = pod("web", "data"), claim(storageClassName="manual")
    static = storage(waiting, volume(node="there", storageClassName="manual"))
    assert list(refusals(one, static)) == ["here"]
    chosen = plan(one, THERE, static)
    assert [(c.metadata.name, v.metadata.name) for c, v in chosen.bind] == [("data", "disk")]
    assert refusals(one, storage(waiting)) == {
        key: ["node(s) didn't find available persistent volumes to bind"] for key in ("here", "there")
    }
    later = storage(claim(storageClassName="later"))
    assert refusals(one, later) == {}
    assert [c.metadata.name for c in plan(one, HERE, later).provision] == ["data"]
    zoned = [{"matchLabelExpressions": [{"key": "zone", "values": ["b"]}]}]
    only = storage(claim(storageClassName="zoned"), storage_class("zoned", waits=True, allowedTopologies=zoned))
    assert list(refusals(one, only)) == ["here"]


def test_a_claim_that_is_being_provisioned_fixes_the_node() -> None:
    """Its node is not chosen again, unless that is gone."""
    one = pod("web", "data")
    sent = storage(claim(storageClassName="later", notes={SELECTED_NODE: "here"}))
    assert list(refusals(one, sent)) == ["there"]
    assert plan(one, HERE, sent) == Plan(waits=True)
    lost = storage(claim(storageClassName="later", notes={SELECTED_NODE: "nowhere"}))
    assert refusals(one, lost) == {}
    assert len(plan(one, THERE, lost).provision) == 1


def test_the_smallest_claim_chooses_first() -> None:
    """Two claims never get the same volume, and a large volume is left to the claim that needs it."""
    small, large = claim("small", "1Gi", storageClassName="manual"), claim("large", "2Gi", storageClassName="manual")
    held = storage(
        small, large, volume("a", "1Gi", storageClassName="manual"), volume("b", "5Gi", storageClassName="manual")
    )
    found = plan(pod("web", "large", "small"), HERE, held).bind
    assert {c.metadata.name: v.metadata.name for c, v in found} == {"small": "a", "large": "b"}


def test_a_claim_for_one_pod_is_used_by_one() -> None:
    """ReadWriteOncePod refuses a second pod while the first one runs."""
    once = claim(volumeName="disk", notes=DONE, accessModes=["ReadWriteOncePod"])
    disk = volume(accessModes=["ReadWriteOncePod"], claimRef=for_claim())
    first, ended = pod("first", "data", on="here", phase="Running"), pod("first", "data", on="here", phase="Succeeded")
    second = pod("second", "data")
    assert set(refusals(second, storage(once, disk, pods=[first]))) == {"here", "there"}
    assert refusals(second, storage(once, disk, pods=[ended])) == {}
    assert refusals(first, storage(once, disk, pods=[first])) == {}


def test_the_message_of_an_obstacle_is_not_counted() -> None:
    """What speaks against every node is said once, for all of them."""
    cluster = Cluster()
    for place in (HERE, THERE):
        cluster.set_node(place.metadata.name, place)
    why = "pod has unbound immediate PersistentVolumeClaims"
    assert rules.nowhere(why, cluster, "VolumeBinding").message == f"0/2 nodes are available: {why}."
