"""Structural schemas: what they fill in, what they drop, and with what words they are refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube46.apiserver.customresources import structure
from kube46.apiserver.customresources.defaulting import default, has_defaults
from kube46.apiserver.customresources.pruning import prune, prune_nulls

STRING = {"type": "string"}
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2)
NAMES = st.sampled_from("abcd")


def _values(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4)


VALUES = st.recursive(SCALARS, _values, max_leaves=8)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)


@st.composite
def schemas(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    """A structural schema, some with defaults of their own type."""
    kind = draw(st.sampled_from(("object", "array", "string") if depth else ("string",)))
    schema: dict[str, Any] = {"type": kind, "nullable": draw(st.booleans())}
    if kind == "object":
        if draw(st.booleans()):
            schema["properties"] = draw(st.dictionaries(NAMES, schemas(depth=depth - 1), max_size=3))
        else:
            schema["additionalProperties"] = draw(schemas(depth=depth - 1))
        if draw(st.integers(0, 3)) == 0:
            schema["x-kubernetes-preserve-unknown-fields"] = True
    elif kind == "array":
        schema["items"] = draw(schemas(depth=depth - 1))
    if draw(st.booleans()):
        schema["default"] = {"object": {}, "array": [], "string": "x"}[kind]
    return schema


ROOTS = st.dictionaries(NAMES, schemas(), max_size=4).map(lambda inner: {"type": "object", "properties": inner})


@pytest.mark.parametrize(
    ("schema", "value", "wanted"),
    [
        ({"a": {"default": 1}}, {}, {"a": 1}),
        ({"a": {"default": 1}}, {"a": 2}, {"a": 2}),
        ({"a": {"default": 1}}, {"a": None}, {"a": 1}),
        ({"a": {"default": 1, "nullable": True}}, {"a": None}, {"a": None}),
        ({"a": {"default": None, "nullable": True}}, {}, {}),
        ({"a": {"properties": {"b": {"default": 1}}}}, {}, {}),
        ({"a": {"default": {}, "properties": {"b": {"default": 1}}}}, {}, {"a": {"b": 1}}),
        ({"a": {"items": {"default": 1}}}, {"a": [None, 2]}, {"a": [1, 2]}),
        ({"a": {"items": {"properties": {"b": {"default": 1}}}}}, {"a": [{}]}, {"a": [{"b": 1}]}),
        ({"a": {"additionalProperties": {"default": 1}}}, {"a": {"x": None}}, {"a": {"x": 1}}),
        ({"a": {"additionalProperties": {"default": 1}}}, {"a": {}}, {"a": {}}),
    ],
)
def test_defaults(schema: dict[str, Any], value: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Absent fields and refused nulls get their default, and what was filled in gets its own."""
    default(value, {"properties": schema})
    assert value == wanted


def test_defaults_are_copies() -> None:
    """Who changes a defaulted object does not change the schema."""
    schema: dict[str, Any] = {"properties": {"a": {"default": {"x": [1]}}}}
    value: dict[str, Any] = {}
    default(value, schema)
    value["a"]["x"].append(2)
    assert schema["properties"]["a"]["default"] == {"x": [1]}


@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        (None, False), ({}, False), ({"default": None}, False), ({"default": 0}, True),
        ({"items": {"properties": {"a": {"default": ""}}}}, True),
        ({"additionalProperties": True}, False), ({"additionalProperties": {"default": 1}}, True),
    ],
)  # fmt: skip
def test_has_defaults(schema: dict[str, Any] | None, wanted: bool) -> None:
    """A default is found at any depth; null is none."""
    assert has_defaults(schema) is wanted


@given(ROOTS, OBJECTS)
@settings(max_examples=60)
def test_defaulting_settles(schema: dict[str, Any], value: dict[str, Any]) -> None:
    """Defaulting twice is defaulting once, and no value that stands is changed."""
    before = copy.deepcopy(value)
    default(value, schema)
    once = copy.deepcopy(value)
    default(value, schema)
    assert value == once
    assert all(value[name] == one for name, one in before.items() if isinstance(one, str | int))
    if not has_defaults(schema):
        assert value == before


