"""The question and the answer of a gRPC health check, in HTTP/2's frames (pure).

One stream, no compression of headers, and of the answer's headers only their end is of interest: the answer itself is
in its data. Source: RFC 9113, RFC 7541 section 6.2.2, grpc/grpc doc/PROTOCOL-HTTP2.md, grpc.health.v1.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
STREAM = 1
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
LARGEST = 1 << 20  # bytes of an answer, which has two
STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
SERVING = "SERVING"


class Kind(IntEnum):
    """Types of frames."""

    DATA = 0
    HEADERS = 1
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame."""

    kind: int
    flags: int
    stream: int
    payload: bytes = b""

    def encoded(self) -> bytes:
        """As it goes over the wire."""
        return len(self.payload).to_bytes(3) + bytes([self.kind, self.flags]) + self.stream.to_bytes(4) + self.payload


def question(authority: str, service: str, agent: str) -> bytes:
    """All that is said to ask for the health of a service ("": of all)."""
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/grpc.health.v1.Health/Check",
        ":authority": authority,
        "content-type": "application/grpc",
        "te": "trailers",
        "user-agent": agent,
    }
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in headers.items())
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    data = struct.pack(">BI", 0, len(message)) + message
    said = (
        Frame(Kind.SETTINGS, 0, 0),
        Frame(Kind.HEADERS, END_HEADERS, STREAM, block),
        Frame(Kind.DATA, END_STREAM, STREAM, data),
    )
    return PREFACE + b"".join(frame.encoded() for frame in said)


class Answer:
    """What the server said so far: `replies` is to be sent to it, `status` its answer once it is there."""

    def __init__(self) -> None:
        self._buffer, self._data = bytearray(), bytearray()
        self.status = ""
        self.over = False  # nothing more will come of it

    def feed(self, data: bytes) -> bytes:
        """Take bytes; returns what to say to them. Raises ValueError on what is no HTTP/2."""
        self._buffer += data
        said = b""
        for frame in self._frames():
            match frame.kind:
                case Kind.SETTINGS | Kind.PING if not frame.flags & ACK:
                    payload = frame.payload if frame.kind == Kind.PING else b""
                    said += Frame(frame.kind, ACK, 0, payload).encoded()
                case Kind.DATA if frame.stream == STREAM:
                    self._data += _unpadded(frame)
                case Kind.RST_STREAM | Kind.GOAWAY:
                    self.over = True
            if frame.kind in (Kind.DATA, Kind.HEADERS) and frame.flags & END_STREAM:
                self.over = True
        self._look()
        return said

    def _frames(self) -> Iterator[Frame]:
        while len(self._buffer) >= 9:
            size = int.from_bytes(self._buffer[:3])
            if size > LARGEST or len(self._data) > LARGEST:
                raise ValueError("the answer is no HTTP/2")
            if len(self._buffer) < 9 + size:
                return
            head, payload = self._buffer[:9], bytes(self._buffer[9 : 9 + size])
            del self._buffer[: 9 + size]
            yield Frame(head[3], head[4], int.from_bytes(head[5:9]) & 0x7FFFFFFF, payload)

    def _look(self) -> None:
        """A gRPC message: whether it is compressed (we offer nothing), its size, its bytes."""
        if len(self._data) >= 5 and len(self._data) >= 5 + (size := int.from_bytes(self._data[1:5])):
            message = self._data[5 : 5 + size]
            number = message[1] if len(message) >= 2 and message[0] == 0x08 else 0
            self.status = STATUSES[number] if number < len(STATUSES) else str(number)
            self.over = True


def _unpadded(frame: Frame) -> bytes:
    if not frame.flags & PADDED:
        return frame.payload
    return frame.payload[1 : len(frame.payload) - frame.payload[0]]


def _text(text: str) -> bytes:
    """A string literal without Huffman's code."""
    data = text.encode()
    if len(data) < 0x7F:
        return bytes([len(data)]) + data
    return b"\x7f" + _varint(len(data) - 0x7F) + data


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(found + bytes([number]))
