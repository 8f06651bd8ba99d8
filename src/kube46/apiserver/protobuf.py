"""Bodies in Kubernetes' protobuf (`application/vnd.kubernetes.protobuf`) → the same body as JSON.

kubectl's typed commands and controller-runtime write in this form only. The JSON then goes the way of every other body.
Source: apimachinery pkg/runtime/serializer/protobuf; field numbers are in the schemas (`Schemas.wire`).
"""

from __future__ import annotations

import base64
import datetime
import json
import struct
from typing import TYPE_CHECKING, Any

from kube46.apiserver import protobuf_unions as unions
from kube46.apiserver.protobuf_wire import (
    MAGIC,
    MEDIA_TYPE,
    Malformed,
    Value,
    as_bytes,
    as_number,
    as_signed,
    fields,
    read_varint,
)
from kube46.apiserver.schemas import Schemas, embedded_in
from kube46.apiserver.statuses import StatusError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube46.apiserver.schemas import Shape, Type

YEAR_ONE = -62135596800  # Go's zero time, in seconds of Unix
OPTIONS = "DeleteOptions"  # every version has its own of the same form (metav1.AddToGroupVersion)
META = "meta.k8s.io/v1"
DEPTH = 100  # of messages in messages: no kind comes near


def decode(body: bytes) -> bytes:
    """A body that begins with MAGIC as JSON, with apiVersion and kind; raises 400, or 415 for an unknown field."""
    try:
        return json.dumps(_document(body[len(MAGIC) :]), ensure_ascii=False).encode()
    except Malformed as problem:
        raise StatusError(400, "BadRequest", f"unable to decode protobuf: {problem}") from None
    except (UnicodeDecodeError, struct.error, ValueError) as problem:
        raise StatusError(400, "BadRequest", f"unable to decode protobuf: {problem}") from None


def _document(data: bytes) -> dict[str, Any]:
    """A runtime.Unknown: the type's name and the encoded object."""
    identity: dict[int, str] = {}
    raw = b""
    for number, value in fields(data):
        if number == 1:
            identity = {n: as_bytes(v).decode() for n, v in fields(as_bytes(value))}
        elif number == 2:
            raw = as_bytes(value)
        elif number == 3 and value:
            raise _unsupported(f"contentEncoding {as_bytes(value).decode()!r} is not supported; send it plain")
        elif number == 4 and value:
            raise _unsupported(f"contentType {as_bytes(value).decode()!r} is not supported; send protobuf")
    api_version, kind = identity.get(1, ""), identity.get(2, "")
    group, _, version = api_version.rpartition("/")
    schemas = Schemas.load()
    if kind == OPTIONS and (api_version == META or schemas.has_version(group, version)):
        group, version = "", "v1"  # clients name the version of what they delete
    if not schemas.knows(group, version, kind):
        text = (
            f'no kind "{kind}" is registered for version "{api_version}" in scheme "pkg/api/legacyscheme/scheme.go:30"'
        )
        raise StatusError(400, "BadRequest", text)
    found = _message(raw, schemas.kind(group, version, kind), schemas, 0)
    return {"kind": kind, "apiVersion": api_version, **found}


def _unsupported(text: str) -> StatusError:
    return StatusError(415, "UnsupportedMediaType", f"{MEDIA_TYPE}: {text}", {})


# messages


def _message(data: bytes, schema: Type, schemas: Schemas, depth: int, wire: str = "") -> dict[str, Any]:
    """A struct. `wire` names the message where it is one that JSON has inlined into the struct."""
    if depth > DEPTH:
        raise Malformed("nested too deep")
    name = wire or schema.name
    numbers = schemas.wire(name)
    made: dict[str, Any] = {}
    for number, value in fields(data):
        field = numbers.get(number)
        if field is None:
            raise _unsupported(f"field {number} of {name} is not known to this server; send JSON instead")
        if field.startswith(">"):
            made.update(_message(as_bytes(value), schema, schemas, depth + 1, embedded_in(name, field)))
            continue
        found = schema.fields.get(field)
        if found is None:
            raise _unsupported(f"field {number} ({field}) of {name} has no JSON form here; send JSON instead")
        _put(made, field, value, found.shape, schemas, depth)
    return made


