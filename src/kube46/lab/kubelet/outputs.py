"""What a container writes, moved as it comes: to its log, and to the clients that are attached.

A client that reads too slowly holds the container up, as a terminal does: what it missed would be lost.
The beginning of a line waits for its end in a file as well, or a kubelet that is killed would take it along.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from kube46.lab.kubelet.crilogs import Encoder
from kube46.lab.kubelet.directories import write
from kube46.lab.kubelet.logs import LogFile

BLOCK = 64 * 1024
KEEPING = 0.05  # seconds at least between two looks at the beginnings of lines
LARGEST = 256 * 1024  # bytes that wait for one client before the container has to
STREAMS = {"out": "stdout", "err": "stderr", "console": "stdout"}  # our names of the sources → CRI's of the streams


class Tap:
    """One client's copy of the output. `emptied` is called when there is room again."""

    def __init__(self, emptied: Callable[[], None]) -> None:
        self._emptied = emptied
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._size, self._closed = 0, False
        self._changed = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether the container must wait for this client."""
        return self._size >= LARGEST

    def put(self, stream: str, data: bytes) -> None:
        """Output came on `stdout` or `stderr`."""
        self._waiting.append((stream, data))
        self._size += len(data)
        self._changed.set()

    def close(self) -> None:
        """No more will come."""
        self._closed = True
        self._changed.set()

    async def get(self) -> tuple[str, bytes] | None:
        """The next output with its stream, None after the last."""
        while not self._waiting:
            if self._closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        stream, data = self._waiting.popleft()
        was_full = self.full
        self._size -= len(data)
        if was_full and not self.full:
            self._emptied()
        return stream, data


class Output:
    """A run's sources of output: descriptors that do not block, from which nobody else reads."""

    def __init__(self, log: LogFile) -> None:
        self._log = log
        self._sources: dict[str, int] = {}
        self._encoders: dict[str, Encoder] = {}
        self._beginnings: dict[str, Path] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._taps: list[Tap] = []
        self._paused = self._over = False

    def add(self, name: str, fd: int, beginning: Path) -> None:
        """Move what comes from this descriptor, which is ours to close. `beginning`: the file of half a line."""
        os.set_blocking(fd, False)
        kept = beginning.read_bytes() if beginning.exists() else b""
        self._sources[name], self._encoders[name] = fd, Encoder(STREAMS[name], bytearray(kept))
        self._beginnings[name] = beginning
        if not self._paused:
            asyncio.get_running_loop().add_reader(fd, self._move, name)

    def source(self, name: str) -> int | None:
        """The descriptor of a source, None when there is none."""
        return self._sources.get(name)

    def tap(self) -> Tap:
        """A copy of what comes from now on, to be given back to `untap`."""
        tap = Tap(self._resume)
        self._taps.append(tap)
        if self._over:
            tap.close()
        return tap

    def untap(self, tap: Tap) -> None:
        """The client is gone."""
        self._taps.remove(tap)
        self._resume()

    def finish(self) -> None:
        """The container has ended: move what is left."""
        self._over = True
        for name, encoder in self._encoders.items():
            while self._move(name):
                pass
            self._log.write(encoder.finish(time.time_ns()))
        self._keep()
        for tap in self._taps:
            tap.close()

    def close(self) -> None:
        """Read no more."""
        for fd in self._sources.values():
            asyncio.get_running_loop().remove_reader(fd)
            os.close(fd)
        self._sources.clear()
        self._keep()
        self._log.close()

    def _move(self, name: str) -> bool:
        """Take what a source holds; False when it holds nothing."""
        fd = self._sources[name]
        try:
            data = os.read(fd, BLOCK)
        except BlockingIOError:
            return False
        except OSError:  # EIO: the last program on the terminal has ended
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(fd)
            return False
        self._log.write(self._encoders[name].feed(data, time.time_ns()))
        if self._timer is None and not self._over:
            self._keep()
            self._timer = asyncio.get_running_loop().call_later(KEEPING, self._keep)
        for tap in self._taps:
            tap.put(STREAMS[name], data)
        if not self._over and any(tap.full for tap in self._taps):
            self._pause()
        return True

    def _keep(self) -> None:
        """The beginnings of lines, on disk as they are now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for name, path in self._beginnings.items():
            if rest := self._encoders[name].rest:
                write(path, rest)
            else:
                path.unlink(missing_ok=True)

    def _pause(self) -> None:
        self._paused = True
        for fd in self._sources.values():
            asyncio.get_running_loop().remove_reader(fd)

    def _resume(self) -> None:
        """Go on, unless another client is slow too."""
        if self._paused and not any(tap.full for tap in self._taps):
            self._paused = False
            for name, fd in self._sources.items():
                asyncio.get_running_loop().add_reader(fd, self._move, name)
