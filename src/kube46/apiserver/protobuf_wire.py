"""Protobuf's wire format, and what Kubernetes puts around a message: the `k8s\\0` envelope, the frames of a watch.

Source: protobuf.dev/programming-guides/encoding; apimachinery pkg/runtime/generated.proto (Unknown, RawExtension),
pkg/util/framer.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAGIC = b"k8s\0"
MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MASK = (1 << 64) - 1  # a negative number is written as its complement of 64 bits, whatever its size
SHORT = [bytes((number,)) for number in range(0x80)]
Value = int | bytes


class Malformed(Exception):
    """Bytes that are no protobuf of the kind they claim to be."""


# writing


def varint(number: int) -> bytes:
    """A whole number, seven bits a byte, the lowest first."""
    if 0 <= number < 0x80:
        return SHORT[number]
    number &= MASK
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def tag(number: int, kind: int = BYTES) -> bytes:
    """What stands before a field's value."""
    return varint(number << 3 | kind)


def delimited(number: int, value: bytes) -> bytes:
    """A field whose value is text, bytes or a message."""
    return b"%b%b%b" % (tag(number), varint(len(value)), value)


def repeated(number: int, values: Iterable[bytes]) -> bytes:
    """A list of such values."""
    head = tag(number)
    return b"".join([part for value in values for part in (head, varint(len(value)), value)])


class Envelope:
    """The wrapping of the objects of one kind: a runtime.Unknown behind the magic number."""

    def __init__(self, api_version: str, kind: str) -> None:
        identity = delimited(1, api_version.encode()) + delimited(2, kind.encode())
        self._head = MAGIC + delimited(1, identity) + tag(2)

    def wrap(self, message: bytes) -> bytes:
        """The message as a client receives it; contentEncoding and contentType are empty."""
        before, after = self.around(len(message))
        return b"%b%b%b" % (before, message, after)

    def around(self, size: int) -> tuple[bytes, bytes]:
        """What stands before and after a message of so many bytes."""
        return self._head + varint(size), b"\x1a\x00\x22\x00"


def frame(event: str, document: bytes) -> bytes:
    """A WatchEvent with its length in four bytes before it."""
    message = delimited(1, event.encode()) + delimited(2, delimited(1, document))
    return struct.pack(">I", len(message)) + message


# reading


def fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """Field numbers with their raw values; raises Malformed."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        value: Value
        if kind == VARINT:
            value, at = read_varint(data, at)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
            value, at = int.from_bytes(_cut(data, at, size), "little"), at + size
        elif kind == BYTES:
            size, at = read_varint(data, at)
            value, at = _cut(data, at, size), at + size
        else:
            raise Malformed(f"wire type {kind} of field {number}")
        yield number, value


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
    number = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Malformed("unexpected EOF" if at >= len(data) else "integer overflow")
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def _cut(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise Malformed("unexpected EOF")
    return data[at : at + size]


def as_bytes(value: Value) -> bytes:
    """A value that must be text, bytes or a message."""
    if not isinstance(value, bytes):
        raise Malformed("a number where a message or text belongs")
    return value


def as_number(value: Value) -> int:
    """A value that must be a number, without its sign."""
    if isinstance(value, bytes):
        raise Malformed("a message or text where a number belongs")
    return value


def as_signed(value: Value) -> int:
    """A value that must be a number."""
    number = as_number(value) & MASK
    return number - (1 << 64) if number >= 1 << 63 else number
