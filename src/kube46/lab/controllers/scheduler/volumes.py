"""Where a pod's claims let it run, and what is to be bound or provisioned for it there: pure.

Bound volumes fix the nodes; a claim that waits for its first pod is bound to a volume that is there, or provisioned
where the pod goes. Reasons are kube-scheduler's.
Source: kubernetes/pkg/scheduler/framework/plugins/{volumebinding,volumerestrictions}.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from kube46.api.objects import Node, Pod
from kube46.api.quantities import parse
from kube46.api.storage_objects import (
    NO_PROVISIONER,
    SELECTED_NODE,
    PersistentVolume,
    PersistentVolumeClaim,
    StorageClass,
)
from kube46.lab.controllers.persistentvolumes import matching, placing
from kube46.lab.controllers.scheduler.places import Cluster, Place
from kube46.lab.controllers.scheduler.plugins import Check, Filter, Refusal

NAME, ONCE_NAME = "VolumeBinding", "VolumeRestrictions"
UNBOUND_IMMEDIATE = "pod has unbound immediate PersistentVolumeClaims"
ELSEWHERE = Refusal(("node(s) didn't match PersistentVolume's node affinity",), final=True)
NOTHING_TO_BIND = Refusal(("node(s) didn't find available persistent volumes to bind",), final=True)
NO_VOLUME = Refusal(("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",), final=True)
TAKEN = "PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
IN_USE = Refusal((f"node(s) unavailable due to {TAKEN}",))
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Storage:
    """The cluster's claims, volumes and classes; `users` has the pods that mount a claim."""

    claims: Mapping[Key, PersistentVolumeClaim] = field(default_factory=dict)
    volumes: Mapping[Key, PersistentVolume] = field(default_factory=dict)
    classes: Mapping[Key, StorageClass] = field(default_factory=dict)
    users: Callable[[Key], Iterable[Pod]] = lambda _: ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a node needs before the pod can go there; `waits` while something of it is under way."""

    bind: tuple[tuple[PersistentVolumeClaim, PersistentVolume], ...] = ()
    provision: tuple[PersistentVolumeClaim, ...] = ()
    waits: bool = False


def filters(storage: Storage) -> tuple[Filter, ...]:
    """The filters that ask for volumes."""
    return (
        Filter(ONCE_NAME, lambda pod, cluster: _once(pod, storage)),
        Filter(NAME, lambda pod, cluster: _reachable(pod, cluster, storage)),
    )


def obstacle(pod: Pod, storage: Storage) -> str:
    """Why the pod can go nowhere, whatever the nodes: a claim that is not there, or must be bound first; "" if none."""
    for volume, name in pod.claims.items():
        claim = storage.claims.get((pod.metadata.namespace, name))
        ephemeral = any(v.name == volume and v.ephemeral is not None for v in pod.spec.volumes)
        if claim is None and ephemeral:
            return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
        if claim is None:
            return f'persistentvolumeclaim "{name}" not found'
        if claim.status.phase == "Lost":
            lost = claim.spec.volume_name
            return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{lost}"'
        if claim.metadata.deletion_timestamp:
            return f'persistentvolumeclaim "{name}" is being deleted'
        if ephemeral and all(owner.uid != pod.metadata.uid for owner in claim.metadata.owner_references):
            place = pod.metadata.namespace
            return f"PVC {place}/{name} was not created for pod {place}/{pod.metadata.name} (pod is not owner)"
    if any(not claim.fully_bound and not _waits(claim, storage) for claim in _claims(pod, storage)):
        return UNBOUND_IMMEDIATE
    return ""


def plan(pod: Pod, node: Node, storage: Storage) -> Plan:
    """What the pod's claims need on the node, which no filter refused."""
    unbound = [claim for claim in _claims(pod, storage) if not claim.fully_bound]
    static = _static(unbound, node, storage)
    provision = [claim for claim in unbound if claim.metadata.name not in static]
    return Plan(
        tuple((claim, static[claim.metadata.name]) for claim in unbound if claim.metadata.name in static),
        tuple(c for c in provision if c.metadata.annotations.get(SELECTED_NODE) != node.metadata.name),
        waits=bool(unbound),
    )


def _claims(pod: Pod, storage: Storage) -> list[PersistentVolumeClaim]:
    """The pod's claims that are there, each once."""
    names = dict.fromkeys(pod.claims.values())
    found = (storage.claims.get((pod.metadata.namespace, name)) for name in names)
    return [claim for claim in found if claim]


def _waits(claim: PersistentVolumeClaim, storage: Storage) -> bool:
    """Whether the claim's volume is the scheduler's to choose."""
    kind = storage.classes.get(("", claim.storage_class))
    return kind is not None and kind.waits and not claim.spec.volume_name


def _once(pod: Pod, storage: Storage) -> Check | None:
    """Filter: a claim that one pod may use is free."""
    for claim in _claims(pod, storage):
        if "ReadWriteOncePod" in claim.spec.access_modes:
            others = (other for other in storage.users(claim.key) if other.metadata.uid != pod.metadata.uid)
            if any(other.spec.node_name and other.status.phase not in ("Succeeded", "Failed") for other in others):
                return lambda _: IN_USE
    return None


def _reachable(pod: Pod, cluster: Cluster, storage: Storage) -> Check | None:
    """Filter: the pod's volumes can be had on the node, or be bound or made there."""
    claims = _claims(pod, storage)
    if not claims:
        return None

    def check(place: Place) -> Refusal | None:
        bound = [storage.volumes.get(("", claim.spec.volume_name)) for claim in claims if claim.fully_bound]
        if any(volume is None for volume in bound):
            return NO_VOLUME
        if not all(matching.reaches(volume, place.node) for volume in bound if volume):
            return ELSEWHERE
        return _bindable([claim for claim in claims if not claim.fully_bound], place.node, cluster, storage)

    return check


def _bindable(unbound: list[PersistentVolumeClaim], node: Node, cluster: Cluster, storage: Storage) -> Refusal | None:
    for claim in unbound:
        chosen = claim.metadata.annotations.get(SELECTED_NODE, "")
        if chosen and chosen != node.metadata.name and chosen in cluster.places:
            return NOTHING_TO_BIND
    static = _static(unbound, node, storage)
    for claim in unbound:
        kind = storage.classes.get(("", claim.storage_class))
        if claim.metadata.name in static:
            continue
        if kind is None or kind.provisioner in ("", NO_PROVISIONER) or not placing.allowed(kind, node):
            return NOTHING_TO_BIND
    return None


def _static(unbound: list[PersistentVolumeClaim], node: Node, storage: Storage) -> dict[str, PersistentVolume]:
    """Volumes that are there for claims on the node, by the claims' names; the smallest claim chooses first."""
    found: dict[str, PersistentVolume] = {}
    taken: set[str] = set()
    for claim in sorted(unbound, key=lambda one: (parse(one.size), one.metadata.name)):
        if SELECTED_NODE in claim.metadata.annotations:
            continue  # one is being made for it
        volume = matching.best(claim, storage.volumes.values(), node=node, excluded=taken)
        if volume:
            found[claim.metadata.name] = volume
            taken.add(volume.metadata.name)
    return found
