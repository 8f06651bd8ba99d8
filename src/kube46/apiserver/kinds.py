"""The table of kinds: what the server stores and serves. Adding a kind is one line."""

from __future__ import annotations

from dataclasses import dataclass

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Subresource:
    """A path below an object; `kind` (with its group and version) where its body is of another kind than the object."""

    name: str
    verbs: tuple[str, ...] = ("get", "patch", "update")
    kind: str = ""
    group: str = ""
    version: str = ""


STATUS = Subresource("status")
SCALE = Subresource("scale", kind="Scale", group="autoscaling", version="v1")
EPHEMERAL_CONTAINERS = Subresource("ephemeralcontainers")
FINALIZE = Subresource("finalize", ("update",))
TOKEN = Subresource("token", ("create",), "TokenRequest", "authentication.k8s.io", "v1")
APPROVAL, RESIZE = Subresource("approval"), Subresource("resize")
CONNECT = ("create", "delete", "get", "patch", "update")


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table; discovery, URLs, storage keys and error texts come from it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    # selectable fields beside metadata.name and metadata.namespace
    fields: tuple[str, ...] = ()
    generation: bool = False  # metadata.generation counts changes of all but metadata and status
    generation_of: str = ""  # … and of this part of metadata: labels or annotations
    orphans: bool = False  # what depends on it stays, unless a DELETE says otherwise
    returns_deleted: bool = False  # DELETE answers with the object instead of a Status
    warning: str = ""  # a Warning header on every request
    storage: str = ""  # `group/version` that kube-apiserver stores it in, where that is another one

    @property
    def singular(self) -> str:
        """`service` of `services`: Kubernetes' rule is the lower-cased kind."""
        return self.kind.lower()

    @property
    def list_kind(self) -> str:
        """`ServiceList` of `Service`."""
        return f"{self.kind}List"

    @property
    def resource(self) -> str:
        """The name that its objects are stored under: a custom kind's is qualified, so that it meets no other."""
        return self.plural

    @property
    def allowed(self) -> tuple[str, ...]:
        """The verbs that requests may use."""
        return self.verbs

    @property
    def custom(self) -> bool:
        """Whether a CustomResourceDefinition made it."""
        return False

    @property
    def api_version(self) -> str:
        """`v1` or `group/version`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def stored_form(self) -> str:
        """`group/version/kind` of what is stored, of which discovery shows a hash; "" for what is stored nowhere."""
        return f"{self.storage or f'{self.group}/{self.version}'}/{self.kind}" if "watch" in self.verbs else ""

    @property
    def qualified(self) -> str:
        """`services` or `endpointslices.discovery.k8s.io`, as error texts name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def has_status(self) -> bool:
        """Whether /status is a subresource."""
        return STATUS in self.subresources

    def subresource(self, name: str) -> Subresource | None:
        """The subresource of that name."""
        return next((s for s in self.subresources if s.name == name), None)


DISCOVERY, NETWORKING, APPS, COORDINATION = "discovery.k8s.io", "networking.k8s.io", "apps", "coordination.k8s.io"
APIEXTENSIONS = "apiextensions.k8s.io"
BATCH, POLICY, SCHEDULING, RBAC = "batch", "policy", "scheduling.k8s.io", "rbac.authorization.k8s.io"
STORAGE = "storage.k8s.io"
ADMISSION = "admissionregistration.k8s.io"
CERTIFICATES, NODE_API, DEVICES = "certificates.k8s.io", "node.k8s.io", "resource.k8s.io"
FLOW_CONTROL, MIGRATION = "flowcontrol.apiserver.k8s.io", "storagemigration.k8s.io"
APIREGISTRATION, AUTOSCALING = "apiregistration.k8s.io", "autoscaling"
AUTHENTICATION, AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"
CREATE = ("create",)  # questions that are answered, not stored
POD_SUBRESOURCES = (
    Subresource("attach", ("create", "get"), "PodAttachOptions"),
    Subresource("binding", ("create",), "Binding"),
    EPHEMERAL_CONTAINERS,
    Subresource("eviction", ("create",), "Eviction", "policy", "v1"),
    Subresource("exec", ("create", "get"), "PodExecOptions"),
    Subresource("log", ("get",)),
    Subresource("portforward", ("create", "get"), "PodPortForwardOptions"),
    Subresource("proxy", CONNECT, "PodProxyOptions"),
    RESIZE,
    STATUS,
)
POD_FIELDS = (
    "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
    "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName",
)  # fmt: skip
EVENT_FIELDS = (
    "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
    "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath",
    "reason", "reportingComponent", "source", "type",
)  # fmt: skip
NEW_EVENT_FIELDS = tuple(
    name.replace("involvedObject", "regarding").replace("reportingComponent", "reportingController")
    for name in EVENT_FIELDS if name != "source"
)  # fmt: skip
COMPONENT_STATUS_WARNING = "v1 ComponentStatus is deprecated in v1.19+"
ENDPOINTS_WARNING = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"

