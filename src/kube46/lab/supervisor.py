"""The daemon that keeps a cluster's parts alive: `python -m kube46.lab.supervisor NAME`, started by `kube46 up`.

One thread, no event loop: it must be able to fork at any time. It reads `go` from standard input before it starts
anything (while `up` builds the namespaces, it loads modules); the end of that input without it means that `up` died.
"""

import importlib
import os
import select
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from kube46.lab import forking, listeners, processes, rules, syscalls
from kube46.lab.forking import Ground
from kube46.lab.parts import Part, parts
from kube46.lab.paths import Paths
from kube46.lab.settings import decoded
from kube46.netlink import namespaces

GO = b"go"
LOG_BYTES = 8 << 20  # a log is moved to NAME.log.1 when it is larger
LOG_CHECK = 10.0  # seconds
STEADY = 10.0  # seconds: who ran so long is started again at once
FIRST_DELAY, LAST_DELAY = 0.1, 10.0  # seconds
STOP_SECONDS = 5.0
# Loaded before the forks: what the parts of each rank need. A module that is missing is a part that is not there.
WARM = (
    ("kube46.cli.apiserver", "kube46.apiserver.server"),
    (
        "kube46.cli.controllers",
        "kube46.controllers.nodeipam.controller",
        "kube46.controllers.endpointslices.controller",
        "kube46.lab.controllers.deployments.controller",
        "kube46.lab.controllers.garbage.controller",
        "kube46.lab.controllers.namespaces.controller",
        "kube46.lab.controllers.nodelifecycle.controller",
        "kube46.lab.controllers.replicasets.controller",
        "kube46.lab.controllers.scheduler.controller",
        "kube46.lab.controllers.serviceaccounts.controller",
    ),
    ("kube46.cli.agent", "kube46.cni.controller", "kube46.proxy.controller", "kube46.dns.controller"),
    ("kube46.cli.kubelet",),
)


class PartState(msgspec.Struct):
    """What `status` shows of a part. Times are seconds since the epoch; `exit` is of the run before this."""

    name: str
    place: str
    pid: int = 0
    started: int = 0
    since: float = 0
    restarts: int = 0
    exit: int | None = None


class Report(msgspec.Struct):
    """The file parts.json: who supervises, and what runs."""

    pid: int
    started: int
    parts: list[PartState]


@dataclass(slots=True)
class Running:
    """A part, and how its runs went. `due`: when it is to be started (monotonic), while it has no process."""

    part: Part
    state: PartState
    due: float = 0.0
    begun: float = 0.0
    failures: int = 0


def back_off(failures: int) -> float:
    """Seconds to wait before the next start, after so many ends in a row that came too early."""
    return min(FIRST_DELAY * 2.0**failures, LAST_DELAY)


