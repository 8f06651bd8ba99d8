"""Which volume fits a claim best: pure.

Source: k8s.io/component-helpers/storage/volume/pv_helpers.go (`FindMatchingVolume`), pv_controller_base.go.
"""

from collections.abc import Collection, Iterable

from kube46.api.objects import Node
from kube46.api.quantities import parse
from kube46.api.storage_objects import PersistentVolume, PersistentVolumeClaim
from kube46.controllers.selectors import matches, selects_node


def best(
    claim: PersistentVolumeClaim,
    volumes: Iterable[PersistentVolume],
    *,
    node: Node | None = None,
    excluded: Collection[str] = (),
    waits: bool = False,
) -> PersistentVolume | None:
    """The volume that is reserved for the claim, else the smallest that fits; None when there is none.

    With a `node` it must be reachable from there. `waits`: without a node only a reserved one is taken, as the
    scheduler has yet to choose.
    """
    found: list[PersistentVolume] = []
    for volume in volumes:
        if volume.metadata.name in excluded or not _could(volume, claim):
            continue
        reachable = node is None or reaches(volume, node)
        if volume.is_for(claim):
            return volume if reachable else None
        if (node is None and waits) or not reachable or volume.status.phase != "Available":
            continue
        if volume.storage_class == claim.storage_class and _selected(volume, claim):
            found.append(volume)
    # The binder keeps versatile volumes for those that need them; the scheduler goes by size alone.
    modes = 0 if node else 1
    return min(found, key=lambda v: (modes * len(v.spec.access_modes), parse(_size(v)), v.metadata.name), default=None)


def misfit(volume: PersistentVolume, claim: PersistentVolumeClaim) -> str:
    """Why a volume that a claim asks for by name can't be its; "" when it can."""
    if volume.metadata.deletion_timestamp:
        return f'the volume is marked for deletion "{volume.metadata.name}"'
    if parse(_size(volume)) < parse(claim.size):
        return "requested PV is too small"
    if volume.storage_class != claim.storage_class:
        return "storageClassName does not match"
    if volume.spec.volume_mode != claim.spec.volume_mode:
        return "incompatible volumeMode"
    return "" if has_modes(volume, claim) else "incompatible accessMode"


def reaches(volume: PersistentVolume, node: Node) -> bool:
    """Whether a node can have the volume."""
    affinity = volume.spec.node_affinity
    if affinity is None or affinity.required is None:
        return True
    return selects_node(affinity.required, node.metadata.name, node.metadata.labels)


def has_modes(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether the volume has all access modes that the claim wants."""
    return set(claim.spec.access_modes) <= set(volume.spec.access_modes)


def _could(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether nothing that never changes speaks against it."""
    if volume.spec.claim_ref and not volume.is_for(claim):
        return False
    if not has_modes(volume, claim):
        return False
    large = parse(_size(volume)) >= parse(claim.size)
    return large and volume.spec.volume_mode == claim.spec.volume_mode and not volume.metadata.deletion_timestamp


def _selected(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    return claim.spec.selector is None or matches(claim.spec.selector, volume.metadata.labels)


def _size(volume: PersistentVolume) -> str:
    return str(volume.spec.capacity.get("storage", "0"))
