"""The rules of each kind, joined to the API server's write path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.apiserver.customresources.definitions import Definitions
from kube46.apiserver.strategies.cluster import Leases, Namespaces
from kube46.apiserver.strategies.configuration import ConfigMaps, Secrets
from kube46.apiserver.strategies.discovery import Endpoints, EndpointSlices
from kube46.apiserver.strategies.events import Events, NewEvents
from kube46.apiserver.strategies.generic import Generic
from kube46.apiserver.strategies.networking import IngressClasses, Ingresses, IPAddresses, NetworkPolicies, ServiceCIDRs
from kube46.apiserver.strategies.nodes import Nodes
from kube46.apiserver.strategies.pods import Pods
from kube46.apiserver.strategies.policies import Budgets, ControllerRevisions, PriorityClasses
from kube46.apiserver.strategies.rbac import ClusterRoles, RoleBindings, Roles
from kube46.apiserver.strategies.services import Services
from kube46.apiserver.strategies.storage import PersistentVolumeClaims, PersistentVolumes, StorageClasses
from kube46.apiserver.strategies.stored import Stored
from kube46.apiserver.strategies.workloads import CronJobs, DaemonSets, Deployments, Jobs, ReplicaSets, StatefulSets

if TYPE_CHECKING:
    from kube46.apiserver.strategy import Strategy

STRATEGIES: dict[str, Strategy] = {
    "*": Generic(),
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
    "limitranges": Stored("enforced"),
    "mutatingwebhookconfigurations": Stored("called"),
    "namespaces": Namespaces(),
    "networkpolicies": NetworkPolicies(),
    "nodes": Nodes(),
    "persistentvolumeclaims": PersistentVolumeClaims(),
    "persistentvolumes": PersistentVolumes(),
    "poddisruptionbudgets": Budgets(),
    "pods": Pods(),
    "priorityclasses": PriorityClasses(),
    "replicasets": ReplicaSets(),
    "resourcequotas": Stored("enforced"),
    "rolebindings": RoleBindings(),
    "roles": Roles(),
    "secrets": Secrets(),
    "servicecidrs": ServiceCIDRs(),
    "services": Services(),
    "statefulsets": StatefulSets(),
    "storageclasses": StorageClasses(),
    "validatingwebhookconfigurations": Stored("called"),
}
