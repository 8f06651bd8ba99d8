"""Rules of kinds that have few: Leases, Events, ServiceAccounts."""

from __future__ import annotations

from typing import Any

from kube46.api.errors import FieldError, invalid

Object = dict[str, Any]


def lease_errors(lease: Object) -> list[FieldError]:
    """Errors of a Lease's `spec` (pkg/apis/coordination/validation)."""
    spec = lease.get("spec") or {}
    found: list[FieldError] = []
    seconds = spec.get("leaseDurationSeconds")
    if seconds is not None and seconds <= 0:
        found.append(invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
    transitions = spec.get("leaseTransitions")
    if transitions is not None and transitions < 0:
        found.append(invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
    return found


def event_errors(event: Object) -> list[FieldError]:
    """An Event lies in the namespace of the object it is about (ValidateEvent)."""
    namespace = (event.get("metadata") or {}).get("namespace") or ""
    about = (event.get("involvedObject") or {}).get("namespace") or ""
    fits = namespace in ("", "default", "kube-system") if not about else about == namespace
    return [] if fits else [invalid("involvedObject.namespace", about, "does not match event.namespace")]
