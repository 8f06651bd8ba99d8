"""The Kubernetes objects that kube46's parts read and write, with only the fields they use.

Decoding skips every other field, so a part never writes a whole object back: it patches. Field names are the Python
spelling of the API's (`cluster_ips` is `clusterIPs`); see `Object.rename`. Source: Kubernetes API reference v1.37.
"""

from typing import Any

import msgspec


def api_name(field: str) -> str:
    """`pod_cidrs` → `podCIDRs`: camel case, with the API's upper-case initialisms."""
    first, *rest = field.rstrip("_").split("_")
    capital = {"ip": "IP", "ips": "IPs", "cidr": "CIDR", "cidrs": "CIDRs", "fqdn": "FQDN", "pid": "PID", "ipc": "IPC"}
    return first + "".join(capital.get(word, word.capitalize()) for word in rest)


class Value(msgspec.Struct, rename=api_name, frozen=True, omit_defaults=True):
    """A part of an API object."""


class OwnerReference(Value, frozen=True):
    """metadata.ownerReferences[]."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False
    block_owner_deletion: bool = False


class Meta(Value, frozen=True):
    """metadata."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    generate_name: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()


class Object(Value, kw_only=True, frozen=True):
    """A whole API object; `key` is its place in a cache."""

    metadata: Meta = Meta()

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name); the namespace is "" for cluster-scoped objects."""
        return self.metadata.namespace, self.metadata.name


class Condition(Value, frozen=True):
    """status.conditions[] of nodes, pods and others. `status` is True, False or Unknown, and always written."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None
    last_heartbeat_time: str | None = None
    last_update_time: str | None = None
    observed_generation: int | None = None


class LabelSelectorRequirement(Value, frozen=True):
    """selector.matchExpressions[]."""

    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class LabelSelector(Value, frozen=True):
    """A selector of workloads: labels and expressions, all of which must hold."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()


# Services and endpoints


class ServicePort(Value, frozen=True):
    """spec.ports[] of a Service; `target_port` is a number or the name of a container port."""

    name: str = ""
    protocol: str = "TCP"
    app_protocol: str | None = None
    port: int = 0
    target_port: int | str = 0
    node_port: int = 0


class ClientIPConfig(Value, frozen=True):
    """Session affinity's lifetime, seconds."""

    timeout_seconds: int = 10800


class SessionAffinityConfig(Value, frozen=True):
    """spec.sessionAffinityConfig."""

    client_ip: ClientIPConfig | None = None


class ServiceSpec(Value, frozen=True):
    """spec of a Service; `selector` is None when absent, which differs from empty (semantics C4-1)."""

    type: str = "ClusterIP"
    cluster_ip: str = ""
    cluster_ips: tuple[str, ...] = ()
    ip_families: tuple[str, ...] = ()
    ip_family_policy: str | None = None
    ports: tuple[ServicePort, ...] = ()
    selector: dict[str, str] | None = None
    external_name: str = ""
    external_ips: tuple[str, ...] = msgspec.field(default=(), name="externalIPs")
    publish_not_ready_addresses: bool = False
    session_affinity: str = "None"
    session_affinity_config: SessionAffinityConfig | None = None
    internal_traffic_policy: str = "Cluster"
    external_traffic_policy: str = ""
    traffic_distribution: str | None = None
    health_check_node_port: int = 0
    load_balancer_source_ranges: tuple[str, ...] = ()


class LoadBalancerIngress(Value, frozen=True):
    """status.loadBalancer.ingress[]."""

    ip: str = ""
    hostname: str = ""
    ip_mode: str | None = msgspec.field(default=None, name="ipMode")


class LoadBalancerStatus(Value, frozen=True):
    """status.loadBalancer."""

    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceStatus(Value, frozen=True):
    """status of a Service."""

    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class Service(Object, frozen=True):
    """v1 Service."""

    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


class EndpointConditions(Value, frozen=True):
    """A nil `ready` or `serving` counts as true, a nil `terminating` as false."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class TargetRef(Value, frozen=True):
    """What an endpoint or an Event is about."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    field_path: str = ""
    resource_version: str = ""


