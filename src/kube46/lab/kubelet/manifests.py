"""A pod as the kubelet reads it: whole, with every field that it honours.

What is not named here is not supported, and `support.unsupported` says so by name; so these types are also the list of
what the stand-in kubelet can do. Source: Kubernetes API reference v1.37, Pod v1 core.
"""

from typing import Any

import msgspec

from kube46.api.objects import Meta, Object, Value
from kube46.api.resources import Resource


class ObjectField(Value, frozen=True):
    """fieldRef: a field of the pod."""

    api_version: str = "v1"
    field_path: str = ""


class ResourceField(Value, frozen=True):
    """resourceFieldRef: a request or limit of a container."""

    container_name: str = ""
    resource: str = ""
    divisor: str | int = "0"


class KeyRef(Value, frozen=True):
    """configMapKeyRef and secretKeyRef."""

    name: str = ""
    key: str = ""
    optional: bool = False


class EnvSource(Value, frozen=True):
    """valueFrom."""

    field_ref: ObjectField | None = None
    resource_field_ref: ResourceField | None = None
    config_map_key_ref: KeyRef | None = None
    secret_key_ref: KeyRef | None = None


class EnvVar(Value, frozen=True):
    """env[]."""

    name: str = ""
    value: str = ""
    value_from: EnvSource | None = None


class NameRef(Value, frozen=True):
    """A ConfigMap or Secret whose keys are all wanted."""

    name: str = ""
    optional: bool = False


class EnvFrom(Value, frozen=True):
    """envFrom[]."""

    prefix: str = ""
    config_map_ref: NameRef | None = None
    secret_ref: NameRef | None = None


class ExecAction(Value, frozen=True):
    """A command to run in the container."""

    command: tuple[str, ...] = ()


class HttpHeader(Value, frozen=True):
    """httpHeaders[]."""

    name: str = ""
    value: str = ""


class HttpGet(Value, frozen=True):
    """An HTTP request; `host` defaults to the pod's primary address."""

    path: str = "/"
    port: int | str = 0
    host: str = ""
    scheme: str = "HTTP"
    http_headers: tuple[HttpHeader, ...] = ()


class TcpSocket(Value, frozen=True):
    """A connection attempt."""

    port: int | str = 0
    host: str = ""


class Sleep(Value, frozen=True):
    """A pause, seconds."""

    seconds: int = 0


class Handler(Value, frozen=True):
    """lifecycle.postStart and preStop."""

    exec: ExecAction | None = None
    http_get: HttpGet | None = None
    sleep: Sleep | None = None


class Lifecycle(Value, frozen=True):
    """lifecycle."""

    post_start: Handler | None = None
    pre_stop: Handler | None = None


class Probe(Value, frozen=True):
    """A startup, readiness or liveness probe; times in seconds."""

    exec: ExecAction | None = None
    http_get: HttpGet | None = None
    tcp_socket: TcpSocket | None = None
    initial_delay_seconds: int = 0
    timeout_seconds: int = 1
    period_seconds: int = 10
    success_threshold: int = 1
    failure_threshold: int = 3
    termination_grace_period_seconds: int | None = None


class Port(Value, frozen=True):
    """ports[] of a container."""

    name: str = ""
    container_port: int = 0
    protocol: str = "TCP"
    host_port: int = 0
    host_ip: str = ""


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


class VolumeMount(Value, frozen=True):
    """volumeMounts[]."""

    name: str = ""
    mount_path: str = ""
    sub_path: str = ""
    sub_path_expr: str = ""
    read_only: bool = False
    recursive_read_only: str = ""
    mount_propagation: str = ""


class Resources(Value, frozen=True):
    """resources of a container: quantities by name."""

    limits: dict[str, str | int | float] = msgspec.field(default_factory=dict)
    requests: dict[str, str | int | float] = msgspec.field(default_factory=dict)


