"""CRI log lines, files of them, and what readers select."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.lab.kubelet import logs
from kube46.lab.kubelet.crilogs import LONGEST, Encoder, Selection, decode, stamp
from kube46.lab.kubelet.logs import LogFile

TIME = 1_767_323_045_000_000_006
STAMP = "2026-01-02T03:04:05.000000006Z"


def texts(raw):
    """What the lines of a log say, joined."""
    return b"".join(line.text for part in raw.split(b"\n") if (line := decode(part)))


def test_lines():
    """Whole lines are F, a rest without newline is P at the end."""
    encoder = Encoder("stdout")

    assert stamp(TIME) == STAMP
    assert encoder.feed(b"one\ntw", TIME) == f"{STAMP} stdout F one\n".encode()
    assert encoder.feed(b"o\n\nrest", TIME) == f"{STAMP} stdout F two\n{STAMP} stdout F \n".encode()
    assert encoder.finish(TIME) == f"{STAMP} stdout P rest\n".encode()
    assert encoder.finish(TIME) == b""


@given(st.lists(st.binary(max_size=40000), max_size=6))
def test_nothing_is_lost(chunks):
    """However output is cut into chunks, its lines say the same bytes, none longer than 16 KiB."""
    encoder = Encoder("stderr")
    raw = b"".join([encoder.feed(chunk, TIME) for chunk in chunks] + [encoder.finish(TIME)])

    assert texts(raw) == b"".join(chunks)
    assert all(len(line) <= LONGEST + 64 for line in raw.split(b"\n"))


@pytest.mark.parametrize("raw", [b"", b"x", b"time stdout X text", b"time other F text", b"2026 stdout"])
def test_half_lines_are_skipped(raw):
    """What isn't a log line is no line."""
    assert decode(raw) is None


@pytest.fixture
def log(tmp_path):
    """A log of ten lines, `5` on stderr, written a second apart."""
    path = tmp_path / "0.log"
    lines = [f"2026-01-01T00:00:0{n}.000000000Z std{'err' if n == 5 else 'out'} F {n}\n" for n in range(10)]
    path.write_text("".join(lines))
    return path


def read(path, selection, tail=None):
    """All that a reader gets."""

    async def collect():
        return b"".join([part async for part in logs.read(path, selection, tail)])

    return asyncio.run(collect())


@pytest.mark.parametrize(
    ("options", "tail", "expected"),
    [
        ({}, None, b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"),
        ({}, 2, b"8\n9\n"),
        ({}, 0, b""),
        ({}, 99, b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"),
        ({"since": "2026-01-01T00:00:08"}, None, b"8\n9\n"),
        ({"stream": "Stderr"}, None, b"5\n"),
        ({"limit_bytes": 3}, None, b"0\n1"),
        ({"timestamps": True}, 1, b"2026-01-01T00:00:09.000000000Z 9\n"),
    ],
    ids=["all", "tail", "none", "more", "since", "stream", "limit", "timestamps"],
)
def test_selection(log, options, tail, expected):
    """Readers select by number, time, stream and size."""
    assert read(log, Selection(**options), tail) == expected


def test_rotation(tmp_path, monkeypatch):
    """A log that grows too large is rotated; readers see old and new files as one, also from the end."""
    monkeypatch.setattr(logs, "LARGEST", 200)

    async def write():
        file = LogFile(tmp_path / "0.log")
        for number in range(12):
            file.write(f"{STAMP} stdout F {number}\n".encode())
        file.close()

    asyncio.run(write())

    assert len(logs.parts(tmp_path / "0.log")) > 2
    assert read(tmp_path / "0.log", Selection()) == b"".join(b"%d\n" % n for n in range(12))
    assert read(tmp_path / "0.log", Selection(), 7) == b"".join(b"%d\n" % n for n in range(5, 12))


def test_follow_sees_every_line_once(tmp_path, monkeypatch):
    """A follower gets what was there, what comes, also over a rotation, and ends with the log."""
    monkeypatch.setattr(logs, "LARGEST", 2000)

    async def scenario():
        file = LogFile(tmp_path / "0.log")
        file.write(f"{STAMP} stdout F 0\n".encode())
        got = []

        async def follow():
            got.extend([part async for part in logs.read(file.path, Selection(), None, file)])

        async with asyncio.TaskGroup() as group:
            group.create_task(follow())
            for number in range(1, 100):
                await asyncio.sleep(0)
                file.write(f"{STAMP} stdout F {number}\n".encode())
            await asyncio.sleep(0.01)
            file.close()
        return b"".join(got)

    assert asyncio.run(scenario()) == b"".join(b"%d\n" % n for n in range(100))


def test_blocks_are_crossed_backwards(tmp_path):
    """The tail is found also when its lines span the blocks that are read."""
    path = tmp_path / "0.log"
    wide = "x" * 10_000
    path.write_text("".join(f"{STAMP} stdout F {n}{wide}\n" for n in range(40)))

    assert read(path, Selection(), 30).count(b"\n") == 30
    assert read(path, Selection(), 30).startswith(b"10x")
