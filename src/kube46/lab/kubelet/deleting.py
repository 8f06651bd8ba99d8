"""Deletes directories of the kubelet's in which volumes may still be mounted: those are let go, never emptied."""

import errno
import os
import shutil
from pathlib import Path

from kube46.lab import syscalls


def delete(path: Path) -> None:
    """Delete a directory tree. Raises OSError when something that is mounted in it does not let go."""
    for _ in range(2):  # a mount may lie over another one
        for mounted in sorted(_mounts(path), key=len, reverse=True):
            while syscalls.detach(mounted):
                pass
    if left := _mounts(path):
        raise OSError(errno.EBUSY, "is still mounted", str(left[0]))
    shutil.rmtree(path, ignore_errors=True)


def _mounts(path: Path) -> list[str]:
    """The mount points at or below a path, as this mount namespace has them."""
    real = os.path.realpath(path)
    with Path("/proc/self/mountinfo").open("rb") as table:
        found = [os.fsdecode(_plain(line.split(b" ")[4])) for line in table]
    return [point for point in found if point == real or point.startswith(real + "/")]


def _plain(escaped: bytes) -> bytes:
    """Blanks and the like are written as three octal digits (proc(5))."""
    return escaped.decode("unicode_escape").encode("latin-1") if b"\\" in escaped else escaped
