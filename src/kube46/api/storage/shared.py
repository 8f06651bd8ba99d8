"""What volumes, claims and classes are checked for alike: access modes, quantities, nodes, and what may not change.

Source: pkg/apis/core/validation/validation.go, k8s.io/apimachinery/pkg/util/diff (1.37).
"""

from __future__ import annotations

import difflib
import json
from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, each_invalid, forbidden, invalid, not_supported, required
from kube46.api.quantities import parse

Object = dict[str, Any]

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
IMMUTABLE = "field is immutable"


def class_of(obj: Object) -> str:
    """The StorageClass's name of a volume or claim, "" for none; the annotation of old times comes first."""
    annotations = obj["metadata"].get("annotations") or {}
    name = annotations.get(CLASS_ANNOTATION, (obj.get("spec") or {}).get("storageClassName"))
    return name or ""


def access_modes(modes: list[str], field: str) -> list[FieldError]:
    """Errors of a list of access modes that is not empty."""
    found = [not_supported(field, mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES]
    known = {mode for mode in modes if mode in ACCESS_MODES}
    if "ReadWriteOncePod" in known and len(known) > 1:
        found.append(forbidden(field, "may not use ReadWriteOncePod with other access modes"))
    return found


def positive(quantity: str, field: str) -> list[FieldError]:
    """An error of an amount that is not above zero."""
    return [] if parse(quantity) > 0 else [invalid(field, quantity, "must be greater than zero")]


def basic(quantity: str, field: str) -> list[FieldError]:
    """An error of an amount below zero."""
    number = parse(quantity)
    return [] if number >= 0 else [invalid(field, int(number), "must be a valid resource quantity")]


def class_name(name: str | None, field: str) -> list[FieldError]:
    """Errors of the name of a class."""
    return each_invalid(field, name, names.subdomain(name)) if name else []


def node_selector(selector: Object, field: str) -> list[FieldError]:
    """Errors of a node selector: it has a term, and each term's requirements make sense."""
    terms = selector.get("nodeSelectorTerms") or []
    if not terms:
        return [required(f"{field}.nodeSelectorTerms", "must have at least one node selector term")]
    found: list[FieldError] = []
    for index, term in enumerate(terms):
        place = f"{field}.nodeSelectorTerms[{index}]"
        for number, one in enumerate(term.get("matchExpressions") or ()):
            found += _expression(one, f"{place}.matchExpressions[{number}]")
        for number, one in enumerate(term.get("matchFields") or ()):
            found += _field(one, f"{place}.matchFields[{number}]")
    return found


def _expression(one: Object, field: str) -> list[FieldError]:
    operator, values, key = one.get("operator") or "", one.get("values") or [], one.get("key") or ""
    found: list[FieldError] = []
    if operator in ("In", "NotIn"):
        if not values:
            found.append(required(f"{field}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            found.append(forbidden(f"{field}.values", text))
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            found.append(required(f"{field}.values", text))
    else:
        found.append(invalid(f"{field}.operator", operator, "not a valid selector operator"))
    found += each_invalid(f"{field}.key", key, names.qualified(key))
    for index, value in enumerate(values):
        found += each_invalid(f"{field}.values[{index}]", value, names.label_value(value))
    return found


def _field(one: Object, field: str) -> list[FieldError]:
    operator, values, key = one.get("operator") or "", one.get("values") or [], one.get("key") or ""
    found: list[FieldError] = []
    if operator not in ("In", "NotIn"):
        found.append(invalid(f"{field}.operator", operator, "not a valid selector operator"))
    elif len(values) != 1:
        text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        found.append(required(f"{field}.values", text))
    if key != "metadata.name":
        return [*found, invalid(f"{field}.key", key, "not a valid field selector key")]
    for index, value in enumerate(values):
        found += each_invalid(f"{field}.values[{index}]", value, names.subdomain(value))
    return found


def difference(old: Object, new: Object) -> str:
    """The difference of two values as Kubernetes' refusals show it: a unified diff of their JSON."""
    before, after = (json.dumps(value, indent=1, ensure_ascii=False).split("\n") for value in (old, new))
    lines = list(difflib.unified_diff(before, after, n=3, lineterm=""))[2:]
    return "".join(f"{line}\n" for line in lines)


def internal(value: Any) -> Any:
    """A value with the field names of Kubernetes' internal types, in which refusals show it: `path` is `Path`."""
    if isinstance(value, dict):
        return {key[:1].upper() + key[1:]: internal(item) for key, item in value.items()}
    return [internal(item) for item in value] if isinstance(value, list) else value
