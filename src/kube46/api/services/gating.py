"""Services while the gate IPv6DualStack is off: the fields of dual-stack are dropped, but from Services that have them.

Source: k8s.io/kubernetes 1.20 pkg/registry/core/service/strategy.go (dropServiceDisabledFields).
"""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

FIELDS = ("ipFamilies", "ipFamilyPolicy")


def in_use(service: Object | None) -> bool:
    """Whether a stored Service has what the gate is about; updates leave it as it is then."""
    spec = (service or {}).get("spec") or {}
    return any(spec.get(field) for field in FIELDS) or len(spec.get("clusterIPs") or ()) > 1


def forget(service: Object) -> None:
    """Take back the families that every new Service is given."""
    for field in FIELDS:
        service["spec"].pop(field, None)


def drop(spec: Object) -> None:
    """Leave of a Service what it had before dual-stack: one address, and no families."""
    for field in FIELDS:
        spec.pop(field, None)
    if len(addresses := spec.get("clusterIPs") or ()) > 1:
        spec["clusterIPs"] = addresses[:1]
