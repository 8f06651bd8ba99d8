"""What a structural schema does not name is dropped; objects' metadata in embedded resources is read as Go reads it.

Source: apiextensions-apiserver pkg/apiserver/schema/{pruning,objectmeta,defaulting}.
"""

from __future__ import annotations

from typing import Any

from kube46.apiserver.fieldvalidation_types import Decoder, Mismatch
from kube46.apiserver.schemas import Schemas

Object = dict[str, Any]
META = ("apiVersion", "kind", "metadata")
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
PRESERVE, EMBEDDED = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"


def below(schema: Object | None, name: str) -> Object | None:
    """The schema of a member: of the property, else of additionalProperties."""
    if schema is None:
        return None
    found: Object | None = (schema.get("properties") or {}).get(name)
    if found is None and isinstance(schema.get("additionalProperties"), dict):
        found = schema["additionalProperties"]
    return found


def prune(obj: Object, schema: Object) -> list[str]:
    """Drop unknown fields of an object, but its own apiVersion, kind and metadata; their paths, sorted."""
    unknown: list[str] = []
    kept = {name: obj.pop(name) for name in META if name in obj}
    _prune(obj, schema, "", unknown, drop=not schema.get(PRESERVE))
    obj.update(kept)
    return sorted(unknown)


def _prune(value: Any, schema: Object | None, path: str, unknown: list[str], *, drop: bool) -> None:
    """`drop` is false within a schema that preserves what it does not know: only what it names is looked into."""
    if isinstance(value, list):
        items = None if schema is None else schema.get("items")
        if items is None and not drop:
            return
        for index, inner in enumerate(value):
            _descend(inner, items, f"{path}[{index}]", unknown, drop=drop)
    elif isinstance(value, dict):
        for name in list(value):
            _member(value, name, schema, path, unknown, drop=drop)


def _member(value: Object, name: str, schema: Object | None, path: str, unknown: list[str], *, drop: bool) -> None:
    if schema is not None and schema.get(EMBEDDED) and name in META:
        return
    where = f"{path}.{name}" if path else name
    properties = {} if schema is None else schema.get("properties") or {}
    if name in properties:
        _descend(value[name], properties[name], where, unknown, drop=True)
    elif schema is not None and "additionalProperties" in schema:
        inner = schema["additionalProperties"]
        _descend(value[name], inner if isinstance(inner, dict) else None, where, unknown, drop=True)
    elif drop:
        unknown.append(where)
        del value[name]


def _descend(value: Any, schema: Object | None, path: str, unknown: list[str], *, drop: bool) -> None:
    if schema is not None and schema.get(PRESERVE):
        drop = False
    _prune(value, schema, path, unknown, drop=drop)


def prune_nulls(value: Any, schema: Object | None) -> None:
    """Drop nulls that the schema allows not and has no default for."""
    if isinstance(value, dict):
        for name in list(value):
            inner = below(schema, name)
            refused = inner is not None and not inner.get("nullable") and inner.get("default") is None
            if value[name] is None and refused:
                del value[name]
            else:
                prune_nulls(value[name], inner)
    elif isinstance(value, list):
        items = None if schema is None else schema.get("items")
        for inner in value:
            prune_nulls(inner, items)


def metadata(found: Any) -> tuple[Object, list[str]]:
    """metadata as Go's ObjectMeta keeps it, and its unknown and repeated fields; raises Mismatch."""
    if found is None:
        return {}, []
    if not isinstance(found, dict):
        raise Mismatch("json: cannot unmarshal " + _json_kind(found) + " into Go value of type v1.ObjectMeta")
    schemas = Schemas.load()
    decoder = Decoder(schemas)
    read = decoder.decode(found, schemas.type(OBJECT_META))
    if read.get("creationTimestamp", "") is None:
        del read["creationTimestamp"]
    return read, decoder.strict


def _json_kind(value: object) -> str:
    return "array" if isinstance(value, list) else "string" if isinstance(value, str) else "number"


def coerce_embedded(value: Any, schema: Object | None, path: str = "") -> list[str]:
    """Read the metadata of embedded resources; unknown fields' paths. Raises Mismatch with the place and Go's text."""
    unknown: list[str] = []
    if schema is None or not (schema.get("properties") or schema.get("items") or schema.get(EMBEDDED)
                              or isinstance(schema.get("additionalProperties"), dict)):  # fmt: skip
        return unknown
    if isinstance(value, list):
        for index, inner in enumerate(value):
            unknown += coerce_embedded(inner, schema.get("items"), f"{path}[{index}]")
    elif isinstance(value, dict):
        if schema.get(EMBEDDED):
            unknown += _coerce(value, path)
        for name, inner in value.items():
            unknown += coerce_embedded(inner, below(schema, name), f"{path}.{name}" if path else name)
    return unknown


def _coerce(value: Object, path: str) -> list[str]:
    for name in ("apiVersion", "kind"):
        if name in value and not isinstance(value[name], str):
            raise Mismatch(f"{path}.{name}: Invalid value: {value[name]!r}: must be a string")
    if "metadata" not in value:
        return []
    value["metadata"], strict = metadata(value["metadata"])
    return [problem.partition('"')[2].rstrip('"').join((f"{path}.metadata.", "")) for problem in strict]


def prune_below(value: Any, schema: Object) -> None:
    """Drop unknown fields of a value that is no resource of its own."""
    _descend(value, schema, "", [], drop=True)
