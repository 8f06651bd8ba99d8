"""PersistentVolumes, PersistentVolumeClaims and StorageClasses, with only the fields that kube46's parts use."""

from typing import Any

import msgspec

from kube46.api.objects import Condition, LabelSelector, NodeSelector, Object, TargetRef, Value

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"  # of old times
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"  # on a claim that was bound once
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"  # on what was not bound by its maker
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE = "volume.kubernetes.io/selected-node"  # the scheduler's choice, on a claim to be provisioned
STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"  # on a claim that its provisioner is to look at
OLD_STORAGE_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
LOCAL_PROVISIONER = "local-path.kube46"  # the stand-in kubelet's own
# Keeps a volume until its data are gone (KEP-2644); the name is that of kubernetes-csi's external-provisioner.
DELETION_FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer"
PV_PROTECTION, PVC_PROTECTION = "kubernetes.io/pv-protection", "kubernetes.io/pvc-protection"


class Requests(Value, frozen=True):
    """spec.resources of a claim."""

    requests: dict[str, Any] = msgspec.field(default_factory=dict)


class ClaimSpec(Value, frozen=True):
    """spec of a PersistentVolumeClaim; no `storage_class_name` is not the same as an empty one."""

    access_modes: tuple[str, ...] = ()
    selector: LabelSelector | None = None
    resources: Requests = Requests()
    volume_name: str = ""
    storage_class_name: str | None = None
    volume_mode: str = "Filesystem"
    data_source_ref: TargetRef | None = None


class ClaimStatus(Value, frozen=True):
    """status of a PersistentVolumeClaim: Pending, Bound or Lost."""

    phase: str = "Pending"
    conditions: tuple[Condition, ...] = ()
    access_modes: tuple[str, ...] = ()
    capacity: dict[str, Any] = msgspec.field(default_factory=dict)


class PersistentVolumeClaim(Object, frozen=True):
    """v1 PersistentVolumeClaim."""

    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()

    @property
    def storage_class(self) -> str:
        """The name of its class, "" for none."""
        return self.metadata.annotations.get(CLASS_ANNOTATION, self.spec.storage_class_name) or ""

    @property
    def size(self) -> Any:
        """What it requests."""
        return self.spec.resources.requests.get("storage", "0")

    @property
    def fully_bound(self) -> bool:
        """Whether the binder has done all it does."""
        return bool(self.spec.volume_name) and BIND_COMPLETED in self.metadata.annotations


class PathSource(Value, frozen=True):
    """hostPath and local."""

    path: str = ""
    type: str = ""


class VolumeNodeAffinity(Value, frozen=True):
    """Where a volume can be reached from."""

    required: NodeSelector | None = None


class VolumeSpec(Value, frozen=True):
    """spec of a PersistentVolume."""

    capacity: dict[str, Any] = msgspec.field(default_factory=dict)
    access_modes: tuple[str, ...] = ()
    claim_ref: TargetRef | None = None
    persistent_volume_reclaim_policy: str = "Retain"
    storage_class_name: str = ""
    volume_mode: str = "Filesystem"
    node_affinity: VolumeNodeAffinity | None = None
    host_path: PathSource | None = None
    local: PathSource | None = None


class VolumeStatus(Value, frozen=True):
    """status of a PersistentVolume: Pending, Available, Bound, Released or Failed."""

    phase: str = "Pending"
    message: str = ""
    reason: str = ""


class PersistentVolume(Object, frozen=True):
    """v1 PersistentVolume."""

    spec: VolumeSpec = VolumeSpec()
    status: VolumeStatus = VolumeStatus()

    @property
    def storage_class(self) -> str:
        """The name of its class, "" for none."""
        return self.metadata.annotations.get(CLASS_ANNOTATION, self.spec.storage_class_name)

    def is_for(self, claim: PersistentVolumeClaim) -> bool:
        """Whether it is bound to this very claim, or reserved for one of its name."""
        ref = self.spec.claim_ref
        same = ref is not None and (ref.namespace, ref.name) == claim.key
        return same and ref is not None and ref.uid in ("", claim.metadata.uid)


class TopologyRequirement(Value, frozen=True):
    """matchLabelExpressions[] of an allowed topology."""

    key: str = ""
    values: tuple[str, ...] = ()


class TopologyTerm(Value, frozen=True):
    """allowedTopologies[]: requirements that must all hold."""

    match_label_expressions: tuple[TopologyRequirement, ...] = ()


class StorageClass(Object, frozen=True):
    """storage.k8s.io/v1 StorageClass."""

    provisioner: str = ""
    reclaim_policy: str = "Delete"
    volume_binding_mode: str = "Immediate"
    allowed_topologies: tuple[TopologyTerm, ...] = ()
    mount_options: tuple[str, ...] = ()
    parameters: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def waits(self) -> bool:
        """Whether claims wait for their first pod."""
        return self.volume_binding_mode == "WaitForFirstConsumer"
