"""From a container of a pod to the OCI configuration it runs with: who, what, where, and with which files."""

import os
import platform
import posixpath
import resource
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from kube46.api.quantities import parse
from kube46.lab.kubelet import binding, bundles, seccomp, volumes
from kube46.lab.kubelet import layered as layers
from kube46.lab.kubelet.bundles import Bind, Plan
from kube46.lab.kubelet.cgrouprules import oom_score_adjustment
from kube46.lab.kubelet.directories import PodDirectory, Root, RunDirectory
from kube46.lab.kubelet.environment import Context, environment, expand
from kube46.lab.kubelet.images import Image
from kube46.lab.kubelet.layered import Layered
from kube46.lab.kubelet.manifests import Container, Volume, VolumeMount
from kube46.lab.kubelet.places import Place
from kube46.lab.kubelet.quantities import qos_class
from kube46.lab.kubelet.security import ConfigError, Identity, capabilities, image_capabilities

TERMINAL = {"TERM": "xterm"}  # as containerd, for programs on a terminal
MANAGED = ("resolv.conf", "hosts", "hostname")
# Parts of the machine's file system that some machines keep on disks of their own.
OWN_DISKS = ("/usr", "/opt", "/etc", "/var", "/srv")


@dataclass(frozen=True, slots=True)
class Made:
    """A plan, and the mount points that the machine lacks (path → is a directory)."""

    plan: Plan
    missing: dict[str, bool]


def make(
    *,
    root: Root,
    directory: PodDirectory,
    run: RunDirectory,
    container: Container,
    context: Context,
    image: Image,
    identity: Identity,
    namespaces: Mapping[str, str],
    layered: Layered | None = None,
    groups: tuple[Bind, ...] = (),
) -> Made:
    """What the container runs with; `layered` is the root of a loaded image, `groups` what it sees
    of its control groups. Raises ConfigError that names what is
    missing, OSError."""
    own_home = {"HOME": layered.home} if layered else {}
    base = own_home | (TERMINAL if container.tty else {}) | dict(image.environment)
    variables = environment(context, container, base)
    arguments = image.arguments(
        *(tuple(expand(a, variables) for a in part) for part in (container.command, container.args))
    )
    if not arguments:
        raise ConfigError(
            f'container {container.name}: image "{image.name}" has no command of its own: set `command`',
            "CreateContainerError",
        )
    binds, views = _binds(root, directory, run, container, context, variables, image)
    masks = () if layered else _masks()
    own = () if layered else _image_volumes(image, container)
    rights = image_capabilities(container) if layered else capabilities(container)
    plan = Plan(
        arguments=arguments,
        environment=variables,
        working_dir=container.working_dir or image.working_dir,
        identity=identity,
        capabilities=rights,
        root=str(root.host),
        namespaces=namespaces,
        disks=() if layered else tuple(path for path in OWN_DISKS if os.path.ismount(path)),
        binds=binds,
        groups=groups,
        masks=masks,
        volumes=own,
        views=views,
        seccomp=_profile(*_calls(rights["bounding"], layered)),
        oom_score_adjustment=_oom_score(context, container),
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        annotations={
            "io.kubernetes.pod.name": context.pod.metadata.name,
            "io.kubernetes.pod.namespace": context.pod.metadata.namespace,
            "io.kubernetes.container.name": container.name,
        },
        terminal=container.tty,
    )
    if layered:
        return Made(_inside(plan, layered, image, run, container), {})
    return Made(plan, _missing(root, binds, masks, own))


def _inside(plan: Plan, layered: Layered, image: Image, run: RunDirectory, container: Container) -> Plan:
    """The plan, for the root of a loaded image. Raises OSError."""
    binds = (*plan.binds, *layers.volumes(image, run, container))
    kernel: tuple[Bind, ...] = ()
    if layered.base is not None:
        binds = layers.mapped(binds, run, layered.base, plan.views)
        kernel = layers.kernel_mounts(run, plan.namespaces)
    return replace(
        plan,
        image=True,
        read_only=bool(container.security_context.read_only_root_filesystem),
        base=layered.base,
        binds=tuple(sorted(binds, key=lambda bind: bind.destination)),
        kernel_binds=kernel,
    )


def _oom_score(context: Context, container: Container) -> int:
    spec = context.pod.spec
    quality = qos_class([(c.resources.limits, c.resources.requests) for c in (*spec.init_containers, *spec.containers)])
    asked = container.resources.requests.get("memory", 0)
    wanted = oom_score_adjustment(quality, int(parse(asked)), int(parse(context.allocatable.get("memory", 0))))
    own = int(Path("/proc/self/oom_score_adj").read_text())
    return max(wanted, own)  # less than its maker's needs CAP_SYS_RESOURCE, which root in a container may lack


