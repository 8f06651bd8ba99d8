"""Errors of kinds that describe a cluster's platform: flow control, runtimes.

Sources: k8s.io/kubernetes pkg/apis/{flowcontrol,node}/validation.
"""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, each_invalid, forbidden, invalid, not_supported, required
from kube46.api.pods import requirements

Object = dict[str, Any]


def priority_level(obj: Object) -> list[FieldError]:
    """A level is limited or exempt; what is missing is told last."""
    spec: Object = obj.get("spec") or {}
    kind, limited = spec.get("type") or "", spec.get("limited")
    if kind == "Limited":
        return [required("spec.limited")] if limited is None else _limited(limited)
    found: list[FieldError] = []
    if kind not in ("", "Exempt"):
        found.append(not_supported("spec.type", kind, ("Exempt", "Limited")))
    if limited is not None:
        found.append(forbidden("spec.limited"))
    return found if kind else [*found, required("spec.type")]


def _limited(limited: Object) -> list[FieldError]:
    found: list[FieldError] = []
    place, response = "spec.limited.limitResponse.type", limited.get("limitResponse") or {}
    shares = limited.get("nominalConcurrencyShares") or 0
    if shares < 0:
        text = "must be a non-negative integer"
        found.append(invalid("spec.limited.nominalConcurrencyShares", shares, text))
    if not response.get("type"):
        found.append(required(place))
    elif response["type"] not in ("Queue", "Reject"):
        found.append(not_supported(place, response["type"], ("Queue", "Reject")))
    return found


def runtime_class(obj: Object) -> list[FieldError]:
    """The handler is a label; its overhead is an amount of what containers ask for."""
    handler = obj.get("handler") or ""
    found = [] if handler else [required("handler")]
    if "." in handler:
        found.append(invalid("handler", handler, "must not contain dots"))
    elif handler:
        found += each_invalid("handler", handler, names.label(handler))
    return found + requirements.validate({"limits": (obj.get("overhead") or {}).get("podFixed") or {}}, "overhead")


def runtime_change(new: Object, old: Object) -> list[FieldError]:
    """The handler of a runtime stays."""
    return [] if new.get("handler") == old.get("handler") else [invalid("handler", None, "field is immutable")]
