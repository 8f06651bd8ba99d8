"""A place's own mount namespace: the machine's files, with the place's directories over the standard paths.

A bind in a tmpfs of private propagation keeps it alive without a process (mount_namespaces(7)).
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kube46.lab import hierarchies, syscalls
from kube46.lab.paths import NETNS_ROOT, RUN_ROOT, Paths
from kube46.lab.rules import Bind, Place
from kube46.netlink import namespaces

ALL = syscalls.MS_REC
BUILT = "built"


class MountError(RuntimeError):
    """A mount namespace could not be made or entered; the message has the kernel's words."""


def build(places: Iterable[Place], paths: Paths) -> None:
    """Make each place's mount namespace. Its binds' sources must exist. Raises MountError, OSError."""
    keeper = paths.mount_namespaces
    keeper.mkdir(mode=0o700, exist_ok=True)
    syscalls.mount("kube46", keeper, "tmpfs", 0, "mode=0700,size=1m")
    syscalls.mount("", keeper, flags=syscalls.MS_PRIVATE)
    for place in places:
        _keep(place, paths)


def destroy(paths: Paths) -> None:
    """Let go of the mount namespaces."""
    keeper = paths.mount_namespaces
    while keeper.exists() and syscalls.detach(keeper):
        pass


def call_in(namespace: Path, function: Callable[[], str]) -> str:
    """Call `function` in a mount namespace, in a child process, and return its text. Raises MountError."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            syscalls.enter(namespace, syscalls.CLONE_NEWNS)
            os.write(write, function().encode())
            os._exit(0)
        os._exit(1)
    os.close(write)
    with open(read) as pipe:  # noqa: PTH123 - a descriptor
        text = pipe.read()
    if os.waitpid(child, 0)[1] != 0:
        raise MountError(f"{namespace}: cannot be entered")
    return text


def _keep(place: Place, paths: Paths) -> None:
    """Make the place's namespace and bind it to a file.

    The kernel binds a mount namespace only into an older one, so that no two can keep each other alive. Linux 6.18
    tells the age from numbers that each CPU takes from a batch of its own: when ours came from a later batch, a
    namespace made on another CPU looks older. The CPU that ours was made on gives a higher number.
    """
    file = paths.mount_namespace(place.name)
    file.touch(mode=0o600)
    refused: OSError | None = None
    for cpu in (None, *sorted(os.sched_getaffinity(0))):
        with _made(place, paths, cpu) as namespace:
            try:
                syscalls.mount(namespace, file, flags=syscalls.MS_BIND)
            except OSError as error:
                refused = error
            else:
                return
    raise MountError(f"mount namespace of {place.name}: {refused}; run kube46 in the machine's own mount namespace")


@contextmanager
def _made(place: Place, paths: Paths, cpu: int | None) -> Iterator[Path]:
    """A child with the place's mount namespace, made on that CPU; it ends with the block."""
    built, tell_built = os.pipe()
    kept, tell_kept = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(tell_kept)  # so that our parent's death ends us
        _child(place, paths, cpu, tell_built, kept)
    os.close(tell_built)
    os.close(kept)
    try:
        answer = os.read(built, 4096).decode()
        if answer != BUILT:
            raise MountError(f"mount namespace of {place.name}: {answer or 'its builder died'}")
        yield Path(f"/proc/{child}/ns/mnt")
    finally:
        os.close(built)
        os.close(tell_kept)
        os.waitpid(child, 0)


def _child(place: Place, paths: Paths, cpu: int | None, tell_built: int, kept: int) -> None:
    answer = BUILT
    try:
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
        syscalls.enter(namespaces.path_of(paths.namespace(place.name)), syscalls.CLONE_NEWNET)
        syscalls.unshare(syscalls.CLONE_NEWNS)
        _populate(place.binds)
    except OSError as error:
        answer = str(error)
    os.write(tell_built, answer.encode())
    os.read(kept, 1)
    os._exit(0)


def _populate(binds: Iterable[Bind]) -> None:
    """What the machine mounts or unmounts later is followed (slave); what we mount stays here."""
    syscalls.mount("", "/", flags=syscalls.MS_SLAVE | ALL)
    for keeper in RUN_ROOT.glob("*/mnt"):
        syscalls.detach(keeper)  # or the namespaces of all clusters would keep one another alive
    while syscalls.detach(NETNS_ROOT):
        pass
    shared = hierarchies.options()
    syscalls.mount("sysfs", "/sys", "sysfs")  # shows the links of this network namespace
    # crun 1.8 refuses the hybrid cgroup layout; a pure cgroup2 mount is what it wants
    syscalls.mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, shared)
    if Path("/sys/fs/bpf").exists():
        syscalls.mount("bpf", "/sys/fs/bpf", "bpf")
    for bind in binds:
        target = bind.target.resolve()  # /etc/resolv.conf may be a link
        if target.exists():
            syscalls.mount(bind.source, target, flags=syscalls.MS_BIND)
