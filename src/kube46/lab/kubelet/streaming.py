"""`kubectl exec` and `attach`: a command in a container, or the container itself, joined to a client's session."""

import asyncio
import os
import socket
import tempfile
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from kube46.lab.kubelet import executing
from kube46.lab.kubelet.channels import Channel, exit_status, failure
from kube46.lab.kubelet.containers import ENVIRONMENT, Process
from kube46.lab.kubelet.executing import command_line
from kube46.lab.kubelet.inputs import Nothing, Sink, Terminal, Writer, input_of
from kube46.lab.kubelet.outputs import Tap
from kube46.lab.kubelet.sessions import Session
from kube46.lab.kubelet.targets import Target
from kube46.lab.kubelet.wire import Closed

BLOCK = 32 * 1024
STARTING_SECONDS = 0.01  # between looks at whether crun has become the command
CHANNELS = {"stdout": Channel.STDOUT, "stderr": Channel.STDERR}


async def execute(session: Session, target: Target, command: Iterable[str]) -> None:
    """Run a command for the client. When the client goes, the command is killed."""
    with tempfile.TemporaryDirectory(prefix="exec-", dir=target.crun) as place:
        directory = Path(place)
        try:
            executing.describe(target.run, directory / "process", command, terminal=session.streams.tty)
            work = _on_terminal if session.streams.tty else _on_pipes
            code = await work(session, target, directory)
        except Closed:
            executing.kill(directory)
            return
        except FileNotFoundError:
            code = "the container has ended"
    with suppress(Closed):
        await session.finish(exit_status(code) if isinstance(code, int) else failure(code))


async def attach(session: Session, process: Process, *, once: bool) -> None:
    """Join the client to a running container's output from now on, and its input if it has one.

    `once`: the container's input ends with this client's (stdinOnce).
    """
    tap = process.output.tap()
    stdin: Sink = input_of(process, once=once) if session.streams.stdin else Nothing()
    try:
        async with asyncio.TaskGroup() as group:
            showing = group.create_task(_show(session, tap))
            feeding = group.create_task(_feed(session, stdin))
            await asyncio.wait((showing, feeding), return_when=asyncio.FIRST_COMPLETED)
            left = not showing.done()
            for task in (showing, feeding):
                task.cancel()
        if not left:
            # As kubelet: how the container ended is the pod's status, not the attachment's.
            await session.finish(exit_status(0))
    except* Closed:
        pass
    finally:
        process.output.untap(tap)
        stdin.close()


async def _show(session: Session, tap: Tap) -> None:
    while (output := await tap.get()) is not None:
        stream, data = output
        await session.send(CHANNELS[stream], data)


async def _feed(session: Session, stdin: Sink) -> None:
    """All that the client asks for, until it is gone."""
    async for asked in session.asked():
        with suppress(OSError):  # the program reads no more
            await stdin.feed(asked)


async def _copy(
    session: Session,
    reader: asyncio.StreamReader,
    channel: Channel,
    process: asyncio.subprocess.Process,
    directory: Path,
) -> None:
    """Everything the reader gives, to the client; but not crun's own complaint, which the session's end tells."""
    begun = False
    with suppress(OSError):  # EIO: a terminal's last program has ended
        while data := await reader.read(BLOCK):
            begun = begun or await _begun(process, directory)
            if begun:
                await session.send(channel, data)


async def _begun(process: asyncio.subprocess.Process, directory: Path) -> bool:
    """Whether it is the command that speaks. crun's complaint is in its log only at its end, after it was said."""
    while process.returncode is None:
        if executing.runs(directory, process.pid):
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(STARTING_SECONDS):
                await process.wait()
    return not executing.complaint(directory)


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
    outputs = [(process.stdout, Channel.STDOUT), (process.stderr, Channel.STDERR)]
    copies = [_copy(session, reader, channel, process, directory) for reader, channel in outputs if reader]
    return await _together(session, process, copies, Writer(process.stdin), directory)


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
        stdin = Terminal(os.dup(terminal), ends=True)
        copy = _copy(session, reader, Channel.STDOUT, process, directory)
        return await _together(session, process, [copy], stdin, directory)
    finally:
        transport.close()


def _command(target: Target, directory: Path, *options: str) -> list[str]:
    pid = ("--pid-file", str(directory / "pid"))
    return command_line(target, directory / "process", *pid, *options)


async def _together(
    session: Session,
    process: asyncio.subprocess.Process,
    copies: list[Coroutine[Any, Any, None]],
    stdin: Sink,
    directory: Path,
) -> int | str:
    """Copies both ways until the command ends; raises Closed when the client goes first."""

    async def feed() -> None:
        await _feed(session, stdin)
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
