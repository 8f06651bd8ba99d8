"""`kubectl exec` and `attach`: a command in a container, or the container itself, joined to a WebSocket's channels."""

import asyncio
import fcntl
import os
import socket
import struct
import tempfile
import termios
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from kube46.lab.kubelet import executing, logs
from kube46.lab.kubelet.channels import Channel, Input, Resize, exit_status, failure, message, parse
from kube46.lab.kubelet.containers import ENVIRONMENT
from kube46.lab.kubelet.crilogs import Selection
from kube46.lab.kubelet.executing import command_line
from kube46.lab.kubelet.runs import Tended
from kube46.lab.kubelet.targets import Target
from kube46.lab.kubelet.wire import Closed, WebSocket

BLOCK = 32 * 1024


@dataclass(frozen=True, slots=True)
class Streams:
    """What the client asked to be joined."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


class Session:
    """One client's WebSocket with its channels."""

    def __init__(self, socket: WebSocket, protocol: str, streams: Streams) -> None:
        self.socket, self.protocol, self.streams = socket, protocol, streams

    async def open(self) -> None:
        """An empty message tells the client that the streams are there (as upstream's wsstream does)."""
        await self.socket.send(message(Channel.STDOUT if self.streams.stdout else Channel.ERROR))

    async def copy(self, reader: asyncio.StreamReader, channel: Channel) -> None:
        """Everything the reader gives, to the client."""
        with suppress(OSError):  # EIO: a terminal's last program has ended
            while data := await reader.read(BLOCK):
                await self.socket.send(message(channel, data))

    async def finish(self, status: dict[str, object]) -> None:
        """The last word, and goodbye."""
        await self.socket.send(message(Channel.ERROR, msgspec.json.encode(status)))
        await self.socket.close()


async def execute(session: Session, target: Target, command: Iterable[str]) -> None:
    """Run a command for the client. When the client goes, the command is killed."""
    with tempfile.TemporaryDirectory(prefix="exec-", dir=target.crun) as place:
        directory = Path(place)
        try:
            executing.describe(target.run, directory / "process", command, terminal=session.streams.tty)
            work = _on_terminal if session.streams.tty else _on_pipes
            code = await work(session, target, directory)
            await session.finish(exit_status(code) if isinstance(code, int) else failure(code))
        except Closed:
            executing.kill(directory)
        except FileNotFoundError:
            await session.finish(failure("the container has ended"))


async def attach(session: Session, tended: Tended) -> None:
    """Join the client to a running container's output from now on, and its input if it has one."""
    log = tended.process.log
    output = [n for n, wanted in (("stdout", session.streams.stdout), ("stderr", session.streams.stderr)) if wanted]

    async def copy(stream: str, channel: Channel) -> None:
        async for data in logs.read(log.path, Selection(stream=stream), 0, log):
            await session.socket.send(message(channel, data))

    pipe = tended.process.directory.pipe("in")
    writer = os.open(pipe, os.O_RDWR | os.O_NONBLOCK) if session.streams.stdin and pipe.exists() else -1
    try:
        async with asyncio.TaskGroup() as group:
            # Output first: each notes where the log ends before any input can make it grow.
            copies = [group.create_task(copy(name, Channel[name.upper()])) for name in output]
            reading = group.create_task(_feed_pipe(session, writer))
            ended = group.create_task(tended.process.ended.wait())
            await asyncio.wait((ended, reading), return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                await asyncio.wait(copies)
            for task in (reading, ended, *copies):
                task.cancel()
        await session.finish(exit_status(tended.run.exit_code))
    except* Closed:
        pass
    finally:
        if writer >= 0:
            os.close(writer)


async def _feed_pipe(session: Session, writer: int) -> None:
    async for raw in session.socket.messages():
        asked = parse(raw, session.protocol)
        if isinstance(asked, Input) and asked.data and writer >= 0:
            await asyncio.to_thread(_write_all, writer, asked.data)


def _write_all(fd: int, data: bytes) -> None:
    os.set_blocking(fd, True)
    while data:
        data = data[os.write(fd, data) :]


async def _on_pipes(session: Session, target: Target, directory: Path) -> int | str:
    """The command with pipes; its exit code, or why it couldn't be run."""
    streams = session.streams
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *_command(target, directory),
        stdin=pipe if streams.stdin else null,
        stdout=pipe if streams.stdout else null,
        stderr=pipe if streams.stderr else null,
        env=ENVIRONMENT,
    )
    await session.open()
    outputs = [(process.stdout, Channel.STDOUT), (process.stderr, Channel.STDERR)]
    copies = [session.copy(reader, channel) for reader, channel in outputs if reader]
    return await _together(session, process, copies, _Stdin(process.stdin), directory)


