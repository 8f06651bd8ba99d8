"""A relay of TCP connections whose bytes stay in the kernel: splice(2) from socket to pipe to socket (decision 103)."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress

AT_ONCE = 64 * 1024  # bytes: a pipe's size, which is all that one direction of a connection can hold here
CONNECT_SECONDS = 10.0
DESCRIPTORS = 6  # of one connection: two sockets, two pipes


class Relay:
    """Passes each connection to one of the listening sockets on to `host` and `port`, from the namespace we are in.

    `failed(why)` is called when one can't be passed on. More than `most` at a time wait to be accepted: each needs
    DESCRIPTORS of this process's.
    """

    def __init__(self, host: str, port: int, failed: Callable[[str], None], most: int = 100) -> None:
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._address, self._failed = (host, port), failed
        self._room = asyncio.Semaphore(most)

    async def run(self, listeners: Iterable[socket.socket]) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for listener in listeners:
                group.create_task(self._accept(listener, group))

    async def _accept(self, listener: socket.socket, group: asyncio.TaskGroup) -> None:
        listener.setblocking(False)
        while True:
            await self._room.acquire()
            client, _ = await _accepted(listener)
            group.create_task(self._serve(client)).add_done_callback(lambda _: self._room.release())

    async def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(self._family, socket.SOCK_STREAM) as server:
            server.setblocking(False)
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await asyncio.get_running_loop().sock_connect(server, self._address)
            except TimeoutError:
                self._failed(f"no answer in {CONNECT_SECONDS:.0f} s")
                return
            except OSError as error:  # asyncio's own text names the address only
                self._failed(os.strerror(error.errno).lower() if error.errno else str(error))
                return
            async with asyncio.TaskGroup() as group:
                group.create_task(_carry(client, server))
                group.create_task(_carry(server, client))


async def _accepted(listener: socket.socket) -> tuple[socket.socket, object]:
    while True:
        with suppress(ConnectionAbortedError):  # a client that did not wait for us
            return await asyncio.get_running_loop().sock_accept(listener)


async def _carry(source: socket.socket, target: socket.socket) -> None:
    """Bytes in one direction until their end, which is passed on too; the other direction may go on."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        while held := await _spliced(source.fileno(), writer, AT_ONCE, source.fileno(), waits_to_read=True):
            while held:
                held -= await _spliced(reader, target.fileno(), held, target.fileno(), waits_to_read=False)
        target.shutdown(socket.SHUT_WR)
    except OSError:  # one side is gone: so must be the other
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
    finally:
        os.close(reader)
        os.close(writer)


async def _spliced(source: int, target: int, count: int, waited: int, *, waits_to_read: bool) -> int:
    """splice(2) of at most `count` bytes, as soon as the descriptor `waited` has some, or has room."""
    flags = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
    while True:
        try:
            return os.splice(source, target, count, flags=flags)
        except BlockingIOError:
            await _ready(waited, to_read=waits_to_read)


async def _ready(fd: int, *, to_read: bool) -> None:
    loop = asyncio.get_running_loop()
    add, remove = (loop.add_reader, loop.remove_reader) if to_read else (loop.add_writer, loop.remove_writer)
    there = asyncio.Event()
    add(fd, there.set)
    try:
        await there.wait()
    finally:
        remove(fd)
