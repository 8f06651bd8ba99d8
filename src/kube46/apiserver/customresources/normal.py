"""Schemas in the form that Go would write: `items` and `additionalProperties` too, which OpenAPI leaves untyped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.apiserver.fieldvalidation_types import Decoder, Mismatch
from kube46.apiserver.schemas import Schemas
from kube46.apiserver.statuses import bad_request

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]
PROPS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
UNTYPED = ("items", "additionalProperties", "additionalItems")


def settle(version: Object) -> None:
    """Bring a version's schema into that form, in place; raises StatusError 400 for what is of no such type."""
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if schema:
        _settle(schema)


def _settle(schema: Object) -> None:
    for name in UNTYPED:
        inner = schema.get(name)
        if isinstance(inner, dict):
            schema[name] = _read(inner)
        elif inner is not None and not (isinstance(inner, bool) and name != "items") and not isinstance(inner, list):
            text = f'"{name}" must be a schema' + (" or a boolean" if name != "items" else "")
            raise bad_request(f'CustomResourceDefinition in version "v1" cannot be handled: {text}')
    for inner in within(schema):
        _settle(inner)


def _read(schema: Object) -> Object:
    schemas = Schemas.load()
    try:
        return Decoder(schemas).decode(schema, schemas.type(PROPS))
    except Mismatch as problem:
        text = 'CustomResourceDefinition in version "v1" cannot be handled as a CustomResourceDefinition'
        raise bad_request(f"{text}: {problem}") from None


def within(schema: Object) -> Iterator[Object]:
    """The schemas that a schema is made of."""
    yield from (schema.get("properties") or {}).values()
    for name in (*UNTYPED, "not"):
        if isinstance(schema.get(name), dict):
            yield schema[name]
    for name in ("allOf", "anyOf", "oneOf"):
        yield from schema.get(name) or ()


def everywhere(schema: Object) -> Iterator[Object]:
    """A schema and all within it."""
    yield schema
    for inner in within(schema):
        yield from everywhere(inner)


def set_warnings(schema: Object) -> list[str]:
    """What upstream warns of: sets whose items are no scalars."""
    found = {
        str(one["items"]["type"])
        for one in everywhere(schema)
        if one.get("x-kubernetes-list-type") == "set" and (one.get("items") or {}).get("type") in ("object", "array")
    }
    text = "is not supported by server-side apply or CEL validation rules"
    return [f'x-kubernetes-list-type: set for items of type "{kind}" {text}' for kind in sorted(found)]
