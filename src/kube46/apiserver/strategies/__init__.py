"""The rules of each kind, joined to the API server's write path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.addresses.families import family_of
from kube46.api import platform, platformrules
from kube46.apiserver.customresources.definitions import Definitions
from kube46.apiserver.strategies.admissionpolicies import Bindings, Policies
from kube46.apiserver.strategies.apiservices import APIServices
from kube46.apiserver.strategies.autoscaling import Autoscalers, OldAutoscalers
from kube46.apiserver.strategies.certificates import SigningRequests
from kube46.apiserver.strategies.cluster import Leases, Namespaces
from kube46.apiserver.strategies.configuration import ConfigMaps, Secrets
from kube46.apiserver.strategies.discovery import Endpoints, EndpointSlices
from kube46.apiserver.strategies.events import Events, NewEvents
from kube46.apiserver.strategies.generic import Generic
from kube46.apiserver.strategies.limits import LimitRanges, ResourceQuotas
from kube46.apiserver.strategies.networking import IngressClasses, Ingresses, IPAddresses, NetworkPolicies, ServiceCIDRs
from kube46.apiserver.strategies.nodes import Nodes
from kube46.apiserver.strategies.podcertificates import PodCertificates
from kube46.apiserver.strategies.pods import Pods
from kube46.apiserver.strategies.policies import Budgets, ControllerRevisions, PriorityClasses
from kube46.apiserver.strategies.rbac import ClusterRoles, RoleBindings, Roles
from kube46.apiserver.strategies.services import Services
from kube46.apiserver.strategies.storage import PersistentVolumeClaims, PersistentVolumes, StorageClasses
from kube46.apiserver.strategies.stored import Stored
from kube46.apiserver.strategies.trustbundles import TrustBundles
from kube46.apiserver.strategies.webhooks import WebhookConfigurations
from kube46.apiserver.strategies.workloads import (
    CronJobs,
    DaemonSets,
    Deployments,
    Jobs,
    PodTemplates,
    ReplicaSets,
    ReplicationControllers,
    StatefulSets,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kube46.addresses.families import Prefix
    from kube46.apiserver.strategy import Strategy

STRATEGIES: dict[str, Strategy] = {
    "*": Generic(),
    "apiservices": APIServices(),
    "certificatesigningrequests": SigningRequests(),
    "clustertrustbundles": TrustBundles(),
    "csidrivers": Stored("CSIDriver", "used", platform.csi_driver, unconditional_update=False),
    "csinodes": Stored("CSINode", "used", unconditional_update=False),
    "csistoragecapacities": Stored("CSIStorageCapacity", "used", unconditional_update=False),
    "deviceclasses": Stored("DeviceClass", "used"),
    "devicetaintrules": Stored("DeviceTaintRule", "enforced"),
    "flowschemas": Stored("FlowSchema", "enforced", platform.flow_schema),
    "horizontalpodautoscalers": Autoscalers(),
    "horizontalpodautoscalers.autoscaling/v1": OldAutoscalers(),
    "mutatingadmissionpolicies": Policies(mutating=True),
    "mutatingadmissionpolicybindings": Bindings(mutating=True),
    "podcertificaterequests": PodCertificates(),
    "prioritylevelconfigurations": Stored(
        "PriorityLevelConfiguration", "enforced", platform.priority_level, platformrules.priority_level
    ),
    "replicationcontrollers": ReplicationControllers(),
    "resourceclaims": Stored("ResourceClaim", "allocated", platform.claim),
    "resourceclaimtemplates": Stored("ResourceClaimTemplate", "used", platform.claim_template),
    "resourceslices": Stored("ResourceSlice", "used"),
    "runtimeclasses": Stored(
        "RuntimeClass",
        "run by its handler",
        errors=platformrules.runtime_class,
        changes=platformrules.runtime_change,
        create_on_update=True,
        unconditional_update=False,
    ),
    "storageversionmigrations": Stored("StorageVersionMigration", "performed", unconditional_update=False),
    "validatingadmissionpolicies": Policies(mutating=False),
    "validatingadmissionpolicybindings": Bindings(mutating=False),
    "volumeattachments": Stored("VolumeAttachment", "performed", unconditional_update=False),
    "volumeattributesclasses": Stored("VolumeAttributesClass", "used"),
    "clusterrolebindings": RoleBindings(),
    "clusterroles": ClusterRoles(),
    "configmaps": ConfigMaps(),
    "controllerrevisions": ControllerRevisions(),
    "cronjobs": CronJobs(),
    "customresourcedefinitions": Definitions(),
    "daemonsets": DaemonSets(),
    "deployments": Deployments(),
    "endpoints": Endpoints(),
    "endpointslices": EndpointSlices(),
    "events": Events(),
    "events.events.k8s.io": NewEvents(),
    "ingressclasses": IngressClasses(),
    "ingresses": Ingresses(),
    "ipaddresses": IPAddresses(),
    "jobs": Jobs(),
    "leases": Leases(),
    "limitranges": LimitRanges(),
    "mutatingwebhookconfigurations": WebhookConfigurations(platform.mutating_webhooks),
    "namespaces": Namespaces(),
    "networkpolicies": NetworkPolicies(),
    "nodes": Nodes(),
    "persistentvolumeclaims": PersistentVolumeClaims(),
    "persistentvolumes": PersistentVolumes(),
    "poddisruptionbudgets": Budgets(),
    "pods": Pods(),
    "podtemplates": PodTemplates(),
    "priorityclasses": PriorityClasses(),
    "replicasets": ReplicaSets(),
    "resourcequotas": ResourceQuotas(),
    "rolebindings": RoleBindings(),
    "roles": Roles(),
    "secrets": Secrets(),
    "servicecidrs": ServiceCIDRs(),
    "services": Services(),
    "statefulsets": StatefulSets(),
    "storageclasses": StorageClasses(),
    "validatingwebhookconfigurations": WebhookConfigurations(platform.webhooks),
}


def strategies(ranges: Sequence[Prefix], *, dual_stack: bool = True) -> dict[str, Strategy]:
    """The rules of a cluster with these ranges of Service addresses."""
    default = family_of(ranges[0]) if ranges and dual_stack else None
    return {**STRATEGIES, "services": Services(default)}
