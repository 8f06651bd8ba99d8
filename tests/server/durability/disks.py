"""What a disk holds at each instant of a program's life: its writes and syncs, taken by strace, played again.

What was synced is there. What was not may be there, in any part of it: each sector of each write by itself, each change
of a file's length, and the changes of the directory's names up to any one. A drive tears no sector of 512 bytes.
"""

import itertools
import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
CALLS = "openat,write,pwrite64,ftruncate,fsync,fdatasync,unlink,rename"
LINE = re.compile(r"\d+\s+(?P<start>[\d.]+) (?P<name>\w+)\((?P<rest>.*)\) += (?P<result>\d+).* <(?P<took>[\d.]+)>$")


def tracer(trace: Path, paths: Iterable[Path]) -> tuple[str, ...]:
    """The command that runs another one and notes what it does to these files, or to all when none is named."""
    only = [part for path in paths for part in ("-P", str(path))]
    options = ["-f", "-qq", "--seccomp-bpf", "-y", "-xx", "-s", "4000000", "-ttt", "-T", "-z", "-e", "signal=none"]
    return ("strace", *options, "-e", f"trace={CALLS}", *only, "-o", str(trace))


@dataclass(frozen=True, slots=True)
class Step:
    """One call: when it began and ended (seconds since the epoch), what it did to which path."""

    start: float
    end: float
    name: str
    path: str
    data: bytes = b""
    number: int = 0  # offset of a write, -1 where the file ends; length of a truncation
    target: str = ""
    flags: str = ""


def _text(quoted: str) -> bytes:
    return bytes.fromhex(quoted.replace("\\x", ""))


def steps(trace: Path, directory: Path) -> Iterator[Step]:
    """The calls that concern a directory and its files, in the order of their beginning."""
    for line in trace.read_text().splitlines():
        found = LINE.match(line)
        assert found, f"strace said what is not understood: {line[:200]}"
        start, name, rest = float(found["start"]), found["name"], found["rest"]
        texts = [_text(text) for text in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', rest)]
        described = re.search(r"<((?:\\x[0-9a-f]{2})*)>", rest)
        path = texts[0].decode() if name in ("openat", "unlink", "rename") else _text(described[1] if described else "")
        where = Path(path.decode() if isinstance(path, bytes) else path)
        if where != directory and where.parent != directory:
            continue
        last = rest.rpartition(", ")[2]
        number = int(last) if name in ("pwrite64", "ftruncate") else -1
        data = texts[0] if name in ("write", "pwrite64") else b""
        assert not data or len(data) == int(found["result"]), "a write that was cut short"
        target = texts[1].decode() if name == "rename" else ""
        yield Step(start, start + float(found["took"]), name, str(where), data, number, target, rest)


@dataclass(slots=True)
class _File:
    """The bytes that a program sees, those that are on disk, and how they differ."""

    seen: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    pending: list[Step] = field(default_factory=list)

    def sync(self) -> None:
        self.synced, self.pending = bytes(self.seen), []

    def image(self, keep: Callable[[], bool]) -> bytes:
        content = bytearray(self.synced)
        for step in self.pending:
            if step.name == "ftruncate":
                if keep():
                    _resize(content, step.number)
                continue
            first = SECTOR - step.number % SECTOR
            cuts = [0, *range(first, len(step.data), SECTOR), len(step.data)]
            for begin, end in itertools.pairwise(cuts):
                if keep():
                    _put(content, step.number + begin, step.data[begin:end])
        return bytes(content)


def _resize(content: bytearray, length: int) -> None:
    del content[length:]
    content.extend(bytes(length - len(content)))


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if len(content) < offset:
        _resize(content, offset)
    content[offset : offset + len(data)] = data


class Disk:
    """A directory, played step by step."""

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)
        self._seen: dict[str, _File] = {}
        self._synced: dict[str, _File] = {}
        self._names: list[dict[str, _File]] = []  # as after each change that is not synced

    def play(self, step: Step) -> None:
        """Do what the program did."""
        if step.path == self._directory:
            if step.name in ("fsync", "fdatasync"):
                self._synced, self._names = dict(self._seen), []
            return
        match step.name:
            case "openat":
                self._open(step)
            case "write" | "pwrite64":
                self._write(step)
            case "ftruncate":
                file = self._seen[step.path]
                _resize(file.seen, step.number)
                file.pending.append(step)
            case "fsync" | "fdatasync":
                self._seen[step.path].sync()
            case "unlink":
                self._rename(step.path, "")
            case "rename":
                self._rename(step.path, step.target)

    def _open(self, step: Step) -> None:
        if step.path not in self._seen and "O_CREAT" in step.flags:
            self._seen[step.path] = _File()
            self._names.append(dict(self._seen))
        elif step.path in self._seen and "O_TRUNC" in step.flags:
            file = self._seen[step.path]
            file.seen.clear()
            file.pending.append(Step(step.start, step.end, "ftruncate", step.path))

    def _write(self, step: Step) -> None:
        file = self._seen.get(step.path)
        if file is None:  # opened before the trace's time
            return
        offset = step.number if step.number >= 0 else len(file.seen)
        _put(file.seen, offset, step.data)
        file.pending.append(Step(step.start, step.end, "write", step.path, step.data, offset))

    def _rename(self, path: str, target: str) -> None:
        file = self._seen.pop(path, None)
        if file is not None and target:
            self._seen[target] = file
        self._names.append(dict(self._seen))

    def images(self, seed: int) -> Iterator[dict[str, bytes]]:
        """What may be found after a crash now: only what was synced; all that was written; random parts of it."""
        yield self._image(lambda: False, self._synced)
        yield self._image(lambda: True, self._seen)
        chance = random.Random(seed)
        for share in (0.1, 0.5, 0.9):
            names = chance.choice([self._synced, *self._names])
            yield self._image(lambda share=share: chance.random() < share, names)

    def _image(self, keep: Callable[[], bool], names: dict[str, _File]) -> dict[str, bytes]:
        return {Path(path).name: file.image(keep) for path, file in names.items()}


def lay(image: dict[str, bytes], directory: Path) -> None:
    """Write an image into an empty directory."""
    directory.mkdir()
    for name, content in image.items():
        (directory / name).write_bytes(content)
