"""Whether a claim or volume is in use, and what a claim says about that: pure.

Source: kubernetes/pkg/controller/volume/{pvcprotection,pvprotection}.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from kube46.api.objects import Pod
from kube46.api.storage_objects import PersistentVolume, PersistentVolumeClaim

UNUSED = "Unused"
IN_USE = ("False", "PodUsingPVC", "A pod is currently referencing this PVC")
NOT_IN_USE = ("True", "NoPodsUsingPVC", "No pods are currently referencing this PVC")


def keeps(pod: Pod, claim: str) -> bool:
    """Whether a pod that mounts a claim keeps it from going: one that never got a node has nothing of it.

    A pod that has been shut down lets its own ephemeral claim go, which it may wait for itself.
    """
    own = not any(v.persistent_volume_claim and v.persistent_volume_claim.claim_name == claim for v in pod.spec.volumes)
    shut_down = pod.metadata.deletion_timestamp is not None and pod.metadata.deletion_grace_period_seconds == 0
    return bool(pod.spec.node_name) and not (own and shut_down)


def uses(pod: Pod) -> bool:
    """Whether a pod counts as a user while the claim is there: until it ends."""
    return pod.status.phase not in ("Succeeded", "Failed")


def may_go(claim: PersistentVolumeClaim, pods: Iterable[Pod]) -> bool:
    """Whether a claim was deleted and no pod keeps it."""
    return claim.metadata.deletion_timestamp is not None and not any(keeps(pod, claim.metadata.name) for pod in pods)


def volume_may_go(volume: PersistentVolume) -> bool:
    """Whether a volume was deleted and no claim has it."""
    return volume.metadata.deletion_timestamp is not None and volume.status.phase != "Bound"


def unused(claim: PersistentVolumeClaim, pods: Iterable[Pod], now: str) -> Mapping[str, Any] | None:
    """The condition that a bound claim lacks: whether pods use it (KEP-5541); None when it says so already."""
    if claim.metadata.deletion_timestamp or claim.status.phase != "Bound":
        return None
    status, reason, message = IN_USE if any(uses(pod) for pod in pods) else NOT_IN_USE
    if any(one.type == UNUSED and one.status == status for one in claim.status.conditions):
        return None
    return {"type": UNUSED, "status": status, "reason": reason, "message": message, "lastTransitionTime": now}
