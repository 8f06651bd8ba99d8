"""The claims of a StatefulSet's numbered pods: made of `volumeClaimTemplates`, found again, owned as it says: pure.

A claim outlives its pod, and so its pods come back to their data. `persistentVolumeClaimRetentionPolicy` makes it go
with the StatefulSet (an owner reference to that), or when scaled down (one to the pod that is to go).
Source: kubernetes/pkg/controller/statefulset/stateful_set_utils.go, KEP-1847.
"""

from collections.abc import Iterator
from typing import Any

from kube46.api.objects import Object, OwnerReference, Pod
from kube46.api.resources import PODS, STATEFUL_SETS
from kube46.api.storage_objects import PersistentVolumeClaim
from kube46.api.workload_objects import StatefulSet
from kube46.lab.controllers import owners

DELETE = "Delete"


def names(owner: StatefulSet, number: int) -> dict[str, str]:
    """The claims of the pod of that number, by the names of their templates."""
    templates = ((one.get("metadata") or {}).get("name") or "" for one in owner.spec.volume_claim_templates)
    return {name: f"{name}-{owner.metadata.name}-{number}" for name in templates}


def bodies(owner: StatefulSet, number: int) -> Iterator[dict[str, Any]]:
    """The claims of that pod, with the labels that the StatefulSet selects by."""
    for template, name in zip(owner.spec.volume_claim_templates, names(owner, number).values(), strict=True):
        meta = template.get("metadata") or {}
        labels = {**(meta.get("labels") or {}), **owner.spec.selector.match_labels}
        kept = {key: meta[key] for key in ("annotations", "finalizers") if meta.get(key)}
        yield {"metadata": {**kept, "name": name, "labels": labels}, "spec": template.get("spec") or {}}


def mounted(owner: StatefulSet, number: int, volumes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pod's volumes: its claims in place of volumes of the same names."""
    own = names(owner, number)
    claims = [{"name": name, "persistentVolumeClaim": {"claimName": claim}} for name, claim in own.items()]
    return [*claims, *(volume for volume in volumes if volume.get("name") not in own)]


def condemned(owner: StatefulSet, number: int) -> bool:
    """Whether the pod of that number is one too many."""
    start = owner.spec.ordinals.start
    return number not in range(start, start + owner.spec.replicas)


def stale(owner: StatefulSet, number: int, claim: PersistentVolumeClaim) -> bool:
    """Whether the claim is still to go with a pod of this number that was scaled down: a new one must wait for that."""
    pod = f"{owner.metadata.name}-{number}"
    deletes = owner.spec.persistent_volume_claim_retention_policy.when_scaled == DELETE
    return deletes and any((one.kind, one.name) == (PODS.kind, pod) for one in _refs(claim))


def references(owner: StatefulSet, number: int, pod: Pod, claim: PersistentVolumeClaim) -> list[OwnerReference] | None:
    """The owners that the claim should have; None when it has them, or belongs to somebody else."""
    held = _refs(claim)
    known = (STATEFUL_SETS.kind, owner.metadata.name), (PODS.kind, pod.metadata.name)
    ours = [one for one in held if (one.kind, one.name) in known]
    if any(one.uid not in (owner.metadata.uid, pod.metadata.uid) for one in ours):
        return None  # of an earlier object of the name, which the garbage collector sees to
    others = [one for one in held if one not in ours]
    wanted = [] if any(one.controller for one in others) else _wanted(owner, number, pod)
    same = sorted(one.uid for one in ours if one.controller) == sorted(one.uid for one in wanted)
    return None if same and len(ours) == len(wanted) else [*others, *wanted]


def _wanted(owner: StatefulSet, number: int, pod: Pod) -> list[OwnerReference]:
    policy, scaled_down = owner.spec.persistent_volume_claim_retention_policy, condemned(owner, number)
    if scaled_down and policy.when_scaled == DELETE:
        return [owners.reference(PODS, pod)]
    return [owners.reference(STATEFUL_SETS, owner)] if policy.when_deleted == DELETE else []


def _refs(claim: Object) -> tuple[OwnerReference, ...]:
    return claim.metadata.owner_references
