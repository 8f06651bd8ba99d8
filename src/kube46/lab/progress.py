"""What `up` shows while it works: a line a step, with a spinner on a terminal, and the times that it took."""

import itertools
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
PLAIN_FRAMES = "|/-\\"
CLEAR = "\r\x1b[K"


@dataclass(slots=True)
class Progress:
    """Draws to a stream. On a terminal a step's line moves while it waits; elsewhere it is printed when it is done."""

    stream: TextIO = field(default_factory=lambda: sys.stdout)
    environment: Mapping[str, str] = field(default_factory=dict)
    times: list[tuple[str, float]] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)
    _frames: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._frames = itertools.cycle(FRAMES if self._unicode else PLAIN_FRAMES)

    @contextmanager
    def step(self, text: str, failed: str = "") -> Iterator[None]:
        """Time a step and say that it is done, or failed when it raises: `failed` is what that is called."""
        start = time.monotonic()
        self.tick(text)
        try:
            yield
        except BaseException:
            self._finish(failed or text, "✗" if self._unicode else "x", "31", "")
            raise
        took = time.monotonic() - start
        self.times.append((text, took))
        self._finish(text, "✓" if self._unicode else "*", "32", f"  {took:.1f} s")

    def tick(self, text: str) -> None:
        """Move the spinner; call it while a step waits."""
        if self._terminal:
            self.stream.write(f"{CLEAR} {next(self._frames)} {text}")
            self.stream.flush()

    def clear(self) -> None:
        """Take the spinner's line away."""
        if self._terminal:
            self.stream.write(CLEAR)
            self.stream.flush()

    def say(self, text: str = "") -> None:
        """Print a line."""
        self.stream.write(text + "\n")
        self.stream.flush()

    def bold(self, text: str) -> str:
        """The text, bold where colours are wanted."""
        return self._painted(text, "1")

    def timings(self) -> str:
        """A table of the steps' seconds, for --timings."""
        rows = [*self.times, ("total", time.monotonic() - self.begun)]
        width = max(len(text) for text, _ in rows)
        return "\n".join(f"{text:<{width}}  {seconds:6.2f} s" for text, seconds in rows)

    def _finish(self, text: str, sign: str, color: str, tail: str) -> None:
        self.say(f"{CLEAR if self._terminal else ''} {self._painted(sign, color)} {text}{tail}")

    def _painted(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._terminal and not self.environment.get("NO_COLOR") else text

    @property
    def _terminal(self) -> bool:
        return self.stream.isatty() and self.environment.get("TERM") != "dumb"

    @property
    def _unicode(self) -> bool:
        return "utf" in (self.stream.encoding or "").lower()
