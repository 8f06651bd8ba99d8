"""Rules of kinds that have few: Leases, Events, ServiceAccounts."""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, each_invalid, invalid, required

Object = dict[str, Any]

SHORT, LONG = 128, 1024  # bytes of an Event's reason and message
FEWEST = 2  # Events in a series
REFERENCE = ("Kind", "Namespace", "Name", "UID", "APIVersion", "ResourceVersion", "FieldPath")
STRUCTS = {"involvedObject": REFERENCE, "related": REFERENCE, "source": ("Component", "Host")}
APIS = {"UID": "uid", "APIVersion": "apiVersion"}
# of an Event that is written as events.k8s.io/v1, in the order in which upstream looks at them
UNCHANGED = (
    "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type", "eventTime",
    "action", "related", "reportingComponent", "reportingInstance",
)  # fmt: skip


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


def event_errors(event: Object, reporter: str = "reportingComponent") -> list[FieldError]:
    """Errors of an Event in core's form: loose for old clients, stricter where `eventTime` is set.

    `reporter` is what the version that was sent calls who reports.
    """
    namespace = (event.get("metadata") or {}).get("namespace") or ""
    about = (event.get("involvedObject") or {}).get("namespace") or ""
    mismatch = [invalid("involvedObject.namespace", about, "does not match event.namespace")]
    if not event.get("eventTime"):
        fits = namespace == about if about else namespace in ("", "default")
        return [] if fits else mismatch
    found = [] if about or namespace in ("default", "kube-system") else mismatch
    controller = event.get("reportingComponent") or ""
    if not controller:
        found.append(required(reporter))
    found += each_invalid(reporter, controller, names.qualified(controller))
    for key, field in (("reportingInstance", "reportingInstance"), ("action", "action"), ("reason", "reason")):
        text = event.get(key) or ""
        if not text:
            found.append(required(field))
        found += _at_most(field, text, SHORT)
    return found + _at_most("message", event.get("message") or "", LONG)


def new_event_errors(event: Object) -> list[FieldError]:
    """What a new Event must be, beside that, when it is sent as events.k8s.io/v1 (ValidateEventCreate)."""
    found = _series_errors(event)
    if not event.get("eventTime"):
        found.append(required("eventTime"))
    if (kind := event.get("type") or "") not in ("Normal", "Warning"):
        found.append(invalid("type", "", f"has invalid value: {kind}"))
    unset = ("firstTimestamp", "lastTimestamp", "count", "source")
    return found + [invalid(name, "", "needs to be unset") for name in unset if event.get(name)]


def changed_event_errors(new: Object, old: Object) -> list[FieldError]:
    """What an update by way of events.k8s.io/v1 may not change: all but the series (ValidateEventUpdate)."""
    found = _series_errors(new) if new.get("series") != old.get("series") else []
    return found + [
        invalid(
            "reportingController" if name == "reportingComponent" else name, _internal(name, new), "field is immutable"
        )
        for name in UNCHANGED
        if (new.get(name) or None) != (old.get(name) or None)
    ]


def _internal(name: str, event: Object) -> Any:
    """A field's value as errors show it: structs with the names that Go's internal types have for their fields."""
    value, fields = event.get(name), STRUCTS.get(name)
    if fields is None or value is None:
        return value
    return {field: value.get(APIS.get(field, field[0].lower() + field[1:]), "") for field in fields}


def _series_errors(event: Object) -> list[FieldError]:
    found: list[FieldError] = []
    if (series := event.get("series")) is not None:
        if (series.get("count") or 0) < FEWEST:
            found.append(invalid("series.count", "", "should be at least 2"))
        if not series.get("lastObservedTime"):
            found.append(required("series.lastObservedTime"))
    return found


def _at_most(field: str, text: str, most: int) -> list[FieldError]:
    return [invalid(field, "", f"can have at most {most} characters")] if len(text.encode()) > most else []
