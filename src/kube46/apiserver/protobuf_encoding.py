"""JSON objects → Kubernetes' protobuf, byte for byte as Go's generated marshallers write it.

They write fields by number, those that are no pointers even when zero, maps by key. A type's writers are made on its
first use: a closure a field. Source: k8s.io/api generated.pb.go; apimachinery time_proto.go, quantity_proto.go.
"""

from __future__ import annotations

import base64
import datetime
import struct
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.apiserver import protobuf_unions as unions
from kube46.apiserver.protobuf_wire import FIXED64, SHORT, VARINT, Envelope, delimited, repeated, tag, varint
from kube46.apiserver.schemas import Schemas, embedded_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube46.apiserver.schemas import Shape, Type

    Writer = Callable[[list[bytes], Any], None]  # adds a field's bytes, if any, for a value that may be None
    Maker = Callable[[Any], bytes]  # the bytes of a value that is there

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
YEAR_ONE = "0001-01-01T00:00:00"  # Go's zero time
SECOND = datetime.timedelta(seconds=1)
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
ZEROS: dict[str, Any] = {"string": "", "bool": False, "int32": 0, "int64": 0, "float64": 0.0, "intorstring": 0}


def encode(obj: dict[str, Any]) -> bytes:
    """A whole object, in its envelope; raises KeyError for kinds that are not built in."""
    api_version, kind = obj.get("apiVersion", "v1"), obj["kind"]
    group, _, version = api_version.rpartition("/")
    schema = Schemas.load().definition(group, version, kind)
    return Envelope(api_version, kind).wrap(message(schema).encode(obj))


def list_metadata(metadata: dict[str, Any]) -> bytes:
    """A ListMeta."""
    return message(f"{META}ListMeta").encode(metadata)


def object_metadata(metadata: dict[str, Any]) -> bytes:
    """An ObjectMeta."""
    return message(f"{META}ObjectMeta").encode(metadata)


@cache
def message(name: str) -> Message:
    """The encoder of a definition."""
    return Message(Schemas.load().type(name), name)


class Message:
    """The encoder of one struct; `wire` names the message where it is one that JSON has inlined into the struct."""

    def __init__(self, schema: Type, wire: str) -> None:
        self._schema, self._wire = schema, wire

    def encode(self, obj: dict[str, Any]) -> bytes:
        """The message without anything around it."""
        out: list[bytes] = []
        get = obj.get
        for field, write in self._writers:
            write(out, get(field) if field else obj)
        return b"".join(out)

    @cached_property
    def _writers(self) -> list[tuple[str, Writer]]:
        """Each field's name ("" for the struct itself, of which an inlined one takes its part) and writer."""
        found: list[tuple[str, Writer]] = []
        for number, field in sorted(Schemas.load().wire(self._wire).items()):
            if field.startswith(">"):
                inlined = Message(self._schema, embedded_in(self._wire, field))
                found.append(("", _present(_delimited(number, inlined.encode), None)))
            elif (known := self._schema.fields.get(field)) is not None:
                found.append((field, _writer(number, known.shape)))
        return found


def _writer(number: int, shape: Shape) -> Writer:
    if shape.kind == "list" and not shape.wrapped:
        assert shape.item is not None
        return _each(_maker(number, shape.item))
    if shape.kind == "map":
        assert shape.item is not None
        make = _maker(2, shape.item)
        return _entries(number, _unless_null(make) if shape.item.kind == "bytes" else make)
    make = _maker(number, shape)
    optional = shape.pointer or shape.kind in ("bytes", "list")
    return _present(make, None if optional else make(ZEROS.get(shape.kind)))


def _present(make: Maker, default: bytes | None) -> Writer:
    """A field that may be absent: then nothing is written, or a zero."""

    def optional(out: list[bytes], value: Any) -> None:
        if value is not None:
            out.append(make(value))

    def required(out: list[bytes], value: Any) -> None:
        out.append(default if value is None else make(value))  # type: ignore[arg-type]  # not None here

    return optional if default is None else required


def _each(make: Maker) -> Writer:
    def write(out: list[bytes], values: Any) -> None:
        if values:
            out.extend([make(value) for value in values])

    return write


def _entries(number: int, make: Maker) -> Writer:
    def write(out: list[bytes], values: Any) -> None:
        if values:
            out.append(repeated(number, [_text(1, key) + make(values[key]) for key in sorted(values)]))

    return write


def _unless_null(make: Maker) -> Maker:
    return lambda value: b"" if value is None else make(value)


# values


def _maker(number: int, shape: Shape) -> Maker:
    """How a value of that shape becomes a field of that number; None is the type's zero value, as in Go."""
    kind = shape.kind
    if kind == "struct":
        return _delimited(number, _struct(shape.ref))
    if kind == "list":  # a named type of slices, which may stand in maps and so has a message of its own
        return _delimited(number, lambda values: repeated(1, [value.encode() for value in values or ()]))
    if shape.ref in unions.UNIONS:
        return _delimited(number, lambda value: unions.write(shape.ref, value, _struct(unions.SCHEMA)))
    if kind in _PAYLOADS:
        return _delimited(number, _PAYLOADS[kind])
    if kind == "bytes":
        return _delimited(number, lambda text: base64.b64decode(text or ""))
    if kind == "string":
        return _string(number)
    if kind == "float64":
        head = tag(number, FIXED64)
        return lambda value: head + struct.pack("<d", value or 0)
    head = tag(number, VARINT)
    return lambda value: head + varint(int(value or 0))


def _delimited(number: int, payload: Maker) -> Maker:
    head = tag(number)

    def make(value: Any) -> bytes:
        data = payload(value)
        size = len(data)
        return b"%b%b%b" % (head, SHORT[size] if size < 0x80 else varint(size), data)

    return make


def _string(number: int) -> Maker:
    head = tag(number)

    def make(value: Any) -> bytes:
        data = (value or "").encode()
        size = len(data)
        return b"%b%b%b" % (head, SHORT[size] if size < 0x80 else varint(size), data)

    return make


def _text(number: int, text: str) -> bytes:
    return delimited(number, text.encode())


def _struct(name: str) -> Maker:
    """The message is looked up when it is needed: types hold themselves."""

    def make(value: Any) -> bytes:
        return message(name).encode(value or {})

    return make


def _time(text: str | None) -> bytes:
    if not text or text.startswith(YEAR_ONE):
        return b""
    since = datetime.datetime.fromisoformat(text) - EPOCH
    return b"\x08%b\x10\x00" % varint(since // SECOND)


def _micro_time(text: str | None) -> bytes:
    if not text or text.startswith(YEAR_ONE):
        return b""
    since = datetime.datetime.fromisoformat(text) - EPOCH
    return b"\x08%b\x10%b" % (varint(since // SECOND), varint(since.microseconds * 1000))


def _int_or_string(value: int | str) -> bytes:
    if isinstance(value, str):
        return b"\x08\x01\x10\x00" + _text(3, value)
    return b"\x08\x00\x10%b\x1a\x00" % varint(value)


def _raw(value: Any) -> bytes:
    return b"" if value is None else delimited(1, msgspec.json.encode(value))


_PAYLOADS: dict[str, Maker] = {
    "time": _time,
    "microtime": _micro_time,
    "quantity": lambda value: _text(1, "0" if value is None else str(value)),
    "intorstring": _int_or_string,
    "raw": _raw,
    "any": _raw,
}
