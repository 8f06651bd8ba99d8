"""Containers of loaded images: what they need beside the machine's own files, made before crun is called."""

import errno
import os
import posixpath
import threading
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from kube46.lab import mountapi, syscalls
from kube46.lab.kubelet import beneath, mapping, overlays, users
from kube46.lab.kubelet.bundles import IDS, Bind
from kube46.lab.kubelet.directories import RunDirectory
from kube46.lab.kubelet.images import Image
from kube46.lab.kubelet.manifests import Container, PodSpec
from kube46.lab.kubelet.sandboxes import CLONE_NEWIPC, MS_NODEV, MS_NOEXEC, MS_NOSUID
from kube46.lab.kubelet.security import ConfigError, Identity

# In a user namespace these would be without force: the pod's network was not made in it.
NETWORK = frozenset({"NET_ADMIN", "NET_RAW"})


@dataclass(frozen=True, slots=True)
class Layered:
    """A container's root over an image's layers. `base`: the machine's number of its user 0, None when it is 0."""

    path: Path
    identity: Identity
    home: str
    base: int | None


def base_for(uid: str, container: Container, directory: Path, store: Path) -> int | None:
    """The first of the ids of a pod's container, None when it must do without a user namespace."""
    asked = {name.removeprefix("CAP_") for name in container.security_context.capabilities.add}
    return mapping.base_of(uid) if not asked & NETWORK and mapping.possible(directory, store) else None


def make_root(image: Image, run: RunDirectory, spec: PodSpec, container: Container, base: int | None) -> Layered:
    """Mount the root and find out who runs in it. Raises ConfigError, OSError."""
    with ExitStack() as stack:
        namespace = None if base is None else stack.enter_context(mapping.user_namespace(base))
        overlays.mount(image.layers, run, base or 0, namespace)
    known = users.accounts(overlays.read(run.root, "etc/passwd"), overlays.read(run.root, "etc/group"))
    who, home = users.identity(spec, container, image.user, known)
    if base is not None and max(who.uid, who.gid, *who.groups, 0) >= IDS:
        text = f"user and groups of an image's container must be below {IDS}, its user namespace has no others"
        raise ConfigError(text)
    return Layered(run.root, who, home, base)


def volumes(image: Image, run: RunDirectory, container: Container) -> tuple[Bind, ...]:
    """The image's VOLUMEs on a read-only root: these stay writable, as far as the pod mounts nothing there."""
    if not container.security_context.read_only_root_filesystem:
        return ()
    taken = [posixpath.normpath(mount.mount_path) for mount in container.volume_mounts]
    found = []
    for number, path in enumerate(sorted(image.volumes)):
        inside = posixpath.normpath(path)
        if any(inside == other or inside.startswith(f"{other}/") for other in taken):
            continue
        place = run.bind(number).with_name(f"volume{number}")
        with suppress(OSError):  # an image without that directory has no use for it
            fd = _open_directory(run.root, inside)
            try:
                place.mkdir(parents=True, exist_ok=True)
                syscalls.mount(f"/proc/self/fd/{fd}", place, flags=syscalls.MS_BIND)
            finally:
                os.close(fd)
            found.append(Bind(str(place), inside))
    return tuple(found)


def mapped(binds: Iterable[Bind], run: RunDirectory, base: int, views: Iterable[str]) -> tuple[Bind, ...]:
    """The binds with their owners as the container knows them: root's files are its root's. Raises OSError.

    The machine's own file system, shown at `views`, is not: the container's root is nobody in it. A file system that
    can't do this (another overlay, NFS) is bound as it is; all its owners are nobody then.
    """
    found = []
    with mapping.user_namespace(base) as namespace:
        for number, bind in enumerate(binds):
            source, place = Path(bind.source), run.bind(number).with_name(f"mapped{number}")
            if bind.destination in views or (source.is_relative_to(run.path) and source.name.startswith("volume")):
                found.append(bind)  # the latter is a part of the root, which is mapped
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.mkdir(exist_ok=True) if source.is_dir() else place.touch()
            try:
                mountapi.bind_mapped(source, place, namespace)
                found.append(replace(bind, source=str(place)))
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EPERM):
                    raise
                found.append(bind)
    return tuple(found)


def kernel_mounts(run: RunDirectory, namespaces: Mapping[str, str]) -> tuple[Bind, ...]:
    """The pod's own /sys and message queues, mounted for a user namespace that may not mount them. Raises OSError."""
    places = {"sysfs": run.bind(0).with_name("sys"), "mqueue": run.bind(0).with_name("mqueue")}
    trouble: list[OSError] = []

    def inside() -> None:
        try:
            if "network" in namespaces:
                syscalls.enter(Path(namespaces["network"]), syscalls.CLONE_NEWNET)
            syscalls.enter(Path(namespaces["ipc"]), CLONE_NEWIPC)
            for kind, place in places.items():
                place.mkdir(parents=True, exist_ok=True)
                syscalls.mount(kind, place, kind, MS_NOSUID | MS_NODEV | MS_NOEXEC)
        except OSError as error:
            trouble.append(error)

    thread = threading.Thread(target=inside)  # it ends, and with it its namespaces
    thread.start()
    thread.join()
    if trouble:
        raise trouble[0]
    return Bind(str(places["sysfs"]), "/sys", read_only=True), Bind(str(places["mqueue"]), "/dev/mqueue")


def _open_directory(root: Path, path: str) -> int:
    base = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return beneath.openat2(base, path.lstrip("/"), os.O_PATH | os.O_DIRECTORY, beneath.RESOLVE_IN_ROOT)
    finally:
        os.close(base)
