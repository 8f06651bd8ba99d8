"""Where the data of hostPath and PersistentVolumeClaim volumes lie on the node, and whether a pod may have them (pure).

Source: pkg/volume/{hostpath,local}, pkg/kubelet/volumemanager (the texts of refusals).
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from kube46.api.objects import Meta
from kube46.api.storage_objects import PathSource, PersistentVolume, PersistentVolumeClaim
from kube46.controllers.selectors import selects_node
from kube46.lab.hostpaths import HostPath
from kube46.lab.kubelet.manifests import PodSpec, Volume
from kube46.lab.kubelet.security import ConfigError

MOUNT = "FailedMount"
DEVICES = ("BlockDevice", "CharDevice")
MUST_EXIST = "exists"  # a kind of ours beside hostPath's types: whatever it is, it is there
NO_SOURCE = ("accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "storageClassName", "volumeMode")


@dataclass(frozen=True, slots=True)
class Place:
    """A path `inside` of a directory `root` that is ours to trust; it is opened from there, and must not leave it."""

    root: Path
    inside: str = ""
    kind: str = ""  # hostPath's types: what it must be, and whether it may be made
    read_only: bool = False
    owned: bool = False  # the pod's fsGroup takes it over
    view: bool = False  # all of the machine's file system, as a container's own root shows it


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim of the pod's with its volume, as far as they exist."""

    claim: PersistentVolumeClaim | None = None
    volume: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Grounds:
    """What of the node's is for pods to mount: allowed paths, volumes provisioned here, and the node's labels."""

    roots: tuple[HostPath, ...] = ()
    provisioned: Path = Path("/nonexistent")
    node_name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    mend: str = "--host-path-root DIR"  # how the administrator allows a path


def claim_names(pod_name: str, spec: PodSpec) -> dict[str, str]:
    """The claim of each volume that has one; that of a generic ephemeral volume is named after pod and volume."""
    found = {v.name: v.persistent_volume_claim.claim_name for v in spec.volumes if v.persistent_volume_claim}
    return found | {v.name: f"{pod_name}-{v.name}" for v in spec.volumes if v.ephemeral}


def place_of(volume: Volume, pod: Meta, claims: Mapping[str, Claimed], grounds: Grounds) -> Place | None:
    """Where the volume's data lie; None for a volume that the kubelet fills. Raises ConfigError."""
    if volume.host_path:
        return host_path(volume.host_path.path, volume.host_path.type, grounds)
    if source := volume.persistent_volume_claim:
        found = claimed(claims.get(source.claim_name, Claimed()), f"{pod.namespace}/{source.claim_name}", grounds)
        return replace(found, read_only=found.read_only or source.read_only)
    if volume.ephemeral:
        name = f"{pod.name}-{volume.name}"
        mine = claims.get(name, Claimed())
        if mine.claim and all(owner.uid != pod.uid for owner in mine.claim.metadata.owner_references):
            raise ConfigError(f"PVC {pod.namespace}/{name} was not created for pod {pod.namespace}/{pod.name}", MOUNT)
        return claimed(mine, f"{pod.namespace}/{name}", grounds)
    return None


def host_path(path: str, kind: str, grounds: Grounds) -> Place:
    """A path of the machine's: below an allowed one, or all of it as a view. Raises ConfigError that says the mend."""
    if kind in DEVICES:
        raise ConfigError(f"hostPath type {kind} is not supported: containers get no devices of the machine", MOUNT)
    clean = os.path.normpath("/" + path.lstrip("/"))
    holders = [root for root in grounds.roots if root.holds(clean)] if ".." not in path.split("/") else []
    if holders:
        root = max(holders, key=lambda holder: len(holder.path))
        inside = str(PurePosixPath(clean).relative_to(root.path))
        return Place(Path(root.path), "" if inside == "." else inside, kind, root.read_only)
    if clean == "/" and kind in ("", "Directory", "DirectoryOrCreate"):
        return Place(Path("/"), kind="Directory", read_only=True, view=True)
    listed = ", ".join(map(str, grounds.roots)) or "none"
    text = f"hostPath {path} is outside of what pods may mount of this machine ({listed})"
    raise ConfigError(f"{text}: the administrator allows it with `{grounds.mend.replace('DIR', path)}`", MOUNT)


