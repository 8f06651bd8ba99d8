"""Validation of when a Job fails or succeeds before its time: podFailurePolicy and successPolicy.

Source: kubernetes/pkg/apis/batch/validation/validation.go (`validatePodFailurePolicy`, `validateSuccessPolicy`).
"""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, duplicate, each_invalid, invalid, not_supported, required, too_many

Object = dict[str, Any]

MOST_RULES, MOST_CODES = 20, 255
ACTIONS, OPERATORS, STATES = ("Count", "FailIndex", "FailJob", "Ignore"), ("In", "NotIn"), ("False", "True", "Unknown")


def errors(spec: Object, field: str) -> list[FieldError]:
    """Every error of the two policies."""
    found: list[FieldError] = []
    if (policy := spec.get("podFailurePolicy")) is not None:
        rules, place = policy.get("rules") or [], f"{field}.podFailurePolicy.rules"
        if len(rules) > MOST_RULES:
            found.append(too_many(place, len(rules), MOST_RULES))
        for index, rule in enumerate(rules):
            found += _failure(rule, spec, f"{place}[{index}]")
    if (policy := spec.get("successPolicy")) is not None:
        rules, place = policy.get("rules") or [], f"{field}.successPolicy.rules"
        if not rules:
            found.append(required(place, "at least one rules must be specified when the successPolicy is specified"))
        if len(rules) > MOST_RULES:
            found.append(too_many(place, len(rules), MOST_RULES))
        for index, rule in enumerate(rules):
            found += _success(rule, spec.get("completions") or 0, f"{place}[{index}]")
    return found


def _failure(rule: Object, spec: Object, field: str) -> list[FieldError]:
    action, codes, conditions = rule.get("action") or "", rule.get("onExitCodes"), rule.get("onPodConditions") or []
    found = _choice(f"{field}.action", action, ACTIONS)
    if action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        found.append(invalid(f"{field}.action", action, "requires the backoffLimitPerIndex to be set"))
    if codes is not None:
        found += _codes(codes, spec, f"{field}.onExitCodes")
    for index, one in enumerate(conditions):
        place = f"{field}.onPodConditions[{index}]"
        found += each_invalid(f"{place}.type", one.get("type") or "", names.qualified(one.get("type") or ""))
        found += _choice(f"{place}.status", one.get("status") or "", STATES)
    if codes is not None and conditions:
        found.append(invalid(field, "", "specifying both OnExitCodes and OnPodConditions is not supported"))
    elif codes is None and not conditions:
        found.append(invalid(field, "", "specifying one of OnExitCodes and OnPodConditions is required"))
    return found


def _codes(codes: Object, spec: Object, field: str) -> list[FieldError]:
    operator, values, pod = codes.get("operator") or "", codes.get("values") or [], spec["template"]["spec"]
    found = _choice(f"{field}.operator", operator, OPERATORS)
    known = {one.get("name") for key in ("containers", "initContainers") for one in pod.get(key) or ()}
    if (name := codes.get("containerName")) is not None and name not in known:
        text = "must be one of the container or initContainer names in the pod template"
        found.append(invalid(f"{field}.containerName", name, text))
    if not values:
        found.append(invalid(f"{field}.values", values, "at least one value is required"))
    if len(values) > MOST_CODES:
        found.append(too_many(f"{field}.values", len(values), MOST_CODES))
    if operator == "In":
        found += [invalid(f"{field}.values[{i}]", 0, "must not be 0 for the In operator")
                  for i, value in enumerate(values) if value == 0]  # fmt: skip
    found += [duplicate(f"{field}.values[{i}]", value) for i, value in enumerate(values) if value in values[:i]]
    if values != sorted(values):
        found.append(invalid(f"{field}.values", values, "must be ordered"))
    return found


def _success(rule: Object, completions: int, field: str) -> list[FieldError]:
    text, count = rule.get("succeededIndexes"), rule.get("succeededCount")
    if text is None and count is None:
        return [required(field, "at least one of succeededCount or succeededIndexes must be specified")]
    found: list[FieldError] = []
    listed = completions
    if text is not None:
        numbers = _indexes(text, completions)
        if isinstance(numbers, str):
            found.append(invalid(f"{field}.succeededIndexes", text, f"error parsing succeededIndexes: {numbers}"))
        else:
            listed = numbers
    if count is not None:
        what = "indexes in the specified succeededIndexes field" if text is not None else "specified completions"
        if count < 0:
            found.append(invalid(f"{field}.succeededCount", count, "must be greater than or equal to 0"))
        if count > listed:
            limit = f"must be less than or equal to {listed} (the number of {what})"
            found.append(invalid(f"{field}.succeededCount", count, limit))
    return found


def _indexes(text: str, completions: int) -> int | str:
    """How many indexes a list such as `0-2,5` names, or what is wrong with it."""
    total, least = 0, 0
    for part in text.split(","):
        first, dash, last = part.partition("-")
        bounds = [first, last] if dash else [first]
        for bound in bounds:
            if not (bound.isascii() and bound.isdecimal()):
                return f'cannot convert string to integer for index: "{bound}"'
            if int(bound) >= completions:
                return f'too large index: "{bound}"'
        if int(first) < least or int(bounds[-1]) < int(first):
            return f"non-increasing order, previous: {least - 1}, current: {first}"
        total += int(bounds[-1]) - int(first) + 1
        least = int(bounds[-1]) + 1
    return total


def _choice(field: str, value: str, known: tuple[str, ...]) -> list[FieldError]:
    if not value:
        return [required(field, "valid values: " + ", ".join(f'"{one}"' for one in known))]
    return [] if value in known else [not_supported(field, value, known)]
