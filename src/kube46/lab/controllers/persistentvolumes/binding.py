"""The writes that make a binding, and that take it back: bodies of patches, empty when nothing lacks: pure."""

from typing import Any

from kube46.api.storage_objects import BIND_COMPLETED, BOUND_BY_CONTROLLER, PersistentVolume, PersistentVolumeClaim

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


def of_claim(claim: PersistentVolumeClaim, volume: PersistentVolume) -> Body:
    """The claim's end: the volume's name, and that it was bound."""
    name, annotations = volume.metadata.name, dict[str, str]()
    if BIND_COMPLETED not in claim.metadata.annotations:
        annotations[BIND_COMPLETED] = "yes"
    if claim.spec.volume_name == name:
        return {"metadata": {"annotations": annotations}} if annotations else {}
    return {"metadata": {"annotations": annotations | {BOUND_BY_CONTROLLER: "yes"}}, "spec": {"volumeName": name}}


def claim_status(claim: PersistentVolumeClaim, volume: PersistentVolume) -> Body:
    """What a bound claim says of its volume. Its capacity is what the volume had when it was bound."""
    status, spec = claim.status, volume.spec
    if (status.phase, status.access_modes) == ("Bound", spec.access_modes) and status.capacity:
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
