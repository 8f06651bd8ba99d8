"""Whether labels match a selector: plain pairs as Services have them, and requirements as workloads and nodes have."""

from collections.abc import Mapping

from kube46.api.objects import LabelSelector, LabelSelectorRequirement, NodeSelector

Labels = Mapping[str, str]


def contains(labels: Labels, pairs: Labels) -> bool:
    """Whether every pair is among the labels; no pairs match everything."""
    return all(labels.get(key) == value for key, value in pairs.items())


def matches(selector: LabelSelector, labels: Labels) -> bool:
    """Whether the labels match all of a workload's selector."""
    return contains(labels, selector.match_labels) and all(holds(r, labels) for r in selector.match_expressions)


def holds(requirement: LabelSelectorRequirement, labels: Labels) -> bool:
    """Whether one requirement holds; `Gt` and `Lt` compare integers and occur on nodes only.

    Source: kubernetes/staging/src/k8s.io/apimachinery/pkg/labels/selector.go (`Requirement.Matches`).
    """
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(requirement, value)
    return False


def selects_node(selector: NodeSelector, name: str, labels: Labels) -> bool:
    """Whether one of a node selector's terms holds for a node; an empty term holds for none."""
    return any(
        bool(term.match_expressions or term.match_fields)
        and all(holds(r, labels) for r in term.match_expressions)
        and all(holds(r, {"metadata.name": name}) for r in term.match_fields)
        for term in selector.node_selector_terms
    )


def _compares(requirement: LabelSelectorRequirement, value: str | None) -> bool:
    try:
        number, bound = int(value or ""), int(requirement.values[0])
    except (ValueError, IndexError):
        return False
    return number > bound if requirement.operator == "Gt" else number < bound
