# ruff: noqa: E501 – tables of cases are read across
"""Kinds of a cluster's platform: what is filled in and what is refused, in kube-apiserver's words."""

from __future__ import annotations

from typing import Any

import pytest

from kube46.api import platform, platformrules


def texts(errors: Any) -> list[str]:
    """What clients are told."""
    return [error.text for error in errors]


@pytest.mark.parametrize(("spec", "expected"), [
    ({"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}}, []),
    ({"type": "Limited"}, ["spec.limited: Required value"]),
    ({"limited": {}}, ["spec.limited: Forbidden", "spec.type: Required value"]),
    ({"type": "X", "limited": {}}, ['spec.type: Unsupported value: "X": supported values: "Exempt", "Limited"', "spec.limited: Forbidden"]),
    ({"type": "Limited", "limited": {}}, ["spec.limited.limitResponse.type: Required value"]),
])  # fmt: skip
def test_priority_levels(spec: dict[str, Any], expected: list[str]) -> None:
    """A level is limited or exempt."""
    assert texts(platformrules.priority_level({"spec": spec})) == expected


@pytest.mark.parametrize(("handler", "expected"), [
    ("crun", []), ("", ["handler: Required value"]), ("a.b", ['handler: Invalid value: "a.b": must not contain dots']),
])  # fmt: skip
def test_runtime_classes(handler: str, expected: list[str]) -> None:
    """A handler is a label."""
    assert texts(platformrules.runtime_class({"handler": handler})) == expected


def test_defaults() -> None:
    """What each kind is completed with."""
    hook: dict[str, Any] = {"clientConfig": {"service": {"name": "a"}}, "rules": [{}]}
    platform.mutating_webhooks({"webhooks": [hook]})
    assert (hook["failurePolicy"], hook["timeoutSeconds"], hook["reinvocationPolicy"]) == ("Fail", 10, "Never")
    assert (hook["rules"], hook["clientConfig"]["service"]["port"]) == ([{"scope": "*"}], 443)
    level: dict[str, Any] = {"spec": {"limited": {"limitResponse": {"type": "Queue", "queuing": {}}}}}
    platform.priority_level(level)
    assert level["spec"]["limited"]["limitResponse"]["queuing"] == platform.QUEUING
    item: dict[str, Any] = {"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "1", "memory": "1"}}
    platform.limit_range({"spec": {"limits": [item]}})
    assert (item["default"], item["defaultRequest"]) == ({"cpu": "2"}, {"cpu": "2", "memory": "1"})
    request: dict[str, Any] = {"exactly": {"deviceClassName": "x"}}
    platform.claim({"spec": {"devices": {"requests": [request]}}})
    assert request["exactly"] == {"deviceClassName": "x", "allocationMode": "ExactCount", "count": 1}


def test_what_stays() -> None:
    """A runtime's handler."""
    assert platformrules.runtime_change({"handler": "a"}, {"handler": "a"}) == []
    assert texts(platformrules.runtime_change({"handler": "b"}, {"handler": "a"})) == [
        "handler: Invalid value: null: field is immutable"
    ]
