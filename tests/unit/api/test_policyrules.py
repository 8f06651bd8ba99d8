"""Errors of policies and bindings, but for expressions; the cluster tests compare the texts with the real server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api import policyrules

RULE = {"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}


def fields(errors: list[Any]) -> list[str]:
    """What is wrong, by field."""
    return [error.field for error in errors]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, []),
        ({"operations": []}, ["r.operations"]),
        ({"operations": ["*", "CREATE"]}, ["r.operations"]),
        ({"operations": ["PATCH"]}, ["r.operations[0]"]),
        ({"apiGroups": ["*", ""]}, ["r.apiGroups"]),
        ({"apiVersions": [""]}, ["r.apiVersions[0]"]),
        ({"resources": ["pods", "pods/*", "pods/log"]}, ["r.resources[2]"]),
        ({"resources": ["*/scale", "x/scale"]}, ["r.resources[1]"]),
        ({"resources": ["*/*", "pods"]}, ["r.resources"]),
        ({"resources": ["*", "pods/status"]}, []),
        ({"resources": ["*", "pods"]}, ["r.resources"]),
        ({"scope": "Everywhere"}, ["r.scope"]),
    ],
)
def test_rules(change: dict[str, Any], wrong: list[str]) -> None:
    """A rule says each thing once, and nothing beside a wildcard."""
    assert fields(policyrules.rule_errors({**RULE, **change}, "r")) == wrong


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ({"policyName": "p", "validationActions": ["Deny", "Audit"]}, []),
        ({"validationActions": ["Warn"]}, ["spec.policyName"]),
        ({"policyName": "p"}, ["spec.validationActions"]),
        ({"policyName": "p", "validationActions": ["Warn", "Deny"]}, ["spec.validationActions"]),
        ({"policyName": "p", "validationActions": ["Warn", "Warn"]}, ["spec.validationActions[1]"]),
        (
            {"policyName": "p", "validationActions": ["Deny"], "paramRef": {"parameterNotFoundAction": "Deny"}},
            ["spec.paramRef"],
        ),
        (
            {"policyName": "p", "validationActions": ["Deny"], "paramRef": {"name": "x", "selector": {}}},
            ["spec.paramRef.name", "spec.paramRef.selector", "spec.paramRef.parameterNotFoundAction"],
        ),
    ],
)
def test_bindings(spec: dict[str, Any], wrong: list[str]) -> None:
    """A binding names its policy, its actions, and its parameters in one way."""
    assert fields(policyrules.binding(spec)) == wrong


@given(st.lists(st.sampled_from(("*", "*/*", "a", "b", "a/*", "a/x", "*/x", "b/y", "")), max_size=5))
def test_a_single_resource_is_fine(resources: list[str]) -> None:
    """Whatever stands alone and is not empty is no error; an empty list, or text, always is."""
    errors = policyrules.rule_errors({**RULE, "resources": resources}, "r")
    if len(resources) == 1 and resources[0]:
        assert errors == []
    if not resources or "" in resources:
        assert errors


@given(st.text("abcAB/.1-", max_size=8), st.text("abcAB 1-", max_size=8))
def test_kinds_of_parameters(version: str, kind: str) -> None:
    """A kind that is fine has a version and a name; nothing raises."""
    if not policyrules.param_kind({"apiVersion": version, "kind": kind}):
        assert version.rpartition("/")[2] and kind and version.count("/") < 2


def test_deletions_can_not_be_mutated() -> None:
    """A mutating policy is about no deletion, nor is its binding."""
    rule = {**RULE, "operations": ["CREATE", "DELETE"]}
    constraints = {"matchPolicy": "Exact", "resourceRules": [rule]}
    place = "spec.matchConstraints.resourceRules.operations"
    assert fields(policyrules.match_constraints(constraints, mutating=True)) == [place]
    assert policyrules.match_constraints(constraints) == []
    assert fields(policyrules.reserved("x.static.k8s.io")) == ["metadata.name"]