class Container(Value, frozen=True):
    """containers[] and initContainers[]."""

    name: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    ports: tuple[Port, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    env: tuple[EnvVar, ...] = ()
    resources: Resources = Resources()
    resize_policy: tuple[dict[str, Any], ...] = ()
    restart_policy: str | None = None
    volume_mounts: tuple[VolumeMount, ...] = ()
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle = Lifecycle()
    termination_message_path: str = "/dev/termination-log"
    termination_message_policy: str = "File"
    image_pull_policy: str = "IfNotPresent"
    security_context: SecurityContext = SecurityContext()
    stdin: bool = False
    stdin_once: bool = False

    @property
    def sidecar(self) -> bool:
        """Whether it is an init container that keeps running beside the others (KEP-753)."""
        return self.restart_policy == "Always"


class KeyPath(Value, frozen=True):
    """items[]: which key becomes which file."""

    key: str = ""
    path: str = ""
    mode: int | None = None


class DownwardFile(Value, frozen=True):
    """items[] of a downwardAPI volume."""

    path: str = ""
    field_ref: ObjectField | None = None
    resource_field_ref: ResourceField | None = None
    mode: int | None = None


class ConfigMapVolume(Value, frozen=True):
    """A ConfigMap's keys as files."""

    name: str = ""
    items: tuple[KeyPath, ...] = ()
    default_mode: int | None = None
    optional: bool = False


class SecretVolume(Value, frozen=True):
    """A Secret's keys as files; `name` is its spelling inside projected volumes."""

    secret_name: str = ""
    name: str = ""
    items: tuple[KeyPath, ...] = ()
    default_mode: int | None = None
    optional: bool = False


class DownwardVolume(Value, frozen=True):
    """Fields of the pod as files."""

    items: tuple[DownwardFile, ...] = ()
    default_mode: int | None = None


class TokenSource(Value, frozen=True):
    """A ServiceAccount token, renewed before it expires."""

    audience: str = ""
    expiration_seconds: int = 3600
    path: str = ""


class Projection(Value, frozen=True):
    """projected.sources[]."""

    config_map: ConfigMapVolume | None = None
    secret: SecretVolume | None = None
    downward_api: DownwardVolume | None = msgspec.field(default=None, name="downwardAPI")
    service_account_token: TokenSource | None = None


class ProjectedVolume(Value, frozen=True):
    """Several sources in one directory."""

    sources: tuple[Projection, ...] = ()
    default_mode: int | None = None


class EmptyDir(Value, frozen=True):
    """A directory that lives as long as the pod."""

    medium: str = ""
    size_limit: str | int | None = None


class HostPath(Value, frozen=True):
    """A path of the node, refused unless it lies under an allowed root."""

    path: str = ""
    type: str = ""


class Volume(Value, frozen=True):
    """volumes[]."""

    name: str = ""
    empty_dir: EmptyDir | None = None
    config_map: ConfigMapVolume | None = None
    secret: SecretVolume | None = None
    projected: ProjectedVolume | None = None
    downward_api: DownwardVolume | None = msgspec.field(default=None, name="downwardAPI")
    host_path: HostPath | None = None


class DnsOption(Value, frozen=True):
    """dnsConfig.options[]."""

    name: str = ""
    value: str | None = None


class DnsConfig(Value, frozen=True):
    """dnsConfig: added to what dnsPolicy gives."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[DnsOption, ...] = ()


class HostAlias(Value, frozen=True):
    """hostAliases[]: lines of /etc/hosts."""

    ip: str = ""
    hostnames: tuple[str, ...] = ()


class ReadinessGate(Value, frozen=True):
    """readinessGates[]."""

    condition_type: str = ""


class PodSpec(Value, frozen=True):
    """spec of a pod."""

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    restart_policy: str = "Always"
    termination_grace_period_seconds: int = 30
    active_deadline_seconds: int | None = None
    dns_policy: str = "ClusterFirst"
    dns_config: DnsConfig = DnsConfig()
    service_account_name: str = ""
    service_account: str = ""
    automount_service_account_token: bool | None = None
    node_name: str = ""
    host_network: bool = False
    security_context: PodSecurityContext = PodSecurityContext()
    hostname: str = ""
    subdomain: str = ""
    host_aliases: tuple[HostAlias, ...] = ()
    set_hostname_as_fqdn: bool = False
    enable_service_links: bool = True
    readiness_gates: tuple[ReadinessGate, ...] = ()

    def container(self, name: str) -> Container | None:
        """The container or init container called `name`."""
        return next((c for c in (*self.init_containers, *self.containers) if c.name == name), None)


class Pod(Object):  # type: ignore[misc]  # mypy takes Object, frozen by its base, for unfrozen
    """A pod as it comes from the API: spec and status still JSON, so that fields we don't know can be named."""

    spec: dict[str, Any] = msgspec.field(default_factory=dict)
    status: dict[str, Any] = msgspec.field(default_factory=dict)


PODS = Resource("", "v1", "pods", "Pod", True, Pod)


class ReadPod(msgspec.Struct, frozen=True):
    """A pod with its spec read."""

    metadata: Meta
    spec: PodSpec


def read(pod: Pod) -> ReadPod:
    """The pod with its spec decoded; raises msgspec.ValidationError, which names the field."""
    return ReadPod(pod.metadata, msgspec.convert(pod.spec, PodSpec))
