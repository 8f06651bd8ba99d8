"""Values of custom objects as rules see them: by their schema, fields under their escaped names.

Source: apiserver pkg/cel/common/values.go, pkg/cel/escaping.go.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from kube46.apiserver.customresources.lists import LIST_TYPE, identity, keys_of
from kube46.apiserver.customresources.rule_trees import escape

Object = dict[str, Any]
EMBEDDED = "x-kubernetes-embedded-resource"
META = {"type": "object", "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}}}


def with_metadata(schema: Object) -> Object:
    """A resource's schema, with what every resource has: rules see no other metadata than names."""
    text = {"type": "string"}
    properties = {"apiVersion": text, "kind": text, **(schema.get("properties") or {}), "metadata": META}
    return {**schema, "properties": properties}


def plain(value: Any, schema: Object | None) -> Any:
    """A value for the evaluator."""
    if schema is None or value is None:
        return value
    if schema.get(EMBEDDED):
        schema = with_metadata(schema)
    if isinstance(value, dict):
        return _members(value, schema)
    if isinstance(value, list):
        return [plain(inner, schema.get("items")) for inner in value]
    if schema.get("type") == "number" and not isinstance(value, bool):
        return float(value)
    if schema.get("format") == "byte" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return value
    return value


def _members(value: Object, schema: Object) -> Object:
    properties, more = schema.get("properties"), schema.get("additionalProperties")
    if isinstance(more, dict):
        return {name: plain(inner, more) for name, inner in value.items()}
    if not properties:
        return value
    return {escape(name): plain(inner, properties[name]) for name, inner in value.items() if name in properties}


def aligned(old: Any, new: Any, schema: Object | None) -> Any:
    """The old value with its sets and maps in the new one's order: to rules, order makes no two of them differ."""
    if schema is None or type(old) is not type(new):
        return old
    if isinstance(old, dict):
        properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
        below = {name: properties.get(name, more if isinstance(more, dict) else None) for name in old}
        return {name: aligned(inner, new.get(name), below[name]) for name, inner in old.items()}
    if not isinstance(old, list):
        return old
    kind, items = schema.get(LIST_TYPE), schema.get("items")
    if kind not in ("set", "map"):
        return old
    known = [identity(one if kind == "set" else keys_of(one, schema)) for one in new]
    order = {text: index for index, text in enumerate(known)}
    places = [order.get(identity(one if kind == "set" else keys_of(one, schema)), len(new)) for one in old]
    ranked = sorted(range(len(old)), key=lambda index: places[index])
    return [aligned(old[i], new[places[i]], items) if places[i] < len(new) else old[i] for i in ranked]
