"""Conditions that follow metav1.Condition: what they must say (k8s.io/apimachinery pkg/apis/meta/v1/validation)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api import names
from kube46.api.errors import FieldError, duplicate, each_invalid, invalid, not_supported, required, too_long

if TYPE_CHECKING:
    from collections.abc import Sequence

Object = dict[str, Any]

STATUSES = ("False", "True", "Unknown")
LONGEST_REASON, LONGEST_MESSAGE = 1024, 32 * 1024
REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
REASON_TEXT = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_'"
)
EXAMPLES = ("my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB")


def errors(conditions: Sequence[Object], place: str) -> list[FieldError]:
    """Every error of a list of conditions."""
    found: list[FieldError] = []
    for index, condition in enumerate(conditions):
        here, kind = f"{place}[{index}]", condition.get("type") or ""
        if any((other.get("type") or "") == kind for other in conditions[:index]):
            found.append(duplicate(here, kind))
        found += _of_one(condition, here)
    return found


def _of_one(condition: Object, place: str) -> list[FieldError]:
    kind, status, reason, message = (condition.get(name) or "" for name in ("type", "status", "reason", "message"))
    found = each_invalid(f"{place}.type", kind, names.qualified(kind)) if kind else []
    found += [] if kind else [required(f"{place}.type", "is required")]
    if not status:
        found.append(required(f"{place}.status"))
    elif status not in STATUSES:
        found.append(not_supported(f"{place}.status", status, STATUSES))
    if (generation := condition.get("observedGeneration") or 0) < 0:
        found.append(invalid(f"{place}.observedGeneration", generation, "must be greater than or equal to zero"))
    if not condition.get("lastTransitionTime"):
        found.append(required(f"{place}.lastTransitionTime"))
    if not reason:
        found.append(required(f"{place}.reason"))
    elif not names.matches(REASON, reason):
        found.append(invalid(f"{place}.reason", reason, names.example(REASON_TEXT, REASON, *EXAMPLES)))
    if len(reason.encode()) > LONGEST_REASON:
        found.append(too_long(f"{place}.reason", LONGEST_REASON))
    if len(message.encode()) > LONGEST_MESSAGE:
        found.append(too_long(f"{place}.message", LONGEST_MESSAGE))
    return found
