# ruff: noqa: E501 – tables of cases are read across
"""Configurations of webhooks: what is refused, and what was there before, in kube-apiserver's words."""

from __future__ import annotations

from typing import Any

import pytest

from kube46.api import webhookrules

HOOK = {
    "name": "a.example.org", "clientConfig": {"url": "https://x"}, "sideEffects": "None", "admissionReviewVersions": ["v1"],
    "rules": [{"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
}  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), [
    ({}, []),
    ({"admissionReviewVersions": []}, ["webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1"]),
    ({"admissionReviewVersions": ["v1", "v1"]}, ['webhooks[0].admissionReviewVersions[1]: Invalid value: "v1": duplicate version']),
    ({"admissionReviewVersions": ["v2"]}, ['webhooks[0].admissionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1']),
    ({"name": ""}, ["webhooks[0].name: Required value"]),
    ({"name": "a"}, ['webhooks[0].name: Invalid value: "a": should be a domain with at least three segments separated by dots']),
    ({"sideEffects": None}, ["webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun"]),
    ({"clientConfig": {}}, ["webhooks[0].clientConfig: Required value: exactly one of url or service is required"]),
    ({"rules": [{}]}, [f"webhooks[0].rules[0].{key}: Required value" for key in ("operations", "apiGroups", "apiVersions", "resources")]),
    ({"sideEffects": "Some"}, ['webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"']),
    ({"failurePolicy": "x"}, ['webhooks[0].failurePolicy: Unsupported value: "x": supported values: "Fail", "Ignore"']),
    ({"matchPolicy": "x"}, ['webhooks[0].matchPolicy: Unsupported value: "x": supported values: "Equivalent", "Exact"']),
    ({"reinvocationPolicy": "x"}, ['webhooks[0].reinvocationPolicy: Unsupported value: "x": supported values: "IfNeeded", "Never"']),
    ({"timeoutSeconds": 31}, ["webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds"]),
    ({"objectSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}, ["webhooks[0].objectSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"]),
    ({"clientConfig": {"url": "http://x"}}, ["webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]"]),
    ({"clientConfig": {"url": "https://u@x/?a#b"}}, [f"webhooks[0].clientConfig.url: Invalid value: {text}" for text in (
        '"u": user information is not permitted in the URL', '"b": fragments are not permitted in the URL', '"a": query parameters are not permitted in the URL')]),
    ({"clientConfig": {"service": {"name": "s", "namespace": "n", "path": "/a//b", "port": 0}}}, [
        "webhooks[0].clientConfig.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive",
        'webhooks[0].clientConfig.service.path: Invalid value: "/a//b": segment[1] may not be empty']),
    ({"clientConfig": {"service": {}}}, [f"webhooks[0].clientConfig.service.{key}: Required value" for key in ("name", "namespace")]),
])  # fmt: skip
def test_webhooks(change: dict[str, Any], expected: list[str]) -> None:
    """Each mistake of a webhook."""
    assert [
        error.text for error in webhookrules.errors({"webhooks": [{**HOOK, **change}]}, None, lambda *_: [])
    ] == expected


def test_names_are_unique() -> None:
    """Two webhooks of one name are refused, unless there were such before."""
    twice: dict[str, Any] = {"webhooks": [HOOK, HOOK]}
    (error,) = webhookrules.errors(twice, None, lambda *_: [])
    assert error.text == 'webhooks[1].name: Duplicate value: "a.example.org"'
    assert webhookrules.errors(twice, twice, lambda *_: []) == []


def test_conditions_are_checked_when_they_change() -> None:
    """Match conditions that stay as they are are not looked at again."""
    asked: list[str] = []

    def problems(_: Any, place: str) -> list[Any]:
        asked.append(place)
        return []

    obj = {"webhooks": [{**HOOK, "matchConditions": [{"name": "a", "expression": "true"}]}]}
    webhookrules.errors(obj, None, problems)
    webhookrules.errors(obj, obj, problems)
    webhookrules.errors(obj, {"webhooks": [HOOK]}, problems)
    assert asked == ["webhooks[0].matchConditions"] * 2


def test_rules_without_effect_are_told() -> None:
    """Nobody is asked about reviews, so a rule that names them warns."""
    rule = {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews", "x"]}
    text = "tokenreviews.authentication.k8s.io is excluded from admission webhooks; this rule will have no effect"
    obj = {"metadata": {"name": "a"}, "webhooks": [{"rules": [{}, rule]}]}
    assert webhookrules.warnings(obj) == [f"webhooks[0].rules[1]: {text}"]
    assert webhookrules.warnings({**obj, "webhooks": [{"rules": [{**rule, "apiGroups": ["*"]}]}]}) == []
