# ruff: noqa: E501 – tables of cases are read across
"""OpenAPI documents are whole: every reference resolves, kubectl finds what it looks for, protobuf says what JSON says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kube46.apiserver.kinds import KINDS
from kube46.apiserver.openapi import V2_PROTOBUF, V2_PROTOBUF_ASKED, OpenApi
from kube46.apiserver.protobuf_wire import fields

OPENAPI = OpenApi(KINDS)
GROUPS = sorted({f"apis/{k.group}/{k.version}" if k.group else f"api/{k.version}" for k in KINDS})


def get(path: str, **options: Any) -> Any:
    """A document, decoded."""
    document = OPENAPI.answer(path, **options)
    assert document is not None and document.status == 200
    return json.loads(document.body)


def references(value: Any) -> set[str]:
    """All $ref of a document."""
    if isinstance(value, dict):
        return {value["$ref"]} if isinstance(value.get("$ref"), str) else set().union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_index_names_every_group() -> None:
    """The v3 index links each group with the hash of its document, and that link may be kept for ever."""
    paths = get("/openapi/v3")["paths"]
    assert sorted(paths) == GROUPS
    for name, entry in paths.items():
        path, _, query = entry["serverRelativeURL"].partition("?hash=")
        assert path == f"/openapi/v3/{name}"
        document = OPENAPI.answer(path, query={"hash": query})
        assert document is not None
        assert (document.status, document.etag, document.headers["Cache-Control"]) == (200, query, "public, immutable")


def test_stale_hash_is_redirected() -> None:
    """An old link leads to the current one."""
    document = OPENAPI.answer("/openapi/v3/api/v1", query={"hash": "old"})
    current = OPENAPI.answer("/openapi/v3/api/v1")
    assert document is not None and current is not None
    assert (document.status, document.headers["Location"]) == (301, f"/openapi/v3/api/v1?hash={current.etag}")


@pytest.mark.parametrize("group", GROUPS)
def test_references_resolve(group: str) -> None:
    """No document of a group points outside itself."""
    document = get(f"/openapi/v3/{group}")
    assert references(document) <= {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


def test_v2_references_resolve() -> None:
    """Nor does the v2 document."""
    document = get("/openapi/v2", accept="application/json")
    assert references(document) <= {f"#/definitions/{name}" for name in document["definitions"]}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_kubectl_finds_the_kind(kind: Any) -> None:
    """`kubectl explain` finds the kind by its path, and validation its `fieldValidation` where objects are written."""
    root = f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"
    paths = get(f"/openapi/v3/{root}")["paths"]
    scoped = f"/{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"/{root}/{kind.plural}"
    gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    for method, verb in (("get", "list"), ("post", "create")):
        if verb in kind.verbs:
            assert paths[scoped][method]["x-kubernetes-group-version-kind"] == gvk
    if "patch" in kind.verbs:
        patch = paths[f"{scoped}/{{name}}"]["patch"]
        assert "fieldValidation" in {p["name"] for p in patch["parameters"]}
        assert patch["x-kubernetes-group-version-kind"] == gvk


def test_int_or_string_and_prose() -> None:
    """An int-or-string is either, references keep their prose, and merge keys are there for clients."""
    schemas = get("/openapi/v3/api/v1")["components"]["schemas"]
    assert schemas["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]["oneOf"] == [
        {"type": "integer"},
        {"type": "string"},
    ]
    port = schemas["io.k8s.api.core.v1.ServicePort"]["properties"]["targetPort"]
    assert (
        port["allOf"] == [{"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.util.intstr.IntOrString"}]
        and port["description"]
    )
    assert schemas["io.k8s.api.core.v1.ServiceSpec"]["properties"]["ports"]["x-kubernetes-patch-merge-key"] == "port"


def test_v2_protobuf_holds_the_same_definitions() -> None:
    """The protobuf form, which kubectl and Helm ask for, names the definitions and paths of the JSON form in its order."""
    plain = get("/openapi/v2", accept="application/json")
    document = OPENAPI.answer("/openapi/v2", V2_PROTOBUF_ASKED[0])
    assert document is not None and document.content_type == V2_PROTOBUF
    message = dict(fields(document.body))
    for field, inner, wanted in ((9, 1, plain["definitions"]), (8, 2, plain["paths"])):
        entries = [dict(fields(value)) for number, value in fields(message[field]) if number == inner]  # type: ignore[arg-type]
        assert [entry[1].decode() for entry in entries] == list(wanted)  # type: ignore[union-attr]


def test_unacceptable_and_unknown() -> None:
    """A form that we cannot write is 406; a group that is not served is nobody's."""
    for path in ("/openapi/v2", "/openapi/v3/api/v1"):
        document = OPENAPI.answer(path, "text/html")
        assert document is not None and document.status == 406
    assert OPENAPI.answer("/openapi/v3/apis/none/v1") is None
    assert OPENAPI.answer("/openapi/v4") is None
