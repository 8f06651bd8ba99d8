"""Containers by crun: one shim each, so that they outlive the kubelet and their exit codes stay known.

The shim is `/bin/sh`: it runs `crun run` in the container's control groups, notes the exit code in a file, and then
waits for a kubelet to open the `events` FIFO, so what the container wrote last is still in its pipes after a restart of
the kubelet. Output goes through FIFOs that the container itself holds open both ways: no broken pipe while there is no
kubelet. A terminal's master, and the writing end of an input that may end, are kept by the shim (`keeping`).
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from enum import Enum
from pathlib import Path
from typing import Any

from kube46.lab.kubelet import keeping
from kube46.lab.kubelet.bundles import owner
from kube46.lab.kubelet.directories import RunDirectory, read_record, write
from kube46.lab.kubelet.keeping import Kept
from kube46.lab.kubelet.logs import LogFile
from kube46.lab.kubelet.outputs import Output

SHIM = """
(
  place=$1 state=$2 id=$3 console=$4
  shift 4
  for group; do
    echo 0 > "$group" || {
      printf '{"level":"error","msg":"%s cannot be entered"}\n' "$group" > "$place/crun.log"
      exit 128
    }
  done
  exec crun --root "$state" --cgroup-manager=disabled --log="$place/crun.log" --log-format=json \
    run --bundle "$place" --pid-file "$place/events" ${console:+--console-socket "$place/$console"} "$id"
)
echo $? > "$1/exit"
: > "$1/events"
"""
PIPES = ("out", "err", "events")
CONSOLE = "console"  # the socket for a container's terminal, and what its output is called
SHIM_NAME = "kube46-shim"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
RECALL = 0.1  # seconds between looks at crun's record
LOST = 137  # the exit code of a run whose end nobody saw


class Stdin(Enum):
    """What a container reads from, when it is no terminal."""

    NONE = 0
    ENDLESS = 1
    ONCE = 2  # it ends with the first client's


class Process:
    """One run of a container, whether this kubelet started it or found it.

    `on_start(now)` and `on_end(code, now)` are called on the event loop, each at most once.
    """

    def __init__(
        self,
        directory: RunDirectory,
        id: str,
        log: LogFile,
        on_start: Callable[[float], None],
        on_end: Callable[[int, float], None],
    ) -> None:
        self.directory, self.id, self.log = directory, id, log
        self.pid = 0
        self.ended = asyncio.Event()
        self._on_start, self._on_end = on_start, on_end
        self.output = Output(log)
        self._terminal = False
        self._shim = 0
        self._pidfd = self._events = -1
        self._kept: Kept | None = None  # our ends of the shim's store, until we have the terminal

    def spawn(self, crun: Path, config: Mapping[str, Any], groups: Iterable[str], stdin: Stdin) -> None:
        """Start the container from its OCI config, `groups` being the files to enter its control groups by.

        Raises OSError. Returns before it runs.
        """
        place = self.directory
        place.path.mkdir(parents=True, exist_ok=True)
        self._terminal = bool(config["process"]["terminal"])
        piped = stdin is not Stdin.NONE and not self._terminal
        for name in (*PIPES, "in") if piped else PIPES:
            place.pipe(name).unlink(missing_ok=True)
            os.mkfifo(place.pipe(name), 0o600)
            os.chown(place.pipe(name), *owner(config))
        place.config.write_text(json.dumps(config))
        with ExitStack() as stack:
            failing = stack.enter_context(ExitStack())
            ends = {}
            # Open both ways: the container then is its own reader, and nobody's going away breaks its output.
            for number, path in ((1, place.pipe("out")), (2, place.pipe("err")), (0, Path(os.devnull))):
                ends[number] = os.open(path, os.O_RDWR)
                stack.callback(os.close, ends[number])
            if self._terminal or stdin is Stdin.ONCE:
                kept = keeping.make(place.pipe(CONSOLE) if self._terminal else None)
                (failing if self._terminal else stack).callback(kept.close)
                ends |= kept.inherited
            if piped:
                ends[0] = _input(place, None if stdin is Stdin.ENDLESS else kept)
                stack.callback(os.close, ends[0])
            console = CONSOLE if self._terminal else ""
            line = [SHIM_NAME, "-c", SHIM, SHIM_NAME, str(place.path), str(crun), self.id, console]
            self._shim = os.posix_spawn(
                "/bin/sh",
                [*line, *groups],
                ENVIRONMENT,
                file_actions=list(_placed(ends)),
                setsid=True,
                setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM),
                setsigmask=(),
            )
            record = read_record(place.record) or {}
            write(place.record, json.dumps(record | {"shim": self._shim, "terminal": self._terminal}))
            if self._terminal:
                failing.pop_all()
                self._kept = kept
            self._attend()

    def adopt(self, crun: Path) -> bool:
        """Take over a run that another kubelet started; False when its shim is gone (then `end` tells)."""
        record = read_record(self.directory.record) or {}
        self._shim, self.pid = shim_of(self.directory, self.id), int(record.get("pid", 0))
        self._terminal = bool(record.get("terminal"))
        if not self._shim:
            return False
        self._attend()
        self._recall(crun)
        return True

    def end(self) -> int:
        """The exit code that the shim noted; LOST when it didn't live to do so."""
        try:
            return int(self.directory.exit.read_text())
        except (FileNotFoundError, ValueError):
            return LOST

    def complaint(self) -> str:
        """crun's own last error, "" when the container got as far as to run."""
        with suppress(FileNotFoundError, ValueError, KeyError):
            entries = [json.loads(line) for line in self.directory.error.read_text().splitlines()]
            return next((str(e["msg"]) for e in reversed(entries) if e.get("level") == "error"), "")
        return ""

    def signal(self, number: int) -> None:
        """Signal the container's first process; nothing happens when it has ended.

        Its pid can't have been reused: crun, which has not reaped it, is alive as long as the shim is.
        """
        if self.pid and not self.ended.is_set():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminal(self) -> int | None:
        """The container's terminal, a descriptor of the caller's own; None when it has none."""
        fd = self.output.source(CONSOLE)
        return None if fd is None else os.dup(fd)

    def end_input(self) -> None:
        """Let the container's input end, if it is one that ends; a second time does nothing."""
        kept = None if self._terminal or self._pidfd < 0 else keeping.of(self._pidfd)
        if kept is not None:
            if (writer := kept.take()) is not None:
                os.close(writer)
            kept.close()

    def close(self) -> None:
        """Let go of it without ending it: the kubelet stops."""
        self.output.close()
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        for fd in (self._events, self._pidfd):
            if fd >= 0:
                asyncio.get_running_loop().remove_reader(fd)
                os.close(fd)
        self._events = self._pidfd = -1

    def _attend(self) -> None:
        """Read its pipes and wait for its end. `events` last: opening it lets a shim go that waits for us."""
        loop, pipe = asyncio.get_running_loop(), self.directory.pipe
        self._pidfd = os.pidfd_open(self._shim)
        self._take_terminal()
        for name in ("out", "err"):
            fd = os.open(pipe(name), os.O_RDONLY | os.O_NONBLOCK)
            self.output.add(name, fd, self.directory.beginning(name))
        self._events = os.open(pipe("events"), os.O_RDWR | os.O_NONBLOCK)
        loop.add_reader(self._events, self._begun)
        loop.add_reader(self._pidfd, self._over)

    def _take_terminal(self) -> None:
        """Have the terminal, once crun has sent it; it did so before it told the pid."""
        if not self._terminal or self.output.source(CONSOLE) is not None:
            return
        kept, ours = self._kept or keeping.of(self._pidfd), self._kept is not None
        if kept is None:
            return
        if (master := kept.console()) is not None:
            self.output.add(CONSOLE, master, self.directory.beginning(CONSOLE))
        if master is not None or not ours:  # a program may end, and its shim with it, before we look again
            kept.close()
            self._kept = None

    def _begun(self) -> None:
        """crun wrote the pid: the container is made, its program is about to be executed."""
        with suppress(BlockingIOError, ValueError):
            self._runs_as(int(os.read(self._events, 64)))

    def _recall(self, crun: Path) -> None:
        """The pid by crun's own record, until it is known: a kubelet that was killed before it read the FIFO took the
        number with it, as a pipe that nobody has open forgets what is in it."""
        if self.pid or self.ended.is_set() or self._pidfd < 0:
            return
        if pid := int((read_record(crun / self.id / "status") or {}).get("pid", 0)):
            self._runs_as(pid)
        else:
            asyncio.get_running_loop().call_later(RECALL, self._recall, crun)

    def _runs_as(self, pid: int) -> None:
        self._take_terminal()
        if self.pid == 0:
            self.pid, now = pid, time.time()
            record = read_record(self.directory.record) or {}
            write(self.directory.record, json.dumps(record | {"pid": pid, "started": now}))
            self._on_start(now)

    def _over(self) -> None:
        """The shim is gone: take the last output, reap it, report the end."""
        with suppress(ChildProcessError):
            os.waitpid(self._shim, os.WNOHANG)
        self._begun()
        self.output.finish()
        if not self.directory.exit.exists():
            # Somebody killed the shim: its container must not run on unseen.
            self.signal(signal.SIGKILL)
        self.close()
        self.ended.set()
        self._on_end(self.end(), self._end_time())

    def _end_time(self) -> float:
        try:
            return self.directory.exit.stat().st_mtime
        except FileNotFoundError:
            return time.time()


