"""One command at a time on a cluster: a lock that lies on a directory, and dies with its holder."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(directory: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock of a directory (made, 0700, when there is none); `waiting` is called when another holds it.

    The holder may delete the directory: who waited for it then starts again with a new one.
    """
    while True:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            _lock(fd, waiting)
            if not _is_still(directory, fd):
                continue
            yield
            return
        finally:
            os.close(fd)


def _lock(fd: int, waiting: Callable[[], None] | None) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if waiting is not None:
            waiting()
        fcntl.flock(fd, fcntl.LOCK_EX)


def _is_still(directory: Path, fd: int) -> bool:
    try:
        return directory.stat().st_ino == os.fstat(fd).st_ino
    except FileNotFoundError:
        return False
