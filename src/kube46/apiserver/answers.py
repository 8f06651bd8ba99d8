"""What goes back over the wire: whole bodies, streams, headers, compression."""

from __future__ import annotations

import asyncio
import re
import uuid
import zlib
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.apiserver import protobuf_encoding
from kube46.apiserver.connections import Stream, respond
from kube46.apiserver.negotiation import PROTOBUF, YAML, negotiate
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.views import to_yaml

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator

    from kube46.apiserver.requests import Request
    from kube46.apiserver.watches import Watch

JSON = b"application/json"
GZIP_BYTES = 128 << 10  # kube-apiserver's threshold
GZIP = 16 + zlib.MAX_WBITS
NOSNIFF = (b"x-content-type-options", b"nosniff")
COMPRESSED = [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
MOST_WARNED, CUT_WARNING = 4096, 256  # characters: of all warnings of an answer, and of each where they are more
REQUEST_SECONDS = 60  # --request-timeout: who reads a long list slowly must not keep its seat for ever
SEND_SECONDS = 60  # a client that reads nothing for so long is dropped


@dataclass(slots=True)
class Answer:
    """An HTTP answer; `pieces`, `stream`, `watch` or `obj` takes the place of `body`."""

    body: bytes = b""
    code: int = 200
    content_type: bytes = JSON
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    pieces: Iterator[bytes] | None = None  # of a long list, made while it is sent
    stream: AsyncGenerator[bytes, None] | None = None
    watch: Watch | None = None
    sent: bool = False  # already, by who made it

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
        media = negotiate(accept, shaped=False).media_type
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
    """`Warning: 299 - "text"` for each distinct text (semantics E-7), in UTF-8; none with control characters.

    When all are too long together, each is cut, and those that are still too many are left out: as upstream's
    pkg/endpoints/filters/warning.go.
    """
    texts = [text for text in dict.fromkeys(warnings) if text and not CONTROLS.search(text)]
    if sum(map(len, texts)) > MOST_WARNED:
        cut = [text[:CUT_WARNING] for text in texts]
        texts = [text for number, text in enumerate(cut) if sum(map(len, cut[:number])) < MOST_WARNED]
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return [(b"warning", f'299 - "{text}"'.encode("utf-8", "replace")) for text in quoted]


async def send(answer: Answer, request: Request, asgi: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Write an answer to a client; raises TimeoutError for one that does not read for SEND_SECONDS."""
    headers = _headers(answer, request)
    cycle = request.scope["state"]["cycle"]
    if not answer.endless and answer.pieces is None:
        body = answer.body
        if len(body) >= GZIP_BYTES and _takes_gzip(request):
            body = await asyncio.to_thread(zlib.compress, body, 1, GZIP)
            headers += COMPRESSED
        await respond(cycle, answer.code, headers, body, SEND_SECONDS)
        return
    compressed = answer.pieces is not None and _takes_gzip(request)
    headers += COMPRESSED if compressed else ()
    await emit(asgi, {"type": "http.response.start", "status": answer.code, "headers": headers})
    if answer.stream is not None:
        async with aclosing(answer.stream) as parts:
            async for part in parts:
                await emit(asgi, {"type": "http.response.body", "body": part, "more_body": True})
    elif answer.watch is not None:
        await answer.watch.serve(Stream(cycle, SEND_SECONDS))
    elif answer.pieces is not None:
        async with asyncio.timeout(REQUEST_SECONDS):
            await _send_pieces(answer.pieces, Stream(cycle, SEND_SECONDS), compressed=compressed)
    await emit(asgi, {"type": "http.response.body", "body": b"", "more_body": False})


async def _send_pieces(pieces: Iterable[bytes], out: Stream, *, compressed: bool) -> None:
    """Others get their turn after each piece, and no more is made than the client reads."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, GZIP) if compressed else None
    for piece in pieces:
        out.write(piece if compressor is None else await asyncio.to_thread(compressor.compress, piece))
        await out.drained()
        await asyncio.sleep(0)
        if out.gone:
            return
    if compressor is not None:
        out.write(compressor.flush())


def _headers(answer: Answer, request: Request) -> list[tuple[bytes, bytes]]:
    """What kube-apiserver says with every answer: the id under which its log has the request, and who may keep it."""
    headers = correlation(request)
    if answer.content_type:
        headers.append((b"content-type", answer.content_type))
    if not any(name == b"cache-control" for name, _ in answer.headers):
        headers.append((b"cache-control", b"no-cache, private"))
    return [*headers, *answer.headers]


def correlation(request: Request) -> list[tuple[bytes, bytes]]:
    """The header that names a request in logs."""
    return [(b"audit-id", request.headers.get(b"audit-id") or str(uuid.uuid4()).encode())]


async def emit(asgi: Callable[[dict[str, Any]], Awaitable[None]], message: dict[str, Any]) -> None:
    """Send a piece; raises TimeoutError for a client that does not read for SEND_SECONDS."""
    async with asyncio.timeout(SEND_SECONDS):
        await asgi(message)


def _takes_gzip(request: Request) -> bool:
    return b"gzip" in request.headers.get(b"accept-encoding", b"")
