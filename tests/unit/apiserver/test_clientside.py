"""Fields that pass from client-side to server-side apply, and the annotation that says which."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kube46.apiserver.managedfields import clientside, managers, merging

WAY = merging.of_kind("", "v1", "ConfigMap")
BEFORE = managers.Manager("kubectl-client-side-apply", managers.UPDATE, "v1")


def live(data: dict[str, str], annotation: str) -> dict[str, Any]:
    """A ConfigMap that client-side apply made."""
    return {"metadata": {"name": "m", "annotations": {clientside.ANNOTATION: annotation}}, "data": data}


def last(data: dict[str, Any], version: str = "v1") -> str:
    """The annotation of a client-side apply."""
    return json.dumps({"apiVersion": version, "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data})


@pytest.mark.parametrize(
    ("annotation", "manager", "passes"),
    [
        (last({"a": "1"}), "kubectl", True),
        (last({"a": "1"}), "other", False),
        (last({"a": "0"}), "kubectl", False),  # changed since by somebody else
        (last({"b": "1"}), "kubectl", False),
        (last({"a": "1"}, "v2"), "kubectl", False),
        ("{", "kubectl", False),
        ("[]", "kubectl", False),
        ("", "kubectl", False),
    ],
)
def test_only_what_was_applied_and_is_unchanged_passes(annotation: str, manager: str, passes: bool) -> None:
    """kubectl takes over the fields that its annotation names, as they are, and no others."""
    obj = live({"a": "1"}, annotation)
    held = managers.updated({}, obj, {}, BEFORE, "t", WAY)
    by = managers.Manager(manager, managers.APPLY, "v1")
    config = {"metadata": {"name": "m"}, "data": {"a": "2"}}
    if not passes:
        with pytest.raises(managers.Conflicts):
            managers.applied(obj, config, held, by, "u", WAY, force=False)
        return
    merged, found = managers.applied(obj, config, held, by, "u", WAY, force=False)
    assert merged["data"] == {"a": "2"}
    assert by in found


def test_the_annotation_keeps_in_step() -> None:
    """An annotation that is there becomes what was applied, in Go's JSON; none is added."""
    config = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "m"}, "data": {"a": "<&>"}}
    obj = live({"a": "<&>"}, last({"a": "1"}))
    clientside.remember(obj, config)
    text = obj["metadata"]["annotations"][clientside.ANNOTATION]
    head = '{"apiVersion":"v1","data":{"a":"'
    assert text == head + '\\u003c\\u0026\\u003e"},"kind":"ConfigMap","metadata":{"name":"m"}}\n'
    bare: dict[str, Any] = {"metadata": {"name": "m"}}
    clientside.remember(bare, config)
    assert bare == {"metadata": {"name": "m"}}
