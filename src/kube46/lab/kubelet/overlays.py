"""The root of an image's container: an overlay of its layers, with a writable layer of this run on top."""

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from kube46.lab import mountapi, syscalls
from kube46.lab.kubelet import beneath
from kube46.lab.kubelet.directories import RunDirectory

MS_NOSUID, MS_NODEV = 2, 4
# Whatever the kernel was built with: images' layers are as unpacked, with nothing of overlay's but whiteouts.
OPTIONS = "redirect_dir=off,metacopy=off,index=off"
LARGEST_FILE = 1 << 20  # bytes of an image's /etc/passwd


def mount(layers: Sequence[Path], run: RunDirectory, base: int, user_namespace: int | None) -> None:
    """Mount the layers, lowest first, on `run.root`; `base` is the machine's number of the container's root.

    Raises OSError, with the reason why an overlay can't be had here.
    """
    for path in (run.upper, run.work, run.root):
        path.mkdir(parents=True, exist_ok=True)
    top = layers[-1].stat()
    os.chown(run.upper, base + top.st_uid, base + top.st_gid)
    run.upper.chmod(stat.S_IMODE(top.st_mode))
    with _lower(layers, run, user_namespace) as lower:
        parts = f"lowerdir={':'.join(lower)},upperdir={run.upper},workdir={run.work},{OPTIONS}"
        try:
            syscalls.mount("overlay", run.root, "overlay", MS_NOSUID | MS_NODEV, parts)
        except OSError as error:
            text = f"{error.strerror}; images need overlayfs and the cluster's state on a disk that is none itself"
            raise OSError(error.errno, text, str(run.root)) from error


@contextmanager
def _lower(layers: Sequence[Path], run: RunDirectory, user_namespace: int | None) -> Iterator[list[str]]:
    """The layers as mount options name them, topmost first: by descriptors, as many paths are too long for mount(2)."""
    descriptors: list[int] = []
    places: list[Path] = []
    try:
        for number, layer in enumerate(reversed(layers)):
            place = layer
            if user_namespace is not None:
                place = run.lower / str(number)
                place.mkdir(parents=True, exist_ok=True)
                mountapi.bind_mapped(layer, place, user_namespace)
                places.append(place)
            descriptors.append(os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        yield [f"/proc/self/fd/{fd}" for fd in descriptors]
    finally:
        for fd in descriptors:
            os.close(fd)
        for place in places:  # the overlay keeps its own
            syscalls.detach(place)


def read(root: Path, path: str) -> str:
    """A small file of the container's root, "" when there is none; its links lead nowhere else."""
    base = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = beneath.openat2(base, path, os.O_RDONLY | os.O_NONBLOCK, beneath.RESOLVE_IN_ROOT)
    except OSError:
        return ""
    finally:
        os.close(base)
    with open(fd, "rb") as file:  # noqa: PTH123 - a descriptor
        regular = stat.S_ISREG(os.fstat(fd).st_mode)
        return file.read(LARGEST_FILE).decode(errors="replace") if regular else ""


def remove(run: RunDirectory) -> None:
    """Take the overlay away, with what was written to it; also half of one."""
    places = sorted(run.lower.iterdir()) if run.lower.is_dir() else []
    for path in (run.root, *places):
        while path.exists() and syscalls.detach(path):
            pass
    for path in (run.upper, run.work):
        shutil.rmtree(path, ignore_errors=True)
    for path in (*places, run.lower, run.root):
        with suppress(OSError):  # never deeper: it might be a layer of the machine's image
            path.rmdir()
