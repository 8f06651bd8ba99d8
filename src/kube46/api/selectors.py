"""Label selectors in objects of the API: validation, and what they select (apimachinery's metav1/validation)."""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, each_invalid, forbidden, invalid, required
from kube46.api.metadata import labels_valid

Object = dict[str, Any]

OPERATORS = ("DoesNotExist", "Exists", "In", "NotIn")


def selector_errors(selector: Object, place: str) -> list[FieldError]:
    """Errors of a label selector."""
    found = labels_valid(selector.get("matchLabels"), f"{place}.matchLabels")
    for index, one in enumerate(selector.get("matchExpressions") or ()):
        found += requirement_errors(one, f"{place}.matchExpressions[{index}]")
    return found


def requirement_errors(one: Object, field: str) -> list[FieldError]:
    """Errors of one requirement."""
    found: list[FieldError] = []
    operator, values, key = one.get("operator"), one.get("values"), one.get("key") or ""
    if operator in ("In", "NotIn") and not values:
        found.append(required(f"{field}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist") and values:
        text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        found.append(forbidden(f"{field}.values", text))
    elif operator not in OPERATORS:
        found.append(invalid(f"{field}.operator", operator or "", "not a valid selector operator"))
    return found + each_invalid(f"{field}.key", key, names.qualified(key))


def matches(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector selects these labels."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for one in selector.get("matchExpressions") or ():
        present, listed = one["key"] in labels, labels.get(one["key"]) in (one.get("values") or ())
        wanted = {"In": present and listed, "NotIn": not listed, "Exists": present, "DoesNotExist": not present}
        if not wanted.get(one["operator"], False):
            return False
    return True
