"""Namespaces: what a new one holds (pkg/registry/core/namespace, 1.37)."""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, each_invalid

Object = dict[str, Any]

NAME_LABEL = "kubernetes.io/metadata.name"
FINALIZER = "kubernetes"


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


def errors(namespace: Object) -> list[FieldError]:
    """Errors of `spec.finalizers`."""
    listed = (namespace.get("spec") or {}).get("finalizers") or ()
    return [
        error
        for index, name in enumerate(listed)
        for error in each_invalid(f"spec.finalizers[{index}]", name, names.qualified(name))
    ]
