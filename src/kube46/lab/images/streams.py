"""Streams of bytes as layers come in them: hashed, counted, decompressed, and read as a tape by tarfile."""

import gzip
import hashlib
import io
import zlib
from typing import Protocol

from backports import zstd

from kube46.lab.images.errors import BadArchive

CHUNK = 1 << 20
LONGEST_HEADER = CHUNK  # bytes that tarfile may want at once: of a pax header, or of a name
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
SKIPPABLE = tuple(bytes([0x50 + n, 0x2A, 0x4D, 0x18]) for n in range(16))  # frames a zstd stream may begin with
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, zstd.ZstdError)


class Readable(Protocol):
    """What can be read from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end."""


class Meter:
    """A stream that is hashed and counted while it is read. Raises BadArchive beyond `limit` bytes."""

    def __init__(self, source: Readable, limit: int) -> None:
        self._source, self._limit = source, limit
        self._hash = hashlib.sha256()
        self.count = 0

    def read(self, size: int = CHUNK, /) -> bytes:
        """The next bytes; damaged compression below is a BadArchive."""
        try:
            data = self._source.read(size)
        except DAMAGED as error:
            raise BadArchive(f"a layer's compression is damaged: {error}") from error
        self.count += len(data)
        if self.count > self._limit:
            raise BadArchive(f"is larger than {self._limit} bytes unpacked, which is the limit")
        self._hash.update(data)
        return data

    def drain(self) -> None:
        """Read what is left."""
        while self.read(CHUNK):
            pass

    @property
    def digest(self) -> str:
        """Of what was read."""
        return f"sha256:{self._hash.hexdigest()}"


def decompressed(source: io.BufferedReader) -> Readable:
    """The stream without its compression, which is told by its first bytes: gzip, zstd, or none."""
    start = source.peek(4)[:4]
    if start.startswith(GZIP):
        return gzip.GzipFile(fileobj=source)
    if start == ZSTD or start in SKIPPABLE:
        return zstd.ZstdFile(source)
    return source


class Pipe(io.RawIOBase):
    """A Readable as Python's own raw stream, so that it can be buffered and peeked at."""

    def __init__(self, source: Readable) -> None:
        self._source = source

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """As RawIOBase's."""
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class Tape:
    """A stream as tarfile reads one, forward only; it refuses what would fill the memory. See CVE-2025-8194 and kin."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._position = 0
        self.last = b""  # what was read last: zeros, at the end of a whole archive

    def seekable(self) -> bool:
        """It is, forward."""
        return True

    def tell(self) -> int:
        """How much was read."""
        return self._position

    def read(self, size: int) -> bytes:
        """Exactly so many bytes, fewer only at the end."""
        if not 0 <= size <= LONGEST_HEADER:
            raise BadArchive(f"a header wants {size} bytes, more than any needs")
        self.last = self._take(size)
        return self.last

    def seek(self, position: int) -> None:
        """Forward only."""
        if position < self._position:
            raise BadArchive("an entry's size is negative")
        while self._position < position and self._take(min(CHUNK, position - self._position)):
            pass

    def _take(self, size: int) -> bytes:
        parts = []
        while size and (data := self._source.read(size)):
            parts.append(data)
            self._position += len(data)
            size -= len(data)
        return b"".join(parts)


class FileTape(Tape):
    """A tape of a file, in which skipping costs nothing."""

    def __init__(self, file: io.BufferedReader) -> None:
        super().__init__(file)
        self._file = file

    def seek(self, position: int) -> None:
        """Forward only; past the end there is nothing to read."""
        if position < self._position:
            raise BadArchive("an entry's size is negative")
        self._file.seek(position)
        self._position = position
