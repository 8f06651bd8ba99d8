"""Resources within custom objects (x-kubernetes-embedded-resource): apiVersion, kind and metadata are as anywhere.

Source: apiextensions-apiserver pkg/apiserver/schema/objectmeta/validation.go.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kube46.api import metadata, names
from kube46.api.errors import FieldError, invalid, required
from kube46.apiserver.customresources.pruning import EMBEDDED, below

Object = dict[str, Any]
TYPE_META = ("apiVersion", "kind")


def problems(value: Any, schema: Object | None, path: str = "") -> list[FieldError]:
    """The errors of the embedded resources within a value."""
    found: list[FieldError] = []
    if schema is None:
        return found
    if isinstance(value, dict):
        if schema.get(EMBEDDED):
            found += _resource(value, path)
        properties = schema.get("properties") or {}
        for name, inner in value.items():
            where = (f"{path}.{name}" if path else name) if name in properties else f"{path}[{name}]"
            found += problems(inner, below(schema, name), where)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += problems(inner, schema.get("items"), f"{path}[{index}]")
    return found


def _resource(value: Object, path: str) -> list[FieldError]:
    found = [required(f"{path}.{name}") for name in TYPE_META if name not in value]
    found += [invalid(f"{path}.{name}", "", "must not be empty") for name in TYPE_META if value.get(name) == ""]
    version, kind = value.get("apiVersion") or "", value.get("kind") or ""
    if version.count("/") > 1:
        found.append(invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}"))
    if kind and (complaints := names.label_1035(kind.lower())):
        text = "may have mixed case, but should otherwise match: " + ",".join(complaints)
        found.append(invalid(f"{path}.kind", kind, text))
    meta = value.get("metadata")
    if not isinstance(meta, dict):
        return found
    shown = {"metadata": {**meta, "name": meta.get("name") or "fakename"}}
    wrong = metadata.validate_create(shown, names.path_segment, namespaced=bool(meta.get("namespace")), core=False)
    return found + [replace(error, field=f"{path}.{error.field}") for error in wrong]
