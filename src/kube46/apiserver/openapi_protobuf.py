"""OpenAPI 2 in protobuf: kubectl, Helm and client-go ask for /openapi/v2 in this form only.

Source: gnostic-models openapiv2/OpenAPIv2.proto (message and field numbers). Only what our documents hold is written.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kube46.apiserver.protobuf_wire import VARINT, delimited, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}
BODY_PARAMETER, OTHER_PARAMETER = 1, 2
PLACES = {"header": 1, "formData": 2, "query": 3, "path": 4}
# place → field numbers of that message: required, in, description, name, (allow empty), type
PLAIN_FIELDS = {"query": (1, 2, 3, 4, 6), "path": (1, 2, 3, 4, 5)}
UNIQUE = {"query": 20, "path": 19}


def _text(field: int, value: object) -> bytes:
    return delimited(field, str(value).encode()) if value else b""


def _texts(field: int, values: Iterable[str]) -> bytes:
    return b"".join(delimited(field, value.encode()) for value in values)


def _flag(field: int, value: object) -> bytes:
    return tag(field, VARINT) + b"\1" if value else b""


def _named(name: str, value: bytes) -> bytes:
    """A NamedX message: gnostic keeps maps as ordered lists of name and value."""
    return _text(1, name) + delimited(2, value)


def _any(value: object) -> bytes:
    """An Any message; its YAML form is what readers use."""
    return _text(2, json.dumps(value, ensure_ascii=False) + "\n")


def _extensions(field: int, source: Mapping[str, Any]) -> bytes:
    return b"".join(
        delimited(field, _named(name, _any(value))) for name, value in sorted(source.items()) if name.startswith("x-")
    )


def encode_v2(swagger: Mapping[str, Any]) -> bytes:
    """A Document message."""
    info = _text(1, swagger["info"]["title"]) + _text(2, swagger["info"]["version"])
    paths = b"".join(delimited(2, _named(path, _path_item(item))) for path, item in swagger["paths"].items())
    definitions = b"".join(
        delimited(1, _named(name, _schema(schema))) for name, schema in swagger["definitions"].items()
    )
    return _text(1, swagger["swagger"]) + delimited(2, info) + delimited(8, paths) + delimited(9, definitions)


def _path_item(item: Mapping[str, Any]) -> bytes:
    operations = b"".join(
        delimited(number, _operation(item[method])) for method, number in METHODS.items() if method in item
    )
    return operations + b"".join(delimited(9, _parameters_item(p)) for p in item.get("parameters", ()))


def _operation(operation: Mapping[str, Any]) -> bytes:
    responses = b"".join(
        delimited(1, _named(code, delimited(1, _response(r)))) for code, r in operation["responses"].items()
    )
    return (
        _texts(1, operation.get("tags", ())) + _text(3, operation.get("description"))
        + _text(5, operation.get("operationId"))
        + _texts(6, operation.get("produces", ())) + _texts(7, operation.get("consumes", ()))
        + b"".join(delimited(8, _parameters_item(p)) for p in operation.get("parameters", ()))
        + delimited(9, responses) + _texts(10, operation.get("schemes", ())) + _extensions(13, operation)
    )  # fmt: skip


def _response(response: Mapping[str, Any]) -> bytes:
    """A Response; its schema is a SchemaItem, whose first case is Schema."""
    schema = delimited(2, delimited(1, _schema(response["schema"]))) if "schema" in response else b""
    return _text(1, response["description"]) + schema


def _parameters_item(parameter: Mapping[str, Any]) -> bytes:
    """A ParametersItem holding a Parameter: a body or one of the plain ones."""
    if parameter["in"] == "body":
        body = _text(1, parameter.get("description")) + _text(2, parameter["name"]) + _text(3, "body")
        body += _flag(4, parameter.get("required")) + delimited(5, _schema(parameter["schema"]))
        return delimited(1, delimited(BODY_PARAMETER, body))
    place = parameter["in"]
    required, where, description, name, kind = PLAIN_FIELDS[place]
    plain = (
        _flag(required, parameter.get("required"))
        + _text(where, place)
        + _text(description, parameter.get("description"))
    )
    plain += (
        _text(name, parameter["name"])
        + _text(kind, parameter["type"])
        + _flag(UNIQUE[place], parameter.get("uniqueItems"))
    )
    return delimited(1, delimited(OTHER_PARAMETER, delimited(PLACES[place], plain)))


def _schema(schema: Mapping[str, Any]) -> bytes:
    out = _text(1, schema.get("$ref")) + _text(2, schema.get("format")) + _text(4, schema.get("description"))
    out += _texts(19, schema.get("required", ()))
    out += b"".join(delimited(20, _any(value)) for value in schema.get("enum", ()))
    extra = schema.get("additionalProperties")
    if extra is not None:
        out += delimited(21, delimited(1, _schema(extra)) if isinstance(extra, dict) else _flag(2, extra))
    if "type" in schema:
        out += delimited(22, _texts(1, [schema["type"]]))
    if "items" in schema:
        out += delimited(23, delimited(1, _schema(schema["items"])))
    if "properties" in schema:
        out += delimited(
            25, b"".join(delimited(1, _named(name, _schema(value))) for name, value in schema["properties"].items())
        )
    return out + _extensions(31, schema)