KINDS: tuple[Kind, ...] = (
    Kind("", "v1", "bindings", "Binding", verbs=CREATE),
    Kind("", "v1", "componentstatuses", "ComponentStatus", False, ("cs",), verbs=("get", "list"),
         warning=COMPONENT_STATUS_WARNING),
    Kind("", "v1", "namespaces", "Namespace", False, ("ns",), (), (FINALIZE, STATUS),
         verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
         fields=("status.phase",), returns_deleted=True),
    Kind("", "v1", "nodes", "Node", False, ("no",), (), (Subresource("proxy", CONNECT, "NodeProxyOptions"), STATUS),
         fields=("spec.unschedulable",)),
    Kind("", "v1", "pods", "Pod", True, ("po",), ("all",), POD_SUBRESOURCES, fields=POD_FIELDS, generation=True,
         returns_deleted=True),
    Kind("", "v1", "services", "Service", True, ("svc",), ("all",),
         (Subresource("proxy", CONNECT, "ServiceProxyOptions"), STATUS),
         fields=("spec.clusterIP", "spec.type"), returns_deleted=True),
    Kind("", "v1", "endpoints", "Endpoints", True, ("ep",), warning=ENDPOINTS_WARNING),
    Kind("", "v1", "configmaps", "ConfigMap", True, ("cm",)),
    Kind("", "v1", "secrets", "Secret", fields=("type",)),
    Kind("", "v1", "serviceaccounts", "ServiceAccount", True, ("sa",), (), (TOKEN,), returns_deleted=True),
    Kind("", "v1", "persistentvolumes", "PersistentVolume", False, ("pv",), (), (STATUS,), returns_deleted=True),
    Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True, ("pvc",), (), (STATUS,),
         returns_deleted=True),
    Kind("", "v1", "events", "Event", True, ("ev",), fields=EVENT_FIELDS),
    Kind("events.k8s.io", "v1", "events", "Event", True, ("ev",), fields=NEW_EVENT_FIELDS, storage="/v1"),
    Kind("", "v1", "limitranges", "LimitRange", True, ("limits",)),
    Kind("", "v1", "podtemplates", "PodTemplate", generation=True, returns_deleted=True),
    Kind("", "v1", "replicationcontrollers", "ReplicationController", True, ("rc",), ("all",), (SCALE, STATUS),
         fields=("status.replicas",), generation=True, orphans=True),
    Kind("", "v1", "resourcequotas", "ResourceQuota", True, ("quota",), (), (STATUS,), returns_deleted=True),
    Kind(DISCOVERY, "v1", "endpointslices", "EndpointSlice", generation=True, generation_of="labels"),
    Kind(COORDINATION, "v1", "leases", "Lease"),
    Kind(NETWORKING, "v1", "servicecidrs", "ServiceCIDR", False, (), (), (STATUS,)),
    Kind(NETWORKING, "v1", "ipaddresses", "IPAddress", False, ("ip",)),
    Kind(NETWORKING, "v1", "ingresses", "Ingress", True, ("ing",), (), (STATUS,), generation=True),
    Kind(NETWORKING, "v1", "ingressclasses", "IngressClass", False, generation=True),
    Kind(NETWORKING, "v1", "networkpolicies", "NetworkPolicy", True, ("netpol",), generation=True),
    Kind(APPS, "v1", "replicasets", "ReplicaSet", True, ("rs",), ("all",), (SCALE, STATUS),
         generation=True),
    Kind(APPS, "v1", "deployments", "Deployment", True, ("deploy",), ("all",), (SCALE, STATUS), generation=True,
         generation_of="annotations"),
    Kind(APPS, "v1", "daemonsets", "DaemonSet", True, ("ds",), ("all",), (STATUS,), generation=True),
    Kind(APPS, "v1", "statefulsets", "StatefulSet", True, ("sts",), ("all",), (SCALE, STATUS), generation=True),
    Kind(APPS, "v1", "controllerrevisions", "ControllerRevision"),
    Kind(AUTOSCALING, "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True, ("hpa",), ("all",), (STATUS,),
         generation=True),
    Kind(AUTOSCALING, "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True, ("hpa",), ("all",), (STATUS,),
         generation=True, storage="autoscaling/v2"),
    Kind(ADMISSION, "v1", "mutatingadmissionpolicies", "MutatingAdmissionPolicy", False, (), ("api-extensions",),
         generation=True),
    Kind(ADMISSION, "v1", "mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding", False, (),
         ("api-extensions",), generation=True),
    Kind(ADMISSION, "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", False, (),
         ("api-extensions",), generation=True),
    Kind(ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", False, (), ("api-extensions",),
         (STATUS,), generation=True),
    Kind(ADMISSION, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", False, (),
         ("api-extensions",), generation=True),
    Kind(ADMISSION, "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", False, (),
         ("api-extensions",), generation=True),
    Kind(APIREGISTRATION, "v1", "apiservices", "APIService", False, (), ("api-extensions",), (STATUS,)),
    Kind(CERTIFICATES, "v1", "certificatesigningrequests", "CertificateSigningRequest", False, ("csr",), (),
         (APPROVAL, STATUS), fields=("spec.signerName",)),
    Kind(CERTIFICATES, "v1", "clustertrustbundles", "ClusterTrustBundle", False, fields=("spec.signerName",),
         storage=f"{CERTIFICATES}/v1beta1"),
    Kind(CERTIFICATES, "v1", "podcertificaterequests", "PodCertificateRequest", True, (), (), (STATUS,),
         fields=("spec.signerName", "spec.podName", "spec.nodeName"), storage=f"{CERTIFICATES}/v1beta1"),
    Kind(NODE_API, "v1", "runtimeclasses", "RuntimeClass", False),
    Kind(DEVICES, "v1", "deviceclasses", "DeviceClass", False, generation=True, returns_deleted=True),
    Kind(DEVICES, "v1", "devicetaintrules", "DeviceTaintRule", False, (), (), (STATUS,), generation=True,
         storage=f"{DEVICES}/v1beta2"),
    Kind(DEVICES, "v1", "resourceclaims", "ResourceClaim", True, (), (), (STATUS,), returns_deleted=True),
    Kind(DEVICES, "v1", "resourceclaimtemplates", "ResourceClaimTemplate", returns_deleted=True),
    Kind(DEVICES, "v1", "resourceslices", "ResourceSlice", False, fields=("spec.nodeName", "spec.driver"),
         generation=True, returns_deleted=True),
    Kind(FLOW_CONTROL, "v1", "flowschemas", "FlowSchema", False, (), (), (STATUS,), generation=True),
    Kind(FLOW_CONTROL, "v1", "prioritylevelconfigurations", "PriorityLevelConfiguration", False, (), (), (STATUS,),
         generation=True),
    Kind(MIGRATION, "v1", "storageversionmigrations", "StorageVersionMigration", False, (), (), (STATUS,),
         storage=f"{MIGRATION}/v1beta1"),
    Kind(BATCH, "v1", "jobs", "Job", True, (), ("all",), (STATUS,), fields=("status.successful",), generation=True,
         orphans=True),
    Kind(BATCH, "v1", "cronjobs", "CronJob", True, ("cj",), ("all",), (STATUS,), generation=True),
    Kind(POLICY, "v1", "poddisruptionbudgets", "PodDisruptionBudget", True, ("pdb",), (), (STATUS,), generation=True),
    Kind(SCHEDULING, "v1", "priorityclasses", "PriorityClass", False, ("pc",), generation=True),
    Kind(STORAGE, "v1", "csidrivers", "CSIDriver", False, returns_deleted=True),
    Kind(STORAGE, "v1", "csinodes", "CSINode", False, (), (), (STATUS,), returns_deleted=True),
    Kind(STORAGE, "v1", "csistoragecapacities", "CSIStorageCapacity"),
    Kind(STORAGE, "v1", "volumeattachments", "VolumeAttachment", False, (), (), (STATUS,), returns_deleted=True),
    Kind(STORAGE, "v1", "volumeattributesclasses", "VolumeAttributesClass", False, ("vac",), returns_deleted=True),
    Kind(STORAGE, "v1", "storageclasses", "StorageClass", False, ("sc",), returns_deleted=True),
    Kind(RBAC, "v1", "roles", "Role"),
    Kind(RBAC, "v1", "rolebindings", "RoleBinding"),
    Kind(RBAC, "v1", "clusterroles", "ClusterRole", False),
    Kind(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", False),
    Kind(APIEXTENSIONS, "v1", "customresourcedefinitions", "CustomResourceDefinition", False, ("crd", "crds"),
         ("api-extensions",), (STATUS,), generation=True, returns_deleted=True, storage=f"{APIEXTENSIONS}/v1beta1"),
    Kind(AUTHENTICATION, "v1", "tokenreviews", "TokenReview", False, verbs=CREATE),
    Kind(AUTHENTICATION, "v1", "selfsubjectreviews", "SelfSubjectReview", False, verbs=CREATE),
    Kind(AUTHORIZATION, "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False, verbs=CREATE),
    Kind(AUTHORIZATION, "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", False, verbs=CREATE),
    Kind(AUTHORIZATION, "v1", "subjectaccessreviews", "SubjectAccessReview", False, verbs=CREATE),
    Kind(AUTHORIZATION, "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", verbs=CREATE),
)  # fmt: skip

# Answered from the kubelets' figures, stored nowhere, of no schema.
MEASURED: tuple[Kind, ...] = (
    Kind("metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics", False, verbs=("get", "list")),
    Kind("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", verbs=("get", "list")),
)

BY_PATH: dict[tuple[str, str, str], Kind] = {(k.group, k.version, k.plural): k for k in (*KINDS, *MEASURED)}
BY_PLURAL: dict[str, Kind] = {k.plural: k for k in reversed(KINDS)}  # of a stored form served twice, the first
GROUP_VERSIONS: frozenset[tuple[str, str]] = frozenset((k.group, k.version) for k in (*KINDS, *MEASURED))

GROUPS: frozenset[str] = frozenset(group for group, _ in GROUP_VERSIONS)


def stored_as(resource: str) -> Kind:
    """The kind of a stored resource, as far as error texts name it."""
    plural, _, group = resource.partition(".")
    return BY_PLURAL.get(resource) or Kind(group, "", plural, "")
