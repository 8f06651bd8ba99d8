"""Terms of pod affinity, as they hold for one pod: which pods, in which namespaces, near by which label. Pure.

Source: kubernetes/pkg/scheduler/framework/types.go (`AffinityTerm`), KEP-3633 (matchLabelKeys).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

import msgspec

from kube46.api.objects import LabelSelector, LabelSelectorRequirement, Pod, PodAffinity, PodAffinityTerm
from kube46.controllers.selectors import matches

Labels = Mapping[str, str]


class Wish(Enum):
    """What a term asks for."""

    NEAR = "podAffinity"
    FAR = "podAntiAffinity"


@dataclass(frozen=True, slots=True)
class Term:
    """A term; equal ones of many pods are one. `weight` 0 is a term that must hold."""

    wish: Wish
    weight: int
    topology_key: str
    namespaces: frozenset[str]
    identity: bytes
    selector: LabelSelector | None = field(compare=False)
    namespace_selector: LabelSelector | None = field(compare=False)

    def covers(self, namespace: str, labels: Labels) -> bool:
        """Whether the term is about pods of a namespace with these labels."""
        if namespace in self.namespaces:
            return True
        return self.namespace_selector is not None and matches(self.namespace_selector, labels)

    def selects(self, labels: Labels) -> bool:
        """Whether it is about pods with these labels; no selector selects none."""
        return self.selector is not None and matches(self.selector, labels)


def terms_of(pod: Pod) -> list[Term]:
    """All terms of the pod."""
    affinity = pod.spec.affinity
    if affinity is None:
        return []
    return [*_terms(pod, affinity.pod_affinity, Wish.NEAR), *_terms(pod, affinity.pod_anti_affinity, Wish.FAR)]


def narrowed(
    selector: LabelSelector | None, labels: Labels, same: Iterable[str], other: Iterable[str] = ()
) -> LabelSelector | None:
    """The selector, and the pod's own values of the labels `same`, and none of its values of the labels `other`."""
    if selector is None:
        return None
    more = [LabelSelectorRequirement(key, "In", (labels[key],)) for key in same if key in labels]
    more += [LabelSelectorRequirement(key, "NotIn", (labels[key],)) for key in other if key in labels]
    if not more:
        return selector
    return LabelSelector(selector.match_labels, (*selector.match_expressions, *more))


def _terms(pod: Pod, affinity: PodAffinity | None, wish: Wish) -> Iterator[Term]:
    if affinity is None:
        return
    for one in affinity.required_during_scheduling_ignored_during_execution:
        yield _term(pod, one, wish, 0)
    for preferred in affinity.preferred_during_scheduling_ignored_during_execution:
        yield _term(pod, preferred.pod_affinity_term, wish, preferred.weight)


def _term(pod: Pod, given: PodAffinityTerm, wish: Wish, weight: int) -> Term:
    labels = pod.metadata.labels
    selector = narrowed(given.label_selector, labels, given.match_label_keys, given.mismatch_label_keys)
    own = not given.namespaces and given.namespace_selector is None
    namespaces = frozenset([pod.metadata.namespace] if own else given.namespaces)
    identity = msgspec.json.encode((selector, given.namespace_selector))
    return Term(wish, weight, given.topology_key, namespaces, identity, selector, given.namespace_selector)
