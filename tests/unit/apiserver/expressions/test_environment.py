"""Expressions of admission: what compiles, with which types and errors, and what they come to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.rbac.rules import Asked
from kube46.apiserver.authorization import Decision
from kube46.apiserver.customresources.rule_engine import EvaluationProblem, RuleProblem
from kube46.apiserver.expressions import functions
from kube46.apiserver.expressions.environment import ANY, Scope, Variables, check, program, type_name
from kube46.apiserver.expressions.types import of_result, of_schema
from kube46.apiserver.strategy import User

ALL = Scope(params=True, authorizer=True)
PATCHES = Scope(params=True, authorizer=True, patches=True)
OBJECT = {"metadata": {"name": "web"}, "spec": {"replicas": 3, "paused": None}}
ASKED = {"group": "apps", "resource": "deployments", "subresource": "", "namespace": "shop", "name": "web"}
PREFIX = "compilation failed: ERROR: <input>:"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("object.spec.replicas > 1", True),
        ("has(object.spec.nope)", False),
        ("object.?spec.?nope.orValue(5) == 5", True),
        ("object.spec.paused == null && oldObject == null", True),
        ("params.max >= object.spec.replicas", True),
        ("request.kind.kind == 'Deployment' && request.userInfo.groups.exists(g, g == 'b')", True),
        ("namespaceObject.metadata.labels['team'] == 'a'", True),
        ("object.metadata.name.matches('^w.b$') && quantity('1Gi').isGreaterThan(quantity('1G'))", True),
        ("sets.contains([1, 2], [2]) && ip('::1').isLoopback()", True),
        ("[3, 1, 2].sort() == [1, 2, 3] && [1, 1].distinct() == [1] && [[1], [2]].flatten() == [1, 2]", True),
        ("[1, 2, 3].slice(0, 2) == [1, 2] && lists.range(2) == [0, 1] && [1, 2].reverse() == [2, 1]", True),
        ("['a', 'b'].all(i, v, i < 2 && v != 'c') && [1, 2].transformList(i, v, v + i) == [1, 3]", True),
        ("['a', 'b'].indexOf('b') == 1 && [1, 2].sum() == 3 && [1, 2].isSorted()", True),
    ],
)
def test_values(expression: str, value: object) -> None:
    """Expressions see the request's values as plain JSON."""
    values: dict[str, Any] = {
        "object": OBJECT, "params": {"max": 3}, "namespaceObject": {"metadata": {"labels": {"team": "a"}}},
        "request": {"kind": {"kind": "Deployment"}, "userInfo": {"groups": ["a", "b"]}},
    }  # fmt: skip
    assert program(expression, ("bool",), ALL).run(values) is value


@pytest.mark.parametrize(
    ("expression", "returns", "scope", "problem"),
    [
        ("object.spec.replicas", ("bool",), ALL, "must evaluate to bool but got dyn"),
        ("1", ("string", "null_type"), ALL, "must evaluate to one of [string null_type] but got int"),
        ("[1]", ("bool",), ALL, "must evaluate to bool but got list(int)"),
        ("nobody", ("bool",), ALL, f"{PREFIX}1:1: undeclared reference to 'nobody' (in container '')\n | nobody\n | ^"),
        (
            "{'a': 1}.transformMap(k, v, v) == {}",
            ("bool",),
            ALL,
            "compilation failed: transformMap and transformMapEntry",
        ),
        ("params == 1", ("bool",), Scope(), f"{PREFIX}1:1: undeclared reference to 'params' (in container '')"),
        (
            "variables.a",
            ("bool",),
            ALL,
            f"{PREFIX}1:1: undeclared reference to 'variables' (in container '')\n | variables.a\n | ^",
        ),
        ("authorizer != null", ("bool",), Scope(), f"{PREFIX}1:1: undeclared reference to 'authorizer'"),
        ("request.foo == 1", ("bool",), ALL, f"{PREFIX}1:8: undefined field 'foo'\n | request.foo == 1\n | .......^"),
        ("authorizer.allowed()", ("bool",), ALL, f"{PREFIX}1:19: found no matching overload for 'allowed' applied to "),
        ("{'a': 1}", ("Object",), PATCHES, "must evaluate to Object but got map(string, int)"),
        ("Object{}", ("Object",), ALL, f"{PREFIX}1:7: undeclared reference to 'Object'"),
        ("[JSONPatch{op: 1}]", ("list(JSONPatch)",), PATCHES, f"{PREFIX}1:14: expected type of field 'op' is 'string'"),
        ("[JSONPatch{opp: ''}]", ("list(JSONPatch)",), PATCHES, f"{PREFIX}1:15: undefined field 'opp'\n"),
    ],
)
def test_problems(expression: str, returns: tuple[str, ...], scope: Scope, problem: str) -> None:
    """What can't be compiled is refused with Kubernetes' texts."""
    with pytest.raises(RuleProblem) as refused:
        program(expression, returns, scope)
    assert str(refused.value).startswith(problem)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("object.spec.nope == 1", "no such key: nope"),
        ("'a' + object.spec.replicas == ''", "no such overload"),
        ("1 / object.spec.replicas / 0 == 1", "division by zero"),
        ("authorizer.path(' ').check('get').allowed()", "path must not be empty"),
    ],
)
def test_failures(expression: str, problem: str) -> None:
    """An evaluation that fails names its expression."""
    with pytest.raises(EvaluationProblem) as failed:
        program(expression, ("bool",), ALL).run(
            {"object": OBJECT, "authorizer": functions.authorizer(User("a"), ASKED)}
        )
    assert str(failed.value) == f"expression '{expression}' resulted in error: {problem}"


