"""A container's output: to the log and to clients, none of whom it overtakes; half a line survives the kubelet."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from kube46.lab.kubelet import outputs
from kube46.lab.kubelet.crilogs import decode
from kube46.lab.kubelet.logs import LogFile
from kube46.lab.kubelet.outputs import LARGEST, Output


def running(tmp_path: Path, work: Callable[[Output, int], Awaitable[None]]) -> list[bytes]:
    """What is logged while `work` writes to the source `out`."""

    async def run() -> None:
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        output = Output(LogFile(tmp_path / "log"))
        output.add("out", reader, tmp_path / "half")
        try:
            await work(output, writer)
        finally:
            os.close(writer)
            output.close()

    asyncio.run(run())
    lines = [decode(line) for line in (tmp_path / "log").read_bytes().splitlines(keepends=True)]
    return [line.text for line in lines if line]


async def filled(writer: int) -> int:
    """How much goes in until nobody takes more."""
    total, idle = 0, 0
    while idle < 10:
        try:
            total += os.write(writer, bytes(65536))
            idle = 0
        except BlockingIOError:
            idle += 1
        await asyncio.sleep(0.001)
    return total


def test_clients_get_what_comes_and_the_log_its_lines(tmp_path: Path) -> None:
    """A client has bytes at once, also half a line; the log has it once it is whole; both end with the container."""

    async def work(output: Output, writer: int) -> None:
        os.write(writer, b"before\n")
        await asyncio.sleep(0.01)
        tap = output.tap()
        os.write(writer, b"ha")
        assert await tap.get() == ("stdout", b"ha")
        os.write(writer, b"lf\nrest")
        output.finish()
        assert [await tap.get(), await tap.get()] == [("stdout", b"lf\nrest"), None]
        assert await output.tap().get() is None

    assert running(tmp_path, work) == [b"before\n", b"half\n", b"rest"]
    assert not (tmp_path / "half").exists()


def test_a_slow_client_holds_the_container_up(tmp_path: Path) -> None:
    """Nothing is read beyond what a client has room for; when it reads on, or leaves, so does the kubelet."""

    async def work(output: Output, writer: int) -> None:
        slow, quick = output.tap(), output.tap()
        assert LARGEST <= await filled(writer) <= LARGEST + 3 * 65536
        for tap in (slow, slow, slow, slow, quick, quick, quick, quick):
            assert await tap.get()
        assert await filled(writer) >= LARGEST
        output.untap(quick)
        output.untap(slow)
        await asyncio.sleep(0.05)
        os.write(writer, b"on\n")
        await asyncio.sleep(0.05)

    assert running(tmp_path, work)[-1].endswith(b"on\n")


def test_half_a_line_survives_the_kubelet(tmp_path: Path) -> None:
    """What a killed kubelet had read of a line is in a file, which its successor begins with."""

    async def killed(output: Output, writer: int) -> None:
        os.write(writer, b"whole\nhalf of ")
        await asyncio.sleep(outputs.KEEPING * 2)
        assert (tmp_path / "half").read_bytes() == b"half of "

    async def successor(output: Output, writer: int) -> None:
        os.write(writer, b"a line\n")
        await asyncio.sleep(0.01)

    assert running(tmp_path, killed) == [b"whole\n"]
    assert running(tmp_path, successor) == [b"whole\n", b"half of a line\n"]
    assert not (tmp_path / "half").exists()
