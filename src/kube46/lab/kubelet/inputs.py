"""Where a client's input goes: to a command's pipe, to a container's, to a terminal, or nowhere."""

import asyncio
import fcntl
import os
import struct
import termios
from typing import Protocol

from kube46.lab.kubelet.channels import Input, Resize
from kube46.lab.kubelet.containers import Process
from kube46.lab.kubelet.descriptors import write_all


class Sink(Protocol):
    """Where a client's input goes."""

    async def feed(self, asked: Input | Resize) -> None:
        """Carry out what the client asks for. Raises OSError when nobody reads."""

    def close(self) -> None:
        """The client is gone."""


class Nothing:
    """No input."""

    async def feed(self, asked: Input | Resize) -> None:
        """Dropped."""

    def close(self) -> None:
        """Nothing to close."""


class Writer:
    """A command's standard input."""

    def __init__(self, writer: asyncio.StreamWriter | None) -> None:
        self._writer = writer

    async def feed(self, asked: Input | Resize) -> None:
        """Carry out what the client asks for. Raises ConnectionError."""
        if self._writer is None or not isinstance(asked, Input):
            return
        if asked.end:
            self._writer.close()
            return
        self._writer.write(asked.data)
        await self._writer.drain()

    def close(self) -> None:
        """No more input."""
        if self._writer is not None:
            self._writer.close()


class Fifo:
    """A container's standard input. `process` is given when its end is the container's to see."""

    def __init__(self, fd: int, process: Process | None) -> None:
        self._fd, self._process = fd, process

    async def feed(self, asked: Input | Resize) -> None:
        """Carry out what the client asks for. Raises OSError."""
        if isinstance(asked, Input) and not asked.end:
            await write_all(self._fd, asked.data)
        elif isinstance(asked, Input) and self._process is not None:
            self.close()

    def close(self) -> None:
        """No more input."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            if self._process is not None:
                self._process.end_input()


class Terminal:
    """A terminal's input and size. `ends`: the end of the client's input is told to the program, as ^D tells it."""

    def __init__(self, fd: int, *, ends: bool) -> None:
        self._fd, self._ends = fd, ends

    async def feed(self, asked: Input | Resize) -> None:
        """Carry out what the client asks for. Raises OSError."""
        if isinstance(asked, Resize):
            fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", asked.height, asked.width, 0, 0))
        elif not asked.end:
            await write_all(self._fd, asked.data)
        elif self._ends:
            await write_all(self._fd, b"\x04")

    def close(self) -> None:
        """No more input."""
        os.close(self._fd)


def input_of(process: Process, *, once: bool) -> Sink:
    """A running container's input; nothing when it has none, or reads it no more."""
    if (terminal := process.terminal()) is not None:
        return Terminal(terminal, ends=False)
    try:
        fd = os.open(process.directory.pipe("in"), os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return Nothing()
    return Fifo(fd, process if once else None)
