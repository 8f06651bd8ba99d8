"""How evenly pods are spread over nodes, zones or other domains: pure.

Source: kubernetes/pkg/scheduler/framework/plugins/podtopologyspread/{filtering,scoring,common}.go, KEP-895, KEP-3094.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kube46.api.objects import LabelSelector, Pod, SpreadConstraint
from kube46.controllers.selectors import matches
from kube46.lab.controllers.scheduler.nodeaffinity import selected
from kube46.lab.controllers.scheduler.places import Cluster, Place
from kube46.lab.controllers.scheduler.plugins import HIGHEST, Check, Refusal
from kube46.lab.controllers.scheduler.taints import welcome
from kube46.lab.controllers.scheduler.terms import narrowed

UNEVEN = Refusal(("node(s) didn't match pod topology spread constraints",))
NO_DOMAIN = Refusal(("node(s) didn't match pod topology spread constraints (missing required label)",), final=True)
HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
# What pods of a Service or workload get that don't say how they are to be spread.
DEFAULTS = ((HOSTNAME, 3), (ZONE, 5))
SOFT, HARD = "ScheduleAnyway", "DoNotSchedule"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint for one pod; `counts` is how many pods alike are in each domain that counts."""

    given: SpreadConstraint
    selector: LabelSelector | None
    counts: Counter[str]

    def least(self) -> int:
        """Pods in the emptiest domain; 0 where there are fewer domains than there should be."""
        if len(self.counts) < (self.given.min_domains or 1):
            return 0
        return min(self.counts.values(), default=0)

    def selects(self, pod: Pod) -> bool:
        """Whether the pod is one of those counted."""
        return self.selector is not None and matches(self.selector, pod.metadata.labels)


def uneven(pod: Pod, cluster: Cluster) -> Check | None:
    """Filter: with the pod there, a domain would have too many more pods than another."""
    given = [one for one in pod.spec.topology_spread_constraints if one.when_unsatisfiable == HARD]
    if not given:
        return None
    constraints = _constraints(pod, cluster, given, cluster.nodes())
    # With the pod itself, where its own labels are selected, so many may be in a domain.
    most = [one.least() + one.given.max_skew - one.selects(pod) for one in constraints]

    def check(place: Place) -> Refusal | None:
        labels = place.node.metadata.labels
        for one, allowed in zip(constraints, most, strict=True):
            domain = labels.get(one.given.topology_key)
            if domain is None:
                return NO_DOMAIN
            if one.counts[domain] > allowed:
                return UNEVEN
        return None

    return check


def even(pod: Pod, cluster: Cluster, places: Sequence[Place]) -> Sequence[int] | None:
    """Score: few pods alike in the node's domains; the finer the domains the heavier."""
    given = [one for one in pod.spec.topology_spread_constraints if one.when_unsatisfiable == SOFT]
    defaulted = not pod.spec.topology_spread_constraints
    if defaulted:
        given = list(_defaults(cluster.alike(pod)))
    if not given:
        return None
    usable = [defaulted or _has_keys(place, given) for place in places]
    seen = [place for place, good in zip(places, usable, strict=True) if good]
    constraints = _constraints(pod, cluster, given, cluster.nodes(), strict=not defaulted)
    domains = [{place.node.metadata.labels.get(one.topology_key) for place in seen} - {None} for one in given]
    weights = [math.log(len(one) + 2) for one in domains]
    found = [
        round(sum(_cost(one, place, weight) for one, weight in zip(constraints, weights, strict=True)))
        for place in places
    ]
    good = [cost for cost, there in zip(found, usable, strict=True) if there]
    least, most = min(good, default=0), max(good, default=0)
    return [
        0 if not there else HIGHEST if not most else HIGHEST * (most + least - cost) // most
        for cost, there in zip(found, usable, strict=True)
    ]


def _cost(one: Constraint, place: Place, weight: float) -> float:
    domain = place.node.metadata.labels.get(one.given.topology_key)
    return 0.0 if domain is None else one.counts[domain] * weight + one.given.max_skew - 1


def _defaults(selector: LabelSelector | None) -> Iterator[SpreadConstraint]:
    if selector is not None:
        for key, skew in DEFAULTS:
            yield SpreadConstraint(skew, key, SOFT, selector)


def _constraints(
    pod: Pod, cluster: Cluster, given: Sequence[SpreadConstraint], places: Sequence[Place], *, strict: bool = True
) -> list[Constraint]:
    """Counts the pods alike, on the nodes that count; `strict` leaves out nodes without all of the labels."""
    usable = [place for place in places if not strict or _has_keys(place, given)]
    found = []
    for one in given:
        selector = narrowed(one.label_selector, pod.metadata.labels, one.match_label_keys)
        counts: Counter[str] = Counter()
        domains = {}
        for place in usable:
            domain = place.node.metadata.labels.get(one.topology_key)
            if domain is not None and _counts(pod, one, place):
                domains[place.node.metadata.name] = domain
                counts[domain] += 0
        for crowd in cluster.crowds_in(pod.metadata.namespace):
            if selector is not None and matches(selector, crowd.labels):  # no selector selects nothing
                for name, number in crowd.pods.items():
                    if name in domains:
                        counts[domains[name]] += number - crowd.ending[name]
        found.append(Constraint(one, selector, counts))
    return found


def _counts(pod: Pod, one: SpreadConstraint, place: Place) -> bool:
    """Whether the node's pods count: by default those of nodes that the pod asks for, whatever their taints."""
    rules: tuple[tuple[str, Callable[[], bool]], ...] = (
        (one.node_affinity_policy, lambda: selected(pod, place.node)),
        (one.node_taints_policy, lambda: welcome(pod, place.node)),
    )
    return all(policy != "Honor" or holds() for policy, holds in rules)


def _has_keys(place: Place, given: Sequence[SpreadConstraint]) -> bool:
    return all(one.topology_key in place.node.metadata.labels for one in given)
