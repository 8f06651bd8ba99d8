"""The columns of Tables, kind by kind, as kube-apiserver 1.37 declares them (pkg/printers/internalversion/printers.go).

Plain data, read at build time too: a text that begins with `@` names the OpenAPI field whose prose it is;
`tools/build_schemas.py` looks it up.
"""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """A column; those of priority 1 are shown by `-o wide` only."""

    name: str
    text: str
    type: str = "string"
    priority: int = 0
    format: str = ""


META, CORE, APPS = "apimachinery.pkg.apis.meta.v1", "api.core.v1", "api.apps.v1"
CERTIFICATES, DEVICES, FLOWS = "api.certificates.v1", "api.resource.v1", "api.flowcontrol.v1"
NET, DISCOVERY, BATCH = "api.networking.v1", "api.discovery.v1", "api.batch.v1"
SCHEDULING, STORAGE = "api.scheduling.v1", "api.storage.v1"
NAME = Column("Name", f"@{META}.ObjectMeta#name", format="name")
AGE = Column("Age", f"@{META}.ObjectMeta#creationTimestamp")
CREATED = Column("Created At", AGE.text, "date")
CONTAINERS = Column("Containers", "Names of each container in the template.", priority=1)
IMAGES = Column("Images", "Images referenced by each container in the template.", priority=1)


def _selector(kind: str) -> Column:
    return Column("Selector", f"@{kind}#selector", priority=1)


def _binding(where: str, role: str) -> tuple[Column, ...]:
    """Upstream describes the role in the words of an older version."""
    subjects = [Column(what, f"{what} in the {where}", priority=1) for what in ("Users", "Groups", "ServiceAccounts")]
    text = f"roleRef can {role} in the global namespace. If the RoleRef cannot be resolved, the Authorizer must return"
    return NAME, Column("Role", f"{text} an error."), AGE, *subjects


def _autoscaler(name: str, field: str, part: str = "Spec") -> Column:
    return Column(name, f"@api.autoscaling.v2.HorizontalPodAutoscaler{part}#{field}")


def _driver(name: str, field: str, kind: str = "boolean") -> Column:
    return Column(name, f"@{STORAGE}.CSIDriverSpec#{field}", kind)


def _device(name: str, place: str) -> Column:
    return Column(name, f"@{DEVICES}.{place}")


def _queue(name: str, place: str) -> Column:
    return Column(name, f"@{FLOWS}.{place}")


