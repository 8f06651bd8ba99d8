"""Custom objects over HTTP: every verb, defaults, pruning, field validation, subresources, versions."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from server.customresources.widgets import DEFINITIONS, definition, group_of, objects, widget, with_spec

MERGE = {"content-type": "application/merge-patch+json"}
STRATEGIC = {"content-type": "application/strategic-merge-patch+json"}
JSON_PATCH = {"content-type": "application/json-patch+json"}


@pytest.fixture(scope="module")
def group(server: Any) -> Iterator[str]:
    """The group of a definition that this module's tests share."""
    with server.client() as api:
        made = api.post(DEFINITIONS, json=definition()).json()
        yield group_of(made)
        api.delete(f"{DEFINITIONS}/{made['metadata']['name']}")


def test_verbs(api: httpx2.Client, group: str, namespace: str) -> None:
    """create, get, list, update, patches, delete and deletecollection do what they do to other kinds."""
    place = objects(group, namespace=namespace)
    created = api.post(place, json=widget(group, "a", spec={"color": "red", "bogus": {"x": 1}}))
    assert created.status_code == 201, created.text
    assert created.headers["warning"] == '299 - "unknown field \\"spec.bogus\\""'
    obj = created.json()
    assert obj["spec"] == {"color": "red", "replicas": 1}
    assert obj["metadata"]["generation"] == 1
    assert api.post(place, json=widget(group, "a")).status_code == 409
    stale = dict(obj, spec={"color": "blue"})
    assert api.put(f"{place}/a", json=stale).json()["metadata"]["generation"] == 2
    assert api.put(f"{place}/a", json=stale).json()["reason"] == "Conflict"
    patched = api.patch(f"{place}/a", json={"spec": {"free": {"any": [1]}}}, headers=MERGE).json()
    assert patched["spec"] == {"color": "blue", "replicas": 1, "free": {"any": [1]}}
    operations = [{"op": "replace", "path": "/spec/replicas", "value": 3}]
    assert api.patch(f"{place}/a", json=operations, headers=JSON_PATCH).json()["spec"]["replicas"] == 3
    refused = api.patch(f"{place}/a", json={"spec": {}}, headers=STRATEGIC)
    assert (refused.status_code, refused.json()["reason"]) == (415, "UnsupportedMediaType")
    named = api.post(place, json=widget(group, "", metadata={"name": None, "generateName": "b-"})).json()
    assert named["metadata"]["name"].startswith("b-")
    listed = api.get(place).json()["items"]
    assert [(item["apiVersion"], item["kind"]) for item in listed] == [(f"{group}/v1", "Widget")] * 2
    assert api.delete(f"{place}/a").json()["details"]["kind"] == "widgets"
    assert len(api.delete(place).json()["items"]) == 1
    assert api.get(place).json()["items"] == []


def test_unconditional_update_is_refused(api: httpx2.Client, group: str, namespace: str) -> None:
    """A PUT without resourceVersion is refused, as upstream does for custom objects."""
    place = objects(group, namespace=namespace)
    api.post(place, json=widget(group, "a"))
    refused = api.put(f"{place}/a", json=widget(group, "a", spec={"color": "blue"})).json()
    assert refused["message"].endswith("metadata.resourceVersion: Invalid value: 0: must be specified for an update")


def test_dry_run(api: httpx2.Client, group: str, namespace: str) -> None:
    """A dry run defaults and validates, and stores nothing."""
    place = objects(group, namespace=namespace)
    tried = api.post(place, json=widget(group, "a"), params={"dryRun": "All"})
    assert tried.json()["spec"]["replicas"] == 1
    wrong = api.post(place, json=widget(group, "a", spec={}), params={"dryRun": "All"})
    assert wrong.status_code == 422
    assert api.get(f"{place}/a").status_code == 404


@pytest.mark.parametrize(
    ("body", "validation", "status", "text"),
    [
        ('{"color":"red","bogus":1}', "Strict", 400, 'strict decoding error: unknown field \\"spec.bogus\\"'),
        ('{"color":"red","color":"red"}', "Strict", 400, 'strict decoding error: duplicate field \\"spec.color\\"'),
        ('{"color":"red","bogus":1}', "Ignore", 201, ""),
    ],
)
def test_field_validation(
    api: httpx2.Client, group: str, namespace: str, body: str, validation: str, status: int, text: str
) -> None:
    """Strict refuses unknown and repeated fields with upstream's words; Ignore drops them without any."""
    raw = json.dumps(widget(group, "a")).replace('{"color": "red"}', body)
    headers = {"content-type": "application/json"}
    answer = api.post(
        objects(group, namespace=namespace), content=raw, headers=headers, params={"fieldValidation": validation}
    )
    assert answer.status_code == status
    assert text in answer.text
    assert "warning" not in answer.headers


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"apiVersion": "other/v1"}, 400, "the API version in the data (other/v1) does not match the expected"),
        ({"kind": "Gadget"}, 422, 'kind: Invalid value: "Gadget": must be Widget'),
        ({"kind": ""}, 400, "Object 'Kind' is missing in"),
        ({"metadata": {"name": "a", "labels": {"x": 1}}}, 400, "json: cannot unmarshal number into"),
        ({"metadata": {"name": "A_b"}}, 422, "metadata.name: Invalid value"),
        ({"spec": []}, 422, 'spec in body must be of type object: "array"'),
    ],
)
def test_bad_bodies(
    api: httpx2.Client, group: str, namespace: str, change: dict[str, Any], status: int, text: str
) -> None:
    """Bodies of another kind, another version or broken metadata are refused with upstream's words."""
    answer = api.post(objects(group, namespace=namespace), json=widget(group, "a") | change)
    assert answer.status_code == status, answer.text
    assert text in answer.json()["message"]


