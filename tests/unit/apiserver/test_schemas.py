"""The schemas made at build time hold what decoding and patching need, and load fast."""

from __future__ import annotations

import pytest

from kube46.apiserver.kinds import KINDS
from kube46.apiserver.schemas import Schemas


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_served_kind_has_a_type(kind: object) -> None:
    """Each row of the table of kinds has a struct, and so has each subresource's body that is a kind of its own."""
    schemas = Schemas.load()
    found = schemas.kind(kind.group, kind.version, kind.kind)  # type: ignore[attr-defined]
    assert "metadata" in found.fields or kind.plural.endswith("reviews")  # type: ignore[attr-defined]


def test_every_type_decodes() -> None:
    """All types of the release decode, every struct they name exists, and every list and map has an element."""
    schemas = Schemas.load()
    names = list(schemas._encoded)
    assert len(names) > 800
    for name in names:
        for field in schemas.type(name).fields.values():
            shape = field.shape
            while shape.item is not None:
                shape = shape.item
            assert shape.kind not in ("list", "map"), (name, field.name)
            if shape.kind == "struct":
                assert schemas.type(shape.ref)


def test_merge_keys() -> None:
    """Ports of a Service merge by port, containers by name, and a Deployment's strategy knows retainKeys."""
    schemas = Schemas.load()
    ports = schemas.type("io.k8s.api.core.v1.ServiceSpec").fields["ports"]
    assert (ports.patch_strategy, ports.merge_key, ports.list_keys) == ("merge", "port", ("port", "protocol"))
    assert schemas.type("io.k8s.api.core.v1.PodSpec").fields["containers"].merge_key == "name"
    assert schemas.type("io.k8s.api.apps.v1.DeploymentSpec").fields["strategy"].patch_strategy == "retainKeys"


def test_pointers_and_names() -> None:
    """What OpenAPI leaves out is there: pointers, named scalars, inlined structs, protobuf numbers."""
    schemas = Schemas.load()
    spec = schemas.kind("", "v1", "Service").fields["spec"].shape
    fields = schemas.type(spec.ref).fields
    assert (fields["ipFamilyPolicy"].shape.go, fields["ipFamilyPolicy"].shape.pointer) == ("*v1.IPFamilyPolicy", True)
    assert fields["type"].shape.go == "v1.ServiceType"
    assert schemas.type("io.k8s.api.core.v1.Volume").fields["emptyDir"].inlined == "VolumeSource"
    assert schemas.wire(spec.ref)[18] == "clusterIPs"
