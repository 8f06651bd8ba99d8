"""HTTP/1.1 and WebSocket on an asyncio stream: h11 and wsproto, which do no I/O, joined to one that does."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import h11
from wsproto.connection import Connection as Frames
from wsproto.connection import ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

BLOCK = 64 * 1024
LARGEST_MESSAGE = 1024 * 1024
FIRST_REQUEST, KEEP_ALIVE = 10.0, 120.0  # seconds for a connection's first request, and between later ones
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


class Closed(ConnectionError):
    """The other side is gone."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request's head; bodies are not read, no endpoint takes one."""

    method: str
    path: tuple[str, ...]  # its parts, decoded
    query: dict[str, list[str]]
    headers: dict[str, str]  # names in lower case

    def flag(self, *names: str) -> bool:
        """Whether one of the query's parameters is true."""
        return any(self.query.get(name, [""])[0].lower() in ("1", "true") for name in names)

    def value(self, name: str) -> str:
        """The query's first parameter of that name, "" without one."""
        return self.query.get(name, [""])[0]

    @property
    def upgrade(self) -> str:
        """The protocol the client wants to change to, in lower case."""
        return (
            self.headers.get("upgrade", "").lower() if "upgrade" in self.headers.get("connection", "").lower() else ""
        )

    def protocols(self) -> list[str]:
        """The subprotocols that the client offers, by WebSocket's header or by the one that goes with SPDY."""
        name = "sec-websocket-protocol" if self.upgrade == "websocket" else "x-stream-protocol-version"
        return [p.strip() for p in self.headers.get(name, "").split(",") if p.strip()]


class Http:
    """One client's connection: requests come, answers go."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=BLOCK)
        self._patience = FIRST_REQUEST

    async def request(self) -> Request | None:
        """The next request, None when there is none any more. Raises h11.RemoteProtocolError, TimeoutError."""
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        head: Request | None = None
        async with asyncio.timeout(self._patience):
            self._patience = KEEP_ALIVE
            while True:
                event = self._h11.next_event()
                if event is h11.NEED_DATA:
                    self._h11.receive_data(await self.reader.read(BLOCK))
                elif isinstance(event, h11.Request):
                    head = _parsed(event)
                elif isinstance(event, h11.EndOfMessage):
                    return head
                elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
                    return None

    @property
    def reusable(self) -> bool:
        """Whether another request may come."""
        return self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE

    async def answer(self, status: int, body: bytes | str, kind: str = "text/plain; charset=utf-8") -> None:
        """A whole answer."""
        data = body.encode() if isinstance(body, str) else body
        headers = [("Content-Type", kind), ("Content-Length", str(len(data)))]
        await self._send(h11.Response(status_code=status, headers=headers), h11.Data(data=data), h11.EndOfMessage())

    async def stream(self, parts: AsyncIterator[bytes], kind: str = "text/plain") -> None:
        """An answer of unknown length; ends early when the client goes."""
        await self._send(h11.Response(status_code=200, headers=[("Content-Type", kind)]))
        async with asyncio.TaskGroup() as group:
            gone = group.create_task(self._gone(asyncio.current_task()))
            async for part in parts:
                await self._send(h11.Data(data=part))
            gone.cancel()
        await self._send(h11.EndOfMessage())

    async def web_socket(self, request: Request, protocol: str) -> "WebSocket":
        """The connection as a WebSocket (RFC 6455 section 4.2)."""
        key = request.headers.get("sec-websocket-key", "").encode()
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()  # noqa: S324 – the protocol's
        headers = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept),
            ("Sec-WebSocket-Protocol", protocol),
        ]
        await self._send(h11.InformationalResponse(status_code=101, headers=headers))
        return WebSocket(self.reader, self.writer, self._h11.trailing_data[0])

    async def bare(self, upgrade: str, headers: Iterable[tuple[str, str]]) -> "Bare":
        """The connection's bytes in another protocol, after the answer that changes to it."""
        answer = [("Upgrade", upgrade), ("Connection", "Upgrade"), *headers]
        await self._send(h11.InformationalResponse(status_code=101, headers=answer))
        return Bare(self.reader, self.writer, self._h11.trailing_data[0])

    async def _gone(self, task: "asyncio.Task[None] | None") -> None:
        """Cancels the task when the client closes: nobody would notice while there is nothing to send."""
        while await self.reader.read(BLOCK):
            pass
        if task is not None:
            task.cancel()

    async def _send(self, *events: "h11.Event") -> None:
        for event in events:
            data = self._h11.send(event)
            if data:
                self.writer.write(data)
        await self.writer.drain()


