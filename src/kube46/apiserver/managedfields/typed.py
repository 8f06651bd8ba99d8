"""Does an applied config fit its kind's types? The errors are structured-merge-diff's, values as Go's fmt prints them.

Source: sigs.k8s.io/structured-merge-diff/v6 typed/{validate,helpers}.go, fieldpath/element.go. Only what is written in
JSON is looked at: whether a number fits into an int32 is found out later.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kube46.api.errors import go_quote
from kube46.apiserver.managedfields.merging import key_default
from kube46.apiserver.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kube46.apiserver.schemas import Field, Shape

NUMBERS = ("int32", "int64", "float64")
STRINGS = ("string", "bytes")  # a time is any scalar
UNKNOWN = "field not declared in schema"


def problem(config: dict[str, Any], group: str, version: str, kind: str) -> str:
    """What is wrong with a config of a built-in kind, "" if nothing."""
    schemas = Schemas.load()
    found = list(_struct(config, schemas.definition(group, version, kind)))
    if len(found) < 2:
        return "".join(found)
    return "\n".join(["errors:", *(f"  {text}" for text in found)])


def _struct(value: dict[str, Any], ref: str) -> Iterator[str]:
    fields = Schemas.load().type(ref).fields
    for name, inner in sorted(value.items()):  # Go walks through a map of few keys mostly in this order
        described = fields.get(name)
        if described is None:
            yield f".{name}: {UNKNOWN}"
            return  # as upstream: the first unknown field ends the walk through a struct
        for text in _value(inner, described.shape, described):
            yield f".{name}{text}"


def _value(value: Any, shape: Shape, described: Field | None = None) -> Iterator[str]:
    """Errors of a value, each beginning with the path below it."""
    if value is None or shape.kind in ("any", "raw"):
        return
    match shape.kind:
        case "struct" | "map" if not isinstance(value, dict):
            yield f": expected map, got &{{{_plain(value)}}}"
        case "struct":
            yield from _struct(value, shape.ref)
        case "map":
            for name, inner in value.items():
                yield from (f".{name}{text}" for text in _value(inner, shape.item or shape))
        case "list" if not isinstance(value, list):
            yield f": expected list, got &{{{_plain(value)}}}"
        case "list":
            yield from _list(value, shape, described)
        case _:
            yield from _scalar(value, shape.kind)


def _scalar(value: Any, kind: str) -> Iterator[str]:
    boolean, number = isinstance(value, bool), isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind in STRINGS and not isinstance(value, str):
        yield f": expected string, got &value.valueUnstructured{{Value:{_syntax(value)}}}"
    elif kind in NUMBERS and not number:
        yield f": expected numeric (int or float), got {_type(value)}"
    elif kind == "bool" and not boolean:
        yield f": expected boolean, got &{{{_plain(value)}}}"
    elif isinstance(value, (list, dict)):
        yield f": expected any scalar, got &{{{_plain(value)}}}"


def _list(value: list[Any], shape: Shape, described: Field | None) -> Iterator[str]:
    """The items, by their place or by their keys; an item without any is told of, and ends the walk."""
    item, kind = shape.item, described.list_type if described else ""
    assert item is not None
    seen: set[str] = set()
    for index, inner in enumerate(value):
        try:
            element = _element(inner, item, kind, described.list_keys if described else ()) or f"[{index}]"
        except ValueError as wrong:
            yield f": element {index}: {wrong}"
            return
        if kind in ("map", "set") and element in seen:
            yield f": duplicate entries for key {element}"
        seen.add(element)
        for text in _value(inner, item):
            yield f"{element}{text}"


def _element(value: Any, shape: Shape, kind: str, keys: tuple[str, ...]) -> str:
    """An item's path element, "" for its place; raises ValueError."""
    if kind == "map":
        if not isinstance(value, dict):
            what = "a null element" if value is None else "non-map elements"
            raise ValueError(f"associative list with keys may not have {what}")
        found = {key: _key(value, shape, key) for key in sorted(keys)}
        texts = [f"{key}={_text(inner)}" for key, inner in found.items() if inner is not None]
        return f"[{','.join(texts)}]"
    if kind != "set":
        return ""
    if isinstance(value, dict):
        raise ValueError("associative list without keys has an element that's a map type")
    if isinstance(value, list):
        raise ValueError("not supported: associative list with lists as elements")
    if value is None:
        raise ValueError("associative list without keys has an element that's an explicit null")
    return f"[={json.dumps(value, ensure_ascii=False)}]"


def _key(value: dict[str, Any], shape: Shape, key: str) -> Any:
    """A key's value or its default."""
    return value[key] if key in value else key_default(shape, key)


def _text(value: Any) -> str:
    """A key's value (value.ToString)."""
    if isinstance(value, dict):
        return "".join(f"{name}={_text(inner)}" for name, inner in sorted(value.items()))
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    return go_quote(value) if isinstance(value, str) else "null" if value is None else _number(value)


def _type(value: Any) -> str:
    """Go's `%T` of a decoded value."""
    return {str: "string", bool: "bool", list: "[]interface {}", dict: "map[string]interface {}"}[type(value)]


def _plain(value: Any) -> str:
    """Go's `%v`."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{name}:{_plain(value[name])}" for name in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(_plain, value)) + "]"
    return value if isinstance(value, str) else _number(value) if value is not None else "<nil>"


def _syntax(value: Any) -> str:
    """Go's `%#v`."""
    if isinstance(value, dict):
        inner = ", ".join(f"{go_quote(name)}:{_syntax(value[name])}" for name in sorted(value))
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(map(_syntax, value)) + "}"
    return go_quote(value) if isinstance(value, str) else _number(value) if value is not None else "interface {}(nil)"


def _number(value: float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if value == int(value) else repr(value)
