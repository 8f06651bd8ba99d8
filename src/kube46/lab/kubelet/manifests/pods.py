"""A pod, whole: as it comes from the API, and with its spec read."""

from typing import Any

import msgspec

from kube46.api.objects import Meta, Object, Value
from kube46.api.resources import Resource
from kube46.lab.kubelet.manifests.containers import Container, EphemeralContainer
from kube46.lab.kubelet.manifests.security import PodSecurityContext
from kube46.lab.kubelet.manifests.volumes import Volume


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


# Waits for ever, and reaps whom nobody else does. Its name can't be a container's own.
PAUSE = Container(
    name="POD",
    image="host",
    command=("sh", "-c", "while :; do sleep infinity & wait; done"),
    restart_policy="Always",
)


class PodSpec(Value, frozen=True):
    """spec of a pod."""

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    ephemeral_containers: tuple[EphemeralContainer, ...] = ()
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
    host_pid: bool = msgspec.field(default=False, name="hostPID")
    share_process_namespace: bool = False
    host_ipc: bool = msgspec.field(default=False, name="hostIPC")
    security_context: PodSecurityContext = PodSecurityContext()
    hostname: str = ""
    subdomain: str = ""
    host_aliases: tuple[HostAlias, ...] = ()
    set_hostname_as_fqdn: bool = False
    enable_service_links: bool = True
    readiness_gates: tuple[ReadinessGate, ...] = ()

    @property
    def pause(self) -> Container | None:
        """What keeps the process namespace that all containers share, when they do."""
        return PAUSE if self.share_process_namespace else None

    def path_of(self, name: str) -> str:
        """Where the container of any kind is, as Events name it: `spec.containers{web}`; "" for none."""
        kinds = {"initContainers": self.init_containers, "ephemeralContainers": self.ephemeral_containers}
        kinds["containers"] = self.containers
        return next((f"spec.{kind}{{{name}}}" for kind, some in kinds.items() if name in {c.name for c in some}), "")

    def container(self, name: str) -> Container | None:
        """The container of any kind that is called `name`."""
        own = (self.pause,) if self.pause else ()
        every = (*self.init_containers, *self.containers, *self.ephemeral_containers, *own)
        return next((c for c in every if c.name == name), None)


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
