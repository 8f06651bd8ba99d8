"""Random objects of every built-in kind, made from the schemas, as a server stores them: nothing in them is empty."""

import random
from typing import Any

from kube46.apiserver import fieldvalidation, protobuf_unions
from kube46.apiserver.schemas import Schemas, Shape

NAMES = ("a", "web-1", "é", "ключ", "日本", "x" * 130)
TIMES = ("2026-01-02T03:04:05Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:01Z")
MICRO_TIMES = ("2026-01-02T03:04:05.678901Z", "1960-02-29T00:00:00.000001Z")
INTEGERS = (0, 1, -1, 127, 128, 2**31 - 1, -(2**31))
SCALARS: dict[str, tuple[Any, ...]] = {
    "string": NAMES, "bool": (True, False), "int32": INTEGERS, "int64": (*INTEGERS, 2**63 - 1, -(2**63)),
    "float64": (0.5, -2.25, 1e300), "bytes": ("AA==", "aGVsbG8=", "A" * 400), "time": TIMES, "microtime": MICRO_TIMES,
    "quantity": ("0", "1500m", "10Gi", "100M", "1e30"), "intorstring": (0, 80, -1, "http", "25%"),
    "raw": ({"a": [1, "b", None]},), "any": ({"a": {"b": 1}}, 1, "x", True, [1]),
}  # fmt: skip


def kinds() -> list[tuple[str, str, str]]:
    """Group, version and kind of all of stable versions, lists included; a WatchEvent is no object."""
    found = [tuple(key.split("/")) for key in sorted(Schemas.load().kinds())]
    return [(g, v, kind) for g, v, kind in found if "alpha" not in v and "beta" not in v and kind != "WatchEvent"]


def make(group: str, version: str, kind: str, seed: int) -> dict[str, Any]:
    """An object of a kind; another for every seed."""
    name = Schemas.load().definition(group, version, kind)
    source = random.Random(f"{name} {seed}")
    return {"kind": kind, "apiVersion": f"{group}/{version}" if group else version, **_struct(name, source, 0)}


def canonical(obj: dict[str, Any], body: bytes) -> dict[str, Any]:
    """JSON of an object's kind as Go reads and writes it."""
    group, _, version = obj["apiVersion"].rpartition("/")
    found: dict[str, Any] = fieldvalidation.decode_as(body, group, version, obj["kind"], "Strict").object
    return found


def _struct(name: str, source: random.Random, depth: int) -> dict[str, Any]:
    fields = Schemas.load().type(name).fields.values()
    likely = 0.6 if depth < 3 else 0.3 if depth < 8 else 0
    chosen = [field for field in fields if source.random() < likely and field.name not in ("apiVersion", "kind")]
    return {field.name: _value(field.shape, source, depth) for field in chosen}


def _value(shape: Shape, source: random.Random, depth: int) -> Any:
    if shape.ref in protobuf_unions.UNIONS:
        return _union(shape.ref, source, depth)
    if shape.kind == "struct":
        return _struct(shape.ref, source, depth + 1)
    if shape.kind == "list":
        assert shape.item is not None
        return [_value(shape.item, source, depth + 1) for _ in range(source.randint(1, 2))]
    if shape.kind == "map":
        assert shape.item is not None
        return {key: _value(shape.item, source, depth + 1) for key in source.sample(NAMES, 2)}
    return source.choice(SCALARS[shape.kind])


def _union(union: str, source: random.Random, depth: int) -> Any:
    if source.random() < 0.5:
        return _struct(protobuf_unions.SCHEMA, source, depth + 2)
    if union == protobuf_unions.OR_BOOL:
        return source.random() < 0.5
    if union == protobuf_unions.OR_STRINGS:
        return ["a", "b"]
    return [_struct(protobuf_unions.SCHEMA, source, depth + 3) for _ in range(2)]
