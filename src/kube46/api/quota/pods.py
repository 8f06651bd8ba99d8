"""How a quota counts pods: their number, what they ask for, and of which scope they are.

Source: k8s.io/kubernetes pkg/quota/v1/evaluator/core/pods.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kube46.api import amounts
from kube46.api.amounts import ONE, Amounts
from kube46.api.pods import amounts as podamounts
from kube46.api.pods.status import qos_class
from kube46.api.quota.evaluating import Evaluator, Object, Write, count_name, selects
from kube46.api.resourcenames import COMPUTE, DEVICE_CLASS, HUGE_PAGES, LIMITS, REQUESTS, is_extended, is_native

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kube46.api.quantities import Quantity

COUNT = count_name("", "pods")
NAMES = frozenset((COUNT, "pods", *COMPUTE, *(f"{kind}{name}" for kind in (REQUESTS, LIMITS) for name in COMPUTE)))
# what each container has to name where it is limited: of the time before classes of service
MANDATORY = frozenset(("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"))


@dataclass(frozen=True)
class PodEvaluator(Evaluator):
    """Pods; those that have ended take nothing but their place."""

    group: str = ""
    plural: str = "pods"

    def counts(self, name: str) -> bool:
        """Also huge pages, and what nodes declare themselves, as `requests.NAME`."""
        if name in NAMES or name.startswith((HUGE_PAGES, f"{REQUESTS}{HUGE_PAGES}")):
            return True
        return name.startswith(REQUESTS) and (not is_native(name) or name.startswith(f"{REQUESTS}{DEVICE_CLASS}"))

    def handles(self, write: Write) -> bool:
        """A new pod, a resize, and a pod that gets or loses a deadline."""
        if write.subresource:
            return write.subresource == "resize" and write.old is not None
        return write.old is None or has_deadline(write.old) != has_deadline(write.new)

    def in_scope(self, requirement: Object, obj: Object) -> bool:
        """By deadline, class of service, priority class, and whether its affinity looks at other namespaces."""
        match requirement["scopeName"]:
            case "Terminating":
                return has_deadline(obj)
            case "NotTerminating":
                return not has_deadline(obj)
            case "BestEffort":
                return _class(obj) == "BestEffort"
            case "NotBestEffort":
                return _class(obj) != "BestEffort"
            case "PriorityClass":
                return selects(requirement, [obj["spec"].get("priorityClassName") or ""])
            case "CrossNamespacePodAffinity":
                return _looks_elsewhere(obj["spec"].get("affinity") or {})
        return False

    def missing(self, names: Iterable[str], obj: Object) -> str:
        """Which containers don't say how much CPU or memory they take."""
        if podamounts.has_own(obj):
            return ""
        needed = MANDATORY.intersection(names)
        silent: dict[str, set[str]] = {}
        for container in (*(obj["spec"].get("containers") or ()), *(obj["spec"].get("initContainers") or ())):
            resources = container.get("resources") or {}
            said = named(amounts.of(resources.get("requests")), amounts.of(resources.get("limits")))
            for name in needed - said.keys():
                silent.setdefault(name, set()).add(container["name"])
        told = "; ".join(f"{name} for: {','.join(sorted(silent[name]))}" for name in sorted(silent))
        return f"must specify {told}" if told else ""

    def usage(self, obj: Object, now: datetime) -> Amounts:
        """Its place; what it asks for until it has ended, or should have."""
        if not is_alive(obj, now):
            return {COUNT: ONE}
        return {COUNT: ONE, **named(podamounts.requests(obj), podamounts.limits(obj))}


def named(requests: Mapping[str, Quantity], limits: Mapping[str, Quantity]) -> Amounts:
    """What is asked for under the names that quotas have for it."""
    found: Amounts = {"pods": ONE}
    for name, amount in requests.items():
        if name in COMPUTE or name.startswith(HUGE_PAGES):
            found[name] = amount
        if name in COMPUTE or name.startswith((HUGE_PAGES, DEVICE_CLASS)) or is_extended(name):
            found[f"{REQUESTS}{name}"] = amount
    return found | {f"{LIMITS}{name}": amount for name, amount in limits.items() if name in COMPUTE}


def has_deadline(pod: Object) -> bool:
    """Whether the pod ends by itself after a time."""
    seconds = pod["spec"].get("activeDeadlineSeconds")
    return seconds is not None and seconds >= 0


def is_alive(pod: Object, now: datetime) -> bool:
    """Whether the pod takes what it asks for: it has not ended, nor is its end overdue."""
    if (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded"):
        return False
    since, grace = pod["metadata"].get("deletionTimestamp"), pod["metadata"].get("deletionGracePeriodSeconds")
    if since is None or grace is None:
        return True
    return now <= datetime.fromisoformat(since) + timedelta(seconds=grace)


def _class(pod: Object) -> str:
    return (pod.get("status") or {}).get("qosClass") or qos_class(pod["spec"])


def _looks_elsewhere(affinity: Object) -> bool:
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        preferred = terms.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        required = terms.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        for term in (*required, *((one.get("podAffinityTerm") or {}) for one in preferred)):
            if term.get("namespaces") or term.get("namespaceSelector") is not None:
                return True
    return False
