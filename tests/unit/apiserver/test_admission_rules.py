"""Which writes a webhook's rules are about."""

from __future__ import annotations

from typing import Any

import pytest

from kube46.apiserver.admission.attributes import CREATE, Attributes
from kube46.apiserver.admission.rules import exempt, may_concern, namespace_selected, object_selected, rule_matches
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.strategy import User

RULE = {"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}


@pytest.mark.parametrize(
    ("change", "subresource", "expected"),
    [
        ({}, "", True), ({}, "scale", False), ({"operations": ["*"]}, "", True),
        ({"operations": ["UPDATE"]}, "", False),
        ({"apiGroups": ["*"]}, "", True), ({"apiGroups": [""]}, "", False), ({"apiVersions": ["v2", "v1"]}, "", True),
        ({"apiVersions": ["v2"]}, "", False), ({"resources": ["*"]}, "", True), ({"resources": ["*"]}, "scale", False),
        ({"resources": ["*/*"]}, "", True), ({"resources": ["*/*"]}, "scale", True),
        ({"resources": ["deployments/*"]}, "scale", True), ({"resources": ["deployments/*"]}, "", True),
        ({"resources": ["*/scale"]}, "scale", True), ({"resources": ["*/scale"]}, "", False),
        ({"resources": ["pods/scale"]}, "scale", False), ({"scope": "Namespaced"}, "", True),
        ({"scope": "Cluster"}, "", False), ({"scope": "*"}, "", True),
    ],
)  # fmt: skip
def test_rules(change: dict[str, Any], subresource: str, expected: bool) -> None:
    """Operation, group, version, resource with its part, and scope must all be among those that a rule names."""
    rule, kind = {**RULE, **change}, BY_PLURAL["deployments"]
    assert rule_matches(rule, CREATE, kind, subresource, "default") is expected
    assert may_concern([rule], [kind.group], kind.plural, subresource) >= expected  # never passes one over


@pytest.mark.parametrize("change", [{"apiGroups": [""]}, {"resources": ["pods", "*/scale", "deployments/status"]}])
def test_rules_that_can_not_concern(change: dict[str, Any]) -> None:
    """Rules about other groups or resources concern no operation at all."""
    assert not may_concern([{**RULE, "operations": ["*"], **change}], ["apps"], "deployments", "")


@pytest.mark.parametrize(("scope", "expected"), [("Cluster", True), ("Namespaced", False)])
def test_a_namespace_is_in_the_cluster(scope: str, expected: bool) -> None:
    """A namespace is within itself, and yet at the cluster's scope."""
    rule = {**RULE, "apiGroups": [""], "resources": ["namespaces"], "scope": scope}
    assert rule_matches(rule, CREATE, BY_PLURAL["namespaces"], "", "x") is expected


def asked(plural: str, namespace: str, new: Any = None, old: Any = None) -> Attributes:
    kind = BY_PLURAL[plural]
    return Attributes(kind, CREATE, "a", namespace, "", User("u"), False, new, old, dict, None)


def labelled(**labels: str) -> dict[str, Any]:
    return {"metadata": {"labels": labels}}


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        (labelled(a="1"), None, True), (labelled(), labelled(a="1"), True), (None, labelled(a="1"), True),
        (None, None, False),
    ],
)  # fmt: skip
def test_objects(new: Any, old: Any, expected: bool) -> None:
    """The object as it is to be or as it was must have the labels; where there is none, nothing is selected."""
    assert object_selected({"matchLabels": {"a": "1"}}, asked("pods", "x", new, old)) is expected
    assert object_selected({}, asked("pods", "x", None, None))


def test_namespaces() -> None:
    """What is in a namespace goes by its labels, a namespace by its own, what is in none is always selected."""
    selector = {"matchLabels": {"a": "1"}}
    assert namespace_selected(selector, asked("pods", "x"), labelled(a="1"))
    assert not namespace_selected(selector, asked("pods", "x"), labelled())
    assert not namespace_selected(selector, asked("pods", "x"), None)
    assert namespace_selected(selector, asked("nodes", ""), None)
    assert namespace_selected(selector, asked("namespaces", "x", labelled(a="1")), None)
    assert not namespace_selected(selector, asked("namespaces", "x", labelled(), None), labelled(a="1"))


def test_who_is_never_asked_about() -> None:
    """What says who is asked."""
    assert exempt(BY_PLURAL["validatingwebhookconfigurations"]) and exempt(BY_PLURAL["mutatingadmissionpolicies"])
    assert not exempt(BY_PLURAL["customresourcedefinitions"])