@given(ROOTS, OBJECTS)
@settings(max_examples=60)
def test_pruning_settles(schema: dict[str, Any], value: dict[str, Any]) -> None:
    """Pruning twice is pruning once; what the schema names at the root stays, all else goes and is told."""
    names = set(value)
    told = prune(value, schema)
    assert set(value) == names & set(schema["properties"])
    assert {path for path in told if "." not in path and "[" not in path} == names - set(schema["properties"])
    once = copy.deepcopy(value)
    assert prune(value, schema) == []
    assert value == once


@given(ROOTS, OBJECTS)
@settings(max_examples=40)
def test_preserving_keeps_unknown_fields(schema: dict[str, Any], value: dict[str, Any]) -> None:
    """A root that preserves unknown fields loses no field of its own."""
    names = set(value)
    prune(value, {**schema, "x-kubernetes-preserve-unknown-fields": True})
    assert set(value) == names


@given(ROOTS, OBJECTS)
@settings(max_examples=40)
def test_defaults_outlive_pruning(schema: dict[str, Any], value: dict[str, Any]) -> None:
    """What defaulting fills in at the root is known: pruning keeps it."""
    prune(value, schema)
    default(value, schema)
    once = copy.deepcopy(value)
    prune(value, schema)
    assert value == once


PRESERVE = {"x-kubernetes-preserve-unknown-fields": True}
EMBEDDED = {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": {"type": "object"}}}


@pytest.mark.parametrize(
    ("schema", "value", "wanted", "told"),
    [
        ({}, {"kind": "K", "metadata": {"x": 1}, "a": 1}, {"kind": "K", "metadata": {"x": 1}}, ["a"]),
        ({"a": {"properties": {"b": {}}}}, {"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, ["a.c"]),
        ({"a": {"items": {"properties": {}}}}, {"a": [{"x": 1}]}, {"a": [{}]}, ["a[0].x"]),
        ({"a": {"additionalProperties": True}}, {"a": {"x": 1}}, {"a": {"x": 1}}, []),
        ({"a": {"additionalProperties": STRING}}, {"a": {"x": {"y": 1}}}, {"a": {"x": {}}}, ["a.x.y"]),
        ({"a": PRESERVE}, {"a": {"x": {"y": [1]}}}, {"a": {"x": {"y": [1]}}}, []),
        (
            {"a": {**PRESERVE, "properties": {"b": {"properties": {"c": {}}}}}},
            {"a": {"b": {"c": 1, "d": 2}, "e": 3}}, {"a": {"b": {"c": 1}, "e": 3}}, ["a.b.d"],
        ),
        (
            {"a": EMBEDDED}, {"a": {"apiVersion": "v1", "kind": "K", "metadata": {}, "x": 1, "spec": {}}},
            {"a": {"apiVersion": "v1", "kind": "K", "metadata": {}, "spec": {}}}, ["a.x"],
        ),
    ],
)  # fmt: skip
def test_pruning(schema: dict[str, Any], value: dict[str, Any], wanted: dict[str, Any], told: list[str]) -> None:
    """Unknown fields go with their paths told; preserving and embedded schemas keep what is theirs."""
    assert prune(value, {"properties": schema}) == told
    assert value == wanted


def test_prune_nulls() -> None:
    """Nulls go where they are not allowed and no default stands in for them."""
    schema = {"properties": {"a": {}, "b": {"nullable": True}, "c": {"default": 1}, "d": {"default": None}}}
    value: dict[str, Any] = dict.fromkeys("abcde")
    prune_nulls(value, schema)
    assert value == {"b": None, "c": None, "e": None}


INT_OR_STRING = {"x-kubernetes-int-or-string": True}
ANY_OF = [{"type": "integer"}, {"type": "string"}]


@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        ({}, []),
        ({"a": {}}, ["s.properties[a].type: Required value: must not be empty for specified object fields"]),
        ({"a": {"type": "array"}}, ["s.properties[a].items: Required value: must be specified"]),
        (
            {"a": {"type": "array", "items": {}}},
            ["s.properties[a].items.type: Required value: must not be empty for specified array items"],
        ),
        (
            {"a": {"type": "string", "pattern": "("}},
            ['s.properties[a].pattern: Invalid value: "(": must be a valid regular expression, but isn\'t: '
             "error parsing regexp: missing closing ): `(`"],
        ),
        ({"a": {**INT_OR_STRING, "anyOf": ANY_OF}}, []),
        ({"a": {**INT_OR_STRING, "allOf": [{"anyOf": ANY_OF}]}}, []),
        (
            {"a": {**INT_OR_STRING, "allOf": [{}, {"anyOf": ANY_OF[:1]}]}},
            ["s.properties[a].allOf[1].anyOf[0].type: Forbidden: must be empty to be structural"],
        ),
        (
            {"a": {**INT_OR_STRING, **PRESERVE}},
            ["s.properties[a].x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if "
             "x-kubernetes-int-or-string is true"],
        ),
        ({"kind": {"type": "integer"}}, ['s.properties[kind].type: Invalid value: "integer": must be string']),
        (
            {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}},
            ["s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but "
             "metadata is implicitly specified"],
        ),
        ({"metadata": {"type": "object", "properties": {"name": STRING}}}, []),
        (
            {"a": {"type": "object", "x-kubernetes-embedded-resource": True}},
            ["s.properties[a].properties: Required value: must not be empty if x-kubernetes-embedded-resource is "
             "true without x-kubernetes-preserve-unknown-fields"],
        ),
        (
            {"a": {"type": "object", "not": {"type": "object", "default": 1, "nullable": True}}},
            [f"s.properties[a].not.{name}: Forbidden: must be {how} to be structural"
             for name, how in (("default", "undefined"), ("nullable", "false"), ("type", "empty"))],
        ),
        (
            {"a": {"type": "object", "oneOf": [{"properties": {"b": {}}}]}},
            ["s.properties[a].properties[b]: Required value: because it is defined in "
             "s.properties[a].oneOf[0].properties[b]"],
        ),
    ],
)  # fmt: skip
def test_structure(schema: dict[str, Any], wanted: list[str]) -> None:
    """A schema that is not structural is refused in upstream's words."""
    root = {"type": "object", "properties": schema}
    found = structure.problems(root, "s")
    # what a branch names below the root is asked of the root's own branches only
    inner = [error.text for name, one in schema.items() for error in _branches(one, structure.key("s", name))]
    assert sorted({error.text for error in found} | set(inner)) == wanted


def _branches(schema: dict[str, Any], path: str) -> list[Any]:
    nested = {"type": "object", **schema}
    return [one for one in structure.problems(nested, path) if "because it is defined" in one.text]


@pytest.mark.parametrize(
    ("root", "wanted"),
    [
        ({}, ["s.type: Required value: must not be empty at the root"]),
        ({"type": "array", "items": STRING}, ['s.type: Invalid value: "array": must be object at the root']),
        (
            {"type": "object", "additionalProperties": STRING},
            ["s.additionalProperties: Forbidden: must not be used at the root"],
        ),
    ],
)
def test_root(root: dict[str, Any], wanted: list[str]) -> None:
    """The root is an object with named fields."""
    assert [error.text for error in structure.problems(root, "s")] == wanted


@given(ROOTS)
@settings(max_examples=40)
def test_typed_schemas_are_structural(schema: dict[str, Any]) -> None:
    """A schema whose every field has a type and whose arrays have items is structural."""
    assert structure.problems(schema, "s") == []