def _put(made: dict[str, Any], field: str, value: Value, shape: Shape, schemas: Schemas, depth: int) -> None:
    """Repeated fields and map entries come one by one."""
    if shape.kind == "list" and not shape.wrapped:
        assert shape.item is not None
        made.setdefault(field, []).extend(_elements(value, shape.item, schemas, depth))
    elif shape.kind == "map":
        assert shape.item is not None
        entry = dict(fields(as_bytes(value)))
        inner = entry.get(2)
        key = as_bytes(entry.get(1, b"")).decode()
        made.setdefault(field, {})[key] = None if inner is None else _value(inner, shape.item, schemas, depth)
    else:
        made[field] = _value(value, shape, schemas, depth)


def _elements(value: Value, item: Shape, schemas: Schemas, depth: int) -> list[Any]:
    """One element, or several numbers packed into one field."""
    if isinstance(value, bytes) and item.kind in ("int32", "int64", "bool"):
        numbers, at = [], 0
        while at < len(value):
            number, at = read_varint(value, at)
            numbers.append(_value(number, item, schemas, depth))
        return numbers
    return [_value(value, item, schemas, depth)]


def _value(value: Value, shape: Shape, schemas: Schemas, depth: int) -> Any:
    kind = shape.kind
    if kind == "struct":
        return _message(as_bytes(value), schemas.type(shape.ref), schemas, depth + 1)
    if kind == "list":
        assert shape.item is not None
        return [_value(inner, shape.item, schemas, depth) for _, inner in fields(as_bytes(value))]
    if shape.ref in unions.UNIONS:
        schema = schemas.type(unions.SCHEMA)
        return unions.read(shape.ref, as_bytes(value), lambda data: _message(data, schema, schemas, depth + 1))
    if kind in _OWN:
        return _OWN[kind](dict(fields(as_bytes(value))))
    if kind == "string":
        return as_bytes(value).decode()
    if kind == "bytes":
        return base64.b64encode(as_bytes(value)).decode()
    if kind == "float64":
        return struct.unpack("<d", struct.pack("<Q", as_number(value)))[0]
    number = as_number(value)
    if kind == "bool":
        return bool(number)
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >= 1 << 63 else number


def _seconds(parts: dict[int, Value], *, micro: bool = False) -> str | None:
    seconds = as_signed(parts.get(1, 0))
    if seconds <= YEAR_ONE or not parts:
        return None
    try:
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    except OverflowError:
        raise Malformed(f"time {seconds} is out of range") from None
    text = moment.strftime("%Y-%m-%dT%H:%M:%S").zfill(19)
    return f"{text}.{as_signed(parts.get(2, 0)) // 1000:06d}Z" if micro else f"{text}Z"


def _micro_seconds(parts: dict[int, Value]) -> str | None:
    return _seconds(parts, micro=True)


def _quantity(parts: dict[int, Value]) -> str:
    return as_bytes(parts.get(1, b"0")).decode()


def _int_or_string(parts: dict[int, Value]) -> int | str:
    if parts.get(1):
        return as_bytes(parts.get(3, b"")).decode()
    return as_signed(parts.get(2, 0))


def _raw(parts: dict[int, Value]) -> Any:
    data = as_bytes(parts.get(1, b""))
    return json.loads(data) if data else None


_OWN: dict[str, Callable[[dict[int, Value]], Any]] = {
    "time": _seconds,
    "microtime": _micro_seconds,
    "quantity": _quantity,
    "intorstring": _int_or_string,
    "raw": _raw,
    "any": _raw,
}
