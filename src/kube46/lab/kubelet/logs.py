"""Log files of containers: written by one writer, rotated, read from either end, followed without polling."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

from kube46.lab.kubelet.crilogs import Selection, decode

LARGEST, KEPT = 10 * 1024 * 1024, 5
BLOCK = 64 * 1024
log = logging.getLogger(__name__)


class LogFile:
    """The log of one run; readers wait on `changed`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.closed = False
        self._changed = asyncio.Event()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = _append(path)
        self._size = os.fstat(self._fd).st_size
        self._losing = False

    def write(self, lines: bytes) -> None:
        """Append whole lines. A full disk loses them, which is logged once; it never stops the kubelet."""
        if not lines:
            return
        try:
            self._size += os.write(self._fd, lines)
            if self._size >= LARGEST:
                self._rotate()
        except OSError as error:
            if not self._losing:
                log.warning("Output of a container is lost log=%s error=%s", self.path, error)
            self._losing = True
        else:
            self._losing = False
        finally:
            self._wake()

    def close(self) -> None:
        """No more will come."""
        if not self.closed:
            self.closed = True
            os.close(self._fd)
            self._wake()

    async def change(self) -> None:
        """Returns once something was written, or the log was closed."""
        if not self.closed:
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _rotate(self) -> None:
        """Begin a new file. Raises OSError, and nothing has changed, when none can be made."""
        new = self.path.with_name(f"{self.path.name}.new")
        fd = _append(new)
        for number in range(KEPT - 1, 0, -1):
            older, newer = _numbered(self.path, number), _numbered(self.path, number - 1)
            if newer.exists():
                newer.replace(older)
        new.replace(self.path)
        os.close(self._fd)
        self._fd, self._size = fd, 0


def _append(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path


def parts(path: Path) -> list[Path]:
    """The files of a log, oldest first."""
    return [p for n in range(KEPT - 1, -1, -1) if (p := _numbered(path, n)).exists()]


async def read(
    path: Path, selection: Selection, tail: int | None = None, writer: LogFile | None = None
) -> AsyncIterator[bytes]:
    """The wanted bytes of a log, in blocks; `tail` lines from its end; with a `writer` also what comes until it
    closes."""
    current = path.open("rb")
    try:
        older, offset = _start(path, current.fileno(), tail)
        for block in _blocks(older, selection):
            yield block
        current.seek(offset)
        rest = b""
        while not selection.full:
            closed = writer is None or writer.closed
            if data := current.read(BLOCK):
                *whole, rest = (rest + data).split(b"\n")
                for block in _blocks(whole, selection):
                    yield block
            elif writer is None:
                return
            elif (newer := _after(path, current.fileno())) is not None:
                current.close()
                current = newer.open("rb")
            elif closed:
                return
            else:
                await writer.change()
    finally:
        current.close()


def _after(path: Path, current: int) -> Path | None:
    """The file that was begun after the open one; None while that is the newest. One rotated away is left out."""
    files = parts(path)
    now = os.fstat(current)
    place = next((n for n, part in enumerate(files) if os.path.samestat(part.stat(), now)), -1)
    return files[place + 1] if place + 1 < len(files) else None


def _blocks(raw: Iterable[bytes], selection: Selection) -> Iterator[bytes]:
    """What is wanted of some lines; a line at a time would be slow to send."""
    block = bytearray()
    for text in raw:
        if selection.full:
            break
        if line := decode(text):
            block += selection.render(line)
        if len(block) >= BLOCK:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


def _start(path: Path, current: int, tail: int | None) -> tuple[Iterable[bytes], int]:
    """The wanted lines of rotated files, and where to begin in the current one."""
    rotated = [part for part in parts(path) if not os.path.samestat(part.stat(), os.fstat(current))]
    if tail is None:
        return (line for part in rotated for line in _whole(part)), 0
    offset, missing = _backwards(current, tail)
    found: list[bytes] = []
    for part in reversed(rotated):
        if not missing:
            break
        with part.open("rb") as file:
            start, missing = _backwards(file.fileno(), missing)
            file.seek(start)
            found = [*file, *found]
    return found, offset


def _whole(part: Path) -> Iterator[bytes]:
    with part.open("rb") as file:
        yield from file


def _backwards(fd: int, count: int) -> tuple[int, int]:
    """Where the last `count` lines begin, and how many of them the file lacks."""
    position = os.fstat(fd).st_size
    if not count:
        return position, 0
    missing = count + 1  # the newline before the first wanted line is the one we look for
    while position:
        start = max(0, position - BLOCK)
        block = os.pread(fd, position - start, start)
        place = len(block)
        while (place := block.rfind(b"\n", 0, place)) >= 0:
            missing -= 1
            if not missing:
                return start + place + 1, 0
        position = start
    return 0, max(0, missing - 1)


def last_texts(path: Path, count: int) -> list[bytes]:
    """What the last `count` lines of a log's current file say."""
    with path.open("rb") as file:
        file.seek(_backwards(file.fileno(), count)[0])
        return [line.text for line in map(decode, file) if line]
