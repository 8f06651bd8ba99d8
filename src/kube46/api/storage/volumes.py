"""PersistentVolumes: defaulting, validation, and what of them may change once they exist.

Source: pkg/apis/core/{v1/defaults.go,validation/validation.go}, pkg/volume/validation, pkg/api/persistentvolume (1.37).
"""

from __future__ import annotations

from typing import Any

from kube46.api.errors import FieldError, forbidden, go_json, invalid, not_supported, required
from kube46.api.pods.volumes import host_path
from kube46.api.storage import shared

Object = dict[str, Any]

FINALIZER = "kubernetes.io/pv-protection"
RECLAIM = ("Delete", "Recycle", "Retain")
# The sources in the order of the internal type, its names first; the second is their name in the API.
SOURCES = (
    ("GCEPersistentDisk", "gcePersistentDisk"), ("AWSElasticBlockStore", "awsElasticBlockStore"),
    ("HostPath", "hostPath"), ("Glusterfs", "glusterfs"), ("NFS", "nfs"), ("RBD", "rbd"), ("Quobyte", "quobyte"),
    ("ISCSI", "iscsi"), ("FlexVolume", "flexVolume"), ("Cinder", "cinder"), ("CephFS", "cephfs"), ("FC", "fc"),
    ("Flocker", "flocker"), ("AzureFile", "azureFile"), ("VsphereVolume", "vsphereVolume"), ("AzureDisk", "azureDisk"),
    ("PhotonPersistentDisk", "photonPersistentDisk"), ("PortworxVolume", "portworxVolume"), ("ScaleIO", "scaleIO"),
    ("Local", "local"), ("StorageOS", "storageos"), ("CSI", "csi"),
)  # fmt: skip
# The order in which more than one is complained about.
CHECKED = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd", "quobyte", "cephfs",
    "iscsi", "cinder", "fc", "flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume",
    "azureDisk", "scaleIO", "local", "storageos", "csi",
)  # fmt: skip
RECYCLE = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning."
MOUNT_OPTIONS = "volume.beta.kubernetes.io/mount-options"
NO_MOUNT_OPTIONS = ("csi", "fc", "flexVolume", "flocker", "hostPath", "local", "portworxVolume", "scaleIO", "storageos")
DEPRECATED = (
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
)


def default(obj: Object) -> None:
    """A volume holds a file system and is kept when its claim goes."""
    spec: Object = obj.setdefault("spec", {})
    spec["persistentVolumeReclaimPolicy"] = spec.get("persistentVolumeReclaimPolicy") or "Retain"
    if spec.get("volumeMode") is None:
        spec["volumeMode"] = "Filesystem"
    if (path := spec.get("hostPath")) is not None and path.get("type") is None:
        path["type"] = ""
    obj.setdefault("status", {}).setdefault("phase", "Pending")


def errors(obj: Object) -> list[FieldError]:
    """Every error of `spec`, and annotations that don't go with it."""
    spec: Object = obj["spec"]
    modes = spec.get("accessModes") or []
    found = [] if modes else [required("spec.accessModes")]
    found += shared.access_modes(modes, "spec.accessModes") + _capacity(spec.get("capacity"))
    if (policy := spec["persistentVolumeReclaimPolicy"]) not in RECLAIM:
        found.append(not_supported("spec.persistentVolumeReclaimPolicy", policy, RECLAIM))
    if spec.get("nodeAffinity") is not None:
        found += _affinity(spec["nodeAffinity"], "spec.nodeAffinity")
    found += _sources(spec)
    found += shared.class_name(spec.get("storageClassName"), "spec.storageClassName")
    if (mode := spec["volumeMode"]) not in shared.VOLUME_MODES:
        found.append(not_supported("spec.volumeMode", mode, shared.VOLUME_MODES))
    return found + _attributes(spec) + _mount_options(obj)


def _capacity(given: Object | None) -> list[FieldError]:
    capacity = None if given is None else dict(sorted(given.items()))
    found = [] if capacity else [required("spec.capacity")]
    if not capacity or "storage" not in capacity or len(capacity) > 1:
        found.append(not_supported("spec.capacity", capacity, ("storage",)))
    for name, amount in (capacity or {}).items():
        place = f"spec.capacity[{name}]"
        found += shared.basic(amount, place) + shared.positive(amount, place)
    return found


def _affinity(affinity: Object, field: str) -> list[FieldError]:
    if affinity.get("required") is None:
        return [required(f"{field}.required", "must specify required node constraints")]
    return shared.node_selector(affinity["required"], f"{field}.required")


