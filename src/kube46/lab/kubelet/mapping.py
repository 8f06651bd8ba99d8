"""The ids of an image's containers: root and all others of the container are numbers that nobody has on the machine.

Each pod has 65,536 of them, in a range that systemd leaves unused (uids-gids.html), told by the pod's UID, so nothing
has to be kept. Two pods may share a range: they are apart by their namespaces then, as pods with one range would be.
"""

import hashlib
import logging
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from kube46.lab import mountapi, syscalls
from kube46.lab.kubelet.bundles import IDS

FIRST, LAST = 0x7000, 0x7FFC  # blocks of IDS; below 2³¹, which sysctls such as ping_group_range end with
log = logging.getLogger(__name__)


def base_of(uid: str) -> int:
    """The machine's number of the user 0 of a pod's containers."""
    number = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8], "big")
    return (FIRST + number % (LAST - FIRST + 1)) * IDS


@contextmanager
def user_namespace(base: int) -> Iterator[int]:
    """A descriptor of a user namespace with that mapping. Raises OSError. Blocks for some milliseconds.

    A process makes it, as one with threads can't; `cat`'s answer says that it is there.
    """
    maker = subprocess.Popen(["unshare", "--user", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert maker.stdin is not None and maker.stdout is not None
    try:
        maker.stdin.write(b"?")
        if maker.stdout.read(1) != b"?":
            raise OSError(1, "a user namespace can't be made")
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{maker.pid}/{name}").write_text(f"0 {base} {IDS}")
        fd = os.open(f"/proc/{maker.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        maker.kill()
        maker.communicate()
    try:
        yield fd
    finally:
        os.close(fd)


@cache
def possible(directory: Path, store: Path) -> bool:
    """Whether files of both directories can be shown with other owners; looked at once, told when not."""
    probe = Path(tempfile.mkdtemp(prefix=".mapping-", dir=directory))  # two threads may look at the same time
    own, target = probe / "own", probe / "target"
    for path in (own, target):
        path.mkdir(parents=True, exist_ok=True)
    try:
        with user_namespace(FIRST * IDS) as namespace:
            for source in (own, store):
                mountapi.bind_mapped(source, target, namespace)
                syscalls.detach(target)
    except OSError as error:
        text = "Images' containers run without a user namespace, which the kernel or the disk refuses error=%s"
        log.warning(text, error)
        return False
    finally:
        for path in (own, target, probe):
            with suppress(OSError):
                path.rmdir()
    return True