def _input(place: RunDirectory, kept: Kept | None) -> int:
    """What the container reads from. With `kept` it may end: the shim keeps its writing end, else the container."""
    if kept is None:
        return os.open(place.pipe("in"), os.O_RDWR)
    reader = os.open(place.pipe("in"), os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(place.pipe("in"), os.O_WRONLY)
    os.set_blocking(reader, True)
    kept.put(writer)
    os.close(writer)
    return reader


def _placed(ends: Mapping[int, int]) -> Iterator[tuple[int, ...]]:
    """File actions that give a child our descriptors under its numbers (number → ours), which may overlap ours."""
    above = max((*ends, *ends.values())) + 1
    for number, fd in ends.items():
        yield os.POSIX_SPAWN_DUP2, fd, above + number
    for number in ends:
        yield os.POSIX_SPAWN_DUP2, above + number, number
        yield os.POSIX_SPAWN_CLOSE, above + number


def shim_of(directory: RunDirectory, id: str) -> int:
    """The process number of a run's shim, 0 when it is gone."""
    shim = int((read_record(directory.record) or {}).get("shim") or _find_shim(id))
    return shim if shim and _is_shim(shim, id) else 0


def kill(crun: Path, id: str) -> None:
    """SIGKILL a container by what crun has on record of it; nothing happens when it is gone."""
    record = read_record(crun / id / "status") or {}
    pid = int(record.get("pid", 0))
    if pid and _start_time(pid) == record.get("process-start-time"):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _is_shim(pid: int, id: str) -> bool:
    """Whether that process is the shim of that container, and not a later one with its number."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return arguments[0] == SHIM_NAME.encode() and id.encode() in arguments
    except OSError:
        return False


def _find_shim(id: str) -> int:
    """The shim of a container whose number was not noted (the kubelet died too soon), by its command line; else 0."""
    numbers = (int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit())
    return next((pid for pid in numbers if _is_shim(pid, id)), 0)


def _start_time(pid: int) -> int:
    """When a process began, in the kernel's ticks; 0 when there is none."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0
