"""Rules of kinds that have few: Leases, Events, ServiceAccounts."""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, each_invalid, invalid, required

Object = dict[str, Any]

SHORT, LONG = 128, 1024  # bytes of an Event's reason and message


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
    """Errors of an Event sent as core/v1: loose for old clients, stricter where `eventTime` is set."""
    namespace = (event.get("metadata") or {}).get("namespace") or ""
    about = (event.get("involvedObject") or {}).get("namespace") or ""
    mismatch = [invalid("involvedObject.namespace", about, "does not match event.namespace")]
    if not event.get("eventTime"):
        fits = namespace == about if about else namespace in ("", "default")
        return [] if fits else mismatch
    found = [] if about or namespace in ("default", "kube-system") else mismatch
    controller = event.get("reportingComponent") or ""
    if not controller:
        found.append(required("reportingController"))
    found += each_invalid("reportingController", controller, names.qualified(controller))
    for key, field in (("reportingInstance", "reportingInstance"), ("action", "action"), ("reason", "reason")):
        text = event.get(key) or ""
        if not text:
            found.append(required(field))
        found += _at_most(field, text, SHORT)
    return found + _at_most("message", event.get("message") or "", LONG)


def _at_most(field: str, text: str, most: int) -> list[FieldError]:
    return [invalid(field, "", f"can have at most {most} characters")] if len(text.encode()) > most else []
