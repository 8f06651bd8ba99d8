"""Pods: containers, volumes, addresses, status."""

from typing import Any

from kube46.api.objects.meta import Condition, Object, Value
from kube46.api.objects.scheduling import Affinity, SpreadConstraint, Toleration


class ContainerPort(Value, frozen=True):
    """ports[] of a container."""

    name: str = ""
    container_port: int = 0
    protocol: str = "TCP"
    host_port: int = 0
    host_ip: str = ""


class ResourceRequirements(Value, frozen=True):
    """resources of a container; quantities are text such as `500m` or numbers."""

    requests: dict[str, Any] = {}


class Container(Value, frozen=True):
    """What other parts need of a container; the kubelet reads the pod whole."""

    name: str = ""
    ports: tuple[ContainerPort, ...] = ()
    restart_policy: str | None = None
    resources: ResourceRequirements = ResourceRequirements()


class ClaimVolume(Value, frozen=True):
    """persistentVolumeClaim of a pod's volume."""

    claim_name: str = ""


class Volume(Value, frozen=True):
    """spec.volumes[] of a pod: only what has a claim; `ephemeral` holds the template of one."""

    name: str = ""
    persistent_volume_claim: ClaimVolume | None = None
    ephemeral: dict[str, Any] | None = None


class PodSpec(Value, frozen=True):
    """spec of a Pod."""

    node_name: str = ""
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    host_network: bool = False
    hostname: str = ""
    subdomain: str = ""
    scheduler_name: str = "default-scheduler"
    node_selector: dict[str, str] = {}
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] = ()
    topology_spread_constraints: tuple[SpreadConstraint, ...] = ()
    scheduling_gates: tuple[dict[str, Any], ...] = ()
    priority: int = 0
    preemption_policy: str = "PreemptLowerPriority"
    overhead: dict[str, Any] = {}
    resources: ResourceRequirements = ResourceRequirements()

    volumes: tuple[Volume, ...] = ()


class PodIP(Value, frozen=True):
    """podIPs[] and hostIPs[]."""

    ip: str = ""


class ContainerStatus(Value, frozen=True):
    """status.containerStatuses[]."""

    name: str = ""
    ready: bool = False
    restart_count: int = 0
    state: dict[str, Any] = {}
    allocated_resources: dict[str, Any] = {}
    resources: ResourceRequirements = ResourceRequirements()


class PodStatus(Value, frozen=True):
    """status of a Pod."""

    phase: str = ""
    pod_ip: str = ""
    pod_ips: tuple[PodIP, ...] = ()
    host_ip: str = ""
    host_ips: tuple[PodIP, ...] = ()
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    nominated_node_name: str = ""
    start_time: str | None = None

    @property
    def ready(self) -> bool:
        """Whether the Ready condition is True."""
        return any(c.type == "Ready" and c.status == "True" for c in self.conditions)


class Pod(Object, frozen=True):
    """v1 Pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def claims(self) -> dict[str, str]:
        """The names of the claims it mounts, by volume; that of a generic ephemeral volume is named after both."""
        found = {v.name: v.persistent_volume_claim.claim_name for v in self.spec.volumes if v.persistent_volume_claim}
        return found | {v.name: f"{self.metadata.name}-{v.name}" for v in self.spec.volumes if v.ephemeral}
