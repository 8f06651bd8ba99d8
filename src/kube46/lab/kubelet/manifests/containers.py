"""A container, whole."""

from typing import Any

import msgspec

from kube46.api.objects import Value
from kube46.lab.kubelet.manifests.environment import EnvFrom, EnvVar
from kube46.lab.kubelet.manifests.handlers import Lifecycle, Probe
from kube46.lab.kubelet.manifests.security import SecurityContext


class Port(Value, frozen=True):
    """ports[] of a container."""

    name: str = ""
    container_port: int = 0
    protocol: str = "TCP"
    host_port: int = 0
    host_ip: str = ""


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
    tty: bool = False

    @property
    def sidecar(self) -> bool:
        """Whether it is an init container that keeps running beside the others (KEP-753)."""
        return self.restart_policy == "Always"


class EphemeralContainer(Container, frozen=True):
    """ephemeralContainers[]: run once beside the others, in the process namespace of its target."""

    target_container_name: str = ""
