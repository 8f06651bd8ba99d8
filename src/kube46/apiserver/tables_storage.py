"""The cells of PersistentVolumes, PersistentVolumeClaims and StorageClasses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api.storage.classes import DEFAULT
from kube46.api.storage.shared import class_of
from kube46.apiserver.tables_text import age, dig

if TYPE_CHECKING:
    import datetime

Object = dict[str, Any]
UNSET = "<unset>"
SHORT = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def volume(found: Object, now: datetime.datetime) -> list[Any]:
    """A PersistentVolume."""
    spec, claim = found.get("spec") or {}, dig(found, "spec", "claimRef")
    return [
        found["metadata"]["name"],
        dig(spec, "capacity", "storage") or "0",
        _modes(spec),
        spec.get("persistentVolumeReclaimPolicy") or "",
        _phase(found),
        f"{claim.get('namespace') or ''}/{claim.get('name') or ''}" if claim else "",
        class_of(found),
        _or_unset(spec.get("volumeAttributesClassName")),
        dig(found, "status", "reason") or "",
        age(found, now),
        _or_unset(spec.get("volumeMode")),
    ]


def claim(found: Object, now: datetime.datetime) -> list[Any]:
    """A PersistentVolumeClaim; capacity and modes are those of its volume."""
    spec, status = found.get("spec") or {}, found.get("status") or {}
    bound = bool(spec.get("volumeName"))
    return [
        found["metadata"]["name"],
        _phase(found),
        spec.get("volumeName") or "",
        (dig(status, "capacity", "storage") or "0") if bound else "",
        _modes(status) if bound else "",
        class_of(found),
        _or_unset(spec.get("volumeAttributesClassName")),
        age(found, now),
        _or_unset(spec.get("volumeMode")),
    ]


def storage_class(found: Object, now: datetime.datetime) -> list[Any]:
    """A StorageClass, marked when it is a default one."""
    annotations = dig(found, "metadata", "annotations") or {}
    default = any(annotations.get(key) == "true" for key in DEFAULT)
    return [
        found["metadata"]["name"] + (" (default)" if default else ""),
        found.get("provisioner") or "",
        found.get("reclaimPolicy") or "Delete",
        found.get("volumeBindingMode") or "Immediate",
        bool(found.get("allowVolumeExpansion")),
        age(found, now),
    ]


def _phase(found: Object) -> str:
    return "Terminating" if dig(found, "metadata", "deletionTimestamp") else dig(found, "status", "phase") or ""


def _modes(holder: Object) -> str:
    modes = holder.get("accessModes") or ()
    return ",".join(short for mode, short in SHORT.items() if mode in modes)


def _or_unset(value: str | None) -> str:
    return UNSET if value is None else value