def claimed(found: Claimed, name: str, grounds: Grounds) -> Place:
    """Where a claim's volume lies on this node. Raises ConfigError with kubelet's texts."""
    claim = found.claim
    if claim is None:
        missing = name.partition("/")[2]
        raise _unprocessed(name, f'failed to fetch PVC from API server: persistentvolumeclaims "{missing}" not found')
    if claim.status.phase != "Bound" or not claim.spec.volume_name:
        raise _unprocessed(name, "PVC is not bound")
    if found.volume is None:
        missing = claim.spec.volume_name
        raise _unprocessed(
            name, f'failed to fetch PV {missing} from API server: persistentvolumes "{missing}" not found'
        )
    volume = msgspec.convert(found.volume, PersistentVolume)
    ref = volume.spec.claim_ref
    if ref is None or ref.uid != claim.metadata.uid:
        text = f'PV "{volume.metadata.name}" spec.claimRef.uid {ref.uid if ref else ""} does not match PVC.UID'
        raise _unprocessed(name, f"{text} {claim.metadata.uid}")
    return persistent(volume, found.volume["spec"], grounds)


def _unprocessed(name: str, why: str) -> ConfigError:
    return ConfigError(f"error processing PVC {name}: {why}", MOUNT)


def persistent(volume: PersistentVolume, spec: Mapping[str, Any], grounds: Grounds) -> Place:
    """Where a PersistentVolume lies. Raises ConfigError."""
    name, affinity = volume.metadata.name, volume.spec.node_affinity
    if volume.spec.volume_mode == "Block":
        raise ConfigError(f"PersistentVolume {name}: volumeMode Block is not supported", MOUNT)
    if affinity and affinity.required and not selects_node(affinity.required, grounds.node_name, grounds.labels):
        raise ConfigError(
            f"PersistentVolume {name}: storage node affinity check failed: no matching NodeSelectorTerms", MOUNT
        )
    if source := volume.spec.host_path:
        return host_path(source.path, source.type, grounds)
    if volume.spec.local:
        return _local(volume.spec.local, grounds)
    kinds = [key for key, value in spec.items() if isinstance(value, dict) and key not in NO_SOURCE]
    text = f"PersistentVolume {name}: its type {', '.join(kinds)} is not supported here"
    raise ConfigError(f"{text}; hostPath and local are", MOUNT)


def _local(source: PathSource, grounds: Grounds) -> Place:
    """A volume that was provisioned here, or one below an allowed path; its data are there already."""
    path = Path(source.path)
    if path.parent == grounds.provisioned and ".." not in path.parts:
        return Place(grounds.provisioned, path.name, "Directory", owned=True)
    return replace(host_path(source.path, MUST_EXIST, grounds), owned=True)


def complaint(place: Place, mode: int | None) -> str:
    """What is wrong with what is there (its st_mode; None: nothing is), in kubelet's words; "" when it is right."""
    path, kind = place.root / place.inside, place.kind
    if kind in ("Directory", "DirectoryOrCreate"):
        fine = mode is not None and stat.S_ISDIR(mode)
        return "" if fine else f"hostPath type check failed: {path} is not a directory"
    if kind in ("File", "FileOrCreate"):
        fine = mode is not None and stat.S_ISREG(mode)
        return "" if fine else f"hostPath type check failed: {path} is not a file"
    if kind == "Socket":
        fine = mode is not None and stat.S_ISSOCK(mode)
        return "" if fine else f"hostPath type check failed: {path} is not a socket file"
    return "" if mode is not None else f'path "{path}" does not exist'


def made_as(place: Place) -> str:
    """What is made where nothing is: "directory", "file" or ""."""
    if place.read_only:
        return ""
    return {"": "directory", "DirectoryOrCreate": "directory", "FileOrCreate": "file"}.get(place.kind, "")
