"""The Kubernetes objects that kube46's parts read and write, with only the fields they use.

Decoding skips every other field, so a part never writes a whole object back: it patches. Field names are the Python
spelling of the API's (`cluster_ips` is `clusterIPs`); see `Object.rename`. Source: Kubernetes API reference v1.37.
"""

from kube46.api.objects.certificates import ClusterTrustBundle, PodCertificateRequest
from kube46.api.objects.configuration import (
    ConfigMap,
    Lease,
    LeaseSpec,
    Namespace,
    NamespaceSpec,
    NamespaceStatus,
    Secret,
    ServiceAccount,
)
from kube46.api.objects.meta import (
    Condition,
    LabelSelector,
    LabelSelectorRequirement,
    Meta,
    Object,
    OwnerReference,
    Value,
    api_name,
)
from kube46.api.objects.nodes import Node, NodeAddress, NodeSpec, NodeStatus, Taint
from kube46.api.objects.pods import (
    ClaimVolume,
    Container,
    ContainerPort,
    ContainerStatus,
    Pod,
    PodIP,
    PodSpec,
    PodStatus,
    ResourceRequirements,
    Volume,
)
from kube46.api.objects.routes import RoutedService, RoutedSlice
from kube46.api.objects.scheduling import (
    Affinity,
    NodeAffinity,
    NodeSelector,
    NodeSelectorTerm,
    PodAffinity,
    PodAffinityTerm,
    PreferredNode,
    PreferredPods,
    SpreadConstraint,
    Toleration,
)
from kube46.api.objects.services import (
    ClientIPConfig,
    Endpoint,
    EndpointConditions,
    EndpointHints,
    EndpointPort,
    Endpoints,
    EndpointSlice,
    IPAddress,
    LoadBalancerIngress,
    LoadBalancerStatus,
    Service,
    ServiceCIDR,
    ServiceCIDRSpec,
    ServiceCIDRStatus,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
    SessionAffinityConfig,
    TargetRef,
    ZoneHint,
)
from kube46.api.objects.workloads import (
    Deployment,
    DeploymentStrategy,
    ReplicaSet,
    ReplicationController,
    ReplicationControllerSpec,
    RollingUpdate,
    WorkloadSpec,
    WorkloadStatus,
)

__all__ = [
    "Affinity", "ClaimVolume", "ClientIPConfig", "ClusterTrustBundle", "Condition", "ConfigMap", "Container",
    "ContainerPort", "ContainerStatus", "Deployment", "DeploymentStrategy", "Endpoint", "EndpointConditions",
    "EndpointHints", "EndpointPort", "EndpointSlice", "Endpoints", "IPAddress", "LabelSelector",
    "LabelSelectorRequirement", "Lease", "LeaseSpec", "LoadBalancerIngress", "LoadBalancerStatus", "Meta",
    "Namespace", "NamespaceSpec", "NamespaceStatus", "Node", "NodeAddress", "NodeAffinity", "NodeSelector",
    "NodeSelectorTerm", "NodeSpec", "NodeStatus", "Object", "OwnerReference", "Pod", "PodAffinity",
    "PodAffinityTerm", "PodCertificateRequest", "PodIP", "PodSpec", "PodStatus", "PreferredNode", "PreferredPods",
    "ReplicaSet", "ReplicationController", "ReplicationControllerSpec", "ResourceRequirements", "RollingUpdate",
    "RoutedService", "RoutedSlice", "Secret", "Service", "ServiceAccount", "ServiceCIDR", "ServiceCIDRSpec",
    "ServiceCIDRStatus", "ServicePort", "ServiceSpec", "ServiceStatus", "SessionAffinityConfig",
    "SpreadConstraint", "Taint", "TargetRef", "Toleration", "Value", "Volume", "WorkloadSpec", "WorkloadStatus",
    "ZoneHint", "api_name",
]  # fmt: skip
