# ruff: noqa: E501 – tables of cases are read across
"""What the binder does about claims and volumes, in tables, and that its choices always fit."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.quantities import parse
from kube46.api.storage_objects import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    PROVISIONED_BY,
    SELECTED_NODE,
    PersistentVolume,
)
from kube46.lab.controllers.persistentvolumes import binding, matching, placing
from kube46.lab.controllers.persistentvolumes.rules import View, VolumeStep, claim_step, volume_step
from unit.lab.controllers.storage import claim, for_claim, node, storage_class, volume

DONE = {BIND_COMPLETED: "yes"}
MADE = {PROVISIONED_BY: "local-path.kube46"}


def view(*volumes: PersistentVolume, **more: Any) -> View:
    """All volumes, and the classes `fast` (at once), `later` (waits) and `manual` (nobody provisions)."""
    kinds = (
        storage_class(),
        storage_class("later", waits=True),
        storage_class("manual", provisioner="kubernetes.io/no-provisioner"),
    )
    return View({v.metadata.name: v for v in volumes}, {k.metadata.name: k for k in kinds}, **more)


@pytest.mark.parametrize(
    ("wanted", "volumes", "bound"),
    [
        (claim(), [volume("a", "2Gi"), volume("b", "1Gi")], "b"),
        (claim(), [volume("a", "512Mi")], ""),
        (claim(), [volume("a", phase="Pending"), volume("b", phase="Released")], ""),
        (claim(), [volume("a", storageClassName="slow")], ""),
        (claim(storageClassName=""), [volume("a", storageClassName="")], "a"),
        (claim(), [volume("a", accessModes=["ReadOnlyMany"])], ""),
        (claim(), [volume("a", accessModes=["ReadWriteOnce", "ReadWriteMany"]), volume("b", "5Gi")], "b"),
        (claim(), [volume("a", volumeMode="Block")], ""),
        (claim(selector={"matchLabels": {"x": "y"}}), [volume("a"), volume("b", labels={"x": "y"})], "b"),
        (claim(), [volume("a"), volume("b", "9Gi", claimRef=for_claim(uid=""), phase="Available")], "b"),
        (claim(), [volume("a", claimRef=for_claim("other", uid=""))], ""),
        (claim(), [volume("a", claimRef=for_claim(uid="of-an-earlier-claim"))], ""),
        (claim(), [volume("a", deleted=True)], ""),
        (claim(volumeName="a"), [volume("a"), volume("b")], "a"),
        (claim(storageClassName="later"), [volume("a", storageClassName="later")], ""),
        (claim(storageClassName="later"), [volume("a", storageClassName="later", claimRef=for_claim())], "a"),
        (claim(volumeName="a", notes=DONE, phase="Bound"), [volume("a", claimRef=for_claim(), phase="Bound")], "a"),
        (claim(volumeName="a", notes=DONE), [volume("a")], "a"),
    ],
)  # fmt: skip
def test_the_smallest_volume_that_fits_is_bound(wanted: Any, volumes: list[PersistentVolume], bound: str) -> None:
    """Size, class, modes, selector, phase and reservations decide; a volume that was reserved or named comes first."""
    found = claim_step(wanted, view(*volumes)).bind
    assert (found.metadata.name if found else "") == bound


@pytest.mark.parametrize(
    ("wanted", "seen", "phase", "reason", "text"),
    [
        (claim(storageClassName=""), view(), "Pending", "FailedBinding", "no persistent volumes available for this claim and no"),
        (claim(storageClassName="nope"), view(), "Pending", "ProvisioningFailed", 'storageclass.storage.k8s.io "nope" not found'),
        (claim(storageClassName="manual"), view(), "Pending", "ProvisioningFailed", "no volume plugin matched name: kubernetes.io/no"),
        (claim(storageClassName="later"), view(), "Pending", "WaitForFirstConsumer", "waiting for first consumer"),
        (claim(storageClassName="later"), view(unscheduled=("b", "a")), "Pending", "WaitForPodScheduled", "pods a,b to be scheduled"),
        (claim(), view(), "Pending", "ProvisioningFailed", "no node is ready for a volume of class fast"),
        (claim(), view(node="node1"), "Pending", "ExternalProvisioning", "external provisioner 'local-path.kube46' or manually"),
        (claim(volumeName="x"), view(volume("x", "1Mi")), "Pending", "VolumeMismatch", 'requested volume "x": requested PV is too small'),
        (claim(volumeName="x"), view(volume("x", claimRef=for_claim("o"))), "Pending", "FailedBinding", 'volume "x" already bound'),
        (claim(volumeName="x", notes=DONE, phase="Bound"), view(), "Lost", "ClaimLost", "has lost its PersistentVolume"),
        (claim(notes=DONE, phase="Bound"), view(), "Lost", "ClaimLost", "has lost reference to PersistentVolume"),
        (claim(volumeName="x", notes=DONE, phase="Bound"), view(volume("x", claimRef=for_claim("o"))), "Lost", "ClaimMisbound", "Two"),
    ],
)  # fmt: skip
def test_what_a_claim_is_told(wanted: Any, seen: View, phase: str, reason: str, text: str) -> None:
    """Where nothing can be bound, the phase and an Event say why, in kube-controller-manager's words."""
    step = claim_step(wanted, seen)
    assert step.bind is None
    assert step.phase == phase
    assert step.event is not None
    assert (step.event.reason, text in step.event.message) == (reason, True)


