"""When a quota has to be counted anew: pure.

Sources: k8s.io/kubernetes pkg/controller/resourcequota/resource_quota_controller.go (addQuota), pkg/quota/v1/install/
update_filter.go.
"""

from __future__ import annotations

from typing import Any

from kube46.api import amounts
from kube46.api.objects import Object, Pod, Service

Quota = dict[str, Any]
PORTS = ("NodePort", "LoadBalancer")


def is_behind(quota: Quota) -> bool:
    """Whether the status doesn't tell of all that the quota limits now."""
    status = quota.get("status") or {}
    hard, told = (amounts.of((one or {}).get("hard")) for one in (quota.get("spec"), status))
    return not amounts.equal(hard, told) or bool(hard.keys() - (status.get("used") or {}).keys())


def differs(quota: Quota, status: Quota) -> bool:
    """Whether a status is not the quota's yet, however its amounts are written."""
    held = quota.get("status") or {}
    return "hard" not in held or any(
        not amounts.equal(amounts.of(held.get(key)), amounts.of(status[key])) for key in ("hard", "used")
    )


def may_take_less(plural: str, old: Object, new: Object | None) -> bool:
    """Whether an object may take less of a quota than before: what takes more is counted as it is admitted."""
    if new is None:
        return True
    if isinstance(old, Pod) and isinstance(new, Pod):
        return _of_pod(old) != _of_pod(new)
    if isinstance(old, Service) and isinstance(new, Service):
        return _of_service(old) != _of_service(new)
    return plural == "persistentvolumeclaims"  # whose statuses tell of attempts to grow


def _of_pod(pod: Pod) -> tuple[Any, ...]:
    """Its end, its spec, and how far a resize is: `resources` of its statuses are not read here."""
    resizing = [(one.type, one.status, one.reason) for one in pod.status.conditions if one.type.startswith("PodResize")]
    return pod.status.phase in ("Succeeded", "Failed"), pod.metadata.generation, resizing


def _of_service(service: Service) -> tuple[Any, ...]:
    return service.spec.type if service.spec.type in PORTS else "", len(service.spec.ports)
