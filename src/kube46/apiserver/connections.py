"""One client's connection: uvicorn's HTTP protocol with client certificates, limits for slow or endless requests, and
a way out of HTTP for upgrades (exec, attach, port-forward).
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

if TYPE_CHECKING:
    import ssl
    from asyncio import StreamReader, StreamWriter

HEADER_BYTES = 1 << 20  # kube-apiserver's limit (net/http's default)
HEADER_SECONDS = 32  # its ReadHeaderTimeout
GOODBYE_SECONDS = 0.3
CLOSE = (b"connection", b"close")
STREAM_BYTES = 1 << 18  # buffered of a connection that has left HTTP
# where an upgrade is served; elsewhere one that is asked for is ignored, as Go's server does
STREAMS = re.compile(
    rb"/api/v1/(namespaces/[^/]+/)?(nodes|pods|services)/[^/]+/(attach|exec|log|portforward|proxy)(/|\?|$)"
)


class Connection(HttpToolsProtocol):
    """`scope["state"]` of each request has `client_certificate` (a dict or None), `connection` (this) and `cycle`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._header_bytes = 0
        self._in_header = True
        self._deadline: asyncio.TimerHandle | None = None
        self._upgraded: bytearray | None = None  # what came after an upgrade request's end
        self._resumed = False  # the parser is told anew what it knew of a request

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note who is there, and give the first request a time limit."""
        super().connection_made(transport)
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        self.app_state = {"client_certificate": tls.getpeercert() if tls else None, "connection": self}
        self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def _await_header(self) -> None:
        self._in_header, self._header_bytes = True, 0
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self._in_header and not self.transport.is_closing():
            self.transport.close()

    def on_message_begin(self) -> None:
        """A request's first byte: its header must be complete in time."""
        super().on_message_begin()
        if not self._resumed:
            self._await_header()

    def on_headers_complete(self) -> None:
        """The header is complete: the body's limits are the application's."""
        if self._resumed:
            return
        self._in_header = False
        self._stop_clock()
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.scope["state"]["cycle"] = self.cycle

    def on_message_complete(self) -> None:
        """The end of a request; the parser says so of one that asks for an upgrade before it has read the body."""
        if not (self.parser.should_upgrade() and self._skipped_body()):
            super().on_message_complete()

    def _skipped_body(self) -> list[tuple[bytes, bytes]]:
        """What says how long the body is that the parser leaves out, as the upgrade is one that is ignored."""
        if STREAMS.match(self.url):
            return []
        length = [header for header in self.headers if header[0] in (b"content-length", b"transfer-encoding")]
        return [] if length == [(b"content-length", b"0")] else length

    def _resume(self, length: list[tuple[bytes, bytes]]) -> None:
        """Go on with a request as if it asked for no upgrade: by a parser that is told of its body only."""
        kept = self.url, self.headers, self.scope
        self._resumed, self.parser = True, httptools.HttpRequestParser(self)
        head = b"".join(b"%b: %b\r\n" % header for header in length)
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % head)
        self._resumed = False
        self.url, self.headers, self.scope = kept

    def data_received(self, data: bytes) -> None:
        """Feed the parser; after an upgrade request nothing more is HTTP."""
        if self._upgraded is not None:
            self._upgraded += data
            if len(self._upgraded) > STREAM_BYTES:  # until the application takes over, if ever
                self.transport.pause_reading()
            return
        if self.timeout_keep_alive_task is not None:  # also for bytes that begin no request, as empty lines
            self._await_header()
        self._unset_keepalive_if_required()
        if self._in_header:
            self._header_bytes += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        if self._in_header and self._header_bytes > HEADER_BYTES:
            self._refuse_header()

    def _feed(self, data: bytes) -> None:
        rest = memoryview(data)
        while True:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
            else:
                return
            length = self._skipped_body()
            if not length:
                self._upgraded = bytearray(rest)
                self.cycle.keep_alive = False
                return
            self._resume(length)

    def _refuse_header(self) -> None:
        text = b"431 Request Header Fields Too Large"
        head = b"HTTP/1.1 %b\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
        self.transport.write(head % (text, len(text), text))
        self.transport.close()

    def shutdown(self) -> None:
        """End an idle connection; a client that does not answer TLS's goodbye must not hold the server up."""
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(GOODBYE_SECONDS, self.transport.abort)

    def take_over(self) -> tuple[StreamReader, StreamWriter]:
        """The bare connection of an upgrade request; the application has the rest of it from now on."""
        if self._upgraded is None:
            message = "the request asked for no upgrade"
            raise ValueError(message)
        reader = asyncio.StreamReader(limit=STREAM_BYTES, loop=self.loop)
        reader.feed_data(bytes(self._upgraded))
        protocol = asyncio.StreamReaderProtocol(reader, loop=self.loop)
        self.connections.discard(self)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        self.transport.resume_reading()
        # nobody is to be answered through HTTP any more
        self.cycle.response_started = self.cycle.response_complete = self.cycle.disconnected = True
        self._stop_clock()
        return reader, asyncio.StreamWriter(self.transport, protocol, reader, self.loop)


async def respond(
    cycle: RequestResponseCycle, code: int, headers: list[tuple[bytes, bytes]], body: bytes, seconds: float
) -> None:
    """A whole answer in one write; raises TimeoutError for a client that does not read the one before it.

    ASGI's two messages are two TLS records, and half of the time of a small get.
    """
    if cycle.flow.write_paused:
        async with asyncio.timeout(seconds):
            await cycle.flow.drain()
    if cycle.disconnected:
        return
    cycle.response_started, cycle.waiting_for_100_continue = True, False
    if CLOSE in headers:
        cycle.keep_alive = False
    elif not cycle.keep_alive:
        headers = [*headers, CLOSE]
    lines = b"".join([b"%b: %b\r\n" % header for header in (*cycle.default_headers, *headers)])
    if lines.count(b"\n") != len(headers) + len(cycle.default_headers) or b"\0" in lines:
        message = "a header's value has more than one line"
        raise ValueError(message)
    head = b"%b%bcontent-length: %d\r\n\r\n" % (STATUS_LINE[code], lines, len(body))
    cycle.transport.write(head if cycle.scope["method"] == "HEAD" else head + body)
    cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()


class Stream:
    """The body of an answer that has begun, written at once and without waiting: watchers are many, their events small.

    ASGI's `send` is a coroutine and a dictionary for each piece; this is a call of the transport.
    """

    def __init__(self, cycle: RequestResponseCycle, seconds: float) -> None:
        self._cycle, self._seconds = cycle, seconds

    @property
    def full(self) -> bool:
        """Whether the client does not read what was written; write no more then."""
        return self._cycle.flow.write_paused

    @property
    def gone(self) -> bool:
        """Whether the client went away."""
        return self._cycle.disconnected

    def write(self, data: bytes) -> None:
        """Send a piece; nothing when the client is gone."""
        if data and not self._cycle.disconnected and self._cycle.scope["method"] != "HEAD":
            self._cycle.transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._cycle.chunked_encoding else data)

    async def drained(self) -> None:
        """Wait until the client reads; raises TimeoutError when it does not for so many seconds."""
        if self.full:
            async with asyncio.timeout(self._seconds):
                await self._cycle.flow.drain()
