"""Which URL and which type belong to a kind of object."""

from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import msgspec

from kube46.api import objects, storage_objects, workload_objects

T = TypeVar("T")
Kept = type[msgspec.Struct]


@dataclass(frozen=True, slots=True)
class Resource(Generic[T]):
    """A kind of object as a client sees it: its group, version and plural name make its URL, `type` decodes it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    type: type[T]
    kept: Kept | None = None
    """What a cache keeps of each object: packed, and with the fields of this type only. None: the object."""

    @property
    def api_version(self) -> str:
        """`v1` or `group/version`, as `apiVersion` spells it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection (in all namespaces when none is named) or of one object."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        place = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return "/".join(filter(None, [f"{root}{place}/{self.plural}", name, subresource]))

    def raw(self) -> "Resource[dict[str, Any]]":
        """The same resource, its objects left as dictionaries."""
        return Resource(self.group, self.version, self.plural, self.kind, self.namespaced, dict)


SERVICES = Resource("", "v1", "services", "Service", True, objects.Service)
NODES = Resource("", "v1", "nodes", "Node", False, objects.Node)
PODS = Resource("", "v1", "pods", "Pod", True, objects.Pod)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", False, objects.Namespace)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", True, objects.ConfigMap)
SECRETS = Resource("", "v1", "secrets", "Secret", True, objects.Secret)
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", True, objects.ServiceAccount)
EVENTS = Resource("", "v1", "events", "Event", True, dict[str, Any])
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", True, objects.EndpointSlice)
ROUTED_SERVICES = replace(SERVICES, kept=objects.RoutedService)
"""Services as those see them who say where packets and names lead, of whom each node has one."""
ROUTED_SLICES = replace(ENDPOINT_SLICES, kept=objects.RoutedSlice)
ENDPOINTS = Resource("", "v1", "endpoints", "Endpoints", True, objects.Endpoints)
SERVICE_CIDRS = Resource("networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR", False, objects.ServiceCIDR)
IP_ADDRESSES = Resource("networking.k8s.io", "v1", "ipaddresses", "IPAddress", False, objects.IPAddress)
RESOURCE_QUOTAS: Resource[dict[str, Any]] = Resource("", "v1", "resourcequotas", "ResourceQuota", True, dict)
VALIDATING_POLICIES: Resource[dict[str, Any]] = Resource(
    "admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", False, dict
)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", True, objects.Lease)
REPLICATION_CONTROLLERS = Resource(
    "", "v1", "replicationcontrollers", "ReplicationController", True, objects.ReplicationController
)
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet", True, objects.ReplicaSet)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", True, objects.Deployment)
DAEMON_SETS = Resource("apps", "v1", "daemonsets", "DaemonSet", True, workload_objects.DaemonSet)
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet", True, workload_objects.StatefulSet)
CONTROLLER_REVISIONS = Resource(
    "apps", "v1", "controllerrevisions", "ControllerRevision", True, workload_objects.ControllerRevision
)
JOBS = Resource("batch", "v1", "jobs", "Job", True, workload_objects.Job)
CRON_JOBS = Resource("batch", "v1", "cronjobs", "CronJob", True, workload_objects.CronJob)
BUDGETS = Resource(
    "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", True, workload_objects.PodDisruptionBudget
)
PERSISTENT_VOLUMES = Resource(
    "", "v1", "persistentvolumes", "PersistentVolume", False, storage_objects.PersistentVolume
)
CLAIMS = Resource(
    "", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True, storage_objects.PersistentVolumeClaim
)
STORAGE_CLASSES = Resource(
    "storage.k8s.io", "v1", "storageclasses", "StorageClass", False, storage_objects.StorageClass
)
TRUST_BUNDLES = Resource(
    "certificates.k8s.io", "v1", "clustertrustbundles", "ClusterTrustBundle", False, objects.ClusterTrustBundle
)
POD_CERTIFICATES = Resource(
    "certificates.k8s.io", "v1", "podcertificaterequests", "PodCertificateRequest", True, objects.PodCertificateRequest
)
