"""Who a container runs as, and what it may do."""

from kube46.api.objects import Value


class Capabilities(Value, frozen=True):
    """Capabilities without their `CAP_`."""

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class Profile(Value, frozen=True):
    """seccompProfile and appArmorProfile."""

    type: str = ""


class SecurityContext(Value, frozen=True):
    """securityContext of a container."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    read_only_root_filesystem: bool | None = None
    allow_privilege_escalation: bool | None = None
    capabilities: Capabilities = Capabilities()
    seccomp_profile: Profile | None = None
    app_armor_profile: Profile | None = None
    proc_mount: str = "Default"


class Sysctl(Value, frozen=True):
    """sysctls[]."""

    name: str = ""
    value: str = ""


class PodSecurityContext(Value, frozen=True):
    """securityContext of a pod."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    fs_group: int | None = None
    fs_group_change_policy: str = ""
    supplemental_groups: tuple[int, ...] = ()
    supplemental_groups_policy: str = ""
    seccomp_profile: Profile | None = None
    app_armor_profile: Profile | None = None
    sysctls: tuple[Sysctl, ...] = ()
