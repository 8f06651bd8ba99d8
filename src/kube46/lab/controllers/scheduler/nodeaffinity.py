"""Which nodes a pod asks for by their labels and names: pure.

Source: kubernetes/pkg/scheduler/framework/plugins/nodeaffinity, component-helpers/scheduling/corev1/nodeaffinity.
"""

from collections.abc import Sequence

from kube46.api.objects import Node, NodeAffinity, NodeSelector, NodeSelectorTerm, Pod
from kube46.controllers.selectors import contains, holds
from kube46.lab.controllers.scheduler.places import Cluster, Place
from kube46.lab.controllers.scheduler.plugins import Check, Refusal, highest_first

OTHER = Refusal(("node(s) didn't match Pod's node affinity/selector",), final=True)
NOT_NAMED = Refusal(("node(s) didn't satisfy plugin(s) [NodeAffinity]",), final=True)
NAME = "metadata.name"


def selected(pod: Pod, node: Node) -> bool:
    """Whether the node has the labels that `nodeSelector` and the required node affinity ask for."""
    if not contains(node.metadata.labels, pod.spec.node_selector):
        return False
    required = _required(pod)
    return required is None or any(_term_holds(term, node) for term in required.node_selector_terms)


def unnamed(pod: Pod, cluster: Cluster) -> Check | None:
    """Filter: the pod asks for nodes by name, as those of DaemonSets do, and this is none of them."""
    names = names_of(pod)
    if names is None:
        return None
    return lambda place: None if place.node.metadata.name in names else NOT_NAMED


def unselected(pod: Pod, cluster: Cluster) -> Check | None:
    """Filter: the node's labels are not those that the pod asks for."""
    if not pod.spec.node_selector and _required(pod) is None:
        return None
    return lambda place: None if selected(pod, place.node) else OTHER


def preferred(pod: Pod, cluster: Cluster, places: Sequence[Place]) -> Sequence[int] | None:
    """Score: the weights of the preferences that the node meets."""
    terms = _affinity(pod).preferred_during_scheduling_ignored_during_execution
    if not terms:
        return None
    return highest_first(
        [sum(term.weight for term in terms if _term_holds(term.preference, place.node)) for place in places]
    )


def names_of(pod: Pod) -> frozenset[str] | None:
    """The names of nodes that the pod is restricted to; None when one of its terms names none."""
    required = _required(pod)
    if required is None or not required.node_selector_terms:
        return None
    found: set[str] = set()
    for term in required.node_selector_terms:
        lists = [set(one.values) for one in term.match_fields if one.key == NAME and one.operator == "In"]
        if not lists:
            return None
        found |= set.intersection(*lists)
    return frozenset(found)


def _affinity(pod: Pod) -> NodeAffinity:
    return (pod.spec.affinity and pod.spec.affinity.node_affinity) or NodeAffinity()


def _required(pod: Pod) -> NodeSelector | None:
    return _affinity(pod).required_during_scheduling_ignored_during_execution


def _term_holds(term: NodeSelectorTerm, node: Node) -> bool:
    """An empty term matches no node."""
    fields = {NAME: node.metadata.name}
    return bool(term.match_expressions or term.match_fields) and (
        all(holds(r, node.metadata.labels) for r in term.match_expressions)
        and all(holds(r, fields) for r in term.match_fields)
    )
