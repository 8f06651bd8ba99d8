"""Which other pods a pod must, may or must not be near: pure.

Near means on nodes with the same value of a label. What pods that run already ask for binds a new one, too.
Source: kubernetes/pkg/scheduler/framework/plugins/interpodaffinity/{filtering,scoring}.go.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kube46.api.objects import Pod
from kube46.lab.controllers.scheduler.places import Cluster, Crowd, Place
from kube46.lab.controllers.scheduler.plugins import HIGHEST, Check, Refusal
from kube46.lab.controllers.scheduler.terms import Term, Wish, terms_of

NOT_NEAR = Refusal(("node(s) didn't match pod affinity rules",), final=True)
NOT_FAR = Refusal(("node(s) didn't match pod anti-affinity rules",))
UNWANTED = Refusal(("node(s) didn't satisfy existing pods anti-affinity rules",))
# How much a term that must hold for another pod draws this one near.
DRAWN = 1
Pair = tuple[str, str]


def unlike(pod: Pod, cluster: Cluster) -> Check | None:
    """Filter: a term of the pod that must hold doesn't, or one of a pod that is there."""
    required = [term for term in terms_of(pod) if not term.weight]
    near = [term for term in required if term.wish is Wish.NEAR]
    far = [term for term in required if term.wish is Wish.FAR]
    unwanted = _pairs(cluster, _against(pod, cluster))
    if not required and not unwanted:
        return None
    friends = _pairs(cluster, ((term.topology_key, _together(near, cluster), 1) for term in near))
    foes = _pairs(cluster, ((term.topology_key, _crowds(term, cluster), 1) for term in far))
    # The first of a group of pods that want to be together has nobody to go to.
    first = not friends and all(_is_about(term, pod, cluster) for term in near)

    def check(place: Place) -> Refusal | None:
        labels = place.node.metadata.labels
        if not all(term.topology_key in labels for term in near):
            return NOT_NEAR
        if not first and not all((term.topology_key, labels[term.topology_key]) in friends for term in near):
            return NOT_NEAR
        if any((term.topology_key, labels.get(term.topology_key, "")) in foes for term in far):
            return NOT_FAR
        return UNWANTED if any(pair in unwanted for pair in labels.items()) else None

    return check


def preferred(pod: Pod, cluster: Cluster, places: Sequence[Place]) -> Sequence[int] | None:
    """Score: the weights of the terms that hold, of this pod and of those that are there."""
    own = (
        (term.topology_key, _crowds(term, cluster), _sign(term) * term.weight) for term in terms_of(pod) if term.weight
    )
    weights = _pairs(cluster, [*own, *_towards(pod, cluster)])
    if not weights:
        return None
    found = [sum(weights[pair] for pair in place.node.metadata.labels.items()) for place in places]
    least, most = min(found), max(found)
    return [HIGHEST * (one - least) // (most - least) if most > least else 0 for one in found]


Counted = tuple[str, Iterable[Mapping[str, int]], int]


def _pairs(cluster: Cluster, counted: Iterable[Counted]) -> Counter[Pair]:
    """The labels of nodes with pods counted there, each times its weight."""
    found: Counter[Pair] = Counter()
    for key, counters, weight in counted:
        for counter in counters:
            for name, number in counter.items():
                labels = cluster.places[name].node.metadata.labels
                if key in labels:
                    found[key, labels[key]] += number * weight
    return Counter({pair: number for pair, number in found.items() if number})


def _crowds(term: Term, cluster: Cluster) -> Iterator[Mapping[str, int]]:
    for crowd in _covered([term], cluster):
        if term.selects(crowd.labels):
            yield crowd.pods


def _together(terms: Sequence[Term], cluster: Cluster) -> list[Mapping[str, int]]:
    """Pods that every term is about: only with those is the pod's wish to be near fulfilled."""
    return [c.pods for c in _covered(terms, cluster) if all(term.selects(c.labels) for term in terms)]


def _covered(terms: Sequence[Term], cluster: Cluster) -> Iterator[Crowd]:
    for namespace in cluster.crowds:
        labels = cluster.namespaces.get(namespace, {})
        if all(term.covers(namespace, labels) for term in terms):
            yield from cluster.crowds_in(namespace)


def _is_about(term: Term, pod: Pod, cluster: Cluster) -> bool:
    meta = pod.metadata
    return term.covers(meta.namespace, cluster.namespaces.get(meta.namespace, {})) and term.selects(meta.labels)


def _against(pod: Pod, cluster: Cluster) -> Iterator[Counted]:
    """Where pods are that must not have this one near."""
    for term, nodes in cluster.terms.items():
        if term.wish is Wish.FAR and not term.weight and _is_about(term, pod, cluster):
            yield term.topology_key, [nodes], 1


def _towards(pod: Pod, cluster: Cluster) -> Iterator[Counted]:
    """What pods that are there prefer, and those that must be near others draw."""
    for term, nodes in cluster.terms.items():
        weight = term.weight or (DRAWN if term.wish is Wish.NEAR else 0)
        if weight and _is_about(term, pod, cluster):
            yield term.topology_key, [nodes], _sign(term) * weight


def _sign(term: Term) -> int:
    return 1 if term.wish is Wish.NEAR else -1
