"""Which of the machine's processes belong to a cluster, and how they are ended.

A process belongs when it was started with KUBE46_CLUSTER=NAME, or lives in one of the cluster's network namespaces.
"""

import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

VARIABLE = "KUBE46_CLUSTER"
TERM, KILL = signal.SIGTERM, signal.SIGKILL
COMM_LENGTH = 15  # that many characters of a program's name are a process's
TICK = 0.02  # seconds between two looks at the process table


def start_time(pid: int) -> int:
    """When the process started, in clock ticks since boot; 0 when it is gone. With the pid it is unique."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError):
        return 0


def is_alive(pid: int, started: int) -> bool:
    """Whether that very process still runs: a zombie does not, another one with the same pid is not it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return int(fields[19]) == started and fields[0] != "Z"


def members(name: str, namespaces: Iterable[int]) -> dict[int, int]:
    """pid → start time of all processes of the cluster but ourselves and our ancestors."""
    spared, inodes = _ancestry(), set(namespaces)
    mark = f"{VARIABLE}={name}".encode()
    found = {}
    for directory in Path("/proc").iterdir():
        pid = int(directory.name) if directory.name.isdigit() else 0
        if pid and pid not in spared and _belongs(pid, mark, inodes):
            started = start_time(pid)
            if started and is_alive(pid, started):
                found[pid] = started
    return found


def has_mark(pid: int, name: str) -> bool:
    """Whether the process was started with KUBE46_CLUSTER=NAME."""
    return _belongs(pid, f"{VARIABLE}={name}".encode(), set())


def comm(pid: int) -> str:
    """The process's short name; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def end(find: Callable[[], dict[int, int]], *, grace: float) -> int:
    """End all that `find` finds: SIGTERM, and after `grace` seconds SIGKILL, until it finds none. Returns how many.

    Raises TimeoutError when processes do not even die of SIGKILL within ten seconds (stuck in the kernel).
    """
    deadline, ended = time.monotonic() + grace, set()
    sent = signal.SIGTERM if grace > 0 else signal.SIGKILL
    while found := find():
        if time.monotonic() > deadline + 10:
            raise TimeoutError(f"processes {sorted(found)} do not die")
        sent = signal.SIGKILL if time.monotonic() >= deadline else sent
        for pid, started in found.items():
            if sent == signal.SIGKILL or (pid, started) not in ended:
                send(pid, started, sent)
            ended.add((pid, started))
        time.sleep(TICK)
    return len(ended)


def send(pid: int, started: int, number: signal.Signals) -> None:
    """Send a signal to that very process, if it still runs."""
    with suppress(ProcessLookupError):
        fd = os.pidfd_open(pid)
        try:
            if start_time(pid) == started:
                signal.pidfd_send_signal(fd, number)
        finally:
            os.close(fd)


def wait(pid: int, started: int, seconds: float) -> bool:
    """Wait until that process has ended; False when it has not after so many seconds."""
    with suppress(ProcessLookupError):
        fd = os.pidfd_open(pid)
        try:
            if not is_alive(pid, started):
                return True
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        finally:
            os.close(fd)
    return True


def _belongs(pid: int, mark: bytes, inodes: set[int]) -> bool:
    with suppress(OSError):
        if Path(f"/proc/{pid}/ns/net").stat().st_ino in inodes:
            return True
    with suppress(OSError):
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False


def _ancestry() -> set[int]:
    """Ourselves and our ancestors: `kube46 down` may be called from a cluster's own shell."""
    found, pid = set(), os.getpid()
    while pid > 0:
        found.add(pid)
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
    return found
