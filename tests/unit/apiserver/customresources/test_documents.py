"""Custom kinds in OpenAPI, as upstream publishes them."""

import json
from typing import Any

import pytest

from kube46.apiserver.customresources.documents import models
from kube46.apiserver.customresources.kinds import CustomKind, kinds_of
from kube46.apiserver.schemas import openapi_definitions


def custom(schema: dict[str, Any]) -> CustomKind:
    """A kind of that schema."""
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "Thing", "plural": "things", "singular": "thing", "listKind": "ThingList"}
    spec = {"group": "example.org", "scope": "Namespaced", "names": names, "versions": [version]}
    conditions = [{"type": name, "status": "True"} for name in ("NamesAccepted", "Established")]
    status = {"acceptedNames": names, "conditions": conditions}
    definition = {"metadata": {"name": "things.example.org"}, "spec": spec, "status": status}
    return kinds_of(json.dumps(definition).encode())[0]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("open_", [False, True])
def test_what_is_said_of_kinds_that_keep_unknown_fields(version: int, open_: bool) -> None:
    """Version 2 tells only that it is an object, since kubectl would refuse what is not among the properties."""
    schema: dict[str, Any] = {"type": "object", "properties": {"spec": {"type": "object"}}}
    kept = {"x-kubernetes-preserve-unknown-fields": True} if open_ else {}
    found = models(custom(schema | kept), openapi_definitions(), version)["org.example.v1.Thing"]
    identity = found.pop("x-kubernetes-group-version-kind")
    assert identity == [{"group": "example.org", "version": "v1", "kind": "Thing"}]
    if version == 2 and open_:
        assert found == {"type": "object"}
    else:
        assert set(found["properties"]) == {"apiVersion", "kind", "metadata", "spec"}
        assert found["type"] == "object"
