"""What a pod asks for in all: its containers, sidecars, hungriest start, own resources and overhead.

Sources: k8s.io/component-helpers resource/helpers.go (PodRequests, PodLimits), k8s.io/kubernetes
plugin/pkg/admission/limitranger/admission.go (podRequests, podLimits); KEP-753, KEP-1287, KEP-2837.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube46.api import amounts
from kube46.api.amounts import Amounts
from kube46.api.resourcenames import is_pod_level

Object = dict[str, Any]
Reading = Callable[[Object, Object], Amounts]
"""What a container asks for, by its spec and its status."""


def requests(pod: Object) -> Amounts:
    """What is held for the pod: what it asks for, or more while a resize is not through."""
    spec = pod.get("spec") or {}
    asked, allocated, held = (_aggregate(pod, one) for one in (_spec("requests"), _allocated(pod), _requested(pod)))
    found = amounts.most(held, allocated) if infeasible(pod) else amounts.most(asked, held, allocated)
    found |= _own(spec, "requests")
    return amounts.plus(found, amounts.of(spec.get("overhead")))


def limits(pod: Object) -> Amounts:
    """The same of limits; overhead counts where there is a limit."""
    spec = pod.get("spec") or {}
    held = _aggregate(pod, _limited(pod))
    found = held if infeasible(pod) else amounts.most(_aggregate(pod, _spec("limits")), held)
    found |= _own(spec, "limits")
    overhead = amounts.only(amounts.of(spec.get("overhead")), amounts.some(found))
    return amounts.plus(found, overhead)


def asked(pod: Object, key: str) -> Amounts:
    """The `requests` or `limits` of the spec alone, as a LimitRange judges them: of a pod's own, cpu and memory."""
    own = amounts.only(_own(pod.get("spec") or {}, key), ("cpu", "memory"))
    return of_containers(pod, key) | own


def of_containers(pod: Object, key: str) -> Amounts:
    """The `requests` or `limits` of all containers' specs together."""
    return _aggregate(pod, _spec(key))


def has_own(pod: Object) -> bool:
    """Whether the pod as a whole asks for anything."""
    spec = pod.get("spec") or {}
    return bool(_own(spec, "requests") or _own(spec, "limits"))


def infeasible(pod: Object) -> bool:
    """Whether the kubelet can't ever resize the pod as it is asked to."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    pending: Object = next((one for one in conditions if one.get("type") == "PodResizePending"), {})
    return pending.get("reason") == "Infeasible"


def _own(spec: Object, key: str) -> Amounts:
    written = (spec.get("resources") or {}).get(key) or {}
    return amounts.of({name: amount for name, amount in written.items() if is_pod_level(name)})


def _aggregate(pod: Object, reading: Reading) -> Amounts:
    """Containers and sidecars together, or the hungriest start if that is more."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    lists = (status.get("containerStatuses") or (), status.get("initContainerStatuses") or ())
    told = {one.get("name"): one for statuses in reversed(lists) for one in statuses}
    total: Amounts = {}
    for container in spec.get("containers") or ():
        total = amounts.plus(total, reading(container, told.get(container["name"]) or {}))
    sidecars: Amounts = {}
    start: Amounts = {}
    for container in spec.get("initContainers") or ():
        mine = reading(container, told.get(container["name"]) or {})
        if container.get("restartPolicy") == "Always":
            total, sidecars = amounts.plus(total, mine), amounts.plus(sidecars, mine)
            mine = sidecars
        else:
            mine = amounts.plus(mine, sidecars)
        start = amounts.most(start, mine)
    return amounts.most(total, start)


def _spec(key: str) -> Reading:
    return lambda container, _: amounts.of((container.get("resources") or {}).get(key))


def _allocated(pod: Object) -> Reading:
    """What the kubelet has set aside."""
    otherwise = (lambda *_: {}) if infeasible(pod) else _spec("requests")

    def reading(container: Object, status: Object) -> Amounts:
        given = status.get("allocatedResources")
        return otherwise(container, status) if given is None else amounts.of(given)

    return reading


def _requested(pod: Object) -> Reading:
    """What the container runs with."""
    otherwise = _allocated(pod)

    def reading(container: Object, status: Object) -> Amounts:
        given = (status.get("resources") or {}).get("requests")
        return otherwise(container, status) if given is None else amounts.of(given)

    return reading


def _limited(pod: Object) -> Reading:
    """The same of limits."""
    otherwise = (lambda *_: {}) if infeasible(pod) else _spec("limits")

    def reading(container: Object, status: Object) -> Amounts:
        given = (status.get("resources") or {}).get("limits")
        return otherwise(container, status) if given is None else amounts.of(given)

    return reading
