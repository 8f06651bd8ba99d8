"""The client, against servers that misbehave."""

import asyncio
import socket
import struct

import pytest

from kube46.api.resources import CONFIG_MAPS
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig
from kube46.kubernetes.errors import TooManyRequests, Unreachable


def test_an_error_without_words_is_named() -> None:
    """A connection that is reset leaves an error with an empty text: its kind is told."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # an RST, not a FIN
        writer.transport.abort()

    async def scenario() -> str:
        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with Client(ClusterConfig(f"http://127.0.0.1:{port}"), component="test") as client:
                with pytest.raises(Unreachable) as caught:
                    await client.get(CONFIG_MAPS, "a", "default")
        return str(caught.value)

    assert asyncio.run(scenario()).endswith("configmaps/a: ReadError")


def test_a_busy_server_is_asked_again() -> None:
    """429 and 503 with Retry-After are not the caller's trouble (priority and fairness); without it they are."""
    answers = [(429, "Retry-After: 1"), (503, "Retry-After: 1"), (200, "X: y"), (429, "X: y")]
    times: list[float] = []

    async def busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        times.append(asyncio.get_running_loop().time())
        status, header = answers[len(times) - 1]
        writer.write(f"HTTP/1.1 {status} x\r\n{header}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())
        await writer.drain()
        writer.close()

    async def scenario() -> None:
        async with await asyncio.start_server(busy, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with Client(ClusterConfig(f"http://127.0.0.1:{port}"), component="test") as client:
                assert await client.request("POST", "/api/v1/namespaces", body={}) == b"{}"
                with pytest.raises(TooManyRequests):
                    await client.request("GET", "/api/v1/namespaces")

    asyncio.run(scenario())
    assert len(times) == 4
    assert min(times[1] - times[0], times[2] - times[1]) >= 0.9
