"""In-place resize as values: what of a pod's new amounts can be had here, and what a running container needs for it.

What the pod was given (`allocated`) stands in its spec as the kubelet reads it; what a run is held to stands in its
record. Source: KEP-1287, k8s.io/kubernetes pkg/kubelet/allocation, pkg/kubelet/lifecycle/predicate.go.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from kube46.api.quantities import parse
from kube46.lab.kubelet.manifests import Container, PodSpec, ReadPod, Resources
from kube46.lab.kubelet.observed import Observed, Run

DEFERRED, INFEASIBLE = "Deferred", "Infeasible"
PENDING, PROGRESS = "PodResizePending", "PodResizeInProgress"
RETRY = 2.0  # seconds between looks whether there is room now
UNITS = {"cpu": Decimal(1000), "memory": Decimal(1)}  # upstream's messages count thousandths of CPUs, and bytes
Amounts = dict[str, Resources]


@dataclass(frozen=True, slots=True)
class Pending:
    """Why a resize was not taken on."""

    reason: str
    message: str


def amounts(spec: PodSpec) -> Amounts:
    """The resources of each container that can be resized."""
    return {container.name: container.resources for container in (*spec.init_containers, *spec.containers)}


def same(a: Resources, b: Resources) -> bool:
    """Whether two are the same amounts, however they are written."""
    return not changed(a, b)


def changed(a: Resources, b: Resources) -> set[str]:
    """The names of what differs. Raises ValueError on what is no quantity."""
    pairs = ((a.limits, b.limits), (a.requests, b.requests))
    return {name for old, new in pairs for name in old.keys() | new.keys() if _of(old, name) != _of(new, name)}


def _of(listed: Mapping[str, str | int | float], name: str) -> Decimal | None:
    return parse(listed[name]) if name in listed else None


def differ(a: Amounts, b: Amounts) -> bool:
    """Whether any container's amounts differ."""
    return any(changed(a.get(name, Resources()), b.get(name, Resources())) for name in a.keys() | b.keys())


def with_amounts(pod: ReadPod, given: Amounts) -> ReadPod:
    """The pod with other amounts."""

    def fill(some: tuple[Container, ...]) -> tuple[Container, ...]:
        return tuple(msgspec.structs.replace(c, resources=given.get(c.name, c.resources)) for c in some)

    spec = pod.spec
    filled = msgspec.structs.replace(spec, containers=fill(spec.containers), init_containers=fill(spec.init_containers))
    return msgspec.structs.replace(pod, spec=filled)


def demand(spec: PodSpec) -> dict[str, Decimal]:
    """What a pod asks of its node: all that runs at the same time, or more while it begins."""
    found = {}
    for name in UNITS:
        own = {c.name: parse(c.resources.requests.get(name, 0)) for c in (*spec.init_containers, *spec.containers)}
        beside, most = Decimal(0), Decimal(0)
        for container in spec.init_containers:
            beside += own[container.name] if container.sidecar else 0
            most = max(most, beside if container.sidecar else beside + own[container.name])
        found[name] = max(most, beside + sum((own[c.name] for c in spec.containers), Decimal(0)))
    return found


def verdict(wanted: PodSpec, others: Iterable[Mapping[str, Decimal]], allocatable: Mapping[str, str]) -> Pending | None:
    """Why a pod can't have these amounts beside the others, in upstream's words; None when it can."""
    asked, taken = demand(wanted), list(others)
    for name, unit in UNITS.items():
        capacity = parse(allocatable.get(name, 0))
        if asked[name] > capacity:
            numbers = f"requested: {int(asked[name] * unit)}, capacity: {int(capacity * unit)}"
            return Pending(INFEASIBLE, f"Node didn't have enough capacity: {name}, {numbers}")
    for name, unit in UNITS.items():
        capacity, used = parse(allocatable.get(name, 0)), sum((one[name] for one in taken), Decimal(0))
        if asked[name] + used > capacity:
            numbers = (
                f"requested: {int(asked[name] * unit)}, used: {int(used * unit)}, capacity: {int(capacity * unit)}"
            )
            return Pending(DEFERRED, f"Node didn't have enough resource: {name}, {numbers}")
    return None


def unlike(spec: PodSpec, runs: Mapping[str, Run]) -> list[Container]:
    """The containers whose running runs are held to other amounts than were given to them."""
    every = ((c, runs.get(c.name)) for c in (*spec.init_containers, *spec.containers))
    return [c for c, run in every if run and run.running and run.given is not None and not same(run.given, c.resources)]


def restarts(container: Container, run: Run) -> bool:
    """Whether the container wants to begin anew with its new amounts (resizePolicy)."""
    policies = {one.get("resourceName"): one.get("restartPolicy") for one in container.resize_policy}
    names = changed(run.given or Resources(), container.resources)
    return any(policies.get(name) == "RestartContainer" for name in names)


def conditions(spec: PodSpec, seen: Observed) -> dict[str, tuple[bool, str, str]]:
    """The conditions of a resize: type → status, reason, message."""
    found = {}
    if seen.pending:
        found[PENDING] = (True, seen.pending[0], seen.pending[1])
    if unlike(spec, seen.runs):
        stuck = "; ".join(problem.message for problem in seen.stuck.values())
        found[PROGRESS] = (True, "Error" if stuck else "", stuck)
    return found


def summary(pod: ReadPod, error: str = "") -> str:
    """A pod's amounts as upstream's Events tell them."""
    kinds = {"initContainers": pod.spec.init_containers, "containers": pod.spec.containers}
    told: dict[str, object] = {
        kind: [{"name": c.name, "resources": plain(c.resources)} for c in some] for kind, some in kinds.items() if some
    }
    told["generation"] = pod.metadata.generation
    return json.dumps(told | ({"error": error} if error else {}), separators=(",", ":"))


def plain(given: Resources) -> dict[str, dict[str, str | int | float]]:
    """Resources as the API has them: what is empty left out."""
    found = {"limits": given.limits, "requests": given.requests}
    return {kind: dict(listed) for kind, listed in found.items() if listed}
