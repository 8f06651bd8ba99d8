"""PersistentVolumeClaims: defaulting, validation, and what of them may change once they exist.

Source: pkg/apis/core/{v1/defaults.go,validation/validation.go}, pkg/api/persistentvolumeclaim/util.go (1.37).
"""

from __future__ import annotations

import copy
import math
from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, each_invalid, forbidden, invalid, not_supported, required
from kube46.api.quantities import parse
from kube46.api.selectors import selector_errors
from kube46.api.storage import shared
from kube46.api.storage.shared import CLASS_ANNOTATION

Object = dict[str, Any]

FINALIZER = "kubernetes.io/pvc-protection"
SNAPSHOT = ("snapshot.storage.k8s.io", "VolumeSnapshot")
AT_LEAST_ONE = "at least 1 access mode is required"
SET_ONCE = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
STORAGE = "spec.resources.requests.storage"


def default(obj: Object) -> None:
    """A claim is for a file system, and waits."""
    default_spec(obj.setdefault("spec", {}))
    obj.setdefault("status", {}).setdefault("phase", "Pending")


def default_spec(spec: Object) -> None:
    """What a claim's spec says when it says nothing."""
    if spec.get("volumeMode") is None:
        spec["volumeMode"] = "Filesystem"


def prepare(spec: Object, old: Object | None = None) -> None:
    """Sources of data that the server takes are named in both fields, others are dropped (KEP-1495)."""
    if (spec.get("dataSourceRef") or {}).get("namespace"):
        spec.pop("dataSourceRef")  # CrossNamespaceVolumeDataSource is off
    kept = old is not None and (old.get("dataSource") or old.get("dataSourceRef"))
    source = spec.get("dataSource")
    if source is not None and not kept and spec.get("dataSourceRef") is None:
        group, kind = source.get("apiGroup") or "", source.get("kind")
        if (group, kind) not in (("", "PersistentVolumeClaim"), SNAPSHOT):
            spec.pop("dataSource")
    for one, other in (("dataSource", "dataSourceRef"), ("dataSourceRef", "dataSource")):
        if spec.get(one) is not None and spec.get(other) is None:
            spec[other] = copy.deepcopy(spec[one])


def errors(obj: Object) -> list[FieldError]:
    """Every error of `spec`."""
    return spec_errors(obj["spec"], "spec")


def spec_errors(spec: Object, field: str) -> list[FieldError]:
    """Every error of a claim's spec, which may be part of a template."""
    modes = spec.get("accessModes") or []
    found = [] if modes else [required(f"{field}.accessModes", AT_LEAST_ONE)]
    if spec.get("selector") is not None:
        found += selector_errors(spec["selector"], f"{field}.selector")
    found += shared.access_modes(modes, f"{field}.accessModes")
    place, amount = f"{field}.resources[storage]", size(spec)
    found += [required(place)] if amount is None else shared.positive(amount, place)
    found += shared.class_name(spec.get("storageClassName"), f"{field}.storageClassName")
    if (mode := spec.get("volumeMode")) is not None and mode not in shared.VOLUME_MODES:
        found.append(not_supported(f"{field}.volumeMode", mode, shared.VOLUME_MODES))
    one, other = spec.get("dataSource"), spec.get("dataSourceRef")
    for name, source in (("dataSource", one), ("dataSourceRef", other)):
        found += _source(source, f"{field}.{name}") if source is not None else []
    if one is not None and other is not None and one != other:
        found.append(invalid(field, {}, "must match dataSourceRef"))
    return found + shared.class_name(spec.get("volumeAttributesClassName"), f"{field}.volumeAttributesClassName")


def size(spec: Object) -> str | None:
    """The storage that a claim requests; None when it names none."""
    requests = (spec.get("resources") or {}).get("requests") or {}
    return requests.get("storage")


def _source(source: Object, field: str) -> list[FieldError]:
    found = [required(f"{field}.{key}") for key in ("name", "kind") if not source.get(key)]
    group, kind = source.get("apiGroup") or "", source.get("kind") or ""
    if not group and kind != "PersistentVolumeClaim":
        text = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        found.append(invalid(field, kind, text))
    return found + (each_invalid(f"{field}.apiGroup", group, names.subdomain(group)) if group else [])


