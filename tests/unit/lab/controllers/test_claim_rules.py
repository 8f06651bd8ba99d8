"""Claims of StatefulSets' pods, and when claims and volumes may go."""

from typing import Any

import msgspec
import pytest

from kube46.api.workload_objects import StatefulSet
from kube46.lab.controllers.statefulsets import claims
from kube46.lab.controllers.volumeprotection import rules
from unit.lab.controllers.storage import claim, pod, volume

TEMPLATE = {"metadata": {"name": "data", "labels": {"own": "1"}}, "spec": {"accessModes": ["ReadWriteOnce"]}}


def stateful(deleted: str = "Retain", scaled: str = "Retain", replicas: int = 1) -> StatefulSet:
    """A StatefulSet `db` with one claim a pod."""
    policy = {"whenDeleted": deleted, "whenScaled": scaled}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "db"}}, "volumeClaimTemplates": [TEMPLATE]}
    whole = {
        "metadata": {"name": "db", "namespace": "shop", "uid": "uid-db"},
        "spec": {**spec, "persistentVolumeClaimRetentionPolicy": policy},
    }
    return msgspec.convert(whole, StatefulSet)


def owned(*owners: tuple[str, str, str]) -> Any:
    """A claim with owners (kind, name, uid)."""
    references = [{"kind": k, "name": n, "uid": u, "controller": True} for k, n, u in owners]
    one = claim("data-db-0")
    meta = msgspec.structs.replace(one.metadata, owner_references=tuple(msgspec.convert(references, list[Any])))
    return msgspec.convert({**msgspec.to_builtins(one), "metadata": msgspec.to_builtins(meta)}, type(one))


def test_claims_are_named_after_template_set_and_number() -> None:
    """They bear the labels that the set selects by, and take the place of volumes of their names."""
    assert claims.names(stateful(), 3) == {"data": "data-db-3"}
    (body,) = claims.bodies(stateful(), 3)
    assert body["metadata"] == {"name": "data-db-3", "labels": {"own": "1", "app": "db"}}
    mounted = claims.mounted(stateful(), 3, [{"name": "data", "emptyDir": {}}, {"name": "other", "emptyDir": {}}])
    assert mounted == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-3"}},
        {"name": "other", "emptyDir": {}},
    ]


SET, POD, OTHER = ("StatefulSet", "db", "uid-db"), ("Pod", "db-0", "uid-db-0"), ("Backup", "b", "uid-b")


@pytest.mark.parametrize(
    ("policy", "replicas", "has", "wanted"),
    [
        (("Retain", "Retain"), 1, [], None),
        (("Retain", "Retain"), 0, [], None),
        (("Retain", "Retain"), 1, [SET], []),
        (("Delete", "Retain"), 1, [], ["uid-db"]),
        (("Delete", "Retain"), 0, [SET], None),
        (("Retain", "Delete"), 1, [], None),
        (("Retain", "Delete"), 0, [], ["uid-db-0"]),
        (("Retain", "Delete"), 1, [POD], []),
        (("Delete", "Delete"), 1, [POD], ["uid-db"]),
        (("Delete", "Delete"), 0, [SET], ["uid-db-0"]),
        (("Delete", "Delete"), 0, [OTHER], None),
        (("Delete", "Retain"), 1, [("StatefulSet", "db", "uid-of-an-earlier-one")], None),
    ],
)
def test_owners_follow_the_retention_policy(
    policy: tuple[str, str], replicas: int, has: list[Any], wanted: Any
) -> None:
    """The set owns a claim that goes with it, a pod one that goes by scaling down; others' claims are left alone."""
    found = claims.references(stateful(*policy, replicas), 0, pod("db-0"), owned(*has))
    assert (found and [one.uid for one in found]) == wanted if found else found == wanted


def test_a_pod_waits_for_a_claim_that_is_to_go() -> None:
    """A claim that still belongs to a pod that was scaled down is not taken again."""
    assert claims.stale(stateful("Retain", "Delete"), 0, owned(POD))
    assert not claims.stale(stateful("Retain", "Retain"), 0, owned(POD))
    assert not claims.stale(stateful("Retain", "Delete"), 0, owned(SET))


def test_a_claim_stays_while_a_pod_has_it() -> None:
    """A pod with a node keeps it, ended or not; one that never got a node does not."""
    gone = claim(deleted=True)
    assert not rules.may_go(claim(), [])
    assert rules.may_go(gone, [])
    assert not rules.may_go(gone, [pod("web", "data", on="n", phase="Succeeded")])
    assert rules.may_go(gone, [pod("web", "data")])
    own = msgspec.convert(
        {**msgspec.to_builtins(pod("p")), "spec": {"nodeName": "n", "volumes": [{"name": "v", "ephemeral": {"a": 1}}]}},
        type(pod()),
    )
    assert rules.keeps(own, "p-v")
    meta = msgspec.structs.replace(
        own.metadata, deletion_timestamp="2026-01-01T00:00:00Z", deletion_grace_period_seconds=0
    )
    assert not rules.keeps(type(own)(metadata=meta, spec=own.spec), "p-v")


def test_a_volume_stays_while_it_is_bound() -> None:
    """It goes when it was deleted and no claim has it."""
    assert rules.volume_may_go(volume(deleted=True, phase="Released"))
    assert not rules.volume_may_go(volume(deleted=True, phase="Bound"))
    assert not rules.volume_may_go(volume(phase="Released"))


def test_a_bound_claim_says_whether_it_is_used() -> None:
    """The condition changes with its pods; ended pods use nothing."""
    now = "2026-01-01T00:00:00Z"
    bound = claim(phase="Bound")
    used = rules.unused(bound, [pod("web", "data")], now)
    assert used and (used["status"], used["reason"]) == ("False", "PodUsingPVC")
    unused = rules.unused(bound, [pod("web", "data", phase="Succeeded")], now)
    assert unused and unused["status"] == "True"
    assert rules.unused(claim(), [], now) is None
