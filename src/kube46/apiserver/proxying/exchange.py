"""One request through the proxy: the body as it comes to the backend, the answer as it comes to the client.

Neither is held: what one side does not read is not read from the other.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from kube46.apiserver.answers import emit
from kube46.apiserver.proxying import bodies
from kube46.apiserver.proxying.headers import Headers, values
from kube46.apiserver.requests import Disconnected
from kube46.apiserver.responses import BadResponse

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import AsyncIterator, Callable

    from kube46.apiserver.requests import Request
    from kube46.apiserver.responses import Response

AT_ONCE = 1 << 16


class Broken(Exception):
    """The answer had begun and can't be ended: the client's connection is to be cut."""


async def feed(request: Request, writer: StreamWriter, *, chunked: bool) -> None:
    """Pass the request's body on, then wait until the client goes away: raises Disconnected then."""
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        data, more = message.get("body", b""), message.get("more_body", False)
        try:
            if data:
                writer.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
            if chunked and not more:
                writer.write(b"0\r\n\r\n")
            await writer.drain()
        except OSError:  # who answers without reading all may do so; the answer tells
            break
    while (await request.receive())["type"] != "http.disconnect":
        pass
    raise Disconnected


async def relay(response: Response, cycle: Any, headers: Headers, page: bodies.Page | None) -> None:
    """Send the answer to the client; raises Broken, and TimeoutError for a client that does not read."""
    names = {name for name, _ in headers}
    cycle.default_headers = [(name, value) for name, value in cycle.default_headers if name not in names]
    if cycle.more_body:  # of the request, which nobody will read
        headers = [*headers, (b"connection", b"close")]
    try:
        await emit(cycle.send, {"type": "http.response.start", "status": response.code, "headers": headers})
        async for part in _parts(response, page):
            await emit(cycle.send, {"type": "http.response.body", "body": part, "more_body": True})
        await emit(cycle.send, {"type": "http.response.body", "body": b"", "more_body": False})
    except (BadResponse, OSError, RuntimeError, zlib.error) as error:  # RuntimeError: uvicorn's, of wrong lengths
        raise Broken(str(error)) from error


async def _parts(response: Response, page: bodies.Page | None) -> AsyncIterator[bytes]:
    async for part in response.parts():
        if page is None:
            yield part
            continue
        for piece in page.feed(part):
            yield piece
    if page is not None:
        yield page.close()


def page_of(response: Response, link: Callable[[str], str]) -> bodies.Page | None:
    """The page whose links are replaced; None for what is not HTML."""
    kind = response.header(b"content-type").decode("latin-1").split(";")[0].strip()
    encoding = response.header(b"content-encoding").decode("latin-1")
    return bodies.Page(encoding, link) if kind == "text/html" and bodies.understood(encoding) else None


def length_of(request: Request) -> bytes:
    """How the request's body is framed; empty when it has none."""
    if values(request.scope["headers"], b"transfer-encoding"):
        return b"chunked"
    length = request.headers.get(b"content-length", b"")
    return length if length not in (b"", b"0") or request.method in ("POST", "PUT", "PATCH") else b""


async def pump(reader: StreamReader, writer: StreamWriter) -> None:
    """Copy until the source ends."""
    while data := await reader.read(AT_ONCE):
        writer.write(data)
        await writer.drain()
