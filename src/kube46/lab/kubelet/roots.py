"""What containers see as their root: the machine's file system, read-only, with mount points it lacks laid over it."""

import os
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from kube46.lab import syscalls
from kube46.lab.kubelet import overlays
from kube46.lab.kubelet.containers import CONSOLE, PIPES
from kube46.lab.kubelet.directories import PodDirectory, Root, RunDirectory

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT = 1, 2, 4, 32
# Device files anywhere on the machine's disk must not open for a container that runs as their owner, root.
SAFELY = MS_RDONLY | MS_NOSUID | MS_NODEV


def prepare(root: Root) -> None:
    """Bind the machine's file system where containers take it from. Raises OSError."""
    for path in (root.host, root.skeletons, root.crun):
        path.mkdir(parents=True, exist_ok=True)
    root.path.chmod(0o755)
    if not _is_mount(root.host):
        syscalls.mount("/", root.host, flags=syscalls.MS_BIND)
        syscalls.mount("", root.host, flags=syscalls.MS_PRIVATE)
        syscalls.mount("", root.host, flags=syscalls.MS_BIND | MS_REMOUNT | SAFELY)
    if not _is_mount(root.skeletons):
        syscalls.mount("skeletons", root.skeletons, "tmpfs", 0, "mode=700,size=16m")


def make_root(root: Root, id: str, run: RunDirectory, missing: Mapping[str, bool]) -> Path:
    """The container's root: the machine's, or one over it with the `missing` mount points (path → is a directory)."""
    if not missing:
        return root.host
    skeleton = root.skeletons / id
    for path, directory in missing.items():
        place = skeleton / path.lstrip("/")
        _make_directories(skeleton, place if directory else place.parent)
        if not directory:
            place.touch()
    run.root.mkdir(parents=True, exist_ok=True)
    if not _is_mount(run.root):
        syscalls.mount("overlay", run.root, "overlay", SAFELY, f"lowerdir={skeleton}:/")
    return run.root


def _make_directories(skeleton: Path, place: Path) -> None:
    """Directories that hide the machine's own of the same path must look like them."""
    for path in reversed([place, *place.parents]):
        if path.is_relative_to(skeleton) and not path.exists():
            path.mkdir(parents=True, mode=0o755)
            with suppress(OSError):
                like = ("/" / path.relative_to(skeleton)).stat()
                path.chmod(stat.S_IMODE(like.st_mode))
                os.chown(path, like.st_uid, like.st_gid)


def clean(root: Root, id: str, run: RunDirectory) -> None:
    """Remove what an ended run leaves beside its record and log."""
    binds = run.bind(0).parent
    for path in sorted(binds.iterdir()) if binds.is_dir() else ():
        while path.exists() and syscalls.detach(path):
            pass
        with suppress(OSError):
            path.unlink() if path.is_file() else path.rmdir()
    overlays.remove(run)
    shutil.rmtree(root.skeletons / id, ignore_errors=True)
    shutil.rmtree(root.crun / id, ignore_errors=True)
    for name in (*PIPES, CONSOLE, "in", "config.json"):
        run.pipe(name).unlink(missing_ok=True)


def clean_all(root: Root, pod: PodDirectory) -> None:
    """`clean` every run of a pod, also one that the kubelet was killed too early to note."""
    for name in pod.containers():
        for attempt in pod.runs(name):
            clean(root, pod.run_id(name, attempt), pod.run(name, attempt))


def _is_mount(path: Path) -> bool:
    return os.path.ismount(path) or _bound(path)


def _bound(path: Path) -> bool:
    """os.path.ismount doesn't see a bind from the same file system."""
    real = os.path.realpath(path)
    with Path("/proc/self/mountinfo").open() as table:
        return any(line.split()[4] == real for line in table)
