"""Validation of what containers ask for: resources (ValidateResourceRequirements, 1.37)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, each_invalid, invalid, required
from kube46.api.quantities import parse

Object = dict[str, Any]
Naming = Callable[[str, str], list[FieldError]]

STANDARD = ("cpu", "memory", "ephemeral-storage")
HUGE_PAGES = "hugepages-"


def _container_name(field: str, name: str) -> list[FieldError]:
    """What is no name of a resource, or of none that containers ask for."""
    found = each_invalid(field, name, names.qualified(name))
    if "/" not in name and name not in STANDARD and not name.startswith(HUGE_PAGES):
        found.append(invalid(field, name, "must be a standard resource type or fully qualified"))
        found.append(invalid(field, name, "must be a standard resource for containers"))
    return found


def validate(resources: Object, field: str, naming: Naming = _container_name) -> list[FieldError]:
    """Errors of `resources`: names, amounts, and requests that exceed their limits."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    found: list[FieldError] = []
    for key, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            place = f"{field}.{key}[{name}]"
            found += naming(place, name)
            if parse(amount) < 0:
                found.append(invalid(place, str(amount), "must be greater than or equal to 0"))
            if key == "requests":
                found += _request(field, name, amount, limits)
    return found


def _request(field: str, name: str, amount: str | int, limits: Object) -> list[FieldError]:
    limit = limits.get(name)
    shared = "/" not in name and not name.startswith(HUGE_PAGES)  # may be promised to more than get it
    if limit is None:
        text = "Limit must be set for non overcommitable resources"
        return [] if shared else [required(f"{field}.limits", text)]
    if not shared and parse(amount) != parse(limit):
        return [invalid(f"{field}.requests", str(amount), f"must be equal to {name} limit of {limit}")]
    if parse(amount) > parse(limit):
        return [invalid(f"{field}.requests", str(amount), f"must be less than or equal to {name} limit of {limit}")]
    return []