def config(made: Made, root_path: Path) -> dict[str, Any]:
    """The config.json, on the root that was made for it."""
    found = bundles.config(made.plan)
    found["root"]["path"] = str(root_path)
    return found


def _binds(
    root: Root,
    directory: PodDirectory,
    run: RunDirectory,
    container: Container,
    context: Context,
    variables: Mapping[str, str],
    image: Image,
) -> tuple[tuple[Bind, ...], tuple[str, ...]]:
    """All binds, and which of them show the machine's file system."""
    inside = posixpath.normpath if image.layers else os.path.realpath  # links are the image's, or the machine's
    etc = [Bind(str(directory.etc(name)), inside(f"/etc/{name}")) for name in MANAGED]
    message = Bind(str(run.termination), container.termination_message_path)
    named = {volume.name: volume for volume in context.pod.spec.volumes}
    mounts, views = list[Bind](), list[str]()
    for number, mount in enumerate(container.volume_mounts):
        place = context.places.get(mount.name)
        if place and place.view:
            views.append(inside(mount.mount_path))
            mounts.append(Bind(str(root.host), views[-1], read_only=True))
            continue
        volume = named.get(mount.name)
        bind = _volume_bind(directory, run.bind(number), mount, volume, place, variables)
        mounts.append(replace(bind, destination=inside(mount.mount_path)))
    # The pod's own mounts win, also over files of the image below them.
    taken = [bind.destination for bind in mounts]
    files = [Bind(source, path, read_only=True) for path, source in image.files.items() if not _below(path, taken)]
    managed = [b for b in (*etc, Bind(str(directory.shm), "/dev/shm"), message) if b.destination not in taken]  # noqa: S108
    managed += files
    return tuple(sorted((*managed, *mounts), key=lambda bind: bind.destination)), tuple(views)


def _below(path: str, others: Iterable[str]) -> bool:
    return any(path == other or path.startswith(other.rstrip("/") + "/") for other in others)


def _volume_bind(
    directory: PodDirectory,
    target: Path,
    mount: VolumeMount,
    volume: Volume | None,
    place: Place | None,
    variables: Mapping[str, str],
) -> Bind:
    if volume is None:
        raise ConfigError(f"volumeMounts: the pod has no volume {mount.name!r}")
    sub_path = mount.sub_path or expand(mount.sub_path_expr, variables)
    source = target
    if sub_path.startswith("/"):
        raise ConfigError(f"error SubPath `{sub_path}` must not be an absolute path")
    if ".." in sub_path.split("/"):
        raise ConfigError(f"unable to provision SubPath `{sub_path}`: must not contain '..'")
    try:
        if place:
            binding.bind_place(place, sub_path, target, read_only=mount.read_only or place.read_only)
        elif sub_path:
            binding.bind_inside(directory.volume(volume.name), sub_path, target)
        else:
            source = directory.volume(volume.name)
    except ConfigError as error:
        if sub_path:  # the volume is there: it is this container's configuration that is wrong
            text = f'failed to prepare subPath for volumeMount "{mount.name}": {error}'
            raise ConfigError(text) from error
        raise volumes.failed(volume.name, error) from error
    # Volumes that are kept up to date by us are never the container's to change.
    ours = place.read_only if place else volume.empty_dir is None
    return Bind(str(source), mount.mount_path, mount.read_only or ours)


def _masks() -> tuple[str, ...]:
    every = (*bundles.PRIVATE_MASKS, *bundles.OPEN_MASKS, *bundles.HIDDEN_MASKS)
    return tuple(path for path in every if Path(path).is_dir() and not Path(path).is_symlink())


def _image_volumes(image: Image, container: Container) -> tuple[str, ...]:
    taken = [os.path.realpath(mount.mount_path) for mount in container.volume_mounts]
    return tuple(path for path in image.volumes if not _below(path, taken))


def _missing(root: Root, binds: tuple[Bind, ...], masks: tuple[str, ...], own: tuple[str, ...]) -> dict[str, bool]:
    """The mount points that neither the machine nor a mask nor another bind provides."""
    found = {path: True for path in own if not os.path.lexists(f"{root.host}{path}")}
    for bind in binds:
        others = (other.destination for other in binds if other is not bind)
        outer = (*masks, *own, "/dev", "/proc", "/sys", *others)
        if _below(bind.destination, outer):
            continue
        if not os.path.lexists(f"{root.host}{bind.destination}"):
            found[bind.destination] = Path(bind.source).is_dir()
    return found


@cache
def _profile(*allowed: str) -> dict[str, Any]:
    return seccomp.profile(platform.machine(), *allowed)


def _calls(rights: Iterable[str], layered: Layered | None) -> Iterator[str]:
    """Calls that are not refused to this container."""
    if "CAP_SYS_PTRACE" in rights:
        yield from seccomp.TRACING
    if layered and layered.base is not None:
        yield "chroot"
