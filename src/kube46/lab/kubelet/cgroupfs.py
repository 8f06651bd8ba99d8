"""The files of control groups: made, read and removed in one mounted hierarchy of either version."""

import errno
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

from kube46.lab.kubelet.cgrouprules import (
    MICROSECONDS,
    NANOSECONDS,
    V1,
    V2,
    Kind,
    Limits,
    files,
    numbers,
    shares,
    working_set,
)

PATIENCE = 1.0  # seconds for processes that were killed to leave their group


class Hierarchy:
    """One mounted hierarchy, and the node's group in it."""

    def __init__(self, kind: Kind, mount: Path, group: str) -> None:
        self.kind, self.mount, self.group = kind, mount, mount / group.strip("/")

    def make(self, path: str, wanted: Limits) -> Path:
        """The group below the node's, with these limits. Raises OSError."""
        place = self.group / path
        self._make(place)
        _write(place, files(wanted, self.kind))
        return place

    def change(self, path: str, wanted: Limits) -> None:
        """Other limits of a group that exists. Raises OSError."""
        place, written = self.group / path, files(wanted, self.kind)
        try:
            _write(place, written)
        except OSError:
            # Memory with swap is never less than without: more of both is written the other way round.
            _write(place, reversed(written))

    def prepare(self, cpus: int) -> None:
        """Make the node's group, weighing as much as the machine has CPUs. Raises OSError."""
        self._make(self.group)
        for place in reversed([self.group, *self.group.parents]):
            if place != self.mount and place.is_relative_to(self.mount):
                for name, text in files(Limits(shares=shares(Decimal(cpus))), self.kind):
                    if name.startswith("cpu."):
                        (place / name).write_text(text)

    def _make(self, place: Path) -> None:
        """The group with all above it; version 2 hands controllers down from group to group."""
        for parent in reversed([place, *place.parents]):
            if parent == self.mount or not parent.is_relative_to(self.mount):
                continue
            if self.kind.version == V2 and self.kind.controllers:
                text = " ".join(f"+{name}" for name in self.kind.controllers)
                (parent.parent / "cgroup.subtree_control").write_text(text)
            parent.mkdir(exist_ok=True)


def _write(place: Path, wanted: Iterable[tuple[str, str]]) -> None:
    for name, text in wanted:
        with suppress(FileNotFoundError):  # memory.memsw: the kernel doesn't count swap
            (place / name).write_text(text)


def remove_all(group: str, mounts: Iterable[Path]) -> None:
    """End what runs in a group and those below it, remove them from all hierarchies, and those above that are empty."""
    for mount in mounts:
        place = mount / group.strip("/")
        end = time.monotonic() + PATIENCE
        while not remove(place) and time.monotonic() < end:
            for file in place.rglob("cgroup.procs"):
                kill(file)
            time.sleep(0.02)
        for parent in place.parents:
            if parent == mount:
                break
            with suppress(OSError):
                parent.rmdir()


def kill(procs: Path) -> None:
    """End the processes that a cgroup.procs names."""
    for number in text_of(procs).split():
        if number != "0":  # of another PID namespace
            with suppress(ProcessLookupError):
                os.kill(int(number), signal.SIGKILL)


def remove(place: Path) -> bool:
    """Whether the group and all below it are gone."""
    try:
        for below in [path for path in place.iterdir() if path.is_dir()]:
            remove(below)
        place.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def cpu_seconds(one: Hierarchy, place: Path) -> float | None:
    """What the group's processes took of the CPUs so far; None when this hierarchy doesn't count it."""
    if "cpuacct" in one.kind.controllers:
        return int(text_of(place / "cpuacct.usage") or 0) / NANOSECONDS
    if one.kind.version == V2:  # counted there whatever controllers are on
        return numbers(text_of(place / "cpu.stat")).get("usage_usec", 0) / MICROSECONDS
    return None


def memory_bytes(one: Hierarchy, place: Path) -> int | None:
    """The working set of the group's processes; None when this hierarchy doesn't count it."""
    if "memory" not in one.kind.controllers:
        return None
    name = "memory.usage_in_bytes" if one.kind.version == V1 else "memory.current"
    return working_set(int(text_of(place / name) or 0), numbers(text_of(place / "memory.stat")), one.kind.version)


def text_of(path: Path) -> str:
    """A file's text, "" when the group is gone."""
    try:
        return path.read_text()
    except OSError:
        return ""
