"""Defaults that a schema names are themselves to be valid, and to have no fields that would be dropped.

Source: apiextensions-apiserver pkg/apiserver/schema/defaulting/validation.go.
"""

from __future__ import annotations

import copy
from typing import Any

from kube46.api.errors import FieldError, invalid
from kube46.apiserver.customresources import embedded, validation
from kube46.apiserver.customresources.pruning import EMBEDDED, META, coerce_embedded, prune, prune_below
from kube46.apiserver.customresources.structure import key
from kube46.apiserver.fieldvalidation_types import Mismatch

Object = dict[str, Any]


def problems(schema: Object, path: str) -> list[FieldError]:
    """The errors of the defaults in a structural schema; below additionalProperties there are none."""
    return _below(schema, path, root=True)


def _below(schema: Object, path: str, *, root: bool = False) -> list[FieldError]:
    found = _default(schema, f"{path}.default") if "default" in schema else []
    if isinstance(schema.get("items"), dict):
        found += _below(schema["items"], f"{path}.items")
    for name, inner in (schema.get("properties") or {}).items():
        if not (root and name in META):  # no defaults there at all: refused elsewhere
            found += _below(inner, key(path, name))
    return found


def _default(schema: Object, path: str) -> list[FieldError]:
    value = schema["default"]
    pruned = copy.deepcopy(value)
    if schema.get(EMBEDDED) and isinstance(pruned, dict):
        prune(pruned, schema)
    else:
        prune_below(pruned, schema)
    found = [] if pruned == value else [invalid(path, value, "must not have unknown fields")]
    try:
        coerce_embedded(copy.deepcopy(value), schema, path)
    except Mismatch as problem:
        return [*found, invalid(path, value, f"must result in valid metadata: {problem}")]
    if wrong := embedded.problems(value, schema, path):
        return found + wrong
    return found + validation.validate(value, schema, prefix=path)