def test_claims_that_need_nothing() -> None:
    """A lost claim stays lost in silence, a deleted one gets nothing, one that names a missing volume waits."""
    assert claim_step(claim(notes=DONE, phase="Lost"), view()).event is None
    assert claim_step(claim(deleted=True), view(volume())).bind is None
    assert claim_step(claim(volumeName="x"), view()).event is None


def test_a_claim_without_a_class_gets_the_default_one() -> None:
    """Only where it names none at all; an empty name means none."""
    assert claim_step(claim(storageClassName=None), view(default_class="fast")).storage_class == "fast"
    assert claim_step(claim(storageClassName=""), view(default_class="fast")).storage_class == ""


def test_the_provisioner_is_told_once() -> None:
    """The annotations name provisioner and node; those that are there already are not written again."""
    notes = dict(claim_step(claim(), view(node="node1")).annotations)
    assert notes[SELECTED_NODE] == "node1"
    assert claim_step(claim(notes=notes), view(node="node2")).annotations == {}


@pytest.mark.parametrize(
    ("one", "other", "step"),
    [
        (volume(), None, VolumeStep("Available")),
        (volume(claimRef=for_claim(uid="")), None, VolumeStep("Available")),
        (volume(claimRef=for_claim()), claim(volumeName="disk"), VolumeStep("Bound")),
        (volume(claimRef=for_claim()), claim(), VolumeStep()),
        (volume(claimRef=for_claim(), phase="Bound"), None, VolumeStep("Released")),
        (volume(claimRef=for_claim(), phase="Released"), None, VolumeStep()),
        (volume(claimRef=for_claim(), notes=MADE, persistentVolumeReclaimPolicy="Delete", phase="Bound"), None, VolumeStep("Released")),
        (volume(claimRef=for_claim(), notes=MADE, persistentVolumeReclaimPolicy="Delete"), claim(volumeName="o"), VolumeStep("Released")),
        (volume(claimRef=for_claim(), notes={BOUND_BY_CONTROLLER: "yes"}), claim(volumeName="o"), VolumeStep("Available", unbind="all")),
        (volume(claimRef=for_claim()), claim(volumeName="o"), VolumeStep("Available", unbind="uid")),
    ],
)  # fmt: skip
def test_what_becomes_of_a_volume(one: PersistentVolume, other: Any, step: VolumeStep) -> None:
    """Its phase follows its claim; what is bound to a claim that took another is freed, or given back."""
    assert volume_step(one, other) == step


