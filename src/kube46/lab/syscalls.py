"""The Linux calls that Python 3.11 does not have: mounts, namespaces, process names."""

import ctypes
import os
from pathlib import Path

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE, MS_SLAVE, MS_SHARED = 0x1000, 0x4000, 1 << 18, 1 << 19, 1 << 20
MNT_DETACH = 2
PR_SET_NAME, PR_SET_MM, PR_SET_CHILD_SUBREAPER = 15, 35, 36
PR_SET_MM_ARG_START, PR_SET_MM_ARG_END = 8, 9
PIDFD_GETFD = 438  # of every architecture

SYS_MOUNT_SETATTR, AT_RECURSIVE, MOUNT_ATTR_RDONLY = 442, 0x8000, 1  # Linux 5.12
_libc = ctypes.CDLL(None, use_errno=True)
_kept: list[ctypes.Array[ctypes.c_char]] = []  # the memory that /proc/self/cmdline shows must not be freed


class _Attributes(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns_fd"))


def mount(source: str | Path, target: str | Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2). Raises OSError naming the target."""
    result = _libc.mount(
        os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode()
    )
    _check(result, f"mount {target}")


def make_read_only(target: str | Path) -> None:
    """mount_setattr(2): nothing may be written to the mount on the target, nor to any below it. Raises OSError."""
    attributes = _Attributes(MOUNT_ATTR_RDONLY, 0, 0, 0)
    size = ctypes.sizeof(attributes)
    _check(
        _libc.syscall(SYS_MOUNT_SETATTR, -1, os.fsencode(target), AT_RECURSIVE, ctypes.byref(attributes), size),
        f"mount_setattr {target}",
    )


def detach(target: str | Path) -> bool:
    """Unmount what is mounted on the target, with all below it; False when nothing is. Raises OSError."""
    if _libc.umount2(os.fsencode(target), MNT_DETACH) == 0:
        return True
    code = ctypes.get_errno()
    if code in (2, 20, 22):  # ENOENT, ENOTDIR, EINVAL: no mount point
        return False
    raise OSError(code, os.strerror(code), str(target))


def unshare(flags: int) -> None:
    """unshare(2) of the calling thread. Raises OSError."""
    _check(_libc.unshare(flags), "unshare")


def enter(path: Path, kind: int) -> None:
    """setns(2) into the namespace that the file stands for. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(fd, kind), f"setns {path}")
    finally:
        os.close(fd)


def become_subreaper() -> None:
    """Let orphaned descendants become our children, so that we can reap them. Raises OSError."""
    _check(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def descriptor_of(pidfd: int, number: int) -> int:
    """pidfd_getfd(2): our own copy, closed on exec, of another process's descriptor. Raises OSError."""
    found = int(_libc.syscall(PIDFD_GETFD, pidfd, number, 0))
    if found < 0:
        _check(found, f"descriptor {number} of another process")
    return found


def rename(comm: str, arguments: list[str]) -> None:
    """Make `ps` show what this process is; a process forked without exec else looks like its parent.

    The kernel may refuse the new command line (it needs CAP_SYS_RESOURCE): then only the short name is set.
    """
    _libc.prctl(PR_SET_NAME, comm.encode()[:15], 0, 0, 0)
    text = b"\0".join(argument.encode() for argument in arguments)
    memory = ctypes.create_string_buffer(text)
    start = ctypes.addressof(memory)
    if _libc.prctl(PR_SET_MM, PR_SET_MM_ARG_START, ctypes.c_ulong(start), 0, 0) == 0:
        _kept.append(memory)
        _libc.prctl(PR_SET_MM, PR_SET_MM_ARG_END, ctypes.c_ulong(start + len(memory)), 0, 0)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
