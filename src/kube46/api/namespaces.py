"""Namespaces: what a new one holds (pkg/registry/core/namespace, 1.37)."""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, each_invalid, invalid

Object = dict[str, Any]

NAME_LABEL = "kubernetes.io/metadata.name"
FINALIZER = "kubernetes"
STANDARD = (FINALIZER, "orphan", "foregroundDeletion")


def default(namespace: Object) -> None:
    """Every namespace carries its name as a label, so that selectors can name it."""
    meta = namespace.setdefault("metadata", {})
    if meta.get("name"):
        meta["labels"] = {**(meta.get("labels") or {}), NAME_LABEL: meta["name"]}


def new(namespace: Object) -> None:
    """It is active, and holds what lies in it until that is gone."""
    spec = namespace.setdefault("spec", {})
    if FINALIZER not in (spec.get("finalizers") or ()):
        spec["finalizers"] = [*(spec.get("finalizers") or ()), FINALIZER]
    namespace["status"] = {"phase": "Active"}


def errors(namespace: Object, *, indexed: bool = False) -> list[FieldError]:
    """Errors of `spec.finalizers`; upstream tells the index only when they are updated."""
    listed = (namespace.get("spec") or {}).get("finalizers") or ()
    return [
        error
        for index, name in enumerate(listed)
        for error in _finalizer_errors(f"spec.finalizers[{index}]" if indexed else "spec.finalizers", name)
    ]


def _finalizer_errors(field: str, name: str) -> list[FieldError]:
    found = each_invalid(field, name, names.qualified(name))
    if "/" not in name and name not in STANDARD:
        found.append(invalid(field, name, "name is neither a standard finalizer name nor is it fully qualified"))
    return found


def status_errors(namespace: Object) -> list[FieldError]:
    """The phase says whether the namespace is being deleted."""
    phase, leaves = (namespace.get("status") or {}).get("phase") or "", "deletionTimestamp" in namespace["metadata"]
    if phase == ("Terminating" if leaves else "Active"):
        return []
    text = f"may only be '{'Terminating' if leaves else 'Active'}' if `deletionTimestamp` is {'not ' * leaves}empty"
    return [invalid("status.Phase", phase, text)]
