"""metadata, the part that all kinds share: its validation on create and update, and generated names.

Sources: k8s.io/apimachinery/pkg/api/validation/objectmeta.go, k8s.io/apiserver/pkg/registry/rest/update.go,
pkg/apis/core/validation (finalizers), k8s.io/apiserver/pkg/storage/names (1.37).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, each_invalid, forbidden, go_quote, invalid, required, too_long

Object = dict[str, Any]
NameRule = Callable[[str], list[str]]

MANAGER_LIMIT, SUBRESOURCE_LIMIT = 128, 256  # bytes, of names in managedFields
ANNOTATIONS_LIMIT = 256 * 1024  # bytes of all keys and values together
STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels and look-alikes, as upstream
SUFFIX_LENGTH, NAME_LENGTH = 5, 63
IMMUTABLE = ("name", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def generate_name(base: str) -> str:
    """A name for `metadata.generateName`: the base, cut to fit, and five random characters."""
    suffix = "".join(random.choices(ALPHABET, k=SUFFIX_LENGTH))  # noqa: S311 (not a secret)
    return base[: NAME_LENGTH - SUFFIX_LENGTH] + suffix


def of(obj: Mapping[str, Any]) -> Object:
    """The object's metadata; an empty mapping when it has none."""
    return obj.get("metadata") or {}


def labels_valid(labels: Mapping[str, str] | None, field: str) -> list[FieldError]:
    """Errors of label keys and values, all at the field of the map itself."""
    errors: list[FieldError] = []
    for key, value in (labels or {}).items():
        errors += each_invalid(field, key, names.qualified(key))
        errors += each_invalid(field, value, names.label_value(value))
    return errors


def annotations_valid(annotations: Mapping[str, str] | None, field: str) -> list[FieldError]:
    """Errors of annotation keys, which may hold capitals, and of their size in all."""
    errors: list[FieldError] = []
    for key in annotations or {}:
        errors += each_invalid(field, key, names.qualified(key.lower()))
    size = sum(len(key.encode()) + len(value.encode()) for key, value in (annotations or {}).items())
    if size > ANNOTATIONS_LIMIT:
        errors.append(too_long(field, ANNOTATIONS_LIMIT))
    return errors


def manager_valid(name: str, field: str) -> list[FieldError]:
    """Errors of the name of a field manager."""
    errors = [too_long(field, MANAGER_LIMIT)] if len(name.encode()) > MANAGER_LIMIT else []
    position = 0
    for char in () if name.isprintable() else name:
        if not char.isprintable():  # Go shows a character itself only where it can be printed
            errors.append(invalid(field, name, f"invalid character U+{ord(char):04X} (at position {position})"))
        position += len(char.encode())
    return errors


def validate_create(obj: Object, name_rule: NameRule, *, namespaced: bool, core: bool = True) -> list[FieldError]:
    """Errors of a new object's metadata; `core` adds the check of finalizers that Kubernetes' own kinds have."""
    meta = of(obj)
    errors: list[FieldError] = []
    if base := meta.get("generateName"):
        prefix = base[:-2] + "a" if len(base) > 1 and base.endswith("-") else base
        errors += each_invalid("metadata.generateName", base, name_rule(prefix))
    if not meta.get("name"):
        errors.append(required("metadata.name", "name or generateName is required"))
    else:
        errors += each_invalid("metadata.name", meta["name"], name_rule(meta["name"]))
    errors += _namespace(meta, namespaced) + _common(meta)
    errors += _finalizers(meta)
    return errors + _kube_finalizers(meta) if core else errors


def _namespace(meta: Object, namespaced: bool) -> list[FieldError]:
    namespace = meta.get("namespace") or ""
    if not namespaced:
        return [forbidden("metadata.namespace", "not allowed on this type")] if namespace else []
    if not namespace:
        return [required("metadata.namespace")]
    return each_invalid("metadata.namespace", namespace, names.label(namespace))


def _common(meta: Object) -> list[FieldError]:
    errors = []
    if (meta.get("generation") or 0) < 0:
        errors.append(invalid("metadata.generation", meta["generation"], "must be greater than or equal to 0"))
    errors += labels_valid(meta.get("labels"), "metadata.labels")
    errors += annotations_valid(meta.get("annotations"), "metadata.annotations")
    return errors + _owners(meta.get("ownerReferences") or ()) + _managers(meta.get("managedFields") or ())


