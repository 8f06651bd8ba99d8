"""Who a container's processes are and what they may do: user, groups, capabilities (pure)."""

from dataclasses import dataclass

from kube46.lab.kubelet.manifests import Container, PodSpec

# Capabilities a pod may ask for: none of them reaches outside of its own namespaces and files.
ALLOWED_CAPABILITIES = frozenset(
    {
        "CHOWN",
        "FOWNER",
        "FSETID",
        "KILL",
        "NET_ADMIN",
        "NET_BIND_SERVICE",
        "NET_RAW",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_PTRACE",  # only processes that it can see: those of its own PID namespace
    }
)

# What an image's root has, as docker gives it, but for raw sockets, device nodes and the audit log (decision 111).
IMAGE_CAPABILITIES = frozenset(
    {
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)


class ConfigError(ValueError):
    """A container that can't be made as asked; `reason` is the waiting state's."""

    def __init__(self, message: str, reason: str = "CreateContainerConfigError") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Identity:
    """The user, group and further groups of a container's processes."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


def identity(spec: PodSpec, container: Container, default_uid: int) -> Identity:
    """Who runs: the container's setting, else the pod's, else `default_uid`; the group defaults to the user's number.

    Raises ConfigError when runAsNonRoot meets user 0.
    """
    own, pod = container.security_context, spec.security_context
    uid = _first(own.run_as_user, pod.run_as_user, default_uid)
    gid = _first(own.run_as_group, pod.run_as_group, uid)
    if uid == 0 and _first(own.run_as_non_root, pod.run_as_non_root, False):
        raise ConfigError(f"container's runAsUser breaks non-root policy (container: {container.name})")
    groups = (*pod.supplemental_groups, *(() if pod.fs_group is None else (pod.fs_group,)))
    return Identity(uid, gid, groups)


def capabilities(container: Container) -> dict[str, list[str]]:
    """The OCI capability sets: none unless added, and then only allowed ones. An added one is ambient, so that a
    program run by another user than root has it too."""
    given = container.security_context.capabilities
    asked = {name.removeprefix("CAP_") for name in given.add} & ALLOWED_CAPABILITIES
    dropped = {name.removeprefix("CAP_") for name in given.drop}
    # Never had, but not out of reach: the kernel refuses to execute Debian's ping, whose file asks for it, otherwise.
    reachable = asked if dropped & {"ALL", "NET_RAW"} else asked | {"NET_RAW"}
    names = [f"CAP_{name}" for name in sorted(asked)]
    had = dict.fromkeys(("effective", "permitted", "inheritable", "ambient"), names)
    return {"bounding": [f"CAP_{name}" for name in sorted(reachable)], **had}


def image_capabilities(container: Container) -> dict[str, list[str]]:
    """The OCI capability sets of an image's container: what images count on, with what is added, without what is
    dropped. Only what was added is ambient: another user than root gives the rest up when it executes its program."""
    asked = container.security_context.capabilities
    added = {name.removeprefix("CAP_") for name in asked.add} & (ALLOWED_CAPABILITIES | IMAGE_CAPABILITIES)
    dropped = {name.removeprefix("CAP_") for name in asked.drop}
    kept = frozenset() if "ALL" in dropped else IMAGE_CAPABILITIES - dropped
    names = [f"CAP_{name}" for name in sorted(kept | added)]
    ambient = [f"CAP_{name}" for name in sorted(added)]
    inheritable = {"inheritable": ambient, "ambient": ambient}
    return dict.fromkeys(("bounding", "effective", "permitted"), names) | inheritable


def _first(*values: int | None) -> int:
    """The first that is set; the last always is."""
    return next(value for value in values if value is not None)
