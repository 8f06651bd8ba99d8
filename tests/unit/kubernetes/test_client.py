"""The client, against servers that misbehave."""

import asyncio
import socket
import struct

import pytest

from kube46.api.resources import CONFIG_MAPS
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig
from kube46.kubernetes.errors import Unreachable


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