@dataclass(slots=True)
class Supervisor:
    """Starts, watches, restarts and stops the parts."""

    paths: Paths
    running: list[Running]
    sockets: tuple[int, ...]
    wake: int
    stopping: bool = False
    next_log_check: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Until SIGTERM, then stop all parts."""
        for rank, modules in enumerate(WARM):
            warm(modules)
            self.start_due([entry for entry in self.running if entry.part.rank <= rank])
        while not self.stopping:
            self.sleep()
            self.reap()
            self.start_due(self.running)
            self.cut_logs()
        self.stop_all()

    def sleep(self) -> None:
        """Until a signal comes or something is due."""
        due = min([entry.due for entry in self.running if not entry.state.pid] + [self.next_log_check])
        poll = select.poll()
        poll.register(self.wake, select.POLLIN)
        if poll.poll(max(0.0, due - time.monotonic()) * 1000):
            with suppress(BlockingIOError):
                os.read(self.wake, 4096)

    def start_due(self, entries: Iterable[Running]) -> None:
        """Start those of the entries whose time has come."""
        now = time.monotonic()
        for entry in entries:
            if entry.state.pid == 0 and entry.due <= now and not self.stopping:
                self.start(entry, now)

    def start(self, entry: Running, now: float) -> None:
        """Start one part; what keeps it from being forked counts as a failed run."""
        part = entry.part
        ground = Ground(namespaces.path_of(self.paths.namespace(part.place)), self.paths.mount_namespace(part.place))
        try:
            pid = forking.start(part, ground, self.sockets if part.listens else ())
        except OSError as error:
            say("Part cannot be started", part=part.name, error=error)
            entry.failures += 1
            entry.due = now + back_off(entry.failures)
            return
        entry.begun = now
        entry.state.pid, entry.state.started = pid, processes.start_time(pid)
        entry.state.since = time.time()
        say("Part started", part=part.name, pid=pid)
        self.report()

    def reap(self) -> None:
        """Collect all children that ended: parts, and orphans of theirs, which come to us as their subreaper."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for entry in self.running:
                if entry.state.pid == pid:
                    self.ended(entry, os.waitstatus_to_exitcode(status))

    def ended(self, entry: Running, code: int) -> None:
        """Note a part's end and when it is to be started again."""
        now = time.monotonic()
        steady = now - entry.begun >= STEADY
        entry.failures = 0 if steady else entry.failures + 1
        entry.due = now if steady else now + back_off(entry.failures - 1)
        entry.state.pid, entry.state.exit = 0, code
        entry.state.restarts += 1
        if not self.stopping:
            say("Part ended", part=entry.part.name, exit=code, restart_in=f"{entry.due - now:.1f}s")
        self.report()

    def stop_all(self) -> None:
        """SIGTERM, in the order opposite to the start; SIGKILL to who stays longer than five seconds."""
        for rank in sorted({entry.part.rank for entry in self.running}, reverse=True):
            group = [entry for entry in self.running if entry.part.rank == rank and entry.state.pid]
            for number in (signal.SIGTERM, signal.SIGKILL):
                self.signal(group, number)
                deadline = time.monotonic() + STOP_SECONDS
                while any(entry.state.pid for entry in group) and time.monotonic() < deadline:
                    self.reap()
                    time.sleep(0.01)
        say("Cluster stopped")

    def signal(self, group: Iterable[Running], number: signal.Signals) -> None:
        """Send a signal to those of the group that still run; they are our children, so their pids are theirs."""
        for entry in group:
            if entry.state.pid:
                os.kill(entry.state.pid, number)

    def cut_logs(self) -> None:
        """Move what a part logged to NAME.log.1 when it is too much, and let it write on in the emptied file."""
        if time.monotonic() < self.next_log_check:
            return
        self.next_log_check = time.monotonic() + LOG_CHECK
        for path in {entry.part.log for entry in self.running} | {log_path(self.paths)}:
            if path.exists() and path.stat().st_size > LOG_BYTES:
                path.with_name(path.name + ".1").write_bytes(path.read_bytes())
                os.truncate(path, 0)

    def report(self) -> None:
        """Write parts.json anew, as a whole."""
        own = os.getpid()
        report = Report(own, processes.start_time(own), [entry.state for entry in self.running])
        fresh = self.paths.parts.with_name("parts.json.new")
        fresh.write_bytes(msgspec.json.encode(report))
        fresh.replace(self.paths.parts)


def read_report(paths: Paths) -> Report | None:
    """What the supervisor wrote last; None without a supervisor's file."""
    try:
        return msgspec.json.decode(paths.parts.read_bytes(), type=Report)
    except (OSError, msgspec.MsgspecError):
        return None


def log_path(paths: Paths) -> Path:
    """The supervisor's own log."""
    return paths.log(rules.CP, "supervisor")


def warm(modules: Iterable[str]) -> None:
    """Import what the next parts need; the part whose module fails tells more in its own log."""
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # whatever a part's module raises, the other parts must run
            say("Module cannot be loaded", module=module, error=error)


def say(message: str, **fields: object) -> None:
    """Log a line; the logging module's locks and handlers would be copied into every fork."""
    text = " ".join([message, *(f"{key}={value}" for key, value in fields.items())])
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n")
    sys.stderr.flush()


def supervise(name: str) -> None:
    """Keep the cluster's parts alive until SIGTERM. Raises OSError when a socket cannot be opened."""
    paths = Paths(name)
    settings = decoded(paths.settings.read_bytes())
    sockets = listeners.open_sockets(settings, paths, int(paths.port.read_text()))
    wake, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    running = [
        Running(part, PartState(part.name, part.place)) for part in parts(settings, paths, int(paths.owner.read_text()))
    ]
    supervisor = Supervisor(paths, running, sockets, wake)

    def stop(*_: object) -> None:
        supervisor.stopping = True

    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    supervisor.run()


def main() -> None:
    """Load what the API server needs, then wait for `up` to say that the places are built."""
    name = sys.argv[1]
    syscalls.rename("k46:supervisor", ["kube46", "supervisor", name])
    syscalls.become_subreaper()
    warm(WARM[0])
    if os.read(0, len(GO)) != GO:
        say("Gave up: kube46 up ended before the cluster was built")
        sys.exit(1)
    try:
        supervise(name)
    except OSError as error:
        say("Cluster cannot be run", error=error)
        sys.exit(1)


if __name__ == "__main__":
    main()
