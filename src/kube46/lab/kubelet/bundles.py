"""The OCI bundle of a container: config.json as a value (pure).

Source: OCI runtime-spec 1.0, config.md, config-linux.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kube46.lab.kubelet.security import Identity

# Masked by empty directories: what the machine and its users keep there is no business of a pod's.
PRIVATE_MASKS = ("/root", "/home")
OPEN_MASKS = ("/run", "/var/run", "/tmp", "/var/tmp", "/var/log")  # noqa: S108
HIDDEN_MASKS = ("/var/lib/kube46", "/var/lib/kubelet", "/var/cache/kube46")
OPEN_SIZE, OPEN_INODES = "512m", "64k"  # of each: what is written there is the machine's memory
# Of terminals until a client's first size comes: programs that ask once must not find none.
CONSOLE_SIZE = {"height": 24, "width": 80}
IDS = 65536  # users, and groups, of a container with a user namespace
PROCESSES = 8192  # of one user in all pods: a fork bomb ends there (root is not counted by the kernel)
# The machine's secrets, which a pod that runs as root could read as their owner.
SECRETS = [
    "/boot",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/krb5.keytab",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/wireguard",
    "/lost+found",
    "/var/backups",
    "/var/lib/private",
    "/var/lib/sudo",
    "/var/mail",
    "/var/spool",
]
MASKED_PATHS = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
]
READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or directory of the node's at a path of the container's."""

    source: str
    destination: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a container's config.json is made of."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    working_dir: str
    identity: Identity
    capabilities: Mapping[str, list[str]]
    root: str
    namespaces: Mapping[str, str]  # type → path of the one to join; mount is always new, pid unless given
    disks: tuple[str, ...]  # parts of the machine's file system that are mounts of their own
    binds: tuple[Bind, ...]
    masks: tuple[str, ...]  # those of the masks that are directories on this machine
    volumes: tuple[str, ...]  # the image's
    views: tuple[str, ...]  # where the machine's file system is bound again, to be masked there too
    seccomp: Mapping[str, Any]
    open_files: int  # the hard limit of open files, at most the kubelet's own
    image: bool = False  # the root is an image's, not the machine's
    read_only: bool = True  # the root
    base: int | None = None  # the machine's number of the container's user 0, in a user namespace
    kernel_binds: tuple[Bind, ...] = ()  # what a user namespace can't mount itself
    groups: tuple[Bind, ...] = ()  # its own control groups, to read
    oom_score_adjustment: int = 0
    annotations: Mapping[str, str] = field(default_factory=dict)
    terminal: bool = False


def config(plan: Plan) -> dict[str, Any]:
    """The bundle's config.json."""
    return {
        "ociVersion": "1.0.2",
        "root": {"path": plan.root, "readonly": plan.read_only},
        "process": process(plan),
        "mounts": [
            *_kernel_mounts(plan),
            *(_bind(Bind(path, path, read_only=True)) for path in plan.disks),
            *_masks(plan),
            *_volumes(plan),
            *map(_bind, plan.binds),
            *(mount for view in plan.views for mount in _view(plan, view)),
        ],
        "annotations": dict(plan.annotations),
        "linux": {
            "namespaces": [
                *([] if "pid" in plan.namespaces else [{"type": "pid"}]),
                {"type": "mount"},
                *({"type": kind, "path": path} for kind, path in plan.namespaces.items()),
                *([{"type": "user"}] if plan.base is not None else []),
            ],
            **_mappings(plan),
            "maskedPaths": [*MASKED_PATHS, *(view + path for view in _views(plan) for path in SECRETS)],
            "readonlyPaths": READONLY_PATHS,
            "seccomp": dict(plan.seccomp),
        },
    }


def process(plan: Plan) -> dict[str, Any]:
    """The `process` object: what runs, and as whom."""
    return {
        "terminal": plan.terminal,
        "consoleSize": CONSOLE_SIZE,
        "user": {
            "uid": plan.identity.uid,
            "gid": plan.identity.gid,
            "additionalGids": list(plan.identity.groups),
        },
        "args": list(plan.arguments),
        "env": [f"{name}={value}" for name, value in plan.environment.items()],
        "cwd": plan.working_dir or "/",
        "capabilities": dict(plan.capabilities),
        "noNewPrivileges": True,
        "oomScoreAdj": plan.oom_score_adjustment,
        "rlimits": [
            {"type": "RLIMIT_NOFILE", "hard": plan.open_files, "soft": min(1024, plan.open_files)},
            {"type": "RLIMIT_NPROC", "hard": PROCESSES, "soft": PROCESSES},
            {"type": "RLIMIT_CORE", "hard": 0, "soft": 0},
        ],
    }


def owner(config: Mapping[str, Any]) -> tuple[int, int]:
    """The user and group of a bundle's container as the machine counts them."""
    user, linux = config["process"]["user"], config["linux"]
    base = linux["uidMappings"][0]["hostID"] if "uidMappings" in linux else 0
    return base + user["uid"], base + user["gid"]


def _views(plan: Plan) -> tuple[str, ...]:
    """Where the machine's file system is to be seen."""
    return plan.views if plan.image else ("", *plan.views)


def _mappings(plan: Plan) -> dict[str, Any]:
    if plan.base is None:
        return {}
    mapped = [{"containerID": 0, "hostID": plan.base, "size": IDS}]
    return {"uidMappings": mapped, "gidMappings": mapped}


def _kernel_mounts(plan: Plan) -> list[dict[str, Any]]:
    own = [
        _mount("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        _mount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
    ]
    bound = [_bind(bind) for bind in plan.kernel_binds]
    return [
        _mount("/proc", "proc", "nosuid", "noexec", "nodev"),
        _mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        *(bound or own),
        *map(_bind, plan.groups),
    ]


def _masks(plan: Plan) -> list[dict[str, Any]]:
    size = (f"size={OPEN_SIZE}", f"nr_inodes={OPEN_INODES}")
    own = (f"uid={plan.identity.uid}", f"gid={plan.identity.gid}")
    modes = {
        **dict.fromkeys(PRIVATE_MASKS, ("mode=0755", *own, *size)),
        **dict.fromkeys(OPEN_MASKS, ("mode=1777", *size)),
        **dict.fromkeys(HIDDEN_MASKS, ("mode=0755", "size=4k", "ro")),
    }
    return [_mount(path, "tmpfs", "nosuid", "nodev", *modes[path]) for path in plan.masks]


def _view(plan: Plan, view: str) -> list[dict[str, Any]]:
    """What is laid over a view: the machine's other disks, and nothing where its root shows nothing of its own."""
    disks = [_bind(Bind(path, view + path, read_only=True)) for path in plan.disks]
    return [
        *disks,
        *(_mount(view + path, "tmpfs", "nosuid", "nodev", "mode=0755", "size=4k", "ro") for path in plan.masks),
    ]


def _volumes(plan: Plan) -> list[dict[str, Any]]:
    options = ("nosuid", "nodev", "mode=1777", f"size={OPEN_SIZE}", f"nr_inodes={OPEN_INODES}")
    return [_mount(path, "tmpfs", *options) for path in sorted(plan.volumes)]


def _bind(bind: Bind) -> dict[str, Any]:
    options = ["rbind", "rprivate", "nosuid", "nodev", "ro" if bind.read_only else "rw"]
    return {"destination": bind.destination, "type": "bind", "source": bind.source, "options": options}


def _mount(destination: str, kind: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": kind, "options": list(options)}
