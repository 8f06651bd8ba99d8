"""Control groups of pods and containers on this machine: made, entered, read and removed.

The kubelet mounts the hierarchies for itself: a node's own mount namespace hides the machine's. A container's first
process is in its groups before it is executed, as its shim enters them before it becomes crun.
"""

import errno
import logging
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from kube46.lab import hierarchies, syscalls
from kube46.lab.kubelet.bundles import Bind
from kube46.lab.kubelet.cgroupfs import PATIENCE, Hierarchy, cpu_seconds, kill, memory_bytes, remove, text_of
from kube46.lab.kubelet.cgrouprules import LIMITING, V1, V2, WANTED, Kind, Limits, Usage, kinds, numbers

VIEW = "/sys/fs/cgroup"
log = logging.getLogger(__name__)


class Cgroups:
    """The groups of a node's pods: `pod` + UID, and in it one for each run of a container by its ID."""

    def __init__(self, hierarchies: Iterable[Hierarchy], why_not: str = "") -> None:
        self._hierarchies = tuple(hierarchies)
        had = {name for one in self._hierarchies for name in one.kind.controllers}
        self.missing = tuple(name for name in LIMITING if name not in had)
        self.why_not = why_not

    def make(self, uid: str, whole: Limits, id: str, own: Limits) -> tuple[str, ...]:
        """Make the groups of a run; returns the files to enter them by. Raises OSError."""
        for one in self._hierarchies:
            one.make(f"pod{uid}", whole)
            one.make(f"pod{uid}/{id}", own)
        return self.entrances(uid, id)

    def change(self, uid: str, whole: Limits, id: str, own: Limits) -> None:
        """Hold a run that exists to other limits. Raises OSError, also when it takes more memory than it may."""
        used = self.usage(uid, id)
        if own.memory is not None and used is not None and used.memory > own.memory:
            text = f"attempting to set memory limit ({own.memory}) below current usage ({used.memory})"
            raise OSError(errno.EBUSY, f"cannot decrease memory limits: {text}")
        for one in self._hierarchies:
            one.change(f"pod{uid}", whole)
            one.change(f"pod{uid}/{id}", own)

    def view(self, uid: str, id: str, place: Path) -> tuple[Bind, ...]:
        """What a container sees of its own groups, as runtimes show them: version 2 at /sys/fs/cgroup, or there a
        directory for each hierarchy of version 1, made in `place`. Raises OSError."""
        found = list(self._groups(uid, id))
        if not found:
            return ()
        if all(one.kind.version == V2 for one, _ in found):
            return (Bind(str(found[0][1]), VIEW, read_only=True),)
        binds = [Bind(str(place), VIEW, read_only=True)]
        for one, group in found:
            names = one.kind.controllers if one.kind.version == V1 else ("unified",)
            (place / ",".join(names)).mkdir(parents=True, exist_ok=True)
            for name in names if len(names) > 1 else ():
                (place / name).unlink(missing_ok=True)
                (place / name).symlink_to(",".join(names))
            binds.append(Bind(str(group), f"{VIEW}/{','.join(names)}", read_only=True))
        return tuple(binds)

    def entrances(self, uid: str, id: str) -> tuple[str, ...]:
        """What a process writes 0 to that is to belong to a run."""
        return tuple(str(place / "cgroup.procs") for _, place in self._groups(uid, id))

    def killed_for_memory(self, uid: str, id: str) -> bool:
        """Whether the kernel ended a process of the run because its memory was used up."""
        names = {V1: "memory.oom_control", V2: "memory.events"}
        return any(
            numbers(text_of(place / names[one.kind.version])).get("oom_kill", 0) > 0
            for one, place in self._groups(uid, id)
            if "memory" in one.kind.controllers
        )

    def usage(self, uid: str, id: str) -> Usage | None:
        """What a run took so far; None when it isn't counted here."""
        return self._usage(list(self._groups(uid, id)))

    def whole(self) -> Usage | None:
        """What all pods took so far, those that are gone included; None when it isn't counted here."""
        return self._usage([(one, one.group) for one in self._hierarchies])

    def _usage(self, groups: list[tuple[Hierarchy, Path]]) -> Usage | None:
        cpu = next((seconds for one, place in groups if (seconds := cpu_seconds(one, place)) is not None), None)
        memory = next((bytes for one, place in groups if (bytes := memory_bytes(one, place)) is not None), None)
        return None if cpu is None or memory is None else Usage(cpu, memory)

    def kill(self, uid: str, id: str) -> None:
        """End what is left of a run whose first process was not that of its PID namespace."""
        for place in self.entrances(uid, id):
            kill(Path(place))

    def remove(self, uid: str, id: str = "") -> None:
        """Remove the groups of a run, or of a whole pod. What processes still hold is left for the pod's end."""
        end = time.monotonic() + (0 if id else PATIENCE)
        for one in self._hierarchies:
            place = one.group / f"pod{uid}" / id
            while not remove(place) and time.monotonic() < end:
                time.sleep(0.02)

    def pods(self) -> set[str]:
        """The UIDs of the pods that have a group."""
        return {p.name[3:] for one in self._hierarchies for p in one.group.glob("pod*") if p.is_dir()}

    def _groups(self, uid: str, id: str) -> Iterator[tuple[Hierarchy, Path]]:
        for one in self._hierarchies:
            place = one.group / f"pod{uid}" / id
            if place.is_dir():
                yield one, place


def find(mounts: Path, group: str) -> Cgroups:
    """The control groups that are to be had here, mounted below `mounts`; what is not is said by `missing`."""
    found: list[Hierarchy] = []
    failures: list[str] = []
    for kind in kinds(Path("/proc/self/cgroup").read_text()):
        try:
            found += _prepared(kind, mounts, group, {name for one in found for name in one.kind.controllers}, failures)
        except OSError as error:
            failures.append(f"cgroup v{kind.version} {','.join(kind.controllers)}: {error}")
    for failure in failures:
        log.warning("Control group is not to be had error=%s", failure)
    return Cgroups(found, "; ".join(failures) or "the kernel has no such controller")


def _prepared(kind: Kind, mounts: Path, group: str, taken: set[str], failures: list[str]) -> list[Hierarchy]:
    """The hierarchy, mounted, with the node's group, unless it has nothing that is wanted. Raises OSError.

    Of version 2 only the controllers that let themselves be handed down; for the others see `failures`.
    """
    place = mounts / (",".join(kind.controllers) or "unified")
    place.mkdir(parents=True, exist_ok=True)
    if not os.path.ismount(place):
        if kind.version == V1:
            syscalls.mount("cgroup", place, "cgroup", 0, ",".join(kind.controllers))
        else:
            syscalls.mount("cgroup2", place, "cgroup2", 0, hierarchies.options())
    if kind.version == V2:
        usable = []
        for name in text_of(place / "cgroup.controllers").split():
            if name in WANTED and name not in taken:
                try:
                    Hierarchy(Kind(V2, (name,)), place, group).prepare(os.cpu_count() or 1)
                    usable.append(name)
                except OSError as error:
                    failures.append(f"cgroup v2 {name}: {error}")
        if not usable:
            return []
        kind = Kind(V2, tuple(usable))
    hierarchy = Hierarchy(kind, place, group)
    hierarchy.prepare(os.cpu_count() or 1)
    return [hierarchy]
