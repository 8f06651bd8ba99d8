"""Role-based access control: what rules allow, cover and bind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.rbac import validation
from kube46.api.rbac.bindings import Bindings
from kube46.api.rbac.rules import Asked, Rule, lacking

GET_PODS = Asked("get", resource="pods", namespace="a", name="p")


@pytest.mark.parametrize(
    ("rule", "asked", "expected"),
    [
        (Rule(("get",), ("",), ("pods",)), GET_PODS, True),
        (Rule(("list",), ("",), ("pods",)), GET_PODS, False),
        (Rule(("*",), ("*",), ("*",)), GET_PODS, True),
        (Rule(("get",), ("apps",), ("pods",)), GET_PODS, False),
        (Rule(("get",), ("",), ("pods",), ("p", "q")), GET_PODS, True),
        (Rule(("get",), ("",), ("pods",), ("q",)), GET_PODS, False),
        (Rule(("get",), ("",), ("pods",)), Asked("get", resource="pods", subresource="log"), False),
        (Rule(("get",), ("",), ("pods/log",)), Asked("get", resource="pods", subresource="log"), True),
        (Rule(("get",), ("",), ("*/log",)), Asked("get", resource="pods", subresource="log"), True),
        (Rule(("get",), ("",), ("*/log",)), GET_PODS, False),
        (Rule(("get",), paths=("/metrics",)), Asked("get", path="/metrics"), True),
        (Rule(("get",), paths=("/metrics",)), Asked("get", path="/metrics/x"), False),
        (Rule(("get",), paths=("/api/*",)), Asked("get", path="/api/v1"), True),
        (Rule(("*",), ("*",), ("*",)), Asked("get", path="/metrics"), False),
        (Rule(("get",), paths=("*",)), GET_PODS, False),
    ],
)
def test_rules(rule: Rule, asked: Asked, expected: bool) -> None:
    """A rule allows its verbs on its resources, names, subresources or paths, and nothing else."""
    assert rule.allows(asked) is expected


WORDS = st.lists(st.sampled_from(["get", "list", "pods", "apps", "*", "", "pods/log", "*/log"]), min_size=1, max_size=3)
RULES = st.builds(
    lambda v, g, r, n: Rule(tuple(v), tuple(g), tuple(r), tuple(n)),
    WORDS, WORDS, WORDS, st.lists(st.sampled_from(["x", "y"]), max_size=2),
)  # fmt: skip
ASKED = st.builds(
    Asked, st.sampled_from(["get", "list", "watch"]), st.sampled_from(["", "apps", "batch"]),
    st.sampled_from(["pods", "jobs"]), st.sampled_from(["", "log"]), st.just("a"), st.sampled_from(["", "x", "z"]),
)  # fmt: skip


@given(st.lists(RULES, max_size=3), RULES, ASKED)
def test_who_lacks_nothing_was_allowed_before(own: list[Rule], wanted: Rule, asked: Asked) -> None:
    """A gift that the escalation check lets pass allows nothing that its giver could not do."""
    if not lacking(own, [wanted]) and wanted.allows(asked):
        assert any(rule.allows(asked) for rule in own)


@given(st.lists(RULES, min_size=1, max_size=3))
def test_own_rules_may_be_given(own: list[Rule]) -> None:
    """Nobody lacks what is among the own rules."""
    assert lacking(own, own) == []


def test_bindings() -> None:
    """Cluster bindings give everywhere, bindings in their namespace; a missing role gives nothing."""
    rules = [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]
    bindings = Bindings(
        [{"metadata": {"name": "all"}, "rules": rules}],
        [{"metadata": {"name": "here", "namespace": "a"}, "rules": rules}],
        [{"metadata": {"name": "x"}, "roleRef": {"kind": "ClusterRole", "name": "all"},
          "subjects": [{"kind": "Group", "name": "ops"}]}],
        [{"metadata": {"name": "y", "namespace": "a"}, "roleRef": {"kind": "Role", "name": "here"},
          "subjects": [{"kind": "ServiceAccount", "name": "robot"}, {"kind": "User", "name": "bob"}]},
         {"metadata": {"name": "z", "namespace": "b"}, "roleRef": {"kind": "Role", "name": "here"},
          "subjects": [{"kind": "User", "name": "bob"}]}],
    )  # fmt: skip
    elsewhere = Asked("get", resource="pods", namespace="b")
    assert bindings.allows("eve", ["ops"], elsewhere)
    assert bindings.allows("bob", [], GET_PODS)
    assert not bindings.allows("bob", [], elsewhere)
    assert bindings.allows("system:serviceaccount:a:robot", [], GET_PODS)
    assert not bindings.allows("system:serviceaccount:b:robot", [], GET_PODS)
    assert not bindings.allows("robot", [], GET_PODS)


def test_errors() -> None:
    """Texts as upstream's validation gives them."""
    rule = {"verbs": [], "nonResourceURLs": ["/x"], "resources": ["pods"]}
    texts = [error.text for error in validation.role_errors({"rules": [rule, {"verbs": ["get"]}]}, namespaced=True)]
    assert texts == [
        'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
        'rules[0].nonResourceURLs: Invalid value: ["/x"]: rules cannot apply to both regular resources and '
        "non-resource URLs",
        "rules[1].apiGroups: Required value: resource rules must supply at least one api group",
        "rules[1].resources: Required value: resource rules must supply at least one resource",
        "rules[0].verbs: Required value",
    ]
    binding = {
        "roleRef": {"kind": "Role", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "robot"}, {"kind": "Robot", "name": "x"}, {"kind": "User"}],
    }
    validation.default_binding(binding)
    texts = [error.text for error in validation.binding_errors(binding, namespaced=False)]
    assert texts == [
        'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
        "subjects[0].namespace: Required value",
        'subjects[1].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
        "subjects[2].name: Required value",
    ]
