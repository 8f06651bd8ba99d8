"""What is to be done about one claim, and about one volume: pure.

A binding has two ends, `claimRef` of the volume and `volumeName` of the claim, written in this order; whatever is found
half done, or undone by somebody, is completed or let go.
Source: kubernetes/pkg/controller/volume/persistentvolume/pv_controller.go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kube46.api.storage_objects import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    LOCAL_PROVISIONER,
    NO_PROVISIONER,
    OLD_STORAGE_PROVISIONER,
    PROVISIONED_BY,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
    PersistentVolume,
    PersistentVolumeClaim,
    StorageClass,
)
from kube46.lab.controllers.persistentvolumes import matching

WAITING = (
    "Waiting for a volume to be created either by the external provisioner '{}' or manually by the system "
    "administrator. If volume creation is delayed, please verify that the provisioner is running and correctly "
    "registered."
)
NO_VOLUME = "no persistent volumes available for this claim and no storage class is set"
FIRST_CONSUMER = "waiting for first consumer to be created before binding"
LOST = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
UNREFERENCED = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
MISBOUND = "Two claims are bound to the same volume, this one is bound incorrectly"
NO_RECYCLER = "No recycler plugin found for the volume!"
LET_GO = ("Released", "Failed")


@dataclass(frozen=True, slots=True)
class Event:
    """What to tell about the object."""

    reason: str
    message: str
    type: str = "Normal"


@dataclass(frozen=True, slots=True)
class ClaimStep:
    """What to do about a claim: bind it, or write what is not empty here."""

    bind: PersistentVolume | None = None
    phase: str = ""
    storage_class: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class VolumeStep:
    """What to do about a volume: `unbind` its claim ("all" of the reference or its "uid"), then write the phase."""

    phase: str = ""
    message: str = ""
    unbind: str = ""
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What a claim is decided from: all volumes and classes, its pods that have no node, a node for its volume."""

    volumes: Mapping[str, PersistentVolume]
    classes: Mapping[str, StorageClass]
    default_class: str = ""
    unscheduled: Sequence[str] = ()
    node: str = ""


def claim_step(claim: PersistentVolumeClaim, view: View) -> ClaimStep:
    """The next thing to do about the claim."""
    if BIND_COMPLETED in claim.metadata.annotations:
        return _bound(claim, view)
    if claim.metadata.deletion_timestamp:
        return ClaimStep()
    if claim.spec.volume_name:
        return _asked(claim, view.volumes.get(claim.spec.volume_name))
    kind = view.classes.get(claim.storage_class)
    waits = kind is not None and kind.waits
    if found := matching.best(claim, view.volumes.values(), waits=waits):
        return ClaimStep(bind=found)
    return _unbound(claim, kind, view)


def _bound(claim: PersistentVolumeClaim, view: View) -> ClaimStep:
    """A claim that was bound before: its volume must still be there, and its."""
    name = claim.spec.volume_name
    volume = view.volumes.get(name)
    if volume is None:
        return _lost(claim, "ClaimLost", LOST if name else UNREFERENCED)
    ref = volume.spec.claim_ref
    if ref is None or ref.uid == claim.metadata.uid:
        return ClaimStep(bind=volume)
    return _lost(claim, "ClaimMisbound", MISBOUND)


def _lost(claim: PersistentVolumeClaim, reason: str, text: str) -> ClaimStep:
    if claim.status.phase == "Lost":
        return ClaimStep()
    return ClaimStep(phase="Lost", event=Event(reason, text, "Warning"))


def _asked(claim: PersistentVolumeClaim, volume: PersistentVolume | None) -> ClaimStep:
    """A claim that names its volume."""
    if volume is None:
        return ClaimStep(phase="Pending")
    name = volume.metadata.name
    if volume.is_for(claim):
        return ClaimStep(bind=volume)
    if volume.spec.claim_ref:
        text = f'volume "{name}" already bound to a different claim.'
        return ClaimStep(phase="Pending", event=Event("FailedBinding", text, "Warning"))
    if why := matching.misfit(volume, claim):
        text = f'Cannot bind to requested volume "{name}": {why}'
        return ClaimStep(phase="Pending", event=Event("VolumeMismatch", text, "Warning"))
    return ClaimStep(bind=volume)


