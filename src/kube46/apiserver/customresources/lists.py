"""Lists that are sets or maps: their members are unique, and known again when they have moved.

Source: apiextensions-apiserver pkg/apiserver/schema/listtype/validation.go.
"""

from __future__ import annotations

import json
from typing import Any

from kube46.api.errors import FieldError, duplicate, invalid

Object = dict[str, Any]
LIST_TYPE, LIST_KEYS = "x-kubernetes-list-type", "x-kubernetes-list-map-keys"


def problems(value: Any, schema: Object | None, path: str = "") -> list[FieldError]:
    """Repeated members of sets, repeated keys of maps, everywhere in a value."""
    found: list[FieldError] = []
    if schema is None:
        return found
    if isinstance(value, dict):
        properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, inner in value.items():
            if name in properties:
                found += problems(inner, properties[name], f"{path}.{name}" if path else name)
            elif isinstance(more, dict):
                found += problems(inner, more, f"{path}[{name}]")
    elif isinstance(value, list):
        found += _unique(value, schema, path)
        for index, inner in enumerate(value):
            found += problems(inner, schema.get("items"), f"{path}[{index}]")
    return found


def _unique(value: list[Any], schema: Object, path: str) -> list[FieldError]:
    kind = schema.get(LIST_TYPE)
    if kind == "set":
        members = value
    elif kind == "map":
        wrong = next(((i, x) for i, x in enumerate(value) if x is not None and not isinstance(x, dict)), None)
        if wrong is not None:
            return [invalid(f"{path}[{wrong[0]}]", wrong[1], "must be an object for an array of list-type map")]
        members = [keys_of(one, schema) for one in value]
    else:
        return []
    return [duplicate(f"{path}[{index}]", members[index]) for index in _repeated(members)]


def keys_of(member: Any, schema: Object) -> Object:
    """What a member of a map list is known by."""
    return {name: member[name] for name in schema.get(LIST_KEYS) or () if name in (member or {})}


def _repeated(members: list[Any]) -> list[int]:
    """Where a value comes for the second time; not where for the third."""
    seen: dict[str, int] = {}
    found = []
    for index, member in enumerate(members):
        text = identity(member)
        seen[text] = seen.get(text, 0) + 1
        if seen[text] == 2:
            found.append(index)
    return found


def identity(value: Any) -> str:
    """Equal for equal values only."""
    return json.dumps(value, sort_keys=True)


def correlated(member: Any, schema: Object, old: Any, missing: Any) -> Any:
    """The member of the old list that this one was: by its keys, in sets by itself; `missing` when there is none."""
    kind = schema.get(LIST_TYPE)
    if not isinstance(old, list) or kind not in ("map", "set"):
        return missing
    if kind == "set":
        return member if any(one == member and type(one) is type(member) for one in old) else missing
    if not isinstance(member, dict):
        return missing
    wanted = keys_of(member, schema)
    found = (one for one in old if isinstance(one, dict) and keys_of(one, schema) == wanted)
    return next(found, missing)
