"""Which pods of lower priority go to make room for a pod that fits nowhere: pure.

On each node all of lower priority are thought away; if the pod fits then, as many as can stay are put back, the most
important first, those before all that a PodDisruptionBudget protects. The node that loses least is chosen.
Source: kubernetes/pkg/scheduler/framework/plugins/defaultpreemption, framework/preemption/preemption.go.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kube46.api.objects import Pod
from kube46.api.workload_objects import PodDisruptionBudget
from kube46.lab.controllers.disruption.rules import selects
from kube46.lab.controllers.scheduler import rules
from kube46.lab.controllers.scheduler.places import Cluster, Place
from kube46.lab.controllers.scheduler.plugins import Filter, Refusal

NO_VICTIMS = Refusal(("No preemption victims found for incoming pod",))
NO_HELP = Refusal(("Preemption is not helpful for scheduling",))
NEVER = "not eligible due to preemptionPolicy=Never."
ENDING = "not eligible due to a terminating pod on the nominated node."
LAST = "9999"  # after every time


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node and the pods that would have to go, the most important first; `violating` are against a budget."""

    node: str
    victims: tuple[Pod, ...]
    violating: int = 0

    def loss(self) -> tuple[object, ...]:
        """What choosing this node costs; less is better."""
        priorities = [pod.spec.priority for pod in self.victims]
        dearest = [pod for pod in self.victims if pod.spec.priority == max(priorities)]
        oldest = min((_started(pod) for pod in dearest), default=LAST)
        # As upstream, each victim counts besides its priority, which may be negative.
        total = sum(one + 2**31 for one in priorities)
        return self.violating, max(priorities), total, len(priorities), _latest_first(oldest), self.node


@dataclass(frozen=True, slots=True)
class Verdict:
    """The best candidate, or why there is none; `clears` is whether the pod is nominated for no node any more."""

    candidate: Candidate | None = None
    message: str = ""
    clears: bool = False


def preempt(
    pod: Pod,
    cluster: Cluster,
    refusals: Mapping[str, Refusal],
    budgets: Iterable[PodDisruptionBudget] = (),
    filters: Sequence[Filter] = rules.FILTERS,
) -> Verdict:
    """What to do for a pod that is refused everywhere."""
    if why := _ineligible(pod, cluster, refusals):
        return Verdict(message=f"preemption: {why}")
    found: list[Candidate] = []
    reasons: list[Refusal] = []
    known = list(budgets)
    for name, refusal in refusals.items():
        result = NO_HELP if refusal.final else _candidate(pod, cluster, cluster.places[name], known, filters)
        if isinstance(result, Candidate):
            found.append(result)
        else:
            reasons.append(result)
    if found:
        return Verdict(min(found, key=Candidate.loss))
    return Verdict(message=f"preemption: {rules.unfit(len(refusals), reasons)}", clears=True)


def _ineligible(pod: Pod, cluster: Cluster, refusals: Mapping[str, Refusal]) -> str:
    """Why the pod may not drive others away; "" if it may."""
    if pod.spec.preemption_policy == "Never":
        return NEVER
    nominated = pod.status.nominated_node_name
    if nominated in refusals and not refusals[nominated].final:
        there = cluster.places[nominated].pods.values()
        if any(p.metadata.deletion_timestamp and p.spec.priority < pod.spec.priority for p in there):
            return ENDING
    return ""


def _candidate(
    pod: Pod, cluster: Cluster, place: Place, budgets: Sequence[PodDisruptionBudget], filters: Sequence[Filter]
) -> Candidate | Refusal:
    """The victims on one node, or why their going doesn't help."""
    lower = sorted((one for one in place.pods.values() if one.spec.priority < pod.spec.priority), key=_importance)
    if not lower:
        return NO_VICTIMS
    name = place.node.metadata.name
    with cluster.without(*lower):
        if refusal := _refused(pod, cluster, place, filters):
            return refusal
        violating, others = _by_budget(lower, budgets)
        victims, violated = [], 0
        for one in (*violating, *others):
            cluster.add(one, name)
            if _refused(pod, cluster, place, filters):
                cluster.remove(one.key)
                victims.append(one)
                violated += one in violating
    return Candidate(name, tuple(sorted(victims, key=_importance)), violated)


def _refused(pod: Pod, cluster: Cluster, place: Place, filters: Sequence[Filter]) -> Refusal | None:
    return rules.refused(pod, cluster, place, filters, rules.prepared(pod, cluster, filters))


def _by_budget(pods: Sequence[Pod], budgets: Sequence[PodDisruptionBudget]) -> tuple[list[Pod], list[Pod]]:
    """Pods whose going some budget no longer allows, and the others."""
    left = {one.key: int(one.status.get("disruptionsAllowed") or 0) for one in budgets}
    violating: list[Pod] = []
    others: list[Pod] = []
    for pod in pods:
        about = [one for one in budgets if one.metadata.namespace == pod.metadata.namespace and selects(one, pod)]
        counted = [one for one in about if pod.metadata.name not in (one.status.get("disruptedPods") or {})]
        for one in counted:
            left[one.key] -= 1
        (violating if any(left[one.key] < 0 for one in counted) else others).append(pod)
    return violating, others


def _importance(pod: Pod) -> tuple[object, ...]:
    """Sorts the most important first: high priority, then long at work."""
    return -pod.spec.priority, _started(pod), pod.key


def _started(pod: Pod) -> str:
    """When the pod began, as the API writes times, which compare as text."""
    return pod.status.start_time or pod.metadata.creation_timestamp or LAST


def _latest_first(moment: str) -> tuple[int, ...]:
    return tuple(-ord(character) for character in moment)
