"""What a RuntimeClass puts into a new Pod: its overhead, its nodes and what it tolerates.

Sources: plugin/pkg/admission/runtimeclass/admission.go, pkg/util/tolerations/tolerations.go (1.37).
"""

from __future__ import annotations

from typing import Any

from kube46.api.quantities import parse

Object = dict[str, Any]


def admit(spec: Object, found: Object | None) -> str:
    """Fill the Pod's spec by the class that it names, None without one; why it is forbidden, "" when it is not."""
    fixed = ((found or {}).get("overhead") or {}).get("podFixed")
    given = spec.get("overhead")
    if fixed is None:
        return (
            ""
            if given is None
            else "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
        )
    if given and not _same(given, fixed):
        return "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
    spec["overhead"] = dict(fixed)
    return ""


def schedule(spec: Object, found: Object | None) -> str:
    """The same of where the class lets its Pods run."""
    scheduling = (found or {}).get("scheduling")
    if scheduling is None:
        return ""
    selector = dict(spec.get("nodeSelector") or {})
    for key, value in sorted((scheduling.get("nodeSelector") or {}).items()):
        if selector.setdefault(key, value) != value:
            return (
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                f"pod.spec.nodeSelector[{key}] = {selector[key]}"
            )
    tolerations = merged([*(spec.get("tolerations") or []), *(scheduling.get("tolerations") or [])])
    spec.update({"nodeSelector": selector} if selector else {})
    spec.update({"tolerations": tolerations} if tolerations else {})
    return ""


def merged(tolerations: list[Object]) -> list[Object]:
    """Without those that another one holds; of equal ones the first stays."""
    kept: list[Object] = []
    for index, one in enumerate(tolerations):
        later = (other for other in tolerations[index + 1 :] if other != one)
        if not any(_holds(other, one) for other in (*kept, *later)):
            kept.append(one)
    return kept


def _same(one: Object, other: Object) -> bool:
    return {name: parse(amount) for name, amount in one.items()} == {k: parse(v) for k, v in other.items()}


def _holds(wide: Object, one: Object) -> bool:
    """Whether a toleration tolerates all that another one does."""
    if wide == one:
        return True
    operator = wide.get("operator") or "Equal"
    if one.get("key", "") != wide.get("key", "") and (wide.get("key") or operator != "Exists"):
        return False
    if wide.get("effect") and one.get("effect") != wide["effect"]:
        return False
    if wide.get("effect") == "NoExecute" and (most := wide.get("tolerationSeconds")) is not None:
        seconds = one.get("tolerationSeconds")
        if seconds is None or seconds > most:
            return False
    return operator == "Exists" or (one.get("operator") == "Equal" and one.get("value", "") == wide.get("value", ""))
