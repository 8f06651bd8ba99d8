"""StorageClasses: defaulting, validation, which of them is the default one.

Source: pkg/apis/storage/{v1/defaults.go,validation/validation.go}, pkg/volume/util/storageclass.go (1.37).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api import names
from kube46.api.errors import FieldError, duplicate, each_invalid, invalid, not_supported, required, too_long
from kube46.api.storage import shared

if TYPE_CHECKING:
    from collections.abc import Iterable

Object = dict[str, Any]

RECLAIM, MODES = ("Delete", "Retain"), ("Immediate", "WaitForFirstConsumer")
PARAMETERS, PARAMETERS_SIZE = 512, 256 * 1024
DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
FIXED = ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")


def default(obj: Object) -> None:
    """Volumes go with their claims and are bound at once."""
    for key, value in (("reclaimPolicy", "Delete"), ("volumeBindingMode", "Immediate")):
        if obj.get(key) is None:
            obj[key] = value


def errors(obj: Object) -> list[FieldError]:
    """Every error."""
    provisioner = obj.get("provisioner") or ""
    found = [] if provisioner else [required("provisioner")]
    if provisioner:
        found += each_invalid("provisioner", provisioner.lower(), names.qualified(provisioner.lower()))
    found += _parameters(obj.get("parameters") or {})
    if (policy := obj["reclaimPolicy"]) and policy not in RECLAIM:
        found.append(not_supported("reclaimPolicy", policy, RECLAIM))
    if (mode := obj["volumeBindingMode"]) not in MODES:
        found.append(not_supported("volumeBindingMode", mode, MODES))
    return found + _topologies(obj.get("allowedTopologies") or [])


def _parameters(parameters: dict[str, str]) -> list[FieldError]:
    if len(parameters) > PARAMETERS:
        return [too_long("parameters", PARAMETERS)]
    found = [invalid("parameters", key, "field can not be empty.") for key in parameters if not key]
    size = sum(len(key.encode()) + len(value.encode()) for key, value in parameters.items())
    return found + ([too_long("parameters", PARAMETERS_SIZE)] if size > PARAMETERS_SIZE else [])


def _topologies(terms: list[Object]) -> list[FieldError]:
    found: list[FieldError] = []
    before: list[dict[str, set[str]]] = []
    for index, term in enumerate(terms):
        place = f"allowedTopologies[{index}].matchLabelExpressions"
        pairs: dict[str, set[str]] = {}
        for number, one in enumerate(term.get("matchLabelExpressions") or ()):
            key = one.get("key") or ""
            found += _requirement(one, f"{place}[{number}]")
            if key in pairs:
                found.append(duplicate(f"{place}[{number}].key", key))
            pairs[key] = set(one.get("values") or ())
        found += [duplicate(place, "") for other in before if other == pairs]
        before.append(pairs)
    return found


def _requirement(one: Object, field: str) -> list[FieldError]:
    values, key = one.get("values") or [], one.get("key") or ""
    found = [] if values else [required(f"{field}.values")]
    found += [duplicate(f"{field}.values[{i}]", value) for i, value in enumerate(values) if value in values[:i]]
    return found + each_invalid(f"{field}.key", key, names.qualified(key))


def changed(new: Object, old: Object) -> list[FieldError]:
    """Errors of an update: what volumes are made by stays."""
    texts = [key for key in FIXED if (new.get(key) or None) != (old.get(key) or None)]
    return [invalid(key, None, shared.IMMUTABLE) for key in texts]


def default_class(classes: Iterable[Object]) -> str:
    """The name of the class that claims get which name none; of several the newest, of those the first by name."""
    marked = [
        one["metadata"]
        for one in classes
        if any((one["metadata"].get("annotations") or {}).get(key) == "true" for key in DEFAULT)
    ]
    marked.sort(key=lambda meta: meta["name"])
    marked.sort(key=lambda meta: str(meta.get("creationTimestamp")), reverse=True)
    return str(marked[0]["name"]) if marked else ""
