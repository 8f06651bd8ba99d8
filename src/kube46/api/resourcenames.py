"""What the names of resources tell: native, extended, huge pages, whole numbers.

Source: k8s.io/kubernetes pkg/apis/core/helper/helpers.go.
"""

from __future__ import annotations

from kube46.api import names

COMPUTE = ("cpu", "memory", "ephemeral-storage")
HUGE_PAGES, REQUESTS, LIMITS = "hugepages-", "requests.", "limits."
DEVICE_CLASS = "deviceclass.resource.kubernetes.io/"
COUNTED = (
    "pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps", "persistentvolumeclaims",
    "services.nodeports", "services.loadbalancers",
)  # fmt: skip
QUOTA = frozenset((
    *COUNTED, *COMPUTE, *(f"{kind}{name}" for kind in (REQUESTS, LIMITS) for name in COMPUTE), "requests.storage",
))  # fmt: skip


def is_native(name: str) -> bool:
    """Whether it is in the domain of Kubernetes, as what names none is."""
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """Whether nodes may declare it of themselves."""
    return not is_native(name) and not name.startswith(REQUESTS) and not names.qualified(f"{REQUESTS}{name}")


def may_be_promised_twice(name: str) -> bool:
    """Whether more may be promised than there is (IsOvercommitAllowed)."""
    return is_native(name) and not name.startswith(HUGE_PAGES)


def is_whole(name: str) -> bool:
    """Whether it is counted in pieces."""
    return name in COUNTED or is_extended(name)


def _huge_of_quota(name: str) -> bool:
    return name.startswith((HUGE_PAGES, f"{REQUESTS}{HUGE_PAGES}"))


def is_standard(name: str) -> bool:
    """Whether it needs no domain."""
    return name in QUOTA or name == "storage" or _huge_of_quota(name)


def is_quota(name: str) -> bool:
    """Whether a quota knows it without a domain."""
    return name in QUOTA or _huge_of_quota(name)


def is_container(name: str) -> bool:
    """Whether a container may ask for it without a domain."""
    return name in COMPUTE or name.startswith(HUGE_PAGES)


def is_pod_level(name: str) -> bool:
    """Whether a pod may ask for it as a whole (KEP-2837)."""
    return name in ("cpu", "memory") or name.startswith(HUGE_PAGES)
