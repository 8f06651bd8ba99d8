"""Expressions in the evaluator's words: constructed objects become maps, variables names, all else stays as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.apiserver.expressions.rewriting import MADE, composed, needed, rewritten, tokens

TEXTS = (
    "'variables.x'",
    '"Object{a: 1}"',
    "r'\\'",
    "b'x'",
    "'''a\nb'''",
    "1.5e3",
    "0x1F",
    "a.b",
    "`x-y`",
    "// variables.z\n",
)
PIECES = st.sampled_from((*TEXTS, *"()[]{}.,:?+-", " ", "\n", "variables", "Object", "spec", "x", "true"))


@given(st.lists(PIECES).map("".join))
def test_tokens_joined_are_the_expression(expression: str) -> None:
    """Nothing of an expression is lost or changed when it is taken apart."""
    assert "".join(token.text for token in tokens(expression)) == expression


@given(st.lists(st.sampled_from((*TEXTS, " ", "+", "[", "]", "x"))).map(" ".join))
def test_what_names_nothing_stays(expression: str) -> None:
    """Without variables and constructions, also within texts and remarks, an expression stays as it is."""
    found = rewritten(expression, constructs=True)
    assert (found.text, found.checked, found.variables, dict(found.types)) == (expression, expression, (), {})


@pytest.mark.parametrize(
    ("expression", "text", "types"),
    [
        ("Object{}", f'{MADE}("Object", {{}})', {"Object": set()}),
        ("Object{a: 1, b: {'c': x}}", f"""{MADE}("Object", {{"a": 1, "b": {{'c': x}}}})""", {"Object": {"a", "b"}}),
        (
            "Object{spec: Object.spec{n: true ? 1 : 2}}",
            f'{MADE}("Object", {{"spec": {MADE}("Object.spec", {{"n": true ? 1 : 2}})}})',
            {"Object": {"spec"}, "Object.spec": {"n"}},
        ),
        ("[JSONPatch{op: 'add'}]", f"""[{MADE}("JSONPatch", {{"op": 'add'}})]""", {"JSONPatch": {"op"}}),
        ("Object{?a: x.?b}", f'{MADE}("Object", {{?"a": x.?b}})', {"Object": {"a"}}),
        ("x.Object + Objects{a: 1}", "x.Object + Objects{a: 1}", {}),
    ],
)
def test_constructions(expression: str, text: str, types: dict[str, set[str]]) -> None:
    """An object's fields are the keys of a map; its type goes with it."""
    found = rewritten(expression, constructs=True)
    assert (found.text, {name: set(fields) for name, fields in found.types.items()}) == (text, types)
    assert len(found.checked) == len(expression)  # so that errors name the right column


def test_variables() -> None:
    """A variable is a name; a field of that name, or a text, is not."""
    found = rewritten("variables.a + object.variables.b + variables . c + 'variables.d' + variables['e']")
    assert found.variables == ("a", "c")
    assert "object.variables.b" in found.text
    assert "variables['e']" in found.text


def test_needed_variables_come_before_who_names_them() -> None:
    """Bound around an expression are the variables that it names and those that they name, and no others."""
    variables = {
        name: rewritten(text) for name, text in (("a", "1"), ("b", "variables.a"), ("c", "variables.b"), ("d", "2"))
    }
    assert needed(("c",), variables) == ["a", "b", "c"]
    text = composed(rewritten("variables.c > 0"), variables)
    assert text.index("__variable_a,") < text.index("__variable_b,") < text.index("__variable_c,")
    assert "__variable_d" not in text
