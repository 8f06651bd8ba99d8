"""The CRI log format, line by line (pure): `2026-01-02T03:04:05.000000006Z stdout F text`.

F ends a line, P is a part of one. Source: kubernetes/design-proposals-archive/node/kubelet-cri-logging.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

LONGEST = 16 * 1024


def stamp(nanoseconds: int) -> str:
    """RFC 3339 with nanoseconds, UTC."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


@dataclass(slots=True)
class Encoder:
    """Turns the bytes of one stream of a container into log lines."""

    stream: str
    _rest: bytearray = field(default_factory=bytearray)

    @property
    def rest(self) -> bytes:
        """The beginning of a line whose end has not come."""
        return bytes(self._rest)

    def feed(self, data: bytes, now: int) -> bytes:
        """The log lines that `data`, read at `now` (ns since 1970), completes."""
        self._rest += data
        head, newline, rest = self._rest.rpartition(b"\n")
        lines = bytes(head).split(b"\n") if newline else []
        self._rest = bytearray(rest)
        full, part = self._prefixes(now)
        out = [piece for line in lines for piece in _pieces(line, full, part)]
        while len(self._rest) >= LONGEST:
            out.append(part + bytes(self._rest[:LONGEST]) + b"\n")
            del self._rest[:LONGEST]
        return b"".join(out)

    def finish(self, now: int) -> bytes:
        """The last line, when the stream ended without a newline."""
        rest, self._rest = bytes(self._rest), bytearray()
        return self._prefixes(now)[1] + rest + b"\n" if rest else b""

    def _prefixes(self, now: int) -> tuple[bytes, bytes]:
        start = f"{stamp(now)} {self.stream}"
        return f"{start} F ".encode(), f"{start} P ".encode()


def _pieces(line: bytes, full: bytes, part: bytes) -> Iterator[bytes]:
    while len(line) > LONGEST:
        yield part + line[:LONGEST] + b"\n"
        line = line[LONGEST:]
    yield full + line + b"\n"


@dataclass(frozen=True, slots=True)
class Line:
    """A parsed log line; `text` has its newline when the line is whole."""

    time: str
    stream: str
    text: bytes


def decode(raw: bytes) -> Line | None:
    """A line of a log file; None when it isn't one (a write cut short by a full disk)."""
    parts = raw.removesuffix(b"\n").split(b" ", 3)
    if len(parts) != 4 or parts[1] not in (b"stdout", b"stderr") or parts[2] not in (b"F", b"P"):
        return None
    return Line(parts[0].decode(errors="replace"), parts[1].decode(), parts[3] + (b"\n" if parts[2] == b"F" else b""))


@dataclass(slots=True)
class Selection:
    """What of a log a reader wants: `render` gives a line's bytes, b"" when unwanted; `full` says when to stop."""

    timestamps: bool = False
    since: str = ""  # RFC 3339 UTC as `stamp` writes it: it compares as text
    limit_bytes: int | None = None
    stream: str = "All"

    @property
    def full(self) -> bool:
        """Whether limitBytes is used up."""
        return self.limit_bytes is not None and self.limit_bytes <= 0

    def render(self, line: Line) -> bytes:
        """The bytes to send for `line`."""
        if line.time < self.since or self.stream.lower() not in ("all", line.stream):
            return b""
        out = (line.time.encode() + b" " if self.timestamps else b"") + line.text
        if self.limit_bytes is not None:
            out = out[: self.limit_bytes]
            self.limit_bytes -= len(out)
        return out
