"""A log's files: rotated without losing a line, read from any place, harmless on a full disk."""

import asyncio
import logging

import pytest

from kube46.lab.kubelet import logs
from kube46.lab.kubelet.crilogs import Selection
from kube46.lab.kubelet.logs import LogFile


def line(number: int) -> bytes:
    """A line of a log file."""
    return f"2026-01-02T03:04:05.000000000Z stdout F {number}\n".encode()


@pytest.fixture
def small(monkeypatch):
    """Files of ten lines."""
    monkeypatch.setattr(logs, "LARGEST", len(line(10)) * 10)


async def collected(path, tail=None, writer=None) -> list[int]:
    """The numbers that a reader gets."""
    blocks = [block async for block in logs.read(path, Selection(), tail, writer)]
    return [int(text) for text in b"".join(blocks).split()]


def test_rotation_keeps_the_last_five_files(tmp_path, small):
    """Of 100 lines the last four full files and the current one are left; a tail reaches over them."""
    log = LogFile(tmp_path / "0.log")
    for number in range(10, 110):
        log.write(line(number))

    assert asyncio.run(collected(log.path))[-1] == 109
    assert asyncio.run(collected(log.path, tail=25)) == list(range(85, 110))
    assert len(logs.parts(log.path)) == logs.KEPT
    log.close()


def test_follower_gets_every_line(tmp_path, small):
    """A follower that is woken only after two rotations misses nothing, and ends when the log is closed."""

    async def work() -> list[int]:
        log = LogFile(tmp_path / "0.log")
        log.write(line(10))
        follower = asyncio.create_task(collected(log.path, writer=log))
        await asyncio.sleep(0)
        for number in range(11, 45):
            log.write(line(number))
        await asyncio.sleep(0.01)
        log.write(line(45))
        log.close()
        return await follower

    assert asyncio.run(work()) == list(range(10, 46))


def test_full_disk(tmp_path, small, monkeypatch, caplog):
    """When a new file can't be made the old one is written on, and the loss is said once."""
    log = LogFile(tmp_path / "0.log")
    for number in range(10, 19):
        log.write(line(number))

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(logs, "_append", full)
    with caplog.at_level(logging.WARNING):
        for number in range(19, 30):
            log.write(line(number))

    assert asyncio.run(collected(log.path)) == list(range(10, 30))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    log.close()
