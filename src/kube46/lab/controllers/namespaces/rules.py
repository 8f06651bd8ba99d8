"""What is left in a dying namespace, as the conditions of its status say it: pure.

Source: kubernetes/pkg/controller/namespace/deletion/{namespaced_resources_deleter.go,status_condition_utils.go}.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kube46.api.objects import Condition, Object
from kube46.lab.controllers import clock

FINALIZER = "kubernetes"
WELL = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}


@dataclass(slots=True)
class Found:
    """What one pass over a namespace found: objects that are left, by resource, and why some could not be deleted."""

    left: dict[str, Sequence[Object]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    undiscovered: Mapping[str, object] = field(default_factory=dict)  # group → why nothing is known of it

    @property
    def empty(self) -> bool:
        """Whether nothing is left, and nothing unknown."""
        return not any(self.left.values()) and not self.failed and not self.undiscovered


def conditions(held: Sequence[Condition], found: Found, now: datetime) -> list[dict[str, Any]]:
    """The conditions that tell what a deletion waits for."""
    count = {kind: len(objects) for kind, objects in found.left.items() if objects}
    finalizers = Counter(name for objects in found.left.values() for one in objects for name in one.metadata.finalizers)
    content = "Some resources are remaining: " + _said(count, "{0} has {1} resource instances")
    waiting = "Some content in the namespace has finalizers remaining: " + _said(
        finalizers, "{0} in {1} resource instances"
    )
    groups = ", ".join(f"{group}: {why}" for group, why in sorted(found.undiscovered.items()))
    unknown = f"Discovery failed for some groups, {len(found.undiscovered)} failing: {groups}"
    errors = f"Failed to delete all resource types, {len(found.failed)} remaining: {', '.join(sorted(found.failed))}"
    wrong = (
        ("NamespaceDeletionDiscoveryFailure", "DiscoveryFailed", unknown, found.undiscovered),
        ("NamespaceDeletionGroupVersionParsingFailure", "", "", None),  # versions are never parsed here
        ("NamespaceDeletionContentFailure", "ContentDeletionFailed", errors, found.failed),
        ("NamespaceContentRemaining", "SomeResourcesRemain", content, count),
        ("NamespaceFinalizersRemaining", "SomeFinalizersRemain", waiting, finalizers),
    )
    return [
        _condition(held, kind, str(bool(there)), *((reason, text) if there else WELL[kind]), now)
        for kind, reason, text, there in wrong
    ]


def differ(held: Sequence[Condition], wanted: Iterable[Mapping[str, Any]]) -> bool:
    """Whether any wanted condition is not yet written."""
    known = {c.type: (c.status, c.reason, c.message) for c in held}
    return any(known.get(c["type"]) != (c["status"], c["reason"], c["message"]) for c in wanted)


def _said(counts: Mapping[str, int], form: str) -> str:
    return ", ".join(form.format(name, count) for name, count in sorted(counts.items()))


def _condition(
    held: Sequence[Condition], kind: str, status: str, reason: str, message: str, now: datetime
) -> dict[str, Any]:
    old = next((c for c in held if c.type == kind and c.status == status), None)
    since = old.last_transition_time if old else clock.text(now)
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}