def test_status(api: httpx2.Client, group: str, namespace: str) -> None:
    """/status changes the status alone and no generation; other writes never change the status."""
    place = objects(group, namespace=namespace)
    made = api.post(place, json=widget(group, "a", status={"replicas": 9})).json()
    assert "status" not in made
    body = {"status": {"replicas": 2}, "spec": {"color": "blue"}, "metadata": {"labels": {"x": "y"}}}
    written = api.patch(f"{place}/a/status", json=body, headers=MERGE).json()
    assert (written["status"], written["spec"]["color"]) == ({"replicas": 2}, "red")
    assert written["metadata"]["generation"] == 1
    assert "labels" not in written["metadata"]
    kept = api.patch(f"{place}/a", json={"status": {"replicas": 7}}, headers=MERGE).json()
    assert kept["status"] == {"replicas": 2}
    wrong = api.patch(f"{place}/a/status", json={"status": {"replicas": "x"}}, headers=MERGE).json()
    cause = wrong["details"]["causes"][0]
    assert (cause["field"], cause["reason"]) == ("status.replicas", "FieldValueTypeInvalid")
    assert cause["message"] == 'Invalid value: "string": replicas in body must be of type integer: "string"'


def test_scale(api: httpx2.Client, group: str, namespace: str) -> None:
    """/scale reads and writes the definition's paths as an autoscaling/v1 Scale."""
    place = objects(group, namespace=namespace)
    api.post(place, json=widget(group, "a"))
    api.patch(f"{place}/a/status", json={"status": {"replicas": 2, "selector": "x=y"}}, headers=MERGE)
    scale = api.get(f"{place}/a/scale").json()
    assert (scale["spec"], scale["status"]) == ({"replicas": 1}, {"replicas": 2, "selector": "x=y"})
    scale["spec"]["replicas"] = 4
    assert api.put(f"{place}/a/scale", json=scale).json()["spec"] == {"replicas": 4}
    assert api.get(f"{place}/a").json()["spec"]["replicas"] == 4
    assert api.patch(f"{place}/a/scale", json={"spec": {"replicas": 11}}, headers=MERGE).status_code == 422


def test_watch_and_selectors(api: httpx2.Client, group: str, namespace: str) -> None:
    """Watches see changes with kind and version; label and field selectors select, selectable fields too."""
    place = objects(group, namespace=namespace)
    api.post(place, json=widget(group, "a", metadata={"labels": {"x": "1"}}))
    api.post(place, json=widget(group, "b", spec={"color": "blue"}))
    for query in ({"labelSelector": "x=1"}, {"fieldSelector": "spec.color=red"}):
        found = api.get(place, params=query).json()["items"]
        assert [one["metadata"]["name"] for one in found] == ["a"], query
    assert api.get(place, params={"fieldSelector": "spec.name=x"}).status_code == 400
    with api.stream("GET", place, params={"watch": "1", "fieldSelector": "spec.color=blue"}) as stream:
        lines = stream.iter_lines()
        first = json.loads(next(lines))
        assert (first["type"], first["object"]["kind"], first["object"]["metadata"]["name"]) == ("ADDED", "Widget", "b")
        api.patch(f"{place}/b", json={"spec": {"color": "green"}}, headers=MERGE)
        assert json.loads(next(lines))["type"] == "DELETED"


