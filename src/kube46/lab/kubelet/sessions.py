"""One client of exec or attach, over WebSocket's channels or SPDY's streams: what it sends, and what it is sent.

Source: KEP-4006; k8s.io/kubelet/pkg/cri/streaming/remotecommand/{websocket,httpstream}.go.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from kube46.lab.kubelet.channels import Channel, Input, Resize, last_word, message, parse, resized
from kube46.lab.kubelet.spdy import Data, Event, Opened, Reset, Why
from kube46.lab.kubelet.spdywire import Spdy
from kube46.lab.kubelet.wire import Closed, WebSocket

JOIN_SECONDS = 30  # for a client to open its streams
LINGER_SECONDS = 300  # for one to read what is left: a connection that is closed under its hands loses that
LONGEST_SIZE = 1024
NAMES = {"stdin": Channel.STDIN, "stdout": Channel.STDOUT, "stderr": Channel.STDERR, "error": Channel.ERROR,
         "resize": Channel.RESIZE}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Streams:
    """What the client asked to be joined."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    def channels(self) -> set[Channel]:
        """The channels that this makes."""
        wanted = {Channel.STDIN: self.stdin, Channel.STDOUT: self.stdout, Channel.STDERR: self.stderr}
        return {Channel.ERROR, *(c for c, yes in wanted.items() if yes), *([Channel.RESIZE] if self.tty else [])}


class Session(Protocol):
    """A client that is connected."""

    streams: Streams

    def asked(self) -> AsyncIterator[Input | Resize]:
        """What it asks for, until it is gone."""

    async def send(self, channel: Channel, data: bytes) -> None:
        """Output for it; nothing happens when it did not ask for that. Raises Closed."""

    async def finish(self, status: Mapping[str, Any]) -> None:
        """The last word; returns when the client has read all and gone. Raises Closed."""


class OverWebSocket:
    """Each message is a channel's number and its bytes."""

    def __init__(self, socket: WebSocket, protocol: str, streams: Streams) -> None:
        self.streams, self._socket, self._protocol = streams, socket, protocol

    async def open(self) -> None:
        """An empty message tells the client that the streams are there (as upstream's wsstream does)."""
        await self._socket.send(message(Channel.STDOUT if self.streams.stdout else Channel.ERROR))

    async def asked(self) -> AsyncIterator[Input | Resize]:
        """What the client asks for, until it is gone."""
        async for raw in self._socket.messages():
            if (asked := parse(raw, self._protocol)) is not None:
                yield asked

    async def send(self, channel: Channel, data: bytes) -> None:
        """A message. Raises Closed."""
        if channel in self.streams.channels():
            await self._socket.send(message(channel, data))

    async def finish(self, status: Mapping[str, Any]) -> None:
        """Status, and goodbye. Raises Closed."""
        if (word := last_word(status, self._protocol)) is not None:
            await self._socket.send(message(Channel.ERROR, word))
        await self._socket.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                async for _ in self._socket.messages():
                    pass


class OverSpdy:
    """Each channel is a stream; v5 and v4 are the same here, as a stream can end."""

    def __init__(self, spdy: Spdy, streams: Streams) -> None:
        self.streams, self._spdy = streams, spdy
        self._events = spdy.events()
        self._numbers: dict[Channel, int] = {}
        self._early: list[Event] = []

    async def join(self) -> None:
        """Returns once the client has opened all streams that it asked for. Raises Closed."""
        try:
            async with asyncio.timeout(JOIN_SECONDS):
                while self._numbers.keys() != self.streams.channels():
                    await self._join(await anext(self._events))
        except (TimeoutError, StopAsyncIteration):
            raise Closed("the client did not open its streams") from None

    async def _join(self, event: Event) -> None:
        if not isinstance(event, Opened):
            self._early.append(event)
            return
        channel = NAMES.get(event.headers.get("streamtype", ""))
        if channel is None or channel in self._numbers or channel not in self.streams.channels():
            await self._spdy.reset(event.stream, Why.REFUSED_STREAM)
            return
        self._numbers[channel] = event.stream
        if event.end:
            self._early.append(Data(event.stream, b"", end=True))

    async def asked(self) -> AsyncIterator[Input | Resize]:
        """What the client asks for, until it is gone."""
        channels = {number: channel for channel, number in self._numbers.items()}
        sizes = b""
        async for event in self._all():
            match event:
                case Data(number, data, end) if channels.get(number) is Channel.STDIN:
                    if data:
                        yield Input(data)
                    if end:
                        yield Input(b"", end=True)
                case Data(number, data) if channels.get(number) is Channel.RESIZE:
                    *whole, sizes = (sizes + data)[-LONGEST_SIZE:].split(b"\n")
                    for size in filter(None, map(resized, whole)):
                        yield size
                case Reset(number) if channels.get(number) is Channel.STDIN:
                    yield Input(b"", end=True)

    async def _all(self) -> AsyncIterator[Event]:
        for event in self._early:
            yield event
        async for event in self._events:
            yield event

    async def send(self, channel: Channel, data: bytes) -> None:
        """Bytes on a stream. Raises Closed."""
        if channel in self._numbers:
            await self._spdy.send(self._numbers[channel], data)

    async def finish(self, status: Mapping[str, Any]) -> None:
        """The ends of the outputs, and the status. Raises Closed."""
        for channel in (Channel.STDOUT, Channel.STDERR):
            if channel in self._numbers:
                await self._spdy.send(self._numbers[channel], b"", end=True)
        await self._spdy.send(self._numbers[Channel.ERROR], msgspec.json.encode(status), end=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                async for _ in self._spdy.events():
                    pass