async def _on_terminal(session: Session, target: Target, directory: Path) -> int | str:
    """The command on a terminal, which crun makes in the container and hands us."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(directory / "s"))
        listener.listen(1)
        listener.setblocking(False)
        process = await asyncio.create_subprocess_exec(
            *_command(target, directory, "--tty", "--console-socket", str(directory / "s")),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=ENVIRONMENT,
        )
        ending = loop.create_task(process.wait())
        accepting = loop.create_task(loop.sock_accept(listener))
        await asyncio.wait((ending, accepting), return_when=asyncio.FIRST_COMPLETED)
        if not accepting.done():
            accepting.cancel()
            return executing.complaint(directory) or process.returncode or 0
        connection, _ = accepting.result()
    with connection:
        connection.setblocking(True)
        _, descriptors, _, _ = await asyncio.to_thread(socket.recv_fds, connection, 4096, 1)
    if not descriptors:
        return executing.complaint(directory) or "crun gave no terminal"
    terminal = descriptors[0]
    os.set_blocking(terminal, False)
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(terminal, "rb", 0)
    )
    try:
        await session.open()
        stdin = _Terminal(os.dup(terminal))
        return await _together(session, process, [session.copy(reader, Channel.STDOUT)], stdin, directory)
    finally:
        transport.close()


def _command(target: Target, directory: Path, *options: str) -> list[str]:
    pid = ("--pid-file", str(directory / "pid"))
    return command_line(target, directory / "process", *pid, *options)


class _Stdin:
    """A process's standard input."""

    def __init__(self, writer: asyncio.StreamWriter | None) -> None:
        self._writer = writer

    async def feed(self, asked: Input | Resize | None) -> None:
        """Carry out what the client's message asks for."""
        if self._writer is None or not isinstance(asked, Input):
            return
        if asked.end:
            self._writer.close()
            return
        with suppress(ConnectionError):
            self._writer.write(asked.data)
            await self._writer.drain()

    def close(self) -> None:
        """No more input."""
        if self._writer is not None:
            self._writer.close()


class _Terminal:
    """A terminal's input and size."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    async def feed(self, asked: Input | Resize | None) -> None:
        """Carry out what the client's message asks for."""
        if isinstance(asked, Resize):
            size = struct.pack("HHHH", asked.height & 0xFFFF, asked.width & 0xFFFF, 0, 0)
            fcntl.ioctl(self._fd, termios.TIOCSWINSZ, size)
        elif isinstance(asked, Input):
            data = asked.data or b"\x04"
            while data:
                try:
                    data = data[os.write(self._fd, data) :]
                except BlockingIOError:
                    await asyncio.sleep(0.01)

    def close(self) -> None:
        """No more input."""
        os.close(self._fd)


async def _together(
    session: Session,
    process: asyncio.subprocess.Process,
    copies: list[Coroutine[Any, Any, None]],
    stdin: _Stdin | _Terminal,
    directory: Path,
) -> int | str:
    """Copies both ways until the command ends; raises Closed when the client goes first."""

    async def feed() -> None:
        async for raw in session.socket.messages():
            await stdin.feed(parse(raw, session.protocol))
        raise Closed("the client closed")

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            for copy in copies:
                group.create_task(copy)
        await process.wait()

    try:
        async with asyncio.TaskGroup() as group:
            feeding = group.create_task(feed())
            await work()
            feeding.cancel()
    except* Closed:
        executing.kill(directory)
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise Closed("the client closed") from None
    finally:
        stdin.close()
    return executing.complaint(directory) or process.returncode or 0