class ZoneHint(Value, frozen=True):
    """hints.forZones[]."""

    name: str = ""


class EndpointHints(Value, frozen=True):
    """Zones or nodes that should use an endpoint."""

    for_zones: tuple[ZoneHint, ...] = ()
    for_nodes: tuple[ZoneHint, ...] = ()


class Endpoint(Value, frozen=True):
    """endpoints[] of a slice; consumers use its first address only."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    hostname: str | None = None
    node_name: str | None = None
    zone: str | None = None
    target_ref: TargetRef | None = None
    hints: EndpointHints | None = None


class EndpointPort(Value, frozen=True):
    """ports[] of a slice."""

    name: str | None = None
    protocol: str | None = None
    port: int | None = None
    app_protocol: str | None = None


class EndpointSlice(Object, frozen=True):
    """discovery.k8s.io/v1 EndpointSlice: endpoints of one family. Nil lists occur in the API and mean empty."""

    address_type: str = ""
    endpoints: tuple[Endpoint, ...] | None = ()
    ports: tuple[EndpointPort, ...] | None = ()


class Endpoints(Object, frozen=True):
    """v1 Endpoints: the old single-object form of EndpointSlices; its subsets are kept whole, as JSON."""

    subsets: tuple[dict[str, Any], ...] | None = ()


# Nodes and pods


class Taint(Value, frozen=True):
    """spec.taints[] of a node."""

    key: str = ""
    value: str = ""
    effect: str = ""
    time_added: str | None = None


class NodeSpec(Value, frozen=True):
    """spec of a Node."""

    pod_cidr: str = ""
    pod_cidrs: tuple[str, ...] = ()
    provider_id: str = msgspec.field(default="", name="providerID")
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()


class NodeAddress(Value, frozen=True):
    """status.addresses[]: type is InternalIP, Hostname, …"""

    type: str = ""
    address: str = ""


class NodeStatus(Value, frozen=True):
    """status of a Node."""

    addresses: tuple[NodeAddress, ...] = ()
    conditions: tuple[Condition, ...] = ()
    allocatable: dict[str, Any] = {}
    capacity: dict[str, Any] = {}

    @property
    def internal_ips(self) -> tuple[str, ...]:
        """The node's InternalIP addresses, primary family first."""
        return tuple(a.address for a in self.addresses if a.type == "InternalIP")


class Node(Object, frozen=True):
    """v1 Node."""

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


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


class Toleration(Value, frozen=True):
    """spec.tolerations[] of a pod; no `effect` means every effect, no `toleration_seconds` means for ever."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class NodeSelectorTerm(Value, frozen=True):
    """nodeSelectorTerms[]: requirements on a node's labels and fields, all of which must hold."""

    match_expressions: tuple[LabelSelectorRequirement, ...] = ()
    match_fields: tuple[LabelSelectorRequirement, ...] = ()


class NodeSelector(Value, frozen=True):
    """A selector of nodes: one of its terms must hold."""

    node_selector_terms: tuple[NodeSelectorTerm, ...] = ()


class PreferredNode(Value, frozen=True):
    """nodeAffinity.preferredDuringScheduling…[]: a node that matches is worth `weight` more."""

    weight: int = 0
    preference: NodeSelectorTerm = NodeSelectorTerm()


class NodeAffinity(Value, frozen=True):
    """affinity.nodeAffinity."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredNode, ...] = ()


class PodAffinityTerm(Value, frozen=True):
    """Pods to be near or far from, where near means nodes with the same value of the label `topology_key`."""

    label_selector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    namespace_selector: LabelSelector | None = None
    topology_key: str = ""
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()


class PreferredPods(Value, frozen=True):
    """preferredDuringScheduling…[] of a pod affinity."""

    weight: int = 0
    pod_affinity_term: PodAffinityTerm = PodAffinityTerm()


class PodAffinity(Value, frozen=True):
    """affinity.podAffinity and affinity.podAntiAffinity."""

    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] = ()
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredPods, ...] = ()


class Affinity(Value, frozen=True):
    """spec.affinity of a pod."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class SpreadConstraint(Value, frozen=True):
    """topologySpreadConstraints[]: how much the numbers of pods in two domains may differ."""

    max_skew: int = 1
    topology_key: str = ""
    when_unsatisfiable: str = "DoNotSchedule"
    label_selector: LabelSelector | None = None
    min_domains: int | None = None
    node_affinity_policy: str = "Honor"
    node_taints_policy: str = "Ignore"
    match_label_keys: tuple[str, ...] = ()


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


