"""An archive as named files: a tar, maybe compressed, or a directory. What is read from it is not believed yet."""

import io
import os
import posixpath
import stat
from pathlib import Path
from typing import IO, Protocol

from kube46.lab.images import tars
from kube46.lab.images.errors import BadArchive
from kube46.lab.images.streams import CHUNK, FileTape, Meter, Readable, decompressed
from kube46.lab.kubelet import beneath

MOST_FILES = 100_000
LONGEST_DOCUMENT = 8 << 20  # bytes of a manifest, an index, a configuration
LINKS = 8


class Source(Protocol):
    """The files of an archive."""

    def has(self, name: str) -> bool:
        """Whether there is a file of that name."""

    def open(self, name: str) -> io.BufferedReader:
        """The file's content. Raises BadArchive when there is none."""

    def close(self) -> None:
        """Let go of it."""


def document(source: Source, name: str) -> bytes:
    """A small file's content. Raises BadArchive, also for a large one."""
    with source.open(name) as file:
        content = file.read(LONGEST_DOCUMENT + 1)
    if len(content) > LONGEST_DOCUMENT:
        raise BadArchive(f"{name}: is larger than {LONGEST_DOCUMENT} bytes")
    return content


def open_source(path: Path, spool: Path, limit: int) -> Source:
    """The archive at that path; a compressed one is unpacked to the file `spool` first. Raises BadArchive, OSError."""
    if path.is_dir():
        return Directory(path)
    with path.open("rb") as file:
        plain = decompressed(file)
        if plain is file and stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return Tar(path)
        spooled(plain, spool, limit)
    return Tar(spool)


def spooled(source: Readable, spool: Path, limit: int) -> None:
    """Copy a stream, which can be read once only, to a file. Raises BadArchive, OSError."""
    stream = Meter(source, limit)
    with spool.open("xb") as out:
        while data := stream.read(CHUNK):
            out.write(data)


class Directory:
    """A directory: an OCI layout, or an unpacked archive."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def has(self, name: str) -> bool:
        """As Source's."""
        try:
            self.open(name).close()
        except BadArchive:
            return False
        return True

    def open(self, name: str) -> io.BufferedReader:
        """As Source's."""
        resolve = beneath.RESOLVE_BENEATH | beneath.RESOLVE_NO_MAGICLINKS
        try:
            fd = beneath.openat2(self._fd, _checked(name), os.O_RDONLY | os.O_NONBLOCK, resolve)
        except OSError as error:
            raise BadArchive(f"{name}: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise BadArchive(f"{name}: is no file")
        return io.BufferedReader(io.FileIO(fd))

    def close(self) -> None:
        """As Source's."""
        os.close(self._fd)


class Tar:
    """A tar file that isn't compressed: where each of its files begins and how long it is."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._files: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        size = os.fstat(self._file.fileno()).st_size
        for _, member in tars.entries(FileTape(self._file)):
            name = "/".join(tars.parts(member.name))
            if member.isdir():
                continue
            if name in self._files or name in self._links:
                raise BadArchive(f"{name}: is in the archive twice")
            if len(self._files) + len(self._links) >= MOST_FILES:
                raise BadArchive(f"has more than {MOST_FILES} files")
            if member.issym():
                self._links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
            elif member.islnk():
                self._links[name] = posixpath.normpath(member.linkname)
            elif member.isreg() and member.sparse is None:
                if member.offset_data + member.size > size:
                    raise BadArchive(f"{name}: the archive is cut off in it")
                self._files[name] = (member.offset_data, member.size)
            else:
                raise BadArchive(f"{name}: is no plain file")

    def has(self, name: str) -> bool:
        """As Source's."""
        return self._place(name) is not None

    def open(self, name: str) -> io.BufferedReader:
        """As Source's."""
        place = self._place(_checked(name))
        if place is None:
            raise BadArchive(f"{name}: is not in the archive")
        return io.BufferedReader(Slice(self._file, *place), CHUNK)

    def close(self) -> None:
        """As Source's."""
        self._file.close()

    def _place(self, name: str) -> tuple[int, int] | None:
        for _ in range(LINKS):
            if name in self._files:
                return self._files[name]
            if name not in self._links:
                return None
            name = self._links[name]
        raise BadArchive(f"{name}: is a link to a link to a link")


class Slice(io.RawIOBase):
    """A part of a file, as a stream; others may read other parts meanwhile."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file, self._next, self._end = file, start, start + size

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """As RawIOBase's."""
        data = os.pread(self._file.fileno(), min(len(buffer), self._end - self._next), self._next)
        self._next += len(data)
        buffer[: len(data)] = data
        return len(data)


def _checked(name: str) -> str:
    if not tars.parts(name):
        raise BadArchive(f"{name!r}: is no file's name")
    return name