def _managers(entries: Sequence[Object]) -> list[FieldError]:
    """Errors of the names in managedFields; the rest of them is made anew by each write."""
    errors: list[FieldError] = []
    for index, entry in enumerate(entries):
        place = f"metadata.managedFields[{index}]"
        errors += manager_valid(entry.get("manager") or "", f"{place}.manager")
        if len((entry.get("subresource") or "").encode()) > SUBRESOURCE_LIMIT:
            errors.append(too_long(f"{place}.subresource", SUBRESOURCE_LIMIT))
    return errors


def _owners(owners: Sequence[Object]) -> list[FieldError]:
    field = "metadata.ownerReferences"
    errors: list[FieldError] = []
    controller = ""
    for index, owner in enumerate(owners):
        place, version = f"{field}[{index}]", owner.get("apiVersion") or ""
        if not version:
            errors.append(required(f"{place}.apiVersion", "must not be empty"))
        elif not version.rpartition("/")[2] or version.count("/") > 1:
            errors.append(invalid(f"{place}.apiVersion", version, "must be <group>/<version> or <version>"))
        errors += [
            required(f"{place}.{key}", "must not be empty") for key in ("kind", "name", "uid") if not owner.get(key)
        ]
        if version == "v1" and owner.get("kind") == "Event":
            errors.append(invalid(place, _owner_value(owner), "/v1, Kind=Event is disallowed from being an owner"))
        if owner.get("controller"):
            name = f"{owner.get('kind') or ''}/{owner.get('name') or ''}"
            if controller:
                text = "Only one reference can have Controller set to true. Found "
                text += f'"true" in references for {controller} and {name}'
                errors.append(invalid(field, [_owner_value(o) for o in owners], text))
            controller = controller or name
    return errors


def _owner_value(owner: Object) -> Object:
    value = {key: owner.get(key) or "" for key in ("apiVersion", "kind", "name", "uid")}
    return value | {key: owner[key] for key in ("controller", "blockOwnerDeletion") if key in owner}


def _finalizers(meta: Object) -> list[FieldError]:
    field, listed = "metadata.finalizers", meta.get("finalizers") or []
    errors = [error for name in listed for error in each_invalid(field, name, names.qualified(name))]
    if {"orphan", "foregroundDeletion"} <= set(listed):
        errors.append(invalid(field, listed, "finalizer orphan and foregroundDeletion cannot be both set"))
    return errors


def _kube_finalizers(meta: Object) -> list[FieldError]:
    text = "name is neither a standard finalizer name nor is it fully qualified"
    return [
        invalid(f"metadata.finalizers[{index}]", name, text)
        for index, name in enumerate(meta.get("finalizers") or ())
        if "/" not in name and name not in STANDARD_FINALIZERS
    ]


def validate_update(new: Object, old: Object, *, namespaced: bool, core: bool = True) -> list[FieldError]:
    """Errors of an updated object's metadata.

    The API machinery checks twice before a kind's own rules, which check the update once more: causes repeat.
    """
    meta, base = of(new), of(new).get("generateName") or ""
    errors = each_invalid("metadata.generateName", base, names.path_segment(base))
    errors += _namespace(meta, namespaced) + _common(meta) + _finalizers(meta)
    changed = _changed(meta, of(old))
    return errors + changed + changed + (_kube_finalizers(meta) if core else [])


def _changed(meta: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    if old.get("deletionTimestamp"):
        added = sorted({*(meta.get("finalizers") or ())} - {*(old.get("finalizers") or ())})
        if added:
            listed = "[]string{" + ", ".join(map(go_quote, added)) + "}"
            text = f"no new finalizers can be added if the object is being deleted, found new finalizers {listed}"
            errors.append(forbidden("metadata.finalizers", text))
    errors += [
        invalid(f"metadata.{key}", meta.get(key), "field is immutable")
        for key in IMMUTABLE
        if meta.get(key) != old.get(key)
    ]
    errors += labels_valid(meta.get("labels"), "metadata.labels")
    errors += annotations_valid(meta.get("annotations"), "metadata.annotations")
    return errors + _owners(meta.get("ownerReferences") or ())
