"""The writes that make a binding, and that take it back: bodies of patches, empty when nothing lacks: pure."""

from typing import Any

from kube46.api.quantities import parse
from kube46.api.storage_objects import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    LOCAL_PROVISIONER,
    PROVISIONED_BY,
    PersistentVolume,
    PersistentVolumeClaim,
)

Body = dict[str, Any]


def of_volume(volume: PersistentVolume, claim: PersistentVolumeClaim) -> Body:
    """The volume's end: a reference to this very claim."""
    ref, meta = volume.spec.claim_ref, claim.metadata
    if ref and (ref.namespace, ref.name, ref.uid) == (meta.namespace, meta.name, meta.uid):
        return {}
    fresh = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": meta.namespace, "name": meta.name}
    fresh |= {"uid": meta.uid, "resourceVersion": meta.resource_version}
    body: Body = {"spec": {"claimRef": fresh}}
    if not volume.is_for(claim):  # nobody but us brought them together
        body["metadata"] = {"annotations": {BOUND_BY_CONTROLLER: "yes"}}
    return body


def grown(volume: PersistentVolume, claim: PersistentVolumeClaim) -> Body:
    """The volume with the size that its claim has grown to: of those provisioned on a node, none is ever full."""
    ours = volume.metadata.annotations.get(PROVISIONED_BY) == LOCAL_PROVISIONER
    held = parse(str(volume.spec.capacity.get("storage", "0")))
    return {"spec": {"capacity": {"storage": claim.size}}} if ours and parse(claim.size) > held else {}


def of_claim(claim: PersistentVolumeClaim, volume: PersistentVolume) -> Body:
    """The claim's end: the volume's name, and that it was bound."""
    name, annotations = volume.metadata.name, dict[str, str]()
    if BIND_COMPLETED not in claim.metadata.annotations:
        annotations[BIND_COMPLETED] = "yes"
    if claim.spec.volume_name == name:
        return {"metadata": {"annotations": annotations}} if annotations else {}
    return {"metadata": {"annotations": annotations | {BOUND_BY_CONTROLLER: "yes"}}, "spec": {"volumeName": name}}


def claim_status(claim: PersistentVolumeClaim, volume: PersistentVolume) -> Body:
    """What a bound claim says of its volume. Only what is provisioned on a node has its size changed later."""
    status, spec = claim.status, volume.spec
    ours = volume.metadata.annotations.get(PROVISIONED_BY) == LOCAL_PROVISIONER
    sized = status.capacity == spec.capacity if ours else bool(status.capacity)
    if (status.phase, status.access_modes, sized) == ("Bound", spec.access_modes, True):
        return {}
    return {"phase": "Bound", "accessModes": list(spec.access_modes), "capacity": spec.capacity}


def unbound(volume: PersistentVolume, part: str) -> Body:
    """Takes the volume's end back: all of what we wrote, or the uid in what its maker wrote."""
    if part == "uid":
        return {"spec": {"claimRef": {"uid": None, "resourceVersion": None}}}
    return {"spec": {"claimRef": None}, "metadata": {"annotations": {BOUND_BY_CONTROLLER: None}}}


def pinned(body: Body, uid: str, version: str) -> Body:
    """The patch for this very version of this very object."""
    return {**body, "metadata": {**body.get("metadata", {}), "uid": uid, "resourceVersion": version}}
