"""The relay: bytes whole, ends one by one, many at once, memory as it was, nothing left open."""

import asyncio
import hashlib
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from kube46.lab.splicing import Relay

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def digest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that answers with the hash of all it got, once that has ended."""
    seen = hashlib.sha256()
    while data := await reader.read(1 << 16):
        seen.update(data)
    writer.write(seen.hexdigest().encode())
    writer.close()


def relayed(handler: Handler, work: Callable[[Callable[[], Awaitable[Streams]]], Awaitable[None]]) -> list[str]:
    """Runs `work(connect)` with a relay before the server; the errors it told."""
    told: list[str] = []

    async def run() -> None:
        server = await asyncio.start_server(handler, "::1", 0)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            relay = Relay("::1", server.sockets[0].getsockname()[1], told.append)
            async with asyncio.TaskGroup() as group:
                running = group.create_task(relay.run([listener]))
                await work(lambda: asyncio.open_connection(*listener.getsockname()))
                running.cancel()
        server.close()

    asyncio.run(run())
    return told


def resident() -> float:
    """This process's memory, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_bytes_come_whole_and_ends_one_by_one() -> None:
    """Twenty connections at once carry 5 MB each into a server that answers after their end; no memory is taken."""
    block = os.urandom(1 << 20)
    expected = hashlib.sha256(block * 5).hexdigest().encode()
    files = len(os.listdir("/proc/self/fd"))

    async def one(connect: Callable[[], Awaitable[Streams]]) -> None:
        reader, writer = await connect()
        for _ in range(5):
            writer.write(block)
            await writer.drain()
        writer.write_eof()
        assert await reader.read() == expected
        writer.close()

    async def work(connect: Callable[[], Awaitable[Streams]]) -> None:
        before = resident()
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(one(connect))
        assert resident() - before < 60  # the clients' own buffers

    assert relayed(digest, work) == []
    assert len(os.listdir("/proc/self/fd")) == files


def test_a_server_that_goes_ends_the_client() -> None:
    """A reset on one side is an end on the other; the relay lives on for the next."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    async def work(connect: Callable[[], Awaitable[Streams]]) -> None:
        for _ in range(2):
            reader, writer = await connect()
            writer.write(b"x" * 100_000)
            with suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 60) == b""
            writer.close()

    assert relayed(reset, work) == []


def test_nobody_there_is_told() -> None:
    """A refused connection is told by the kernel's words, and the client's is closed."""
    told: list[str] = []

    async def run() -> None:
        with socket.socket(socket.AF_INET6) as free, socket.create_server(("127.0.0.1", 0)) as listener:
            free.bind(("::1", 0))
            relay = Relay("::1", free.getsockname()[1], told.append)
            async with asyncio.TaskGroup() as group:
                running = group.create_task(relay.run([listener]))
                reader, writer = await asyncio.open_connection(*listener.getsockname())
                assert await reader.read() == b""
                writer.close()
                running.cancel()

    asyncio.run(run())
    assert told == ["connection refused"]


def test_more_than_there_is_room_for_wait() -> None:
    """With room for one, the second connection is accepted when the first has ended."""
    order: list[bytes] = []

    async def run() -> None:
        server = await asyncio.start_server(digest, "::1", 0)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            relay = Relay("::1", server.sockets[0].getsockname()[1], lambda why: None, most=1)
            async with asyncio.TaskGroup() as group:
                running = group.create_task(relay.run([listener]))
                first, second = [await asyncio.open_connection(*listener.getsockname()) for _ in range(2)]
                second[1].write_eof()
                with suppress(TimeoutError):
                    order.append(await asyncio.wait_for(second[0].read(), 0.2))
                for reader, writer in (first, second):
                    if writer is first[1]:
                        writer.write_eof()
                    order.append(await reader.read())
                    writer.close()
                running.cancel()
        server.close()

    asyncio.run(run())
    assert order == [hashlib.sha256().hexdigest().encode()] * 2