class Pipe(Protocol):
    """Bytes both ways, whatever carries them."""

    async def read(self) -> bytes:
        """Some bytes; none at the end."""

    async def write(self, data: bytes) -> None:
        """Returns when there is room for more. Raises Closed."""


class Bare:
    """A connection that has left HTTP, as a Pipe."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, early: bytes) -> None:
        self._reader, self._writer, self._early = reader, writer, early

    async def read(self) -> bytes:
        """Some bytes; none at the end."""
        early, self._early = self._early, b""
        try:
            return early or await self._reader.read(BLOCK)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        """Returns when there is room for more. Raises Closed."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except (OSError, RuntimeError) as error:
            raise Closed(str(error)) from error


class Tunnel:
    """A WebSocket whose binary messages, joined, are a Pipe (KEP-4006: SPDY in a WebSocket)."""

    def __init__(self, socket: "WebSocket") -> None:
        self._socket, self._messages = socket, socket.messages()

    async def read(self) -> bytes:
        """Some bytes; none at the end."""
        async for message in self._messages:
            if message:
                return message
        return b""

    async def write(self, data: bytes) -> None:
        """Returns when there is room for more. Raises Closed."""
        await self._socket.send(data)


class WebSocket:
    """A WebSocket connection, the server's side. Pings are answered; messages come whole."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, early: bytes) -> None:
        self._reader, self._writer, self._early = reader, writer, early
        self._frames = Frames(ConnectionType.SERVER)
        self._closed = False

    async def messages(self) -> AsyncIterator[bytes]:
        """The client's messages until it closes or breaks off."""
        part = bytearray()
        try:
            while data := self._early or await self._reader.read(BLOCK):
                self._early = b""
                self._frames.receive_data(data)
                # One after the other: a ping before a goodbye must be answered before that is read.
                for event in self._frames.events():
                    if isinstance(event, Ping):
                        await self._write(event.response())
                    elif isinstance(event, CloseConnection):
                        await self.close(event.code)
                        return
                    elif isinstance(event, Message):
                        part += event.data.encode() if isinstance(event, TextMessage) else event.data
                        if len(part) > LARGEST_MESSAGE:
                            await self.close(1009)
                            return
                        if event.message_finished:
                            yield bytes(part)
                            part.clear()
        except (RemoteProtocolError, ConnectionError):
            return

    async def send(self, data: bytes) -> None:
        """A binary message. Raises Closed."""
        await self._write(BytesMessage(data=data))

    async def close(self, code: int = 1000) -> None:
        """Say goodbye; a second time does nothing."""
        if not self._closed:
            self._closed = True
            try:
                await self._write(CloseConnection(code=code))
            except Closed:
                return

    async def _write(self, event: Event) -> None:
        try:
            self._writer.write(self._frames.send(event))
            await self._writer.drain()
        except (ConnectionError, RuntimeError, LocalProtocolError) as error:
            raise Closed(str(error)) from error


def _parsed(event: h11.Request) -> Request:
    target = urlsplit(event.target.decode("ascii", errors="replace"))
    return Request(
        method=event.method.decode(),
        path=tuple(unquote(part) for part in target.path.split("/") if part),
        query=parse_qs(target.query, keep_blank_values=True),
        headers=_joined((name.decode(), value.decode("latin-1")) for name, value in event.headers),
    )


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by name; the values of one that comes several times as a list (RFC 9110 section 5.3)."""
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