# Others


class NamespaceSpec(Value, frozen=True):
    """spec of a Namespace: who must still finish before it goes."""

    finalizers: tuple[str, ...] = ()


class NamespaceStatus(Value, frozen=True):
    """status of a Namespace: `phase` is Active or Terminating."""

    phase: str = ""
    conditions: tuple[Condition, ...] = ()


class Namespace(Object, frozen=True):
    """v1 Namespace."""

    spec: NamespaceSpec = NamespaceSpec()
    status: NamespaceStatus = NamespaceStatus()


class ConfigMap(Object, frozen=True):
    """v1 ConfigMap."""

    data: dict[str, str] = {}
    binary_data: dict[str, str] = {}


class Secret(Object, frozen=True):
    """v1 Secret; values of `data` are base64."""

    type: str = "Opaque"
    data: dict[str, str] = {}


class ServiceAccount(Object, frozen=True):
    """v1 ServiceAccount."""


class ServiceCIDRSpec(Value, frozen=True):
    """spec of a ServiceCIDR."""

    cidrs: tuple[str, ...] = ()


class ServiceCIDRStatus(Value, frozen=True):
    """status of a ServiceCIDR."""

    conditions: tuple[Condition, ...] = ()


class ServiceCIDR(Object, frozen=True):
    """networking.k8s.io/v1 ServiceCIDR."""

    spec: ServiceCIDRSpec = ServiceCIDRSpec()
    status: ServiceCIDRStatus = ServiceCIDRStatus()


class IPAddress(Object, frozen=True):
    """networking.k8s.io/v1 IPAddress: its name is the address."""


class LeaseSpec(Value, frozen=True):
    """spec of a Lease; times are RFC 3339 with microseconds."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(Object, frozen=True):
    """coordination.k8s.io/v1 Lease."""

    spec: LeaseSpec = LeaseSpec()


class RollingUpdate(Value, frozen=True):
    """rollingUpdate of a strategy: numbers, or shares such as `25%`; `partition` is of StatefulSets."""

    max_unavailable: int | str | None = None
    max_surge: int | str | None = None
    partition: int = 0


class DeploymentStrategy(Value, frozen=True):
    """spec.strategy of a Deployment: `RollingUpdate` or `Recreate`."""

    type: str = "RollingUpdate"
    rolling_update: RollingUpdate | None = None


class WorkloadSpec(Value, frozen=True):
    """spec of a ReplicaSet or Deployment; the template is kept whole, as JSON."""

    replicas: int = 1
    min_ready_seconds: int = 0
    selector: LabelSelector = LabelSelector()
    template: dict[str, Any] = {}
    strategy: DeploymentStrategy = DeploymentStrategy()
    paused: bool = False
    revision_history_limit: int | None = None
    progress_deadline_seconds: int | None = None


class WorkloadStatus(Value, frozen=True):
    """status of a ReplicaSet or Deployment."""

    replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    updated_replicas: int = 0
    unavailable_replicas: int = 0
    fully_labeled_replicas: int = 0
    terminating_replicas: int | None = None
    collision_count: int | None = None
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()


class ReplicaSet(Object, frozen=True):
    """apps/v1 ReplicaSet."""

    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()


class ReplicationControllerSpec(Value, frozen=True):
    """spec of a ReplicationController: the selector is a plain map."""

    replicas: int = 1
    min_ready_seconds: int = 0
    selector: dict[str, str] = {}
    template: dict[str, Any] = {}


class ReplicationController(Object, frozen=True):
    """v1 ReplicationController."""

    spec: ReplicationControllerSpec = ReplicationControllerSpec()
    status: WorkloadStatus = WorkloadStatus()


class Deployment(Object, frozen=True):
    """apps/v1 Deployment."""

    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()
