"""A volume's directory on disk: its files replaced all at once, as kubelet's atomic writer does it.

The files lie in a directory of their own behind the link `..data`; a change makes a new directory and moves the link,
so a container sees all of the old or all of the new. Source: pkg/volume/util/atomic_writer.go.
"""

import os
import shutil
import time
from pathlib import Path

from kube46.api.quantities import parse
from kube46.lab import syscalls
from kube46.lab.kubelet.deleting import delete
from kube46.lab.kubelet.directories import PodDirectory
from kube46.lab.kubelet.manifests import EmptyDir
from kube46.lab.kubelet.volumes import File, Payload

DATA = "..data"


def update(directory: Path, files: Payload, *, user: int | None, group: int | None) -> bool:
    """Make the directory hold exactly `files`; returns whether anything changed. Raises OSError.

    `user` owns private files; without one user they are readable to all of the pod. `group` is the pod's fsGroup.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if _content(directory / DATA) == {path: file.content for path, file in files.items()}:
        return False
    version = directory / f"..{time.time_ns()}"
    version.mkdir(mode=0o755)
    for path, file in files.items():
        _write(version / path, file, user, group)
    old = directory / DATA
    previous = old.readlink() if old.is_symlink() else None
    link = directory / "..data_new"
    link.unlink(missing_ok=True)
    link.symlink_to(version.name)
    link.replace(old)
    _expose(directory, files)
    if previous is not None:
        shutil.rmtree(directory / previous, ignore_errors=True)
    return True


def empty_dir(directory: Path, volume: EmptyDir, group: int | None) -> None:
    """Make an emptyDir once; on memory it is a tmpfs of its size limit. Raises OSError."""
    if directory.exists():
        return
    new = directory.with_name(f".{directory.name}.new")
    new.mkdir(parents=True, exist_ok=True)
    if volume.medium == "Memory":
        size = f",size={int(parse(volume.size_limit))}" if volume.size_limit else ""
        new.rename(directory)
        syscalls.mount("tmpfs", directory, "tmpfs", 0, f"mode=1777{size}")
        _own(directory, group)
        return
    _own(new, group)
    new.rename(directory)


def remove_all(pod: PodDirectory) -> None:
    """Delete the directories of all volumes of a pod. Raises OSError."""
    delete(pod.volume("any").parent)


def _own(directory: Path, group: int | None) -> None:
    directory.chmod(0o777)
    if group is not None:
        os.chown(directory, 0, group)
        directory.chmod(0o2777)


def _write(path: Path, file: File, user: int | None, group: int | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    private = file.private and user is not None
    mode = 0o600 if private else file.mode | (0o040 if group is not None else 0)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as out:
        out.write(file.content)
        os.fchown(out.fileno(), user if private and user is not None else 0, 0 if group is None else group)
        os.fchmod(out.fileno(), mode)


def _content(data: Path) -> dict[str, bytes] | None:
    if not data.is_dir():
        return None
    root = data.resolve()
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def _expose(directory: Path, files: Payload) -> None:
    """One link for each top-level name, none for those that are gone."""
    wanted = {path.partition("/")[0] for path in files}
    for name in wanted:
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(f"{DATA}/{name}")
    for path in directory.iterdir():
        if path.is_symlink() and path.name != DATA and path.name not in wanted:
            path.unlink()
