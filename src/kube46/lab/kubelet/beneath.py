"""Paths below a directory that others may write to: opened without ever leaving it, whatever links they put there.

Source: openat2(2), RESOLVE_BENEATH (Linux 5.6); what goes wrong without it: CVE-2017-1002101, CVE-2021-25741.
"""

import ctypes
import errno
import os
from contextlib import suppress
from pathlib import Path, PurePosixPath

SYS_OPENAT2 = 437  # the same number on every architecture
RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH, RESOLVE_IN_ROOT = 0x02, 0x04, 0x08, 0x10
_libc = ctypes.CDLL(None, use_errno=True)


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_beneath(directory: Path, path: str, *, create: str = "") -> int:
    """An O_PATH descriptor of `directory/path`; what lacks is made when `create` says "directory", or "file" for a file
    in a directory that is there: for everybody to write to.

    Raises FileNotFoundError, and OSError with EXDEV when a link or `..` leads out of the directory.
    """
    if not path:
        return os.open(directory, os.O_PATH | os.O_CLOEXEC)
    base = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            return _openat2(base, path)
        except FileNotFoundError:
            if not create:
                raise
        parts = PurePosixPath(path).parts
        if create == "file":
            _make_file(base, "/".join(parts[:-1]) or ".", parts[-1])
            return _openat2(base, path)
        for number in range(1, len(parts) + 1):
            _make(base, "/".join(parts[: number - 1]) or ".", parts[number - 1])
        return _openat2(base, path)
    finally:
        os.close(base)


def _make(base: int, parent: str, name: str) -> None:
    """A directory of that name in `parent`, if nothing is there."""
    above = _openat2(base, parent)
    try:
        with suppress(FileExistsError):
            os.mkdir(name, 0o777, dir_fd=above)
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
            try:
                os.fchmod(fd, 0o777)  # whatever our umask
            finally:
                os.close(fd)
    finally:
        os.close(above)


def _make_file(base: int, parent: str, name: str) -> None:
    """An empty file of that name in `parent`, if nothing is there."""
    above = _openat2(base, parent)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(FileExistsError):
            fd = os.open(name, flags, 0o666, dir_fd=above)
            try:
                os.fchmod(fd, 0o666)
            finally:
                os.close(fd)
    finally:
        os.close(above)


def _openat2(base: int, path: str) -> int:
    return openat2(base, path, os.O_PATH, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)


def openat2(base: int, path: str, flags: int, resolve: int) -> int:
    """openat2(2), close-on-exec. Raises OSError."""
    how = _How(flags | os.O_CLOEXEC, 0, resolve)
    while True:
        fd = int(_libc.syscall(SYS_OPENAT2, base, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how)))
        if fd >= 0:
            return fd
        code = ctypes.get_errno()
        if code != errno.EAGAIN:  # a rename went on meanwhile
            raise OSError(code, os.strerror(code), path)
