"""Named network namespaces under /run/netns, as `ip netns` keeps them, and the way into one.

A namespace is named by its name under /run/netns, or by any path (one with a slash) such as /proc/PID/ns/net.
"""

import ctypes
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

DIRECTORY = Path("/run/netns")

CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_SHARED = 0x1000, 0x4000, 0x100000
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def path_of(name_or_path: str | Path) -> Path:
    """The file that stands for a namespace. Raises ValueError on an empty name or `.`/`..`."""
    text = str(name_or_path)
    if "/" in text:
        return Path(text)
    if text in ("", ".", "..") or "\0" in text:
        raise ValueError(f"{text!r} is no name of a network namespace")
    return DIRECTORY / text


def names() -> list[str]:
    """The names of the namespaces that exist, sorted; files left by an interrupted creation are not counted."""
    try:
        return sorted(path.name for path in DIRECTORY.iterdir() if _is_mounted(path))
    except FileNotFoundError:
        return []


def exists(name: str) -> bool:
    """Whether a namespace of that name exists."""
    return _is_mounted(path_of(name))


def create(name: str) -> Path:
    """Make a namespace and return its path. Raises FileExistsError when there is one of that name.

    A file that an interrupted creation or deletion left behind without a namespace is taken over.
    """
    path = path_of(name)
    _make_directory_shared(path.parent)
    if _is_mounted(path):
        raise FileExistsError(17, "A network namespace of that name exists", str(path))
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0))

    def make() -> None:
        _check(_libc.unshare(CLONE_NEWNET), "unshare")
        _mount(f"/proc/self/task/{threading.get_native_id()}/ns/net", path, MS_BIND)

    try:
        _on_own_thread(make)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def delete(name: str) -> bool:
    """Remove a named namespace; returns whether there was one. It lives on while a process or socket is in it."""
    path = path_of(name)
    with suppress(OSError):  # not mounted: only the file is left
        _check(_libc.umount2(os.fsencode(path), MNT_DETACH), f"umount {path}")
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


@contextmanager
def entered(name_or_path: str | Path) -> Iterator[None]:
    """Inside, the calling thread (only it) is in that network namespace. Raises OSError when it does not exist.

    Don't await inside: another task would run in the namespace.
    """
    fd = os.open(path_of(name_or_path), os.O_RDONLY | os.O_CLOEXEC)
    try:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter(fd)
            try:
                yield
            finally:
                enter(home)
        finally:
            os.close(home)
    finally:
        os.close(fd)


@contextmanager
def locked() -> Iterator[None]:
    """Inside, no other thread or process that calls this in the same network namespace is inside, too.

    The lock is on the namespace's own file, so it needs no path that all processes see, whatever is mounted where.
    """
    fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def enter(fd: int) -> None:
    """Move the calling thread into the network namespace of a descriptor, for good."""
    _check(_libc.setns(fd, CLONE_NEWNET), "setns")


def open_sockets_in(netns: str | Path, function: Callable[[], T]) -> T:
    """Call `function` in a namespace on a thread of its own and return its result; what it opens stays there.

    Other threads are never moved, so this is safe beside an event loop. Raises what the function raises, and OSError
    when the namespace does not exist.
    """
    fd = os.open(path_of(netns), os.O_RDONLY | os.O_CLOEXEC)
    try:
        return call_in(fd, function)
    finally:
        os.close(fd)


def call_in(fd: int, function: Callable[[], T]) -> T:
    """As `open_sockets_in`, for a namespace given by an open descriptor."""

    def inside() -> T:
        enter(fd)
        return function()

    return _on_own_thread(inside)


def _on_own_thread(function: Callable[[], T]) -> T:
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=run, name="netns")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _is_mounted(path: Path) -> bool:
    """Whether a namespace is bound over the file: it is then on another file system (nsfs) than its directory."""
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except FileNotFoundError:
        return False


def _make_directory_shared(directory: Path) -> None:
    """Make mounts under the directory propagate to other mount namespaces, as iproute2's netns_add does."""
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        _mount("", directory, MS_SHARED | MS_REC)
    except OSError:  # not a mount point yet
        _mount(str(directory), directory, MS_BIND | MS_REC)
        _mount("", directory, MS_SHARED | MS_REC)


def _mount(source: str, target: Path, flags: int) -> None:
    _check(_libc.mount(source.encode(), os.fsencode(target), b"none", flags, None), f"mount {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