@pytest.mark.parametrize(("policy", "reason"), [("Delete", "VolumeFailedDelete"), ("Recycle", "VolumeFailedRecycle")])
def test_a_static_volume_is_never_deleted(policy: str, reason: str) -> None:
    """What somebody made by hand fails with an Event, once, and keeps its data."""
    one = volume(claimRef=for_claim(), persistentVolumeReclaimPolicy=policy, phase="Bound")
    step = volume_step(one, None)
    assert (step.phase, step.event and step.event.reason) == ("Failed", reason)
    failed = volume(claimRef=for_claim(), persistentVolumeReclaimPolicy=policy, phase="Failed")
    assert volume_step(failed, None) == VolumeStep()


def test_a_binding_is_written_as_far_as_it_lacks() -> None:
    """Both ends are completed; a whole binding needs no write, and what its maker reserved is not marked as ours."""
    one, other = claim(), volume()
    body = binding.of_volume(other, one)
    assert body["spec"]["claimRef"]["uid"] == "uid-data"
    assert body["metadata"]["annotations"] == {BOUND_BY_CONTROLLER: "yes"}
    assert "metadata" not in binding.of_volume(volume(claimRef=for_claim(uid="")), one)
    assert binding.of_volume(volume(claimRef=for_claim()), one) == {}
    assert binding.of_claim(one, other)["spec"] == {"volumeName": "disk"}
    assert binding.of_claim(claim(volumeName="disk"), other) == {"metadata": {"annotations": DONE}}
    assert binding.of_claim(claim(volumeName="disk", notes=DONE), other) == {}
    assert binding.claim_status(one, other)["capacity"] == {"storage": "1Gi"}


def test_a_volume_is_made_where_the_fewest_are() -> None:
    """Ready nodes that the class allows, the emptiest first."""
    nodes = [node("a"), node("b"), node("c", ready=False), node("d", zone="z")]
    assert placing.choose(storage_class(), nodes, {"a": 1, "d": 2}) == "b"
    only = storage_class(allowedTopologies=[{"matchLabelExpressions": [{"key": "zone", "values": ["y", "z"]}]}])
    assert placing.choose(only, nodes, {}) == "d"
    assert placing.choose(only, nodes[:2], {}) == ""
    assert placing.node_of(volume(node="a")) == "a"


SIZES = st.sampled_from(["1Mi", "500M", "1Gi", "2Gi", "3G"])
MODES = st.lists(st.sampled_from(["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"]), min_size=1, unique=True)
VOLUMES = st.lists(
    st.builds(
        lambda size, modes, phase, kind, ref: (size, modes, phase, kind, ref),
        SIZES, MODES, st.sampled_from(["Available", "Bound", "Released"]), st.sampled_from(["fast", "slow"]),
        st.sampled_from([None, for_claim(uid=""), for_claim("other"), for_claim()]),
    ),
    max_size=6,
)  # fmt: skip


@given(SIZES, MODES, VOLUMES)
def test_what_is_chosen_fits_and_nothing_smaller_would(size: str, modes: list[str], found: list[Any]) -> None:
    """Whatever there is: the chosen volume is large enough, has the modes and class, and is nobody else's."""
    volumes = [
        volume(f"v{n}", size=s, accessModes=m, phase=p, storageClassName=k, claimRef=ref)
        for n, (s, m, p, k, ref) in enumerate(found)
    ]
    wanted = claim(size=size, accessModes=modes)
    chosen = matching.best(wanted, volumes)
    free = [
        v
        for v in volumes
        if v.spec.claim_ref is None and v.status.phase == "Available" and not matching.misfit(v, wanted)
    ]
    if chosen is None:
        assert free == []
        return
    assert matching.has_modes(chosen, wanted)
    assert parse(chosen.spec.capacity["storage"]) >= parse(size)
    if chosen.spec.claim_ref:
        assert chosen.is_for(wanted)
        return
    alike = [v for v in free if len(v.spec.access_modes) <= len(chosen.spec.access_modes)]
    assert all(
        parse(v.spec.capacity["storage"]) >= parse(chosen.spec.capacity["storage"])
        for v in alike
        if len(v.spec.access_modes) == len(chosen.spec.access_modes)
    )
