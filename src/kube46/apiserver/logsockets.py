"""Logs as the messages of a WebSocket, for clients that ask for one.

Source: k8s.io/apimachinery pkg/util/httpstream/wsstream (Reader), RFC 6455.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING

from wsproto.connection import Connection as Frames
from wsproto.connection import ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.utilities import RemoteProtocolError

from kube46.apiserver import statuses

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import AsyncIterator, Awaitable, Mapping

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
BINARY, TEXT = "binary.k8s.io", "base64.binary.k8s.io"
BLOCK = 1 << 16


def wanted(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request asks to become a WebSocket."""
    asked = headers.get(b"upgrade", b"").lower(), headers.get(b"connection", b"").lower()
    return asked[0] == b"websocket" and b"upgrade" in asked[1]


def protocol_of(headers: Mapping[bytes, bytes]) -> str:
    """The protocol of the messages: the first that is known, "" when the client names none. Raises StatusError 400."""
    offered = [name.strip() for name in headers.get(b"sec-websocket-protocol", b"").decode("latin-1").split(",")]
    known = [name for name in offered if name in ("", BINARY, TEXT)]
    if not known or b"sec-websocket-key" not in headers:
        raise statuses.bad_request(f"unable to upgrade: WebSockets of logs speak {BINARY} or {TEXT}")
    return known[0]


def acceptance(headers: Mapping[bytes, bytes], protocol: str) -> bytes:
    """The answer that makes the connection a WebSocket."""
    key = hashlib.sha1(headers[b"sec-websocket-key"] + GUID).digest()  # noqa: S324 – the protocol's
    lines = [b"HTTP/1.1 101 Switching Protocols", b"upgrade: websocket", b"connection: Upgrade"]
    lines.append(b"sec-websocket-accept: " + base64.b64encode(key))
    lines += [b"sec-websocket-protocol: " + protocol.encode()] if protocol else []
    return b"\r\n".join([*lines, b"", b""])


async def send(parts: AsyncIterator[bytes], protocol: str, reader: StreamReader, writer: StreamWriter) -> None:
    """All parts, a message each, and the end; earlier when the client goes. Raises OSError."""
    frames = Frames(ConnectionType.SERVER)

    async def show() -> None:
        writer.write(frames.send(TextMessage(data="") if protocol == TEXT else BytesMessage(data=b"")))
        async for part in parts:
            if part:
                text = protocol == TEXT
                message = TextMessage(data=base64.b64encode(part).decode()) if text else BytesMessage(data=part)
                writer.write(frames.send(message))
                await writer.drain()
        writer.write(frames.send(CloseConnection(code=1000)))
        await writer.drain()

    async def listen() -> None:
        while data := await reader.read(BLOCK):
            frames.receive_data(data)
            for event in frames.events():
                if isinstance(event, Ping):
                    writer.write(frames.send(event.response()))
                elif isinstance(event, CloseConnection):
                    return

    async with asyncio.TaskGroup() as group:
        showing = group.create_task(show())
        listening = group.create_task(_quietly(listen()))
        await asyncio.wait((showing, listening), return_when=asyncio.FIRST_COMPLETED)
        for task in (showing, listening):
            task.cancel()


async def _quietly(listening: Awaitable[None]) -> None:
    """What a client breaks off, or says wrong, ends it."""
    try:
        await listening
    except (RemoteProtocolError, OSError):
        return
