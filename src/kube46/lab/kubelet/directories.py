"""Where the kubelet keeps what, under its root directory."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kube46.lab.kubelet.deleting import delete


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """One run of a container: its bundle, pipes and end."""

    path: Path

    @property
    def record(self) -> Path:
        """What the kubelet must know of the run after its own restart (JSON)."""
        return self.path / "run.json"

    @property
    def config(self) -> Path:
        """The OCI bundle's config.json."""
        return self.path / "config.json"

    def pipe(self, name: str) -> Path:
        """A FIFO: `out` and `err` carry the container's output, `in` its input, `events` its pid and its end."""
        return self.path / name

    def beginning(self, name: str) -> Path:
        """What a source of output has written of a line that has not ended."""
        return self.path / f"{name}.beginning"

    @property
    def exit(self) -> Path:
        """Its exit code, written by the shim."""
        return self.path / "exit"

    @property
    def error(self) -> Path:
        """crun's own complaints (JSON lines)."""
        return self.path / "crun.log"

    @property
    def termination(self) -> Path:
        """The termination message."""
        return self.path / "termination"

    @property
    def groups(self) -> Path:
        """What the container sees at /sys/fs/cgroup: a directory for each hierarchy of its control groups."""
        return self.path / "cgroup"

    def bind(self, number: int) -> Path:
        """Where a part of a volume is bound for the container's mount of that number."""
        return self.path / "binds" / str(number)

    @property
    def root(self) -> Path:
        """The container's own root: an image's, or the machine's when that lacks a mount point."""
        return self.path / "root"

    @property
    def upper(self) -> Path:
        """What the container of an image writes to its root."""
        return self.path / "upper"

    @property
    def work(self) -> Path:
        """Overlay's own."""
        return self.path / "work"

    @property
    def lower(self) -> Path:
        """Where an image's layers are mounted while an overlay is made of them."""
        return self.path / "lower"


@dataclass(frozen=True, slots=True)
class PodDirectory:
    """Everything of one pod."""

    path: Path

    @property
    def sandbox(self) -> Path:
        """The sandbox's record (JSON)."""
        return self.path / "sandbox.json"

    @property
    def allocated(self) -> Path:
        """What the pod was given by its resizes (JSON)."""
        return self.path / "allocated.json"

    @property
    def namespaces(self) -> Path:
        """The IPC and UTS namespaces, kept by binds."""
        return self.path / "ns"

    @property
    def shm(self) -> Path:
        """The pod's /dev/shm."""
        return self.path / "shm"

    def etc(self, name: str) -> Path:
        """A managed file of the containers' /etc."""
        return self.path / "etc" / name

    def volume(self, name: str) -> Path:
        """A volume's directory."""
        return self.path / "volumes" / name

    def owned(self, volume: str) -> Path:
        """Written once the pod's fsGroup has the volume."""
        return self.path / "owned" / volume

    def log(self, container: str, attempt: int) -> Path:
        """The log of a container's run, as CRI names it; rotated ones have a number after it."""
        return self.path / "logs" / container / f"{attempt}.log"

    def run(self, container: str, attempt: int) -> RunDirectory:
        """One run of a container."""
        return RunDirectory(self.path / "containers" / container / str(attempt))

    def run_id(self, container: str, attempt: int) -> str:
        """The run's ID, as runtimes make them: 64 hexadecimal digits, the same for the same run."""
        return hashlib.sha256(f"{self.path.name}/{container}/{attempt}".encode()).hexdigest()

    def runs(self, container: str) -> list[int]:
        """The attempts that have a record, oldest first."""
        parent = self.path / "containers" / container
        return sorted(int(p.name) for p in parent.iterdir()) if parent.is_dir() else []

    def forget_run(self, container: str, attempt: int) -> None:
        """Delete an old run's record and log. Raises OSError."""
        delete(self.run(container, attempt).path)
        log = self.log(container, attempt)
        for path in log.parent.glob(f"{log.name}*"):
            path.unlink(missing_ok=True)

    def containers(self) -> list[str]:
        """The containers that have run."""
        parent = self.path / "containers"
        return sorted(p.name for p in parent.iterdir()) if parent.is_dir() else []


@dataclass(frozen=True, slots=True)
class Root:
    """The kubelet's root directory."""

    path: Path

    @property
    def host(self) -> Path:
        """The machine's file system, bound here read-only and without what is mounted on it."""
        return self.path / "rootfs"

    @property
    def skeletons(self) -> Path:
        """A tmpfs with the mount points that the machine's file system lacks."""
        return self.path / "skeletons"

    @property
    def cgroups(self) -> Path:
        """The hierarchies of control groups, mounted for the kubelet."""
        return self.path / "cgroups"

    @property
    def crun(self) -> Path:
        """crun's state."""
        return self.path / "crun"

    @property
    def provisioned(self) -> Path:
        """PersistentVolumes that were made on this node, a directory each; they stay when pods go."""
        return self.path / "local-volumes"

    def pod(self, uid: str) -> PodDirectory:
        """The pod of that UID. Raises ValueError on what is no UID (it becomes a path)."""
        if not uid or "/" in uid or uid.startswith("."):
            raise ValueError(f"{uid!r} is no pod UID")
        return PodDirectory(self.path / "pods" / uid)

    def pods(self) -> list[str]:
        """The UIDs of the pods that have a directory."""
        parent = self.path / "pods"
        return sorted(p.name for p in parent.iterdir()) if parent.is_dir() else []


def write(path: Path, content: bytes | str, mode: int = 0o644) -> None:
    """Replace a file at once: readers see the old or the new content, also after kill -9."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        os.fchmod(file.fileno(), mode)
    new.replace(path)


def read_record(path: Path) -> dict[str, Any] | None:
    """A JSON record; None when there is none, or only half of one."""
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
