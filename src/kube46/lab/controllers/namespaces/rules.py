"""What is left in a dying namespace, as the conditions of its status say it: pure.

Source: kubernetes/pkg/controller/namespace/deletion/{namespaced_resources_deleter.go,status_condition_utils.go}.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from kube46.api.objects import Condition, Object
from kube46.lab.controllers import clock

FINALIZER = "kubernetes"


def conditions(held: Sequence[Condition], left: Mapping[str, Sequence[Object]], now: datetime) -> list[dict[str, Any]]:
    """The two conditions that tell what a deletion waits for; `left` are the remaining objects by resource."""
    count = {kind: len(objects) for kind, objects in left.items() if objects}
    finalizers = Counter(name for objects in left.values() for one in objects for name in one.metadata.finalizers)
    content = "Some resources are remaining: " + _said(count, "{0} has {1} resource instances")
    waiting = "Some content in the namespace has finalizers remaining: " + _said(
        finalizers, "{0} in {1} resource instances"
    )
    there = ("NamespaceContentRemaining", "SomeResourcesRemain", content)
    gone = ("ContentRemoved", "All content successfully removed")
    held_back = ("NamespaceFinalizersRemaining", "SomeFinalizersRemain", waiting)
    free = ("ContentHasNoFinalizers", "All content-preserving finalizers finished")
    return [
        _condition(held, kind, str(bool(found)), *((reason, text) if found else none), now)
        for (kind, reason, text), none, found in ((there, gone, count), (held_back, free, finalizers))
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
