"""How the values of a kind merge: which are owned whole, which field by field or item by item.

From the types of the built-in kinds (x-kubernetes-list-type and -map-type); what has no type is taken as it looks:
objects field by field, lists whole. Source: structured-merge-diff's schema, apimachinery's openapi converter.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kube46.apiserver.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube46.apiserver.schemas import Field, Shape

REFERENCE = "io.k8s.api.core.v1.LocalObjectReference"  # whose name is never required, but has a default


@dataclass(frozen=True, slots=True)
class Merging:
    """The way of one value. `how`: leaf (owned whole), struct, map, keyed, set, deduced.

    `fields` finds the way of a struct's field, None for an unknown one; `item` is that of items of lists and maps.
    `always`: Go writes the value even when it is empty, so that it is never added or removed, only what is in it.
    """

    how: str
    fields: Callable[[str], Merging | None] | None = None
    item: Merging | None = None
    keys: tuple[str, ...] = field(default=())
    defaults: dict[str, Any] = field(default_factory=dict, hash=False)  # of keys
    always: bool = False

    @property
    def absent(self) -> Any:
        """What stands for the value where there is none."""
        if not self.always or self.how == "leaf":
            return ABSENT
        return [] if self.how in ("keyed", "set") else {}

    def below(self, name: str) -> Merging | None:
        """The way of the value at a key; None for a field that a struct does not have."""
        if self.how == "deduced":
            return DEDUCED
        return self.fields(name) if self.fields is not None else self.item

    def of(self, value: Any) -> str:
        """How this very value merges: what has no type is looked at, and a value of a wrong kind is owned whole."""
        if self.how in ("struct", "map", "deduced"):
            return "map" if isinstance(value, dict) else "leaf"
        return self.how if isinstance(value, list) else "leaf"

    def element(self, item: Any) -> str:
        """The path element of a list's item; raises ValueError for an item without its keys."""
        if self.how == "set":
            return f"v:{_json(item)}"
        if not isinstance(item, dict):
            message = "items of this list must be objects"
            raise ValueError(message)
        known = {**self.defaults, **item}  # a key that is null is one
        found = {key: known[key] for key in self.keys if key in known}
        if not found:
            keys = "[" + " ".join(map(_json, self.keys)) + "]"
            message = (
                f"associative list with keys has an element that omits all key fields {keys}"
                " (and doesn't have default values for any key fields)"
            )
            raise ValueError(message)
        return f"k:{_json(found)}"


ABSENT: Any = object()
LEAF, DEDUCED = Merging("leaf"), Merging("deduced")


_json = json.JSONEncoder(separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode


@functools.cache
def of_type(name: str) -> Merging:
    """The way of a struct of the built-in kinds, by its definition's name."""
    found = Schemas.load().type(name)
    if found.map_type == "atomic":
        return LEAF

    @functools.cache
    def below(field_name: str) -> Merging | None:
        described = found.fields.get(field_name)
        return None if described is None else _of_field(described)

    return Merging("struct", fields=below)


def of_kind(group: str, version: str, kind: str) -> Merging:
    """The way of a built-in kind; raises KeyError."""
    return of_type(Schemas.load().definition(group, version, kind))


def _of_field(described: Field) -> Merging:
    shape, always = described.shape, described.presence == "!"
    if shape.kind == "list" and shape.item is not None:
        if described.list_type == "map":
            defaults = _key_defaults(shape.item, described.list_keys)
            item = _of_shape(shape.item)
            return Merging("keyed", item=item, keys=described.list_keys, always=always, defaults=defaults)
        return Merging("set", item=LEAF, always=always) if described.list_type == "set" else LEAF
    found = LEAF if described.map_type == "atomic" else _of_shape(shape)
    if found is LEAF or shape.kind != "struct" or shape.pointer:
        return found
    return replace(found, always=True)


def _key_defaults(item: Shape, keys: tuple[str, ...]) -> dict[str, Any]:
    found = {key: key_default(item, key) for key in keys}
    return {key: value for key, value in found.items() if value is not None}


def key_default(item: Shape, key: str) -> str | int | None:
    """What stands for a key that a list's item does not have: what Go always writes has its zero value in OpenAPI."""
    if key == "protocol":
        return "TCP"
    described = Schemas.load().type(item.ref).fields.get(key) if item.kind == "struct" else None
    if described is None or (described.presence != "!" and item.ref != REFERENCE):
        return None
    return "" if described.shape.kind == "string" else 0


def _of_shape(shape: Shape) -> Merging:
    match shape.kind:
        case "struct":
            return of_type(shape.ref)
        case "map":
            return Merging("map", item=LEAF if shape.item is None else _of_shape(shape.item))
        case "raw" | "any":
            return DEDUCED
        case _:
            return LEAF


OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def of_schema(schema: dict[str, Any], *, root: bool = True) -> Merging:
    """The way of a custom kind, by its structural schema."""
    if schema.get("x-kubernetes-int-or-string"):
        return LEAF
    match schema.get("type"):
        case "object":
            return _of_object(schema, root)
        case "array":
            items = schema.get("items") or {}
            kind = schema.get("x-kubernetes-list-type")
            if kind == "map":
                keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
                properties = items.get("properties") or {}
                defaults = {key: properties[key]["default"] for key in keys if "default" in properties.get(key, {})}
                return Merging("keyed", item=of_schema(items, root=False), keys=keys, defaults=defaults)
            return Merging("set", item=LEAF) if kind == "set" else LEAF
        case None if schema.get("x-kubernetes-preserve-unknown-fields") or root:
            return DEDUCED
        case _:
            return LEAF


def _of_object(schema: dict[str, Any], root: bool) -> Merging:
    if schema.get("x-kubernetes-map-type") == "atomic":
        return LEAF
    properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
    embedded = root or schema.get("x-kubernetes-embedded-resource")
    if isinstance(more, dict) and not properties:
        return Merging("map", item=of_schema(more, root=False))
    unknown = DEDUCED if schema.get("x-kubernetes-preserve-unknown-fields") or more else None

    @functools.cache
    def below(name: str) -> Merging | None:
        if embedded and name in ("apiVersion", "kind"):
            return LEAF
        if embedded and name == "metadata":
            return replace(of_type(OBJECT_META), always=True)
        return of_schema(properties[name], root=False) if name in properties else unknown

    return Merging("struct", fields=below)
