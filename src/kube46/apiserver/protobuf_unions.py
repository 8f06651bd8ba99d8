"""The unions of JSON Schema, which JSON writes bare and protobuf as messages with a field a form.

Source: apiextensions-apiserver pkg/apis/apiextensions/v1: types_jsonschema.go, marshal.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.apiserver.protobuf_wire import as_bytes, delimited, fields, repeated

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1"
SCHEMA = f"{PACKAGE}.JSONSchemaProps"
OR_ARRAY, OR_BOOL, OR_STRINGS = (f"{SCHEMA}Or{other}" for other in ("Array", "Bool", "StringArray"))
UNIONS = (OR_ARRAY, OR_BOOL, OR_STRINGS)


def write(union: str, value: Any, schema: Callable[[Any], bytes]) -> bytes:
    """The message of a union's value; `schema` writes a schema."""
    if union == OR_BOOL:
        if isinstance(value, dict):
            return b"\x08\x01" + delimited(2, schema(value))
        return b"\x08\x01" if value else b"\x08\x00"
    if isinstance(value, dict):
        return delimited(1, schema(value))
    return repeated(2, [schema(one) if union == OR_ARRAY else one.encode() for one in value or ()])


def read(union: str, data: bytes, schema: Callable[[bytes], Any]) -> Any:
    """The value of a union's message; `schema` reads a schema."""
    found = list(fields(data))
    if union == OR_BOOL:
        schemas = [schema(as_bytes(value)) for number, value in found if number == 2]
        return schemas[0] if schemas else (1, 1) in found
    items = [as_bytes(value) for number, value in found if number == 2]
    if items:
        return [schema(item) if union == OR_ARRAY else item.decode() for item in items]
    schemas = [schema(as_bytes(value)) for number, value in found if number == 1]
    return schemas[0] if schemas else None
