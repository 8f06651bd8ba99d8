"""Which node a pod gets: those that no filter refuses are scored, the best wins. Pure.

Filters, scores, their order, weights and words are those of kube-scheduler's default profile, so far as there is
something here for them to decide. Among equals the emptiest node wins, then the name.
Source: kubernetes/pkg/scheduler/{schedule_one.go,framework/types.go (`FitError`)}, apis/config/v1/default_plugins.go.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kube46.api.objects import Pod
from kube46.lab.controllers.scheduler import nodeaffinity, podaffinity, ports, resources, spreading, taints
from kube46.lab.controllers.scheduler.places import Cluster, Place
from kube46.lab.controllers.scheduler.plugins import Check, Filter, Refusal, Score

FILTERS = (
    Filter("NodeAffinity", nodeaffinity.unnamed),
    Filter("NodeUnschedulable", taints.unschedulable),
    Filter("TaintToleration", taints.tainted),
    Filter("NodeAffinity", nodeaffinity.unselected),
    Filter("NodePorts", ports.taken),
    Filter("NodeResourcesFit", resources.too_little),
    Filter("PodTopologySpread", spreading.uneven),
    Filter("InterPodAffinity", podaffinity.unlike),
)
# Filters that a pod's going may satisfy, and those that one's coming may.
WANT_COMPANY = frozenset(("PodTopologySpread", "InterPodAffinity"))
NEED_ROOM = WANT_COMPANY | {"NodePorts", "NodeResourcesFit", "VolumeRestrictions"}
SCORES = (
    Score("TaintToleration", 3, taints.preferred),
    Score("NodeAffinity", 2, nodeaffinity.preferred),
    Score("PodTopologySpread", 2, spreading.even),
    Score("InterPodAffinity", 2, podaffinity.preferred),
    Score("NodeResourcesFit", 1, resources.least_allocated),
    Score("NodeResourcesBalancedAllocation", 1, resources.balanced),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """The node, or why each node is refused."""

    node: str = ""
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    why: str = ""  # what speaks against every node alike

    @property
    def message(self) -> str:
        """Why there is no node, in kube-scheduler's words."""
        if not self.refusals:
            return NO_NODES
        return unfit(len(self.refusals), self.refusals.values(), self.why)


NO_NODES = "no nodes available to schedule pods"


def nowhere(why: str, cluster: Cluster, filter: str) -> Choice:
    """Every node refused for one and the same reason, which pods' going does not mend."""
    refusal = Refusal((why,), final=True, filter=filter)
    return Choice(refusals={place.node.metadata.name: refusal for place in cluster.nodes()}, why=why)


def choose(pod: Pod, cluster: Cluster, filters: Sequence[Filter] = FILTERS) -> Choice:
    """The best node for the pod."""
    fitting, refusals = [], {}
    checks = prepared(pod, cluster, filters)
    for place in cluster.nodes():
        name = place.node.metadata.name
        refusal = refused(pod, cluster, place, filters, checks)
        if refusal:
            refusals[name] = refusal
        else:
            fitting.append(place)
    if not fitting:
        return Choice(refusals=refusals)
    return Choice(_best(pod, cluster, fitting))


def prepared(pod: Pod, cluster: Cluster, filters: Sequence[Filter]) -> list[tuple[str, Check]]:
    """The filters that have something to say about the pod."""
    checks = ((one.name, one.prepare(pod, cluster)) for one in filters)
    return [(name, check) for name, check in checks if check]


def refused(
    pod: Pod, cluster: Cluster, place: Place, filters: Sequence[Filter], checks: Iterable[tuple[str, Check]]
) -> Refusal | None:
    """Why the pod cannot be on the node, with or without the pods that room is being made for there."""
    name = place.node.metadata.name
    others = cluster.nominated.get(name, {})
    coming = {key: one for key, one in others.items() if key != pod.key and one.spec.priority >= pod.spec.priority}
    if coming:
        with cluster.having(name, coming):
            if refusal := first(prepared(pod, cluster, filters), place):
                return refusal
    return first(checks, place)


def first(checks: Iterable[tuple[str, Check]], place: Place) -> Refusal | None:
    """What the first filter that refuses the place says."""
    for name, check in checks:
        if refusal := check(place):
            return replace(refusal, filter=name)
    return None


def unfit(total: int, refusals: Iterable[Refusal], why: str = "") -> str:
    """What speaks against every node alike, or else the reasons counted over the nodes."""
    reasons = Counter(reason for refusal in refusals for reason in refusal.reasons)
    listed = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    return f"0/{total} nodes are available: {why or listed}."


def _best(pod: Pod, cluster: Cluster, places: Sequence[Place]) -> str:
    if len(places) == 1:
        return places[0].node.metadata.name
    totals = [0] * len(places)
    for score in SCORES:
        rates = score.rate(pod, cluster, places)
        for number, rate in enumerate(rates or ()):
            totals[number] += score.weight * rate
    ranked = zip(totals, places, strict=True)
    best = min(ranked, key=lambda one: (-one[0], len(one[1].pods), one[1].node.metadata.name))
    return best[1].node.metadata.name