def changed(new: Object, old: Object) -> list[FieldError]:
    """Errors of an update: the volume's name is set once, a class may be added, a bound claim may grow."""
    after, before = copy.deepcopy(new["spec"]), copy.deepcopy(old["spec"])
    found: list[FieldError] = []
    if not before.get("volumeName"):
        _same("volumeName", before, after)
    found += _class_errors(new, old, after, before)
    if (new.get("status") or {}).get("phase") == "Bound":
        _same("volumeAttributesClassName", after, before)
        if (requests := (after.get("resources") or {}).get("requests")) and (amount := size(before)) is not None:
            requests["storage"] = amount
    if _shown(after) != _shown(before):
        found.append(forbidden("spec", f"{SET_ONCE}\n{shared.difference(_shown(before), _shown(after))}"))
    found += _shrunk(new, old)
    if new["spec"].get("volumeMode") != old["spec"].get("volumeMode"):
        found.append(invalid("volumeMode", new["spec"].get("volumeMode"), shared.IMMUTABLE))
    return found


def _same(key: str, target: Object, source: Object) -> None:
    target.pop(key, None)
    if source.get(key) is not None:
        target[key] = source[key]


def _class_errors(new: Object, old: Object, after: Object, before: Object) -> list[FieldError]:
    """A class may be named later: by the annotation's name, or where none was; takes it out of the comparison."""
    mine, given = (obj["metadata"].get("annotations") or {} for obj in (old, new))
    annotated, name = mine.get(CLASS_ANNOTATION), after.get("storageClassName")
    fresh = name is not None and before.get("storageClassName") is None
    if fresh and annotated == name and given.get(CLASS_ANNOTATION, annotated) == annotated:
        after.pop("storageClassName")
        return []
    if fresh and annotated in (None, name):
        after.pop("storageClassName")
    if given.get(CLASS_ANNOTATION, "") == (annotated or ""):
        return []
    place = f"metadata.annotations.{CLASS_ANNOTATION}"
    return [invalid(place, given.get(CLASS_ANNOTATION, ""), shared.IMMUTABLE)]


def _shrunk(new: Object, old: Object) -> list[FieldError]:
    """A request that failed to grow may shrink again, but not below what there is (KEP-1790)."""
    held = ((old.get("status") or {}).get("capacity") or {}).get("storage", "0")
    amount, was = (parse(size(obj["spec"]) or "0") for obj in (new, old))
    if amount >= was or amount > parse(held):
        return []
    return [forbidden(STORAGE, "field can not be less than status.capacity")]


def _shown(spec: Object) -> Object:
    """The spec as the internal type's JSON has it, every field of it."""
    resources = spec.get("resources") or {}
    return {
        "AccessModes": spec.get("accessModes"),
        "Selector": spec.get("selector"),
        "Resources": {"Limits": resources.get("limits"), "Requests": resources.get("requests")},
        "VolumeName": spec.get("volumeName") or "",
        **{
            key[:1].upper() + key[1:]: shared.internal(spec.get(key))
            for key in ("storageClassName", "volumeMode", "dataSource", "dataSourceRef", "volumeAttributesClassName")
        },
    }


def status_errors(new: Object) -> list[FieldError]:
    """Errors of a written status."""
    status = new.get("status") or {}
    found = [] if new["spec"].get("accessModes") else [required("Spec.accessModes")]
    for name, amount in (status.get("capacity") or {}).items():
        found += shared.basic(amount, f"status.capacity[{name}]")
    for name in status.get("allocatedResources") or {}:
        if name != "storage" and "/" not in name:
            found.append(not_supported("status.allocatedResources", name, ("storage",)))
    return found


def warnings(obj: Object) -> list[str]:
    """What is deprecated, and amounts that are no whole number of bytes."""
    found = []
    if CLASS_ANNOTATION in (obj["metadata"].get("annotations") or {}):
        text = 'deprecated since v1.8; use "storageClassName" attribute instead'
        found.append(f"metadata.annotations[{CLASS_ANNOTATION}]: {text}")
    return found + spec_warnings(obj["spec"], "spec")


def spec_warnings(spec: Object, path: str) -> list[str]:
    """Amounts of a claim that are no whole number of bytes."""
    resources = spec.get("resources") or {}
    kinds = ("requests", "limits")
    return [
        text
        for kind in kinds
        for text in fraction((resources.get(kind) or {}).get("storage"), f"{path}.resources.{kind}[storage]")
    ]


def fraction(amount: str | float | None, path: str) -> list[str]:
    """The warning about an amount that is no whole number of bytes."""
    if amount is None or not math.ceil(parse(amount) * 1000) % 1000:  # thousandths are rounded up
        return []
    return [f'{path}: fractional byte value "{amount}" is invalid, must be an integer']