def test_table(api: httpx2.Client, group: str, namespace: str) -> None:
    """Tables have the definition's columns; cells are of their types, absent ones null."""
    place = objects(group, namespace=namespace)
    api.post(place, json=widget(group, "a"))
    table = api.get(place, headers={"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}).json()
    assert [(c["name"], c["priority"]) for c in table["columnDefinitions"]] == [
        ("Name", 0), ("Replicas", 0), ("Color", 1), ("Age", 0),
    ]  # fmt: skip
    assert table["rows"][0]["cells"][:3] == ["a", 1, "red"]


def test_rules(api: httpx2.Client, group: str, namespace: str) -> None:
    """Validation rules and transition rules refuse with their messages, at their fields."""
    place = objects(group, namespace=namespace)
    many = api.post(place, json=widget(group, "a", spec={"color": "blue", "replicas": 9})).json()
    assert many["message"] == f'Widget.{group} "a" is invalid: spec.color: Invalid value: many are red'
    api.post(place, json=widget(group, "a", spec={"color": "blue", "name": "abc"}))
    renamed = api.patch(f"{place}/a", json={"spec": {"name": "abd"}}, headers=MERGE).json()
    assert renamed["message"] == f'Widget.{group} "a" is invalid: spec: Invalid value: name is immutable'


def test_versions(api: httpx2.Client) -> None:
    """All served versions show the same object; each prunes and defaults by its own schema, none is lost in storage."""
    crd = definition()
    second = json.loads(json.dumps(crd["spec"]["versions"][0])) | {"name": "v2beta1", "storage": False}
    second["deprecated"] = True
    extra = {"type": "string", "default": "new"}
    second["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["extra"] = extra
    crd["spec"]["versions"].append(second)
    made = api.post(DEFINITIONS, json=crd)
    assert made.status_code == 201, made.text
    group = group_of(crd)
    try:
        assert api.get(f"/apis/{group}").json()["preferredVersion"]["version"] == "v1"
        body = widget(group, "a", spec={"color": "red", "extra": "mine"}, version="v2beta1")
        written = api.post(objects(group, version="v2beta1"), json=body)
        assert written.headers["warning"] == f'299 - "{group}/v2beta1 Widget is deprecated"'
        first = api.get(f"{objects(group)}/a").json()
        assert (first["apiVersion"], "extra" in first["spec"]) == (f"{group}/v1", False)
        newer = api.get(f"{objects(group, version='v2beta1')}/a").json()
        assert (newer["apiVersion"], newer["spec"]["extra"]) == (f"{group}/v2beta1", "mine")
        listed = api.get(objects(group, version="v2beta1")).json()
        assert (listed["apiVersion"], listed["items"][0]["spec"]["extra"]) == (f"{group}/v2beta1", "mine")
    finally:
        api.delete(f"{DEFINITIONS}/{crd['metadata']['name']}")


def test_changed_schema(api: httpx2.Client) -> None:
    """A new default shows in old objects; a field that left the schema is gone; what was valid may stay as it is."""
    crd = with_spec({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}})
    crd = api.post(DEFINITIONS, json=crd).json()
    group, place = group_of(crd), f"{DEFINITIONS}/{crd['metadata']['name']}"
    try:
        api.post(objects(group), json=widget(group, "x", spec={"a": "long", "b": "gone"}))
        schema = {"a": {"type": "string", "maxLength": 2}, "c": {"type": "integer", "default": 5}}
        versions = crd["spec"]["versions"]
        versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"] = schema
        changed = api.patch(place, json={"spec": {"versions": versions}}, headers=MERGE)
        assert changed.status_code == 200, changed.text
        assert api.get(f"{objects(group)}/x").json()["spec"] == {"a": "long", "c": 5}
        assert api.patch(f"{objects(group)}/x", json={"spec": {"c": 6}}, headers=MERGE).status_code == 200
        assert api.patch(f"{objects(group)}/x", json={"spec": {"a": "new"}}, headers=MERGE).status_code == 422
    finally:
        api.delete(place)


def test_cluster_scope(api: httpx2.Client) -> None:
    """Objects of a cluster-scoped kind have no namespace, whatever a body says."""
    crd = definition(scope="Cluster")
    api.post(DEFINITIONS, json=crd)
    group = group_of(crd)
    try:
        made = api.post(objects(group, namespace=""), json=widget(group, "a", metadata={"namespace": "x"}))
        assert made.status_code == 201, made.text
        assert "namespace" not in made.json()["metadata"]
        assert api.get(objects(group)).status_code == 404
    finally:
        api.delete(f"{DEFINITIONS}/{crd['metadata']['name']}")


def test_plurals_of_other_groups(api: httpx2.Client, namespace: str) -> None:
    """A custom kind may have a built-in one's plural: the objects of either are its own."""
    crd = definition(plural="services", kind="Service", shortNames=[])
    api.post(DEFINITIONS, json=crd)
    group = group_of(crd)
    try:
        place = objects(group, "services", namespace)
        body = widget(group, "kubernetes") | {"kind": "Service"}
        assert api.post(place, json=body).status_code == 201
        assert api.get(f"/api/v1/namespaces/{namespace}/services").json()["items"] == []
        assert api.get(f"{place}/kubernetes").json()["spec"] == {"color": "red", "replicas": 1}
    finally:
        api.delete(f"{DEFINITIONS}/{crd['metadata']['name']}")


def test_protobuf_is_refused(api: httpx2.Client, group: str, namespace: str) -> None:
    """Custom objects have no protobuf form: bodies get 415, clients that take nothing else 406."""
    place, media = objects(group, namespace=namespace), "application/vnd.kubernetes.protobuf"
    assert api.post(place, content=b"k8s\0", headers={"content-type": media}).status_code == 415
    assert api.get(place, headers={"accept": media}).status_code == 406
    assert api.get(place, headers={"accept": f"{media},application/json"}).status_code == 200
