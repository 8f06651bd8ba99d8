"""Warnings of a policy's types, with the schemas of built-in kinds."""

from __future__ import annotations

from typing import Any

import pytest

from kube46.apiserver.expressions.typechecking import Typed, resources, warnings
from kube46.apiserver.schemas import openapi_definitions

GROUP = "x-kubernetes-group-version-kind"


def kind(group: str, version: str, name: str) -> Typed:
    """A built-in kind."""
    definitions = openapi_definitions()
    wanted = {"group": group, "version": version, "kind": name}
    schema = next(one for one in definitions.values() if wanted in (one.get(GROUP) or ()))
    return Typed((group, version, name), schema, definitions)


@pytest.fixture(scope="module")
def deployments() -> Typed:
    """Deployments."""
    return kind("apps", "v1", "Deployment")


def spec(*validations: dict[str, str], **more: Any) -> dict[str, Any]:
    """A policy's spec."""
    return {"validations": list(validations), **more}


@pytest.mark.parametrize(
    "expression",
    [
        "object.spec.replicas > 1 && oldObject.metadata.name == 'x'",
        "object.metadata.labels['a'] == 'b' && object.metadata.creationTimestamp > timestamp('2020-01-01T00:00:00Z')",
        "object.spec.template.spec.containers.all(c, c.image == 'x' && c.ports.exists(p, p.containerPort > 1))",
        "object.spec.template.spec.volumes.all(v, has(v.projected) || v.secret.items.exists(i, i.mode == 1))",
        "request.userInfo.username == namespaceObject.metadata.name && authorizer.path('/').check('get').allowed()",
        "object.metadata.__namespace__ == request.namespace",
    ],
)
def test_nothing_is_wrong(deployments: Typed, expression: str) -> None:
    """What has the types of the schema brings no warning."""
    assert warnings(spec({"expression": expression}), [deployments], None) == []


def test_warnings(deployments: Typed) -> None:
    """Each expression that no kind's types allow is told with its place, its kinds and the compiler's words."""
    confused = {"expression": "object.spec.replicas > '1'", "messageExpression": "'got ' + object.spec.replicas"}
    found = warnings(
        spec({"expression": "true"}, confused, {"expression": "object.spec.nope < 1"}), [deployments], None
    )
    assert [one["fieldRef"] for one in found] == [
        "spec.validations[1].expression", "spec.validations[1].messageExpression", "spec.validations[2].expression",
    ]  # fmt: skip
    assert found[0]["warning"] == (
        "apps/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_' applied to '(int, string)'"
        "\n | object.spec.replicas > '1'\n | .....................^\n"
    )
    assert "found no matching overload for '_+_' applied to '(string, int)'" in found[1]["warning"]
    assert "undefined field 'nope'\n" in found[2]["warning"]


def test_several_kinds_variables_and_parameters(deployments: Typed) -> None:
    """Warnings are those of each kind, by its name; variables and parameters have types, too."""
    maps = kind("", "v1", "ConfigMap")
    variables = [{"name": "n", "expression": "object.spec.replicas"}]
    policy = spec(
        {"expression": "variables.n == 'a'"}, {"expression": "params.data.max == 1"}, variables=variables,
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
    )  # fmt: skip
    one, other = warnings(policy, [deployments, maps], maps)
    assert one["warning"].startswith(
        "apps/v1, Kind=Deployment: ERROR: <input>:1:13: found no matching overload for '_==_'"
    )
    assert "Kind=ConfigMap" not in one["warning"]  # whose variable n has no type
    assert other["warning"].count("applied to '(string, int)'") == 2
    assert other["warning"].startswith("/v1, Kind=ConfigMap: ")


def test_resources() -> None:
    """Wildcards and subresources have no types; a rule's groups, versions and resources are each combined."""
    rules = [
        {"apiGroups": ["b", "a"], "apiVersions": ["v1"], "resources": ["y", "x", "*", "x/status"]},
        {"apiGroups": ["*"], "apiVersions": ["v1"], "resources": ["x"]},
    ]
    found = list(resources({"matchConstraints": {"resourceRules": rules}}))
    assert found == [[("a", "v1", "x"), ("a", "v1", "y"), ("b", "v1", "x"), ("b", "v1", "y")]]
