"""What becomes of an object: apply configurations merged, JSON patches, and the types of constructed objects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.apiserver.admission.mutations import MutationProblem, applied, patched, plain
from kube46.apiserver.expressions.functions import TYPE
from kube46.apiserver.kinds import BY_PLURAL

DEPLOYMENTS = BY_PLURAL["deployments"]
CONTAINERS = [{"name": "a", "image": "i", "args": ["x"]}, {"name": "b", "image": "j"}]
Object = dict[str, Any]


def deployment() -> Object:
    """A deployment of two containers."""
    spec = {"replicas": 1, "template": {"spec": {"containers": [dict(one) for one in CONTAINERS]}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "labels": {"x": "y"}},
        "spec": spec,
    }


def made(place: str, **fields: Any) -> Object:
    """An object as `Object.spec{…}` constructs it."""
    return {TYPE: place, **fields}


def containers(*listed: Object) -> Object:
    """A configuration of a deployment's containers."""
    inner = [made("Object.spec.template.spec.containers", **one) for one in listed]
    pod = made("Object.spec.template.spec", containers=inner)
    return made("Object", spec=made("Object.spec", template=made("Object.spec.template", spec=pod)))


def test_fields_are_merged() -> None:
    """Objects merge field by field, lists by their keys, and what is not said stays."""
    found = applied(deployment(), containers({"name": "b", "image": "k"}, {"name": "c", "image": "l"}), DEPLOYMENTS)
    listed = found["spec"]["template"]["spec"]["containers"]
    assert listed == [CONTAINERS[0], {"name": "b", "image": "k"}, {"name": "c", "image": "l"}]
    labels = made("Object", metadata=made("Object.metadata", labels={"a": "b"}), spec=made("Object.spec", replicas=5))
    found = applied(deployment(), labels, DEPLOYMENTS)
    assert (found["metadata"]["labels"], found["spec"]["replicas"]) == ({"x": "y", "a": "b"}, 5)


def test_nothing_said_changes_nothing() -> None:
    """An empty configuration, and an empty patch, leave an object as it is."""
    assert applied(deployment(), made("Object"), DEPLOYMENTS) == deployment()
    assert patched(deployment(), []) == deployment()


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (
            made("Object", spec=made("Object.metadata", replicas=1)),
            'type mismatch: unexpected type name "Object.metadata", expected "Object.spec", which matches field name'
            " path from root Object type",
        ),
        (
            made("Object", spec=made("Object.spec", nope=1)),
            "error applying patch: failed to convert patch object to typed object: .spec.nope: field not declared in"
            " schema",
        ),
        (
            containers({"name": "a", "args": ["y"]}),
            "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs:"
            " .spec.template.spec.containers[0].args",
        ),
    ],
)
def test_configurations_that_do_not_fit(config: Object, problem: str) -> None:
    """A wrong type, an unknown field, and what would be replaced as a whole are refused in upstream's words."""
    before = deployment()
    with pytest.raises(MutationProblem) as refused:
        applied(before, config, DEPLOYMENTS)
    assert str(refused.value) == problem
    assert before == deployment()


def patch(op: str, path: str, **fields: Any) -> Object:
    """An operation as `JSONPatch{…}` constructs it."""
    return made("JSONPatch", op=op, path=path, **fields)


def test_json_patches() -> None:
    """Operations apply in order; a constructed value is a plain one; a test that fails leaves all as it was."""
    value = made("Object.spec.template.spec.containers", name="c", image="k")
    path = "/spec/template/spec/containers"
    found = patched(deployment(), [patch("add", f"{path}/-", value=value), patch("remove", f"{path}/0")])
    assert found["spec"]["template"]["spec"]["containers"] == [CONTAINERS[1], {"name": "c", "image": "k"}]
    moved = patched(deployment(), [patch("move", "/metadata/annotations", **{"from": "/metadata/labels"})])
    assert moved["metadata"] == {"name": "d", "annotations": {"x": "y"}}
    failing = [patch("replace", "/spec/replicas", value=2), patch("test", "/spec/replicas", value=3)]
    before = deployment()
    assert patched(before, failing) == deployment() == before


@pytest.mark.parametrize(("op", "path"), [("remove", "/spec/nope"), ("nope", "/spec"), ("add", "/no/where")])
def test_patches_that_do_not_apply(op: str, path: str) -> None:
    """A patch that does not apply is refused, and the object stays as it was."""
    before = deployment()
    with pytest.raises(MutationProblem, match=r"^JSON Patch: "):
        patched(before, [patch("replace", "/spec/replicas", value=9), patch(op, path)])
    assert before == deployment()


NAMES = st.text("abc", min_size=1, max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("xyz"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
)


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_plain_values_stay(value: Object) -> None:
    """JSON is JSON; a constructed object is it without its type."""
    assert plain(value) == value
    assert plain(made("Object", **value)) == value


@given(st.dictionaries(NAMES, st.text("xyz"), min_size=1, max_size=4))
def test_merging_twice_is_merging_once(labels: dict[str, str]) -> None:
    """An apply configuration that is merged already changes nothing more."""
    config = made("Object", metadata=made("Object.metadata", labels=labels))
    once = applied(deployment(), config, DEPLOYMENTS)
    assert applied(once, config, DEPLOYMENTS) == once
    assert labels.items() <= once["metadata"]["labels"].items()