def _unbound(claim: PersistentVolumeClaim, kind: StorageClass | None, view: View) -> ClaimStep:
    """A claim that no volume fits: it waits, or has one made."""
    named = claim.spec.storage_class_name is not None or claim.storage_class
    if not named and view.default_class:
        return ClaimStep(storage_class=view.default_class)
    if kind and kind.waits and SELECTED_NODE not in claim.metadata.annotations:
        return ClaimStep(phase="Pending", event=_first_consumer(view.unscheduled))
    if claim.storage_class:
        return _provision(claim, kind, view)
    return ClaimStep(phase="Pending", event=Event("FailedBinding", NO_VOLUME))


def _first_consumer(pods: Sequence[str]) -> Event:
    if not pods:
        return Event("WaitForFirstConsumer", FIRST_CONSUMER)
    names = ",".join(sorted(pods))
    return Event("WaitForPodScheduled", f"waiting for pod{'s' if len(pods) > 1 else ''} {names} to be scheduled")


def _provision(claim: PersistentVolumeClaim, kind: StorageClass | None, view: View) -> ClaimStep:
    failed: str = ""
    if kind is None:
        failed = f'storageclass.storage.k8s.io "{claim.storage_class}" not found'
    elif kind.provisioner == NO_PROVISIONER:
        failed = f"no volume plugin matched name: {NO_PROVISIONER}"
    if kind is None or failed:
        return ClaimStep(phase="Pending", event=Event("ProvisioningFailed", failed, "Warning"))
    name, wanted = kind.provisioner, dict.fromkeys((OLD_STORAGE_PROVISIONER, STORAGE_PROVISIONER), kind.provisioner)
    if name == LOCAL_PROVISIONER and SELECTED_NODE not in claim.metadata.annotations:
        if not view.node:
            text = f"no node is ready for a volume of class {claim.storage_class}"
            return ClaimStep(phase="Pending", event=Event("ProvisioningFailed", text, "Warning"))
        wanted[SELECTED_NODE] = view.node
    fresh = {key: value for key, value in wanted.items() if claim.metadata.annotations.get(key) != value}
    return ClaimStep(phase="Pending", annotations=fresh, event=Event("ExternalProvisioning", WAITING.format(name)))


def volume_step(volume: PersistentVolume, claim: PersistentVolumeClaim | None) -> VolumeStep:
    """The next thing to do about the volume; `claim` is the one of its reference's name and uid, if that lives."""
    ref = volume.spec.claim_ref
    if ref is None or not ref.uid:
        return VolumeStep(phase="Available")
    if claim is None:
        return _released(volume)
    if claim.spec.volume_name == volume.metadata.name:
        return VolumeStep(phase="Bound")
    if not claim.spec.volume_name:
        return VolumeStep()  # half a binding, which is the claim's to complete
    if PROVISIONED_BY in volume.metadata.annotations and volume.spec.persistent_volume_reclaim_policy == "Delete":
        return _released(volume)  # made for the claim, which took another one
    return VolumeStep(phase="Available", unbind="all" if BOUND_BY_CONTROLLER in volume.metadata.annotations else "uid")


def _released(volume: PersistentVolume) -> VolumeStep:
    """A volume that was let go: its provisioner deletes it; others' stay, and say why."""
    name, policy = volume.metadata.name, volume.spec.persistent_volume_reclaim_policy
    maker = volume.metadata.annotations.get(PROVISIONED_BY, "")
    if policy == "Recycle":
        return _failed(volume, "VolumeFailedRecycle", NO_RECYCLER)
    if policy == "Delete" and not maker:
        text = f'error getting deleter volume plugin for volume "{name}": no deletable volume plugin matched'
        return _failed(volume, "VolumeFailedDelete", text)
    return VolumeStep() if volume.status.phase in LET_GO else VolumeStep(phase="Released")


def _failed(volume: PersistentVolume, reason: str, text: str) -> VolumeStep:
    if volume.status.phase == "Failed":
        return VolumeStep()
    return VolumeStep(phase="Failed", message=text, event=Event(reason, text, "Warning"))
