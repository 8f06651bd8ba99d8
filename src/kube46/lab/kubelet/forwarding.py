"""`kubectl port-forward`: connections into a pod, each a pair of SPDY streams, for data and for what went wrong.

Source: k8s.io/kubelet/pkg/cri/streaming/portforward/httpstream.go, whose texts these are.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from kube46.lab.kubelet.dialing import Unreachable
from kube46.lab.kubelet.spdy import Data, Event, Opened, Reset, Why
from kube46.lab.kubelet.spdywire import Spdy
from kube46.lab.kubelet.wire import Closed

PROTOCOL = "portforward.k8s.io"
TUNNEL = f"SPDY/3.1+{PROTOCOL}"  # the WebSocket subprotocol whose messages are a SPDY connection's bytes
PAIR_SECONDS = 30  # between a connection's two streams
BLOCK = 64 * 1024
LARGEST_WAITING = 256 * 1024  # bytes for one connection before the client has to wait, with all its connections
MOST_CONNECTIONS = 1000
Dial = Callable[[int], Awaitable[socket.socket]]


@dataclass(slots=True)
class Connection:
    """One connection through the client: its streams, and what came of it and was not yet sent on."""

    port: int
    task: asyncio.Task[None] = field(init=False)
    streams: dict[str, int] = field(default_factory=dict)
    complete: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: deque[bytes] = field(default_factory=deque)
    _size: int = 0
    _ended: bool = False
    _deaf: bool = False
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def put(self, data: bytes, *, end: bool) -> None:
        """The client sent this. Returns when there is room for more."""
        async with self._changed:
            if not self._deaf:
                self._waiting.append(data)
                self._size += len(data)
            self._ended = self._ended or end
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._size < LARGEST_WAITING or self._deaf)

    async def get(self) -> bytes:
        """What the client sent next, b"" at its end."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting or self._ended)
            data = b"".join(self._waiting)
            self._waiting.clear()
            self._size = 0
            self._changed.notify_all()
            return data

    async def refuse(self) -> None:
        """Nobody reads what the client sends any more."""
        async with self._changed:
            self._deaf, self._size = True, 0
            self._waiting.clear()
            self._changed.notify_all()


class Forwarder:
    """One client's connections. `dial(port)` connects; `whom` is what errors call the pod."""

    def __init__(self, spdy: Spdy, dial: Dial, whom: str) -> None:
        self._spdy, self._dial, self._whom = spdy, dial, whom
        self._connections: dict[str, Connection] = {}  # by request ID
        self._by_stream: dict[int, Connection] = {}

    async def run(self) -> None:
        """Until the client is gone."""
        try:
            async with asyncio.TaskGroup() as group:
                async for event in self._spdy.events():
                    await self._handle(event, group)
                for connection in self._connections.values():
                    connection.task.cancel()
        except* Closed:
            pass

    async def _handle(self, event: Event, group: asyncio.TaskGroup) -> None:
        match event:
            case Opened():
                await self._open(event, group)
            case Data(stream, data, end) if connection := self._of_data(stream):
                await connection.put(data, end=end)
            case Reset(stream) if connection := self._of_data(stream):
                connection.task.cancel()

    def _of_data(self, stream: int) -> Connection | None:
        connection = self._by_stream.get(stream)
        return connection if connection and connection.streams.get("data") == stream else None

    async def _open(self, event: Opened, group: asyncio.TaskGroup) -> None:
        kind, port = event.headers.get("streamtype", ""), event.headers.get("port", "")
        # Clients that name no request open error and data one after the other.
        request = event.headers.get("requestid") or str(event.stream - 2 * (kind == "data"))
        connection = self._connections.get(request)
        good = kind in ("error", "data") and port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536
        if not good or (connection and kind in connection.streams) or len(self._connections) >= MOST_CONNECTIONS:
            await self._spdy.reset(event.stream, Why.REFUSED_STREAM)
            return
        if connection is None:
            connection = self._connections[request] = Connection(int(port))
            connection.task = group.create_task(self._serve(request, connection))
        connection.streams[kind] = event.stream
        self._by_stream[event.stream] = connection
        if len(connection.streams) == 2:
            connection.complete.set()

    async def _serve(self, request: str, connection: Connection) -> None:
        """One connection from its streams' coming to their end, which the client waits for."""
        try:
            async with asyncio.timeout(PAIR_SECONDS):
                await connection.complete.wait()
            with await self._dial(connection.port) as program:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._inwards(connection, program))
                    group.create_task(self._outwards(connection.streams["data"], program))
        except TimeoutError:
            await self._tell(connection, f"request={request}: timed out waiting for streams")
        except Unreachable as error:
            text = f"error forwarding port {connection.port} to pod {self._whom}, uid : {error}"
            await self._tell(connection, text)
        finally:
            await self._end(request, connection)

    async def _inwards(self, connection: Connection, program: socket.socket) -> None:
        """What the client sends, to the program; the end too, after which answers may still come."""
        loop = asyncio.get_running_loop()
        try:
            while data := await connection.get():
                await loop.sock_sendall(program, data)
            program.shutdown(socket.SHUT_WR)
        except OSError:  # it reads no more, but may still have something to say
            await connection.refuse()

    async def _outwards(self, stream: int, program: socket.socket) -> None:
        """What the program sends, to the client."""
        loop = asyncio.get_running_loop()
        with suppress(Closed):  # then there is nobody to tell
            try:
                while data := await loop.sock_recv(program, BLOCK):
                    await self._spdy.send(stream, data)
            except ConnectionResetError:
                await self._spdy.reset(stream)
            else:
                await self._spdy.send(stream, b"", end=True)

    async def _tell(self, connection: Connection, text: str) -> None:
        with suppress(Closed):
            if "error" in connection.streams:
                await self._spdy.send(connection.streams["error"], text.encode())
            if "data" in connection.streams:
                await self._spdy.reset(connection.streams["data"])

    async def _end(self, request: str, connection: Connection) -> None:
        self._connections.pop(request, None)
        for stream in connection.streams.values():
            self._by_stream.pop(stream, None)
        await connection.refuse()
        with suppress(Closed):
            if "error" in connection.streams:
                await self._spdy.send(connection.streams["error"], b"", end=True)
