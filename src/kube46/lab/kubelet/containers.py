"""Containers by crun: one shim each, so that they outlive the kubelet and their exit codes stay known.

The shim is `/bin/sh`: it runs `crun run` in the container's control groups, notes the exit code in a file, and then
waits for a kubelet to open the `events` FIFO, so what the container wrote last is still in its pipes after a restart of
the kubelet. Output goes through FIFOs that the container itself holds open both ways: no broken pipe while there is no
kubelet.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kube46.lab.kubelet.crilogs import Encoder
from kube46.lab.kubelet.directories import RunDirectory, read_record, write
from kube46.lab.kubelet.logs import LogFile

SHIM = """
(
  place=$1 state=$2 id=$3
  shift 3
  for group; do
    echo 0 > "$group" || {
      printf '{"level":"error","msg":"%s cannot be entered"}\n' "$group" > "$place/crun.log"
      exit 128
    }
  done
  exec crun --root "$state" --cgroup-manager=disabled --log="$place/crun.log" --log-format=json \
    run --bundle "$place" --pid-file "$place/events" "$id"
)
echo $? > "$1/exit"
: > "$1/events"
"""
PIPES = ("out", "err", "events")
SHIM_NAME = "kube46-shim"
BLOCK = 64 * 1024
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
RECALL = 0.1  # seconds between looks at crun's record
LOST = 137  # the exit code of a run whose end nobody saw


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
        self._encoders = {"out": Encoder("stdout"), "err": Encoder("stderr")}
        self._readers: dict[str, int] = {}
        self._shim = 0
        self._pidfd = -1

    def spawn(self, crun: Path, config: Mapping[str, Any], groups: Iterable[str], *, stdin: bool) -> None:
        """Start the container from its OCI config, `groups` being the files to enter its control groups by.

        Raises OSError. Returns before it runs.
        """
        place = self.directory
        place.path.mkdir(parents=True, exist_ok=True)
        names = (*PIPES, "in") if stdin else PIPES
        for name in names:
            place.pipe(name).unlink(missing_ok=True)
            os.mkfifo(place.pipe(name), 0o600)
            user = config["process"]["user"]
            os.chown(place.pipe(name), user["uid"], user["gid"])
        place.config.write_text(json.dumps(config))
        # Open both ways: the container then is its own reader, and nobody's going away breaks its output.
        ends = {1: os.open(place.pipe("out"), os.O_RDWR), 2: os.open(place.pipe("err"), os.O_RDWR)}
        ends[0] = os.open(place.pipe("in") if stdin else os.devnull, os.O_RDWR)
        try:
            self._shim = os.posix_spawn(
                "/bin/sh",
                [SHIM_NAME, "-c", SHIM, SHIM_NAME, str(place.path), str(crun), self.id, *groups],
                ENVIRONMENT,
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in ends.items()],
                setsid=True,
                setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM),
                setsigmask=(),
            )
            record = read_record(place.record) or {}
            write(place.record, json.dumps(record | {"shim": self._shim}))
            self._attend()
        finally:
            for fd in ends.values():
                os.close(fd)

    def adopt(self, crun: Path) -> bool:
        """Take over a run that another kubelet started; False when its shim is gone (then `end` tells)."""
        record = read_record(self.directory.record) or {}
        self._shim, self.pid = shim_of(self.directory, self.id), int(record.get("pid", 0))
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

    def close(self) -> None:
        """Let go of it without ending it: the kubelet stops."""
        loop = asyncio.get_running_loop()
        for fd in self._readers.values():
            loop.remove_reader(fd)
            os.close(fd)
        self._readers.clear()
        if self._pidfd >= 0:
            loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        self.log.close()

    def _attend(self) -> None:
        """Read its pipes and wait for its end. `events` last: opening it lets a shim go that waits for us."""
        loop = asyncio.get_running_loop()
        self._pidfd = os.pidfd_open(self._shim)
        for name in PIPES:
            flags = os.O_RDWR if name == "events" else os.O_RDONLY
            fd = os.open(self.directory.pipe(name), flags | os.O_NONBLOCK)
            self._readers[name] = fd
            loop.add_reader(fd, self._begun if name == "events" else self._copy, *(() if name == "events" else (name,)))
        loop.add_reader(self._pidfd, self._over)

    def _copy(self, name: str) -> bool:
        """Move what a stream holds to the log; False when it holds nothing."""
        try:
            data = os.read(self._readers[name], BLOCK)
        except BlockingIOError:
            return False
        if data:
            self.log.write(self._encoders[name].feed(data, time.time_ns()))
        else:
            asyncio.get_running_loop().remove_reader(self._readers[name])
        return bool(data)

    def _begun(self) -> None:
        """crun wrote the pid: the container is made, its program is about to be executed."""
        with suppress(BlockingIOError, ValueError):
            self._runs_as(int(os.read(self._readers["events"], 64)))

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
        for name, encoder in self._encoders.items():
            while self._copy(name):
                pass
            self.log.write(encoder.finish(time.time_ns()))
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
