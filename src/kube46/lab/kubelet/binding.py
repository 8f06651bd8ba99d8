"""Binds what a container mounts of a volume: opened below its root, checked, and bound by its descriptor.

What is bound is what was checked: a link that is put there in between leads nowhere (CVE-2021-25741).
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from kube46.lab import syscalls
from kube46.lab.kubelet import beneath, places
from kube46.lab.kubelet.places import Place
from kube46.lab.kubelet.security import ConfigError

RECURSIVELY = syscalls.MS_BIND | syscalls.MS_REC
READ, WRITE_DIRECTORY = 0o660, 0o2770  # what a pod's fsGroup may do with files, and with directories


def bind_place(place: Place, sub_path: str, target: Path, *, read_only: bool) -> None:
    """Bind a place, or a path inside of it, to `target`, with all that is mounted below. Raises ConfigError, OSError.

    Read-only is recursive, which runtimes leave to their callers for files (KEP-3857).
    """
    fd = open_place(place)
    try:
        if sub_path:
            bind_inside(_name(fd), sub_path, target, create="" if place.read_only else "directory")
        else:
            _bind(fd, target)
        if read_only:
            syscalls.make_read_only(target)
    finally:
        os.close(fd)


def bind_inside(directory: Path, path: str, target: Path, *, create: str = "directory") -> None:
    """Bind `path` inside of a directory to `target`; what lacks is made as `open_beneath` does. Raises as above."""
    fd = _open(directory, path, create)
    try:
        _bind(fd, target)
    finally:
        os.close(fd)


def open_place(place: Place) -> int:
    """A descriptor of what is there, made if the place says so, and of its kind. Raises ConfigError, OSError."""
    try:
        fd = _open(place.root, place.inside, places.made_as(place))
    except ConfigError:
        if not (place.root / place.inside).exists() and (text := places.complaint(place, None)):
            raise ConfigError(text, places.MOUNT) from None
        raise
    if text := places.complaint(place, os.fstat(fd).st_mode):
        os.close(fd)
        raise ConfigError(text, places.MOUNT)
    return fd


def take_over(place: Place, group: int, *, only_when_wrong: bool) -> None:
    """Give all of a place to a pod's fsGroup, its directories' new files too. Never follows a link. Raises OSError.

    `only_when_wrong`: nothing is done when the place itself is right already (fsGroupChangePolicy OnRootMismatch).
    Source: pkg/volume/volume_linux.go.
    """
    fd = open_place(place)
    try:
        found = os.fstat(fd)
        if only_when_wrong and found.st_gid == group and found.st_mode & WRITE_DIRECTORY == WRITE_DIRECTORY:
            return
        if not stat.S_ISDIR(found.st_mode):
            return
        top = os.open(_name(fd), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        os.close(fd)
    try:
        for _, _, files, handle in os.fwalk(".", topdown=False, follow_symlinks=False, dir_fd=top):
            for name in files:
                with suppress(FileNotFoundError):
                    _give(name, handle, group)
            os.fchown(handle, -1, group)
            os.fchmod(handle, stat.S_IMODE(os.fstat(handle).st_mode) | WRITE_DIRECTORY)
    finally:
        os.close(top)


def _give(name: str, directory: int, group: int) -> None:
    os.chown(name, -1, group, dir_fd=directory, follow_symlinks=False)
    mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    if stat.S_ISREG(mode):
        file = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        try:
            _name(file).chmod(stat.S_IMODE(mode) | READ)
        finally:
            os.close(file)


def _open(directory: Path, path: str, create: str) -> int:
    try:
        return beneath.open_beneath(directory, path, create=create)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise ConfigError(f"path {path!r} must stay inside of its volume: `..` or a link leads out") from error
        if isinstance(error, FileNotFoundError):
            raise ConfigError(f"{directory / path} does not exist on this node", places.MOUNT) from error
        raise


def _bind(fd: int, target: Path) -> None:
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    syscalls.mount(_name(fd), target, flags=RECURSIVELY)
    syscalls.mount("", target, flags=syscalls.MS_PRIVATE | syscalls.MS_REC)


def _name(fd: int) -> Path:
    return Path(f"/proc/self/fd/{fd}")
