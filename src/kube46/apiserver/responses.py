"""An HTTP answer read from a stream: its head, then its body part by part as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httptools

if TYPE_CHECKING:
    from asyncio import StreamReader
    from collections.abc import AsyncIterator


MOST_HEAD = 10 << 20  # bytes, as Go's client (Transport.MaxResponseHeaderBytes)


class BadResponse(Exception):
    """What came is not HTTP, or ended too early; the text says which."""


class Response:
    """`code` and `headers` (names in lower case) are known after `read_head`. `bodyless`: to a HEAD request."""

    def __init__(self, reader: StreamReader, *, bodyless: bool = False) -> None:
        self._reader, self._bodyless = reader, bodyless
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._headers_done = self._done = self._ended = False
        self.code = self._size = 0
        self.headers: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser's callback."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The parser's callback."""
        self.code = self._parser.get_status_code()
        if self.code >= 200:
            self._headers_done = True
            self._done = self._bodyless
        else:
            self.headers.clear()  # the real answer follows

    def on_body(self, body: bytes) -> None:
        """The parser's callback."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """The parser's callback."""
        self._done = self._headers_done

    def header(self, name: bytes) -> bytes:
        """A header's first value, or nothing."""
        return next((value for one, value in self.headers if one == name), b"")

    async def _feed(self) -> None:
        data = await self._reader.read(1 << 16)
        if data:
            self._size += len(data)
            self._parser.feed_data(data)
            return
        self._ended = True
        framed = self.header(b"transfer-encoding") or self.header(b"content-length")
        if not self._headers_done or framed:
            raise BadResponse("EOF" if not self._headers_done else "unexpected EOF")
        self._done = True  # the end of the connection is the end of the body

    async def read_head(self) -> None:
        """Wait for the status line and the headers; raises BadResponse, OSError."""
        while not self._headers_done:
            await self._fed()
            if self._size > MOST_HEAD and not self._headers_done:
                raise BadResponse(f"net/http: server response headers exceeded {MOST_HEAD} bytes; aborted")

    async def _fed(self) -> None:
        try:
            await self._feed()
        except httptools.HttpParserError as error:
            raise BadResponse(f"malformed HTTP response: {error}") from error

    async def parts(self) -> AsyncIterator[bytes]:
        """The body; raises BadResponse when it is cut short, OSError."""
        while True:
            parts, self._parts = self._parts, []
            if parts and not self._bodyless:
                yield b"".join(parts)
            if self._done and not self._parts:
                return
            if not self._done:
                await self._fed()

    async def whole(self, most: int) -> bytes:
        """The body, of at most so many bytes; raises BadResponse for a longer one and as `parts`, OSError."""
        found, size = [], 0
        async for part in self.parts():
            found.append(part)
            size += len(part)
            if size > most:
                raise BadResponse("http: response body too large")
        return b"".join(found)
