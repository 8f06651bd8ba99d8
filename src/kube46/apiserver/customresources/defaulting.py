"""Defaults of a structural schema, put in where a field is absent, or null where null is not allowed.

Source: apiextensions-apiserver pkg/apiserver/schema/defaulting/algorithm.go.
"""

from __future__ import annotations

import copy
from typing import Any

from kube46.apiserver.customresources.pruning import below

Object = dict[str, Any]


def has_defaults(schema: Object | None) -> bool:
    """Whether a schema names any default at all."""
    if schema is None:
        return False
    if schema.get("default") is not None:  # null is no default
        return True
    inner = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
    return any(has_defaults(one) for one in inner if isinstance(one, dict))


def default(value: Any, schema: Object | None) -> None:
    """Fill in defaults, in place; those of what was filled in as well."""
    if schema is None:
        return
    if isinstance(value, dict):
        for name, inner in (schema.get("properties") or {}).items():
            if inner.get("default") is not None and (name not in value or _unwanted_null(value[name], inner)):
                value[name] = copy.deepcopy(inner["default"])
        for name, member in value.items():
            inner = below(schema, name)
            if inner is not None:
                if _unwanted_null(member, inner):
                    value[name] = member = copy.deepcopy(inner.get("default"))
                default(member, inner)
    elif isinstance(value, list):
        items = schema.get("items")
        for index, member in enumerate(value):
            if items is not None and _unwanted_null(member, items):
                value[index] = copy.deepcopy(items.get("default"))
            default(value[index], items)


def _unwanted_null(value: Any, schema: Object) -> bool:
    return value is None and not schema.get("nullable")