def _sources(spec: Object) -> list[FieldError]:
    """Errors of the one source that a volume has."""
    given = [name for name in CHECKED if spec.get(name) is not None]
    if not given:
        return [required("spec", "must specify a volume type")]
    first, found = given[0], list[FieldError]()
    if first == "hostPath":
        found += host_path("spec.hostPath", spec["hostPath"])
    if first == "local":
        found += _local(spec["local"])
        if spec.get("nodeAffinity") is None:
            found.append(required("spec.nodeAffinity", "Local volume requires node affinity"))
    found += [forbidden(f"spec.{name}", "may not specify more than 1 volume type") for name in given[1:]]
    path = (spec.get("hostPath") or {}).get("path") or ""
    if path and not path.strip("/") and spec["persistentVolumeReclaimPolicy"] == "Recycle":
        text = "may not be 'recycle' for a hostPath mount of '/'"
        found.append(forbidden("spec.persistentVolumeReclaimPolicy", text))
    return found


def _local(source: Object) -> list[FieldError]:
    path = source.get("path") or ""
    if not path:
        return [required("spec.local.path")]
    return [invalid("spec.local.path", path, "must not contain '..'")] if ".." in path.split("/") else []


def _attributes(spec: Object) -> list[FieldError]:
    name, field = spec.get("volumeAttributesClassName"), "spec.volumeAttributesClassName"
    if name is None:
        return []
    found = shared.class_name(name, field) if name else [required(field, "an empty string is disallowed")]
    if spec.get("csi") is None:
        found.append(required("spec.csi", "has to be specified when using volumeAttributesClassName"))
    return found


def _mount_options(obj: Object) -> list[FieldError]:
    given = MOUNT_OPTIONS in (obj["metadata"].get("annotations") or {})
    if given and any(obj["spec"].get(name) is not None for name in NO_MOUNT_OPTIONS):
        text = "may not specify mount options for this volume type"
        return [forbidden(f"metadata.annotations.{MOUNT_OPTIONS}", text)]
    return []


def changed(new: Object, old: Object) -> list[FieldError]:
    """Errors of an update: a volume stays what and where it is."""
    after, before = new["spec"], old["spec"]
    found: list[FieldError] = []
    if any(after.get(name) != before.get(name) for _, name in SOURCES):
        text = "spec.persistentvolumesource is immutable after creation"
        shown = shared.difference(_shown(before), _shown(after))
        found.append(forbidden("spec.persistentvolumesource", f"{text}\n{shown}"))
    if after.get("volumeMode") != before.get("volumeMode"):
        found.append(invalid("volumeMode", after.get("volumeMode"), shared.IMMUTABLE))
    affinity = before.get("nodeAffinity")
    if affinity is not None and after.get("nodeAffinity") != affinity:
        text = f"{shared.IMMUTABLE}, except for updating from beta label to GA"
        body = f"Invalid value: {go_json(_node_affinity(after.get('nodeAffinity')))}: {text}"
        found.append(FieldError("FieldValueInvalid", "nodeAffinity", body))
    return found


def _shown(spec: Object) -> Object:
    shown = {inner: shared.internal(spec.get(name)) for inner, name in SOURCES}
    if (local := shown["Local"]) is not None:
        shown["Local"] = {"Path": local.get("Path", ""), "FSType": local.get("FsType")}
    return shown


def _node_affinity(affinity: Object | None) -> Object | None:
    if affinity is None:
        return None
    terms = [
        {kind[:1].upper() + kind[1:]: _requirements(term.get(kind)) for kind in ("matchExpressions", "matchFields")}
        for term in (affinity.get("required") or {}).get("nodeSelectorTerms") or ()
    ]
    return {"Required": {"NodeSelectorTerms": terms}}


def _requirements(listed: list[Object] | None) -> list[Object] | None:
    if listed is None:
        return None
    return [{"Key": one.get("key"), "Operator": one.get("operator"), "Values": one.get("values")} for one in listed]


def node_term(node: str) -> Object:
    """The term of a node selector that holds for one node."""
    return {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}


def warnings(obj: Object) -> list[str]:
    """What is deprecated."""
    annotations, spec = obj["metadata"].get("annotations") or {}, obj["spec"]
    olds = (
        (shared.CLASS_ANNOTATION, 'deprecated since v1.8; use "storageClassName" attribute instead'),
        (MOUNT_OPTIONS, 'deprecated since v1.31; use "mountOptions" attribute instead'),
    )
    found = [f"metadata.annotations[{key}]: {text}" for key, text in olds if key in annotations]
    if spec["persistentVolumeReclaimPolicy"] == "Recycle":
        found.append(f"spec.persistentVolumeReclaimPolicy: {RECYCLE}")
    return found + [f"spec.{shown}: {text}" for name, shown, text in DEPRECATED if spec.get(name) is not None]
