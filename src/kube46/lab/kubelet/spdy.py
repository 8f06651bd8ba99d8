"""SPDY/3.1 frames, a server's side (pure): bytes in, events out; exec, attach and port-forward are spoken in it.

Only what Kubernetes' clients use: streams that the client opens, data, resets, pings, a goodbye. Flow-control windows
are neither granted nor asked for, as by the peer that counts, github.com/moby/spdystream (decision 101).
Source: SPDY Protocol Draft 3.1, sections 2.2, 2.6 and 2.6.10 (headers and their dictionary).
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

# Section 2.6.10.1: words, each after its length in 32 bits, then text.
_WORDS = """options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age
allow authorization cache-control connection content-base content-encoding content-language content-length
content-location content-md5 content-range content-type date etag expect expires from host if-match if-modified-since
if-none-match if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate
proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning
www-authenticate method get status|200 OK|version HTTP/1.1 url public set-cookie keep-alive origin"""
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
VERSION = 3
LONGEST_CONTROL = 16 * 1024  # bytes of a control frame, and of its headers once they are inflated
LONGEST_DATA = (1 << 24) - 1
CONTROL, FIN = 1 << 31, 1
_HEAD, _WORD = struct.Struct("!II"), struct.Struct("!I")


class Kind(IntEnum):
    """Types of control frames."""

    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


class Why(IntEnum):
    """Statuses of a reset."""

    PROTOCOL_ERROR = 1
    REFUSED_STREAM = 3
    CANCEL = 5


class SpdyError(ValueError):
    """What came is not SPDY/3.1 as clients of Kubernetes speak it; the connection can't go on."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The client opened a stream. `end`: it will send nothing on it."""

    stream: int
    headers: Mapping[str, str]
    end: bool = False


@dataclass(frozen=True, slots=True)
class Data:
    """A part of what the client sends on a stream, maybe nothing; `end`: the last."""

    stream: int
    data: bytes
    end: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    """The client gave a stream up."""

    stream: int


@dataclass(frozen=True, slots=True)
class Ping:
    """To be answered by the same number."""

    number: int


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The client will open no more streams."""


Event = Opened | Data | Reset | Ping | Goodbye


def dictionary() -> bytes:
    """What both sides' header compression begins with."""
    lines = " ".join(_WORDS.split("\n"))
    parts = lines.split("|")
    words = [*parts[0].split(), parts[1], *parts[2].split()]
    return b"".join(_WORD.pack(len(word)) + word.encode() for word in words) + _TEXT.encode()


class Frames:
    """One connection's codec. Feed all that comes to `receive`; send what the other methods return, in their order."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._stream = self._left = self._end = 0  # the data frame that is under way
        self._newest = 0
        self._inflate = zlib.decompressobj(zdict=dictionary())
        self._deflate = zlib.compressobj(zlib.Z_BEST_COMPRESSION, zdict=dictionary())

    def receive(self, data: bytes) -> Iterator[Event]:
        """What the bytes complete; data frames come in the parts they arrive in. Raises SpdyError."""
        self._buffer += data
        while (found := self._next()) is not None:
            yield from found

    def reply(self, stream: int) -> bytes:
        """Accept a stream."""
        block = self._deflate.compress(_WORD.pack(0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _control(Kind.SYN_REPLY, _WORD.pack(stream) + block)

    def reset(self, stream: int, why: Why) -> bytes:
        """Give a stream up, or refuse it."""
        return _control(Kind.RST_STREAM, _HEAD.pack(stream, why))

    def ping(self, number: int) -> bytes:
        """The answer to a ping."""
        return _control(Kind.PING, _WORD.pack(number))

    def data(self, stream: int, data: bytes, *, end: bool = False) -> bytes:
        """Bytes on a stream, at most LONGEST_DATA; `end`: the last."""
        return _HEAD.pack(stream, (FIN << 24 if end else 0) | len(data)) + data

    def _next(self) -> tuple[Event, ...] | None:
        """What the next frame, or part of one, means; None when more bytes are needed."""
        if self._left:
            return (self._part(),) if self._buffer else None
        if len(self._buffer) < _HEAD.size:
            return None
        first, second = _HEAD.unpack_from(self._buffer)
        flags, length = second >> 24, second & LONGEST_DATA
        if not first & CONTROL:
            del self._buffer[: _HEAD.size]
            if not first:
                raise SpdyError("data on stream 0")
            self._stream, self._left, self._end = first, length, flags & FIN
            return () if length else (Data(first, b"", end=bool(flags & FIN)),)
        if first >> 16 & 0x7FFF != VERSION:
            raise SpdyError(f"version {first >> 16 & 0x7FFF} of SPDY is not {VERSION}")
        if length > LONGEST_CONTROL:
            raise SpdyError(f"a control frame of {length} bytes is too long")
        if len(self._buffer) < _HEAD.size + length:
            return None
        payload = bytes(self._buffer[_HEAD.size : _HEAD.size + length])
        del self._buffer[: _HEAD.size + length]
        try:
            return self._read(first & 0xFFFF, flags, payload)
        except struct.error:
            raise SpdyError(f"a control frame of type {first & 0xFFFF} is cut short") from None

    def _part(self) -> Event:
        data = bytes(self._buffer[: self._left])
        del self._buffer[: len(data)]
        self._left -= len(data)
        return Data(self._stream, data, end=bool(self._end and not self._left))

    def _read(self, kind: int, flags: int, payload: bytes) -> tuple[Event, ...]:
        match kind:
            case Kind.SYN_STREAM:
                stream = _WORD.unpack_from(payload)[0] & ~CONTROL
                headers = self._headers(payload[10:])
                if stream <= self._newest or not stream % 2:
                    raise SpdyError(f"stream {stream} after stream {self._newest}")
                self._newest = stream
                return (Opened(stream, headers, end=bool(flags & FIN)),)
            case Kind.HEADERS | Kind.SYN_REPLY:
                self._headers(payload[4:])  # or the next ones could not be inflated
            case Kind.RST_STREAM:
                return (Reset(_WORD.unpack_from(payload)[0] & ~CONTROL),)
            case Kind.PING:
                number = _WORD.unpack_from(payload)[0]
                return (Ping(number),) if number % 2 else ()  # even ones would answer ours
            case Kind.GOAWAY:
                return (Goodbye(),)
            case Kind.SETTINGS | Kind.WINDOW_UPDATE:
                pass
            case _:
                raise SpdyError(f"control frames of type {kind} are not known")
        return ()

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            flat = self._inflate.decompress(block, LONGEST_CONTROL)
        except zlib.error as error:
            raise SpdyError(f"headers can't be inflated: {error}") from None
        if self._inflate.unconsumed_tail or self._inflate.eof:
            raise SpdyError(f"headers of more than {LONGEST_CONTROL} bytes, or after their end")
        return _pairs(flat)


def _control(kind: Kind, payload: bytes) -> bytes:
    return _HEAD.pack(CONTROL | VERSION << 16 | kind, len(payload)) + payload


def _pairs(flat: bytes) -> dict[str, str]:
    """A header block's names and values: each text after its length."""
    position, texts = _WORD.size, []
    for _ in range(2 * _WORD.unpack_from(flat)[0]):
        end = position + _WORD.size + _WORD.unpack_from(flat, position)[0]
        if end > len(flat):
            raise SpdyError("headers are cut short")
        texts.append(flat[position + _WORD.size : end].decode("latin-1"))
        position = end
    names = texts[::2]
    if len(set(names)) != len(names) or any(name != name.lower() for name in names):
        raise SpdyError("a header's name comes twice, or in upper case")
    return dict(zip(names, texts[1::2], strict=True))
