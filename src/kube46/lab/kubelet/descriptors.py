"""Writing to descriptors that may be full – pipes and terminals – without a thread that could be stuck in it."""

import asyncio
import os


async def write_all(fd: int, data: bytes) -> None:
    """Write all of it to a descriptor that does not block, waiting for room as long as it takes. Raises OSError."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            await _room(fd)


async def _room(fd: int) -> None:
    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    loop.add_writer(fd, there.set)
    try:
        await there.wait()
    finally:
        loop.remove_writer(fd)