def test_constructed_objects_carry_their_types() -> None:
    """A constructed object is a map with its type; its fields can be read, whatever constructs it."""
    found = program("Object{spec: Object.spec{n: [1], s: object.spec}}", ("Object",), PATCHES).run({"object": OBJECT})
    spec = {functions.TYPE: "Object.spec", "n": [1], "s": OBJECT["spec"]}
    assert found == {functions.TYPE: "Object", "spec": spec}
    assert program("Object{n: [1, 2, 3]}.n.sum() == 6 && has(Object{a: 1}.a)", ("bool",), PATCHES).run({}) is True
    assert program("Object{a: 1} == Object{a: 2 - 1}", ("bool",), PATCHES).run({}) is True


def test_json_patches() -> None:
    """A list of patches, with keys escaped for pointers."""
    text = "object.on ? [JSONPatch{op: 'add', path: '/a/' + jsonpatch.escapeKey('x/y~z'), value: Object.a{b: 1}}] : []"
    made = program(text, ("list(JSONPatch)",), PATCHES)
    value = {functions.TYPE: "Object.a", "b": 1}
    patch = {functions.TYPE: "JSONPatch", "op": "add", "path": "/a/x~1y~0z", "value": value}
    assert made.run({"object": {"on": True}}) == [patch]
    assert made.run({"object": {"on": False}}) == []


def _variables(**expressions: str) -> Variables:
    found = Variables()
    for name, expression in expressions.items():
        found.add(name, expression, ALL)
    return found


def test_variables_are_lazy() -> None:
    """A variable is evaluated where its value is needed, and its failure counts only there; it may be of any type."""
    known = _variables(n="object.spec.replicas", odd="variables.n % 2 == 1", bad="object.nope", maybe="object.?nope")
    run = {"object": OBJECT}
    assert program("variables.odd && variables.n > 1", ("bool",), ALL, known).run(run) is True
    assert program("variables.odd || variables.bad == 1", ("bool",), ALL, known).run(run) is True
    assert program("variables.maybe.orValue(2) == 2", ("bool",), ALL, known).run(run) is True
    with pytest.raises(EvaluationProblem) as failed:
        program("variables.bad == 1", ("bool",), ALL, known).run(run)
    because = 'composited variable "bad" fails to evaluate: no such key: nope'
    assert str(failed.value) == f"expression 'variables.bad == 1' resulted in error: {because}"


def test_variables_have_types() -> None:
    """The compiler knows the type of a variable, and which there are: only those before it."""
    known = _variables(s="'a'", l="[1]", m="{'a': 'b'}", d="object.x")
    for expression in ("variables.s == 1", "variables.l == ['a']", "variables.m == {'a': 1}"):
        with pytest.raises(RuleProblem, match="found no matching overload for '_==_'"):
            program(expression, ("bool",), ALL, known)
    program("variables.d == 1 && variables.d == 'a'", ("bool",), ALL, known)
    with pytest.raises(RuleProblem, match="undefined field 'later'"):
        known.add("other", "variables.later", ALL)


def test_authorizer() -> None:
    """Checks ask the authorizer about the request's user, or an account, with all that was said."""
    asked: list[tuple[str, Asked]] = []

    def decide(user: User, what: Asked) -> Decision:
        asked.append((user.name, what))
        return Decision(what.verb == "get", "because")

    values = {"authorizer": functions.authorizer(User("bob", ("g",)), ASKED)}
    chain = "group('').resource('pods').subresource('log').namespace('n').name('p').check('get').allowed()"
    for expression, value in (
        (f"authorizer.{chain}", True),
        (f"authorizer.serviceAccount('n', 'sa').{chain}", True),
        ("authorizer.requestResource.check('list').reason() == 'because'", True),
        ("authorizer.path('/x').check('post').allowed()", False),
        ("authorizer.requestResource.check('get').errored()", False),
    ):
        assert program(expression, ("bool",), ALL).run(values, decide) is value
    pod = Asked("get", "", "pods", "log", "n", "p")
    own = Asked("list", "apps", "deployments", "", "shop", "web")
    assert asked[:4] == [
        ("bob", pod), ("system:serviceaccount:n:sa", pod), ("bob", own), ("bob", Asked("post", path="/x")),
    ]  # fmt: skip


def test_types_of_schemas() -> None:
    """A kind's schema makes messages: what protobuf can't say, and what may be a number or a text, is dynamic."""
    found: dict[str, dict[str, str]] = {}
    text: dict[str, Any] = {"type": "string"}
    schema = {"type": "object", "properties": {
        "n": {"type": "integer"}, "s": text, "at": {**text, "format": "date-time"}, "raw": {**text, "format": "byte"},
        "list": {"type": "array", "items": {"type": "object", "properties": {"x-y": text}}},
        "map": {"type": "object", "additionalProperties": text}, "any": {"x-kubernetes-int-or-string": True},
        "deep": {"type": "array", "items": {"type": "array", "items": text}}, "hidden": {},
    }}  # fmt: skip
    assert of_schema("T", schema, found) == "T"
    assert found["T"] == {
        "n": "int", "s": "string", "at": "timestamp", "raw": "bytes", "list": "list<T__list__item>",
        "map": "map<string>", "any": "dyn", "deep": "list<dyn>",
    }  # fmt: skip
    assert found["T__list__item"] == {"x__dash__y": "string"}


@given(st.sampled_from(("1", "'a'", "true", "1.5", "b'a'", "[1]", "['a']", "{'a': 1}", "{1: 1}", "object", "null")))
def test_every_type_can_be_a_variable_s(expression: str) -> None:
    """The type of any expression can be given to a variable, which then can be named."""
    name = check(expression, (ANY,), ALL)
    assert of_result(name)
    assert type_name(name) == type_name(name).lower()
    known = _variables(x=expression)
    program("variables.x == variables.x", ("bool",), ALL, known)
