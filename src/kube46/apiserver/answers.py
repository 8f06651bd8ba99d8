"""What goes back over the wire: whole bodies, streams, headers, compression."""

from __future__ import annotations

import asyncio
import zlib
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.apiserver import protobuf_encoding
from kube46.apiserver.connections import Stream
from kube46.apiserver.negotiation import PROTOBUF, YAML, negotiate
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.views import to_yaml

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

    from kube46.apiserver.requests import Request
    from kube46.apiserver.watches import Watch

JSON = b"application/json"
GZIP_BYTES = 128 << 10  # kube-apiserver's threshold
SEND_SECONDS = 60  # a client that reads nothing for so long is dropped


@dataclass(slots=True)
class Answer:
    """An HTTP answer; `stream`, `watch` or `obj` takes the place of `body`."""

    body: bytes = b""
    code: int = 200
    content_type: bytes = JSON
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    stream: AsyncGenerator[bytes, None] | None = None
    watch: Watch | None = None

    @property
    def endless(self) -> bool:
        """Whether it is written over a long time."""
        return self.stream is not None or self.watch is not None

    obj: dict[str, Any] | None = None  # becomes the body when it is known what form the client accepts


def json(obj: Any, code: int = 200) -> Answer:
    """A JSON answer."""
    return Answer(msgspec.json.encode(obj), code)


def whole(obj: dict[str, Any], code: int = 200) -> Answer:
    """An object of a built-in kind, which it names itself, in whatever form the client accepts."""
    return Answer(code=code, obj=obj)


def write(answer: Answer, accept: str) -> None:
    """Make the body of an object; JSON where the client accepts nothing that we can write, as kube-apiserver."""
    if answer.obj is None:
        return
    try:
        media = negotiate(accept).media_type
    except StatusError:
        media = JSON.decode()
    if media == PROTOBUF:
        answer.body = protobuf_encoding.encode(answer.obj)
    else:
        answer.body = msgspec.json.encode(answer.obj)
        if media == YAML:
            answer.body = to_yaml(answer.body)
    answer.content_type = media.encode()


def text(body: str, code: int = 200) -> Answer:
    """A plain text answer."""
    return Answer(body.encode(), code, b"text/plain; charset=utf-8")


def warning_headers(warnings: Iterable[str]) -> list[tuple[bytes, bytes]]:
    """`Warning: 299 - "text"` for each distinct text (semantics E-7); control characters can't be sent."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in dict.fromkeys(warnings))
    clean = ("".join(c if c.isprintable() else " " for c in text) for text in quoted)
    return [(b"warning", f'299 - "{text}"'.encode("latin-1", "replace")) for text in clean]


async def send(answer: Answer, request: Request | None, emit: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Write an answer to a client; a client that does not read is given up after SEND_SECONDS."""
    headers = [(b"content-type", answer.content_type), *answer.headers]
    if answer.stream is not None:
        await _emit(emit, {"type": "http.response.start", "status": answer.code, "headers": headers})
        async with aclosing(answer.stream) as parts:
            async for part in parts:
                await _emit(emit, {"type": "http.response.body", "body": part, "more_body": True})
        await _emit(emit, {"type": "http.response.body", "body": b"", "more_body": False})
        return
    if answer.watch is not None and request is not None:
        await _emit(emit, {"type": "http.response.start", "status": answer.code, "headers": headers})
        await answer.watch.serve(Stream(request.scope["state"]["cycle"], SEND_SECONDS))
        await _emit(emit, {"type": "http.response.body", "body": b"", "more_body": False})
        return
    body = answer.body
    if request is not None and len(body) >= GZIP_BYTES and b"gzip" in request.headers.get(b"accept-encoding", b""):
        body = await asyncio.to_thread(_gzip, body)
        headers += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
    headers.append((b"content-length", str(len(body)).encode()))
    if request is not None and request.method == "HEAD":
        body = b""
    await _emit(emit, {"type": "http.response.start", "status": answer.code, "headers": headers})
    await _emit(emit, {"type": "http.response.body", "body": body, "more_body": False})


async def _emit(emit: Callable[[dict[str, Any]], Awaitable[None]], message: dict[str, Any]) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await emit(message)


def _gzip(body: bytes) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()
