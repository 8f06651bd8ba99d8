"""Mounts as descriptors: a copy of one, shown with a user namespace's ids, put where it is wanted.

Source: mount_setattr(2), open_tree(2), move_mount(2); Linux 5.12 and newer.
"""

import ctypes
import os
from pathlib import Path

OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442  # the same numbers on every architecture
AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000
OPEN_TREE_CLONE, MOVE_MOUNT_F_EMPTY_PATH, MOUNT_ATTR_IDMAP = 1, 4, 0x00100000
_libc = ctypes.CDLL(None, use_errno=True)


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def bind_mapped(source: Path, target: Path, user_namespace: int) -> None:
    """Bind `source`, with all mounted below it, to `target`, its owners shown as that user namespace maps them.

    Raises OSError, with EINVAL when a file system of it can't be mapped.
    """
    flags = OPEN_TREE_CLONE | os.O_CLOEXEC | AT_RECURSIVE
    tree = _called(_libc.syscall(OPEN_TREE, AT_FDCWD, os.fsencode(source), flags), source)
    try:
        wanted = _Attributes(attr_set=MOUNT_ATTR_IDMAP, userns_fd=user_namespace)
        size = ctypes.sizeof(wanted)
        how = AT_EMPTY_PATH | AT_RECURSIVE
        _called(_libc.syscall(MOUNT_SETATTR, tree, b"", how, ctypes.byref(wanted), ctypes.c_size_t(size)), source)
        _called(_libc.syscall(MOVE_MOUNT, tree, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH), target)
    finally:
        os.close(tree)


def _called(result: int, path: Path) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(path))
    return int(result)
