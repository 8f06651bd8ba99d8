"""A definition to test with, in a group that no other test has, and objects of it."""

import copy
import itertools
import os
import time
from collections.abc import Callable
from typing import Any

from patience import patient

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_numbers = itertools.count()

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["color"],
            "properties": {
                "replicas": {"type": "integer", "minimum": 0, "maximum": 10, "default": 1},
                "color": {"type": "string", "enum": ["red", "green", "blue"], "description": "How it looks."},
                "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
                "port": {"x-kubernetes-int-or-string": True},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            },
            "x-kubernetes-validations": [
                {"rule": "self.replicas < 5 || self.color == 'red'", "message": "many are red", "fieldPath": ".color"},
                {"rule": "!has(oldSelf.name) || self.name == oldSelf.name", "message": "name is immutable"},
            ],
        },
        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}, "selector": {"type": "string"}}},
    },
}
COLUMNS = [
    {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
    {"name": "Color", "type": "string", "jsonPath": ".spec.color", "priority": 1},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]
SCALE = {
    "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}  # fmt: skip


def definition(
    group: str = "", plural: str = "widgets", kind: str = "Widget", scope: str = "Namespaced", **names: Any
) -> dict[str, Any]:
    """A CustomResourceDefinition."""
    group = group or f"t{os.getpid()}-{next(_numbers)}.example.org"
    version = {
        "name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": copy.deepcopy(SCHEMA)},
        "subresources": {"status": {}, "scale": dict(SCALE)}, "additionalPrinterColumns": copy.deepcopy(COLUMNS),
        "selectableFields": [{"jsonPath": ".spec.color"}],
    }  # fmt: skip
    called = {"plural": plural, "kind": kind, "shortNames": ["wd"], "categories": ["all"], **names}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": scope, "names": called, "versions": [version]},
    }  # fmt: skip


def with_spec(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A definition whose spec has this schema and that is else bare."""
    crd = definition()
    properties = {"spec": schema, "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    crd["spec"]["versions"] = [
        {
            "name": "v1", "served": True, "storage": True,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}}, **more,
        }
    ]  # fmt: skip
    return crd


def group_of(crd: dict[str, Any]) -> str:
    """The group of a definition."""
    return str(crd["spec"]["group"])


def objects(group: str, plural: str = "widgets", namespace: str = "default", version: str = "v1") -> str:
    """The path of a collection."""
    scope = f"namespaces/{namespace}/" if namespace else ""
    return f"/apis/{group}/{version}/{scope}{plural}"


def widget(group: str, name: str, spec: Any = None, version: str = "v1", **more: Any) -> dict[str, Any]:
    """An object."""
    metadata = {"name": name, **more.pop("metadata", {})}
    body = {"color": "red"} if spec is None else spec
    return {"apiVersion": f"{group}/{version}", "kind": "Widget", "metadata": metadata, "spec": body, **more}


def eventually(probe: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + patient(seconds)
    while not probe():
        assert time.monotonic() < deadline, "did not come to hold"
        time.sleep(0.02)