GENERIC = (NAME, CREATED)
PARAM_KIND = Column("ParamKind", "ParamKind specifies the kind of resources used to parameterize this policy")
WEBHOOKS = Column("Webhooks", "Webhooks indicates the number of webhooks registered in this configuration", "integer")
POLICY_BINDING = (
    NAME,
    Column("PolicyName", "PolicyName indicates the policy definition which the policy binding binded to"),
    Column("ParamRef", "ParamRef indicates the param resource which sets the configuration param"),
    AGE,
)
# upstream's columns of a CertificateSigningRequest quote an older version of the type
SIGNER = """Requested signer for the request. It is a qualified name in the form: `scope-hostname.io/name`. \
If empty, it will be defaulted:
 1. If it's a kubelet client certificate, it is assigned
    "kubernetes.io/kube-apiserver-client-kubelet".
 2. If it's a kubelet serving certificate, it is assigned
    "kubernetes.io/kubelet-serving".
 3. Otherwise, it is assigned "kubernetes.io/legacy-unknown".
Distribution of trust for signers happens out of band. You can select on this field using `spec.signerName`."""
COLUMNS: dict[tuple[str, str], tuple[Column, ...]] = {
    ("", "pods"): (
        NAME,
        Column("Ready", "The aggregate readiness state of this pod for accepting traffic."),
        Column("Status", "The aggregate status of the containers in this pod."),
        Column("Restarts", "The number of times the containers in this pod have been restarted and when the last "
               "container in this pod has restarted."),
        AGE,
        Column("IP", f"@{CORE}.PodStatus#podIP", priority=1),
        Column("Node", f"@{CORE}.PodSpec#nodeName", priority=1),
        Column("Nominated Node", f"@{CORE}.PodStatus#nominatedNodeName", priority=1),
        Column("Readiness Gates", f"@{CORE}.PodSpec#readinessGates", priority=1),
    ),
    ("", "resourcequotas"): (
        NAME,
        Column("Request", "Request represents a minimum amount of cpu/memory that a container may consume."),
        Column("Limit", "Limits control the maximum amount of cpu/memory that a container may use independent of "
               "contention on the node."),
        AGE,
    ),
    ("", "services"): (
        NAME,
        Column("Type", f"@{CORE}.ServiceSpec#type"),
        Column("Cluster-IP", f"@{CORE}.ServiceSpec#clusterIP"),
        Column("External-IP", f"@{CORE}.ServiceSpec#externalIPs"),
        Column("Port(s)", f"@{CORE}.ServiceSpec#ports"),
        AGE,
        _selector(f"{CORE}.ServiceSpec"),
    ),
    ("", "nodes"): (
        NAME,
        Column("Status", "The status of the node"),
        Column("Roles", "The roles of the node"),
        AGE,
        Column("Version", f"@{CORE}.NodeSystemInfo#kubeletVersion"),
        Column("Internal-IP", f"@{CORE}.NodeStatus#addresses", priority=1),
        Column("External-IP", f"@{CORE}.NodeStatus#addresses", priority=1),
        Column("OS-Image", f"@{CORE}.NodeSystemInfo#osImage", priority=1),
        Column("Kernel-Version", f"@{CORE}.NodeSystemInfo#kernelVersion", priority=1),
        Column("Container-Runtime", f"@{CORE}.NodeSystemInfo#containerRuntimeVersion", priority=1),
    ),
    ("", "namespaces"): (NAME, Column("Status", "The status of the namespace"), AGE),
    ("", "configmaps"): (NAME, Column("Data", f"@{CORE}.ConfigMap#data"), AGE),
    ("", "secrets"): (NAME, Column("Type", f"@{CORE}.Secret#type"), Column("Data", f"@{CORE}.Secret#data"), AGE),
    ("", "serviceaccounts"): (NAME, AGE),
    ("", "persistentvolumes"): (
        NAME,
        Column("Capacity", f"@{CORE}.PersistentVolumeSpec#capacity"),
        Column("Access Modes", f"@{CORE}.PersistentVolumeSpec#accessModes"),
        Column("Reclaim Policy", f"@{CORE}.PersistentVolumeSpec#persistentVolumeReclaimPolicy"),
        Column("Status", f"@{CORE}.PersistentVolumeStatus#phase"),
        Column("Claim", f"@{CORE}.PersistentVolumeSpec#claimRef"),
        Column("StorageClass", "StorageClass of the pv"),
        Column("VolumeAttributesClass", "VolumeAttributesClass of the pv"),
        Column("Reason", f"@{CORE}.PersistentVolumeStatus#reason"),
        AGE,
        Column("VolumeMode", f"@{CORE}.PersistentVolumeSpec#volumeMode", priority=1),
    ),
    ("", "persistentvolumeclaims"): (
        NAME,
        Column("Status", f"@{CORE}.PersistentVolumeClaimStatus#phase"),
        Column("Volume", f"@{CORE}.PersistentVolumeClaimSpec#volumeName"),
        Column("Capacity", f"@{CORE}.PersistentVolumeClaimStatus#capacity"),
        Column("Access Modes", f"@{CORE}.PersistentVolumeClaimStatus#accessModes"),
        Column("StorageClass", "StorageClass of the pvc"),
        Column("VolumeAttributesClass", "VolumeAttributesClass of the pvc"),
        AGE,
        Column("VolumeMode", f"@{CORE}.PersistentVolumeClaimSpec#volumeMode", priority=1),
    ),
    ("storage.k8s.io", "storageclasses"): (
        NAME,
        Column("Provisioner", f"@{STORAGE}.StorageClass#provisioner"),
        Column("ReclaimPolicy", f"@{STORAGE}.StorageClass#reclaimPolicy"),
        Column("VolumeBindingMode", f"@{STORAGE}.StorageClass#volumeBindingMode"),
        Column("AllowVolumeExpansion", f"@{STORAGE}.StorageClass#allowVolumeExpansion"),
        AGE,
    ),
    ("", "endpoints"): (NAME, Column("Endpoints", f"@{CORE}.Endpoints#subsets"), AGE),
    ("", "events"): (
        Column("Last Seen", f"@{CORE}.Event#lastTimestamp"),
        Column("Type", f"@{CORE}.Event#type"),
        Column("Reason", f"@{CORE}.Event#reason"),
        Column("Object", f"@{CORE}.Event#involvedObject"),
        Column("Subobject", f"@{CORE}.ObjectReference#fieldPath", priority=1),
        Column("Source", f"@{CORE}.Event#source", priority=1),
        Column("Message", f"@{CORE}.Event#message"),
        Column("First Seen", f"@{CORE}.Event#firstTimestamp", priority=1),
        Column("Count", f"@{CORE}.Event#count", priority=1),
        NAME._replace(priority=1),
    ),
    ("discovery.k8s.io", "endpointslices"): (
        NAME,
        Column("AddressType", f"@{DISCOVERY}.EndpointSlice#addressType"),
        Column("Ports", f"@{DISCOVERY}.EndpointSlice#ports"),
        Column("Endpoints", f"@{DISCOVERY}.EndpointSlice#endpoints"),
        AGE,
    ),
    ("coordination.k8s.io", "leases"): (NAME, Column("Holder", "@api.coordination.v1.LeaseSpec#holderIdentity"), AGE),
    ("networking.k8s.io", "servicecidrs"): (NAME, Column("CIDRs", f"@{NET}.ServiceCIDRSpec#cidrs"), AGE),
    # the row has a third cell, the age, without a column: so has upstream's
    ("networking.k8s.io", "ipaddresses"): (NAME, Column("ParentRef", f"@{NET}.IPAddressSpec#parentRef")),
    ("networking.k8s.io", "ingresses"): (
        NAME,
        Column("Class", "The name of the IngressClass resource that should be used for additional configuration"),
        Column("Hosts", "Hosts that incoming requests are matched against before the ingress rule"),
        Column("Address", "Address is a list containing ingress points for the load-balancer"),
        Column("Ports", "Ports of TLS configurations that open"),
        AGE,
    ),
    ("networking.k8s.io", "ingressclasses"): (
        NAME,
        Column("Controller", "Controller that is responsible for handling this class"),
        Column("Parameters", "A reference to a resource with additional parameters"),
        AGE,
    ),
    ("networking.k8s.io", "networkpolicies"): (
        NAME, Column("Pod-Selector", f"@{NET}.NetworkPolicySpec#podSelector"), AGE,
    ),
    ("apps", "replicasets"): (
        NAME,
        Column("Desired", f"@{APPS}.ReplicaSetSpec#replicas", "integer"),
        Column("Current", f"@{APPS}.ReplicaSetStatus#replicas", "integer"),
        Column("Ready", f"@{APPS}.ReplicaSetStatus#readyReplicas", "integer"),
        AGE, CONTAINERS, IMAGES, _selector(f"{APPS}.ReplicaSetSpec"),
    ),
    ("apps", "deployments"): (
        NAME,
        Column("Ready", "Number of the pod with ready state"),
        Column("Up-to-date", f"@{APPS}.DeploymentStatus#updatedReplicas"),
        Column("Available", f"@{APPS}.DeploymentStatus#availableReplicas"),
        AGE, CONTAINERS, IMAGES, _selector(f"{APPS}.DeploymentSpec"),
    ),
    ("apps", "daemonsets"): (
        NAME,
        Column("Desired", f"@{APPS}.DaemonSetStatus#desiredNumberScheduled", "integer"),
        Column("Current", f"@{APPS}.DaemonSetStatus#currentNumberScheduled", "integer"),
        Column("Ready", f"@{APPS}.DaemonSetStatus#numberReady", "integer"),
        Column("Up-to-date", f"@{APPS}.DaemonSetStatus#updatedNumberScheduled", "integer"),
        Column("Available", f"@{APPS}.DaemonSetStatus#numberAvailable", "integer"),
        Column("Node Selector", f"@{CORE}.PodSpec#nodeSelector"),
        AGE, CONTAINERS, IMAGES, _selector(f"{APPS}.DaemonSetSpec"),
    ),
    ("apps", "statefulsets"): (NAME, Column("Ready", "Number of the pod with ready state"), AGE, CONTAINERS, IMAGES),
    ("batch", "jobs"): (
        NAME,
        Column("Status", "Status of the job."),
        Column("Completions", f"@{BATCH}.JobStatus#succeeded"),
        Column("Duration", "Time required to complete the job."),
        AGE, CONTAINERS, IMAGES, _selector(f"{BATCH}.JobSpec"),
    ),
    ("batch", "cronjobs"): (
        NAME,
        Column("Schedule", f"@{BATCH}.CronJobSpec#schedule"),
        Column("Timezone", f"@{BATCH}.CronJobSpec#timeZone"),
        Column("Suspend", f"@{BATCH}.CronJobSpec#suspend", "boolean"),
        Column("Active", f"@{BATCH}.CronJobStatus#active", "integer"),
        Column("Last Schedule", f"@{BATCH}.CronJobStatus#lastScheduleTime"),
        AGE, CONTAINERS, IMAGES, _selector(f"{BATCH}.JobSpec"),
    ),
    ("apps", "controllerrevisions"): (
        NAME,
        Column("Controller", "Controller of the object"),
        Column("Revision", f"@{APPS}.ControllerRevision#revision"),
        AGE,
    ),
    ("policy", "poddisruptionbudgets"): (
        NAME,
        Column("Min Available", "The minimum number of pods that must be available."),
        Column("Max Unavailable", "The maximum number of pods that may be unavailable."),
        Column("Allowed Disruptions", "Calculated number of pods that may be disrupted at this time.", "integer"),
        AGE,
    ),
    ("apiextensions.k8s.io", "customresourcedefinitions"): (
        NAME,
        Column("Scope", "Cluster/Namespaced"),
        Column("Versions", "Served versions"),
        CREATED,
        Column("Group", "API group", priority=1),
        Column("Kind", "CustomResource kind", priority=1),
        Column("ShortNames", "Short names", priority=1),
        Column("Established", "Established status", "boolean", priority=1),
    ),
    ("scheduling.k8s.io", "priorityclasses"): (
        NAME,
        Column("Value", f"@{SCHEDULING}.PriorityClass#value", "integer"),
        Column("Global-Default", f"@{SCHEDULING}.PriorityClass#globalDefault", "boolean"),
        AGE,
        Column("PreemptionPolicy", f"@{SCHEDULING}.PriorityClass#preemptionPolicy"),
    ),
    ("rbac.authorization.k8s.io", "rolebindings"): _binding(
        "roleBinding", "reference a Role in the current namespace or a ClusterRole"
    ),
    ("rbac.authorization.k8s.io", "clusterrolebindings"): _binding(
        "clusterRoleBinding", "only reference a ClusterRole"
    ),
    ("", "componentstatuses"): (
        NAME,
        *(Column(what, f"{what} of the component conditions") for what in ("Status", "Message", "Error")),
    ),
    ("", "podtemplates"): (
        NAME, CONTAINERS._replace(priority=0), IMAGES._replace(priority=0),
        Column("Pod Labels", "The labels for the pod template."),
    ),
    ("", "replicationcontrollers"): (
        NAME,
        Column("Desired", f"@{CORE}.ReplicationControllerSpec#replicas", "integer"),
        Column("Current", f"@{CORE}.ReplicationControllerStatus#replicas", "integer"),
        Column("Ready", f"@{CORE}.ReplicationControllerStatus#readyReplicas", "integer"),
        AGE, CONTAINERS, IMAGES, _selector(f"{CORE}.ReplicationControllerSpec"),
    ),
    ("apiregistration.k8s.io", "apiservices"): (
        NAME,
        Column("Service", "The reference to the service that hosts this API endpoint."),
        Column("Available", "Whether this service is available."),
        AGE,
    ),
    ("autoscaling", "horizontalpodautoscalers"): (
        NAME, _autoscaler("Reference", "scaleTargetRef"), _autoscaler("Targets", "metrics"),
        _autoscaler("MinPods", "minReplicas"), _autoscaler("MaxPods", "maxReplicas"),
        _autoscaler("Replicas", "currentReplicas", "Status"), AGE,
    ),
    ("certificates.k8s.io", "certificatesigningrequests"): (
        NAME, AGE,
        Column("SignerName", SIGNER),
        Column("Requestor", "Base64-encoded PKCS#10 CSR data"),
        Column("RequestedDuration", f"@{CERTIFICATES}.CertificateSigningRequestSpec#expirationSeconds"),
        Column("Condition", "Conditions applied to the request, such as approval or denial."),
    ),
    ("certificates.k8s.io", "clustertrustbundles"): (
        NAME, Column("SignerName", f"@{CERTIFICATES}.ClusterTrustBundleSpec#signerName"),
    ),
    ("certificates.k8s.io", "podcertificaterequests"): (
        NAME,
        *(Column(name, f"@{CERTIFICATES}.PodCertificateRequestSpec#{name[0].lower()}{name[1:]}")
          for name in ("PodName", "ServiceAccountName", "NodeName", "SignerName")),
        Column("State", "Is the request Pending, Issued, Denied, or Failed?"),
        Column("UnverifiedUserAnnotations", f"@{CERTIFICATES}.PodCertificateRequestSpec#unverifiedUserAnnotations"),
    ),
    ("storage.k8s.io", "csidrivers"): (
        NAME, _driver("AttachRequired", "attachRequired"), _driver("PodInfoOnMount", "podInfoOnMount"),
        _driver("StorageCapacity", "storageCapacity"), _driver("TokenRequests", "tokenRequests", "string"),
        _driver("RequiresRepublish", "requiresRepublish"), _driver("Modes", "volumeLifecycleModes", "string"), AGE,
    ),
    ("storage.k8s.io", "csinodes"): (
        NAME, Column("Drivers", "Drivers indicates the number of CSI drivers registered on the node", "integer"), AGE,
    ),
    ("storage.k8s.io", "volumeattachments"): (
        NAME,
        Column("Attacher", f"@{STORAGE}.VolumeAttachmentSpec#attacher", format="name"),
        Column("PV", f"@{STORAGE}.VolumeAttachmentSource#persistentVolumeName"),
        Column("Node", f"@{STORAGE}.VolumeAttachmentSpec#nodeName"),
        Column("Attached", f"@{STORAGE}.VolumeAttachmentStatus#attached", "boolean"),
        AGE,
    ),
    ("storage.k8s.io", "volumeattributesclasses"): (
        NAME, Column("DriverName", f"@{STORAGE}.VolumeAttributesClass#driverName"), AGE,
    ),
    ("admissionregistration.k8s.io", "mutatingadmissionpolicies"): (
        NAME,
        Column("Mutations", "Mutation indicates the number of mutations rules defined in this configuration",
               "integer"),
        PARAM_KIND, AGE,
    ),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"): (
        NAME,
        Column("Validations", "Validations indicates the number of validation rules defined in this configuration",
               "integer"),
        PARAM_KIND, AGE,
    ),
    ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"): POLICY_BINDING,
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"): POLICY_BINDING,
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"): (NAME, WEBHOOKS, AGE),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"): (NAME, WEBHOOKS, AGE),
    ("node.k8s.io", "runtimeclasses"): (NAME, Column("Handler", ""), AGE),
    ("resource.k8s.io", "deviceclasses"): (NAME, AGE),
    ("resource.k8s.io", "devicetaintrules"): (
        NAME, _device("Key", "DeviceTaint#key"), _device("Value", "DeviceTaint#value"),
        _device("Effect", "DeviceTaint#effect"), _device("TimeAdded", "DeviceTaint#timeAdded"), AGE,
    ),
    ("resource.k8s.io", "resourceclaims"): (
        NAME, Column("State", "A summary of the current state (allocated, pending, reserved, etc.)."), AGE,
    ),
    ("resource.k8s.io", "resourceclaimtemplates"): (NAME, AGE),
    ("resource.k8s.io", "resourceslices"): (
        NAME, _device("Node", "ResourceSliceSpec#nodeName"), _device("Driver", "ResourceSliceSpec#driver"),
        _device("Pool", "ResourcePool#name"), AGE,
    ),
    ("flowcontrol.apiserver.k8s.io", "flowschemas"): (
        NAME,
        _queue("PriorityLevel", "PriorityLevelConfigurationReference#name"),
        _queue("MatchingPrecedence", "FlowSchemaSpec#matchingPrecedence"),
        _queue("DistinguisherMethod", "FlowSchemaSpec#distinguisherMethod"),
        AGE,
        Column("MissingPL", "references a broken or non-existent PriorityLevelConfiguration"),
    ),
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"): (
        NAME,
        _queue("Type", "PriorityLevelConfigurationSpec#type"),
        _queue("NominalConcurrencyShares", "LimitedPriorityLevelConfiguration#nominalConcurrencyShares"),
        _queue("Queues", "QueuingConfiguration#queues"),
        _queue("HandSize", "QueuingConfiguration#handSize"),
        _queue("QueueLengthLimit", "QueuingConfiguration#queueLengthLimit"),
        AGE,
    ),
    ("storagemigration.k8s.io", "storageversionmigrations"): (
        NAME._replace(format=""), Column("Resource", "GroupResource to migrate"),
        Column("Status", "Status of the migration"),
    ),
    ("autoscaling", "scale"): (
        NAME._replace(format=""),
        Column("Desired", "@api.autoscaling.v1.ScaleSpec#replicas", "integer"),
        Column("Available", "@api.autoscaling.v1.ScaleStatus#replicas", "integer"),
        AGE,
    ),
}  # fmt: skip
COLUMNS["events.k8s.io", "events"] = COLUMNS["", "events"]
