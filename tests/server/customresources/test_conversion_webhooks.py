"""Custom resources whose versions a webhook converts: whatever version is stored, each is served."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from patience import patient
from server.hooks import Hooks

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2

Object = dict[str, Any]
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SCHEMAS = {"v1": ("hostPort",), "v2": ("host", "port")}
MERGE, APPLY = {"content-type": "application/merge-patch+json"}, {"content-type": "application/apply-patch+yaml"}


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooks]:
    """A conversion webhook."""
    running = Hooks(tmp_path_factory.mktemp("converting")).start()
    yield running
    running.close()


class Kind:
    """A definition of two versions and the paths of its objects."""

    def __init__(self, api: httpx2.Client, client: Object) -> None:
        self.group = f"g{uuid.uuid4().hex[:8]}.example.org"
        self.api = api
        names = {"plural": "places", "kind": "Place"}
        conversion = {"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}}
        versions = [self.version(name, storage=name == "v1") for name in SCHEMAS]
        spec = {
            "group": self.group, "names": names, "scope": "Cluster", "versions": versions, "conversion": conversion
        }  # fmt: skip
        self.name = f"places.{self.group}"
        made = api.post(DEFINITIONS, json={"metadata": {"name": self.name}, "spec": spec})
        assert made.status_code == 201, made.text

    def version(self, name: str, *, storage: bool) -> Object:
        properties = {field: {"type": "string"} for field in SCHEMAS[name]}
        schema = {"openAPIV3Schema": {"type": "object", "properties": properties}}
        selectable = [{"jsonPath": f".{field}"} for field in SCHEMAS[name]]
        return {"name": name, "served": True, "storage": storage, "schema": schema, "selectableFields": selectable}

    def store(self, version: str) -> None:
        """Make another version the one that is stored."""
        spec = {"versions": [self.version(name, storage=name == version) for name in SCHEMAS]}
        assert self.api.patch(f"{DEFINITIONS}/{self.name}", json={"spec": spec}, headers=MERGE).status_code == 200

    def path(self, version: str) -> str:
        return f"/apis/{self.group}/{version}/places"

    def body(self, version: str, name: str, **fields: str) -> Object:
        return {"apiVersion": f"{self.group}/{version}", "kind": "Place", "metadata": {"name": name}, **fields}


@pytest.fixture
def places(api: httpx2.Client, hooks: Hooks) -> Iterator[Kind]:
    """A kind that the webhook converts."""
    kind = Kind(api, hooks.at("convert"))
    yield kind
    api.delete(f"{DEFINITIONS}/{kind.name}")


def fields(obj: Object) -> Object:
    return {name: value for name, value in obj.items() if name not in ("apiVersion", "kind", "metadata")}


def test_each_version_of_each_object(places: Kind) -> None:
    """Objects written in either version, stored in either, are read and listed in both."""
    api = places.api
    assert api.post(places.path("v1"), json=places.body("v1", "a", hostPort="h:1")).status_code == 201
    made = api.post(places.path("v2"), json=places.body("v2", "b", host="h", port="2"))
    assert made.status_code == 201 and fields(made.json()) == {"host": "h", "port": "2"}
    places.store("v2")
    assert api.post(places.path("v1"), json=places.body("v1", "c", hostPort="h:3")).status_code == 201
    first, second = (api.get(places.path(version)).json()["items"] for version in SCHEMAS)
    assert [fields(one) for one in first] == [{"hostPort": f"h:{n}"} for n in (1, 2, 3)]
    assert [fields(one) for one in second] == [{"host": "h", "port": str(n)} for n in (1, 2, 3)]
    for one in (*first, *second):
        assert "storedVersion" not in one["metadata"]
    for version in SCHEMAS:
        got = api.get(f"{places.path(version)}/a").json()
        assert got["metadata"]["uid"] == first[0]["metadata"]["uid"] and got["apiVersion"].endswith(version)


def test_every_way_of_writing(places: Kind) -> None:
    """PUT, patch, apply and delete in a version that is not the stored one change what both versions show."""
    api, one, two = places.api, places.path("v1"), places.path("v2")
    api.post(one, json=places.body("v1", "a", hostPort="h:1"))
    got = api.get(f"{two}/a").json()
    put = api.put(f"{two}/a", json={**got, "port": "2"})
    assert put.status_code == 200 and fields(api.get(f"{one}/a").json()) == {"hostPort": "h:2"}
    patched = api.patch(f"{two}/a", json={"port": "3"}, headers=MERGE)
    assert patched.status_code == 200 and fields(patched.json()) == {"host": "h", "port": "3"}
    applied = api.patch(f"{two}/a?fieldManager=m&force=true", json=places.body("v2", "a", port="4"), headers=APPLY)
    assert applied.status_code == 200, applied.text
    assert fields(api.get(f"{one}/a").json()) == {"hostPort": "h:4"}
    same = api.put(f"{two}/a", json=applied.json())
    assert same.json()["metadata"]["resourceVersion"] == applied.json()["metadata"]["resourceVersion"]
    finalized = api.patch(f"{two}/a", json={"metadata": {"finalizers": ["x.example.org/y"]}}, headers=MERGE)
    assert finalized.status_code == 200
    lingering = api.delete(f"{two}/a")
    assert lingering.json()["apiVersion"].endswith("v2") and fields(lingering.json()) == {"host": "h", "port": "4"}
    assert api.patch(f"{two}/a", json={"metadata": {"finalizers": None}}, headers=MERGE).status_code == 200
    assert api.get(f"{one}/a").status_code == 404


def test_writing_the_same_moves_it_to_the_stored_version(places: Kind) -> None:
    """After the stored version has changed, a PUT of what is there is a write: that is how storage is migrated."""
    api, path = places.api, places.path("v1")
    made = api.post(path, json=places.body("v1", "a", hostPort="h:1")).json()
    assert api.put(f"{path}/a", json=made).json()["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    places.store("v2")
    moved = api.put(f"{path}/a", json=made).json()["metadata"]["resourceVersion"]
    assert moved != made["metadata"]["resourceVersion"]


def test_fields_select_in_the_version_asked_for(places: Kind) -> None:
    """Lists, pages, watches and deletions by a field look at the object as that version has it, not as it is stored."""
    api, two = places.api, places.path("v2")
    for name, address in (("a", "h:1"), ("b", "h:2"), ("c", "i:1")):
        api.post(places.path("v1"), json=places.body("v1", name, hostPort=address))

    def names(selector: str, version: str = "v2", **query: str) -> list[str]:
        found = api.get(places.path(version), params={"fieldSelector": selector, **query}).json()["items"]
        return [one["metadata"]["name"] for one in found]

    assert names("host=h") == ["a", "b"]
    assert names("host=h,port!=2,metadata.name=a") == ["a"]
    assert names("hostPort=i:1", "v1") == ["c"]
    assert names("host=i", limit="2") == []  # the page's two are of another host
    seen: list[tuple[str, str]] = []
    query = {"watch": "true", "fieldSelector": "host=h", "timeoutSeconds": str(int(patient(20)))}
    with api.stream("GET", two, params=query, timeout=patient(30)) as stream:
        for line in stream.iter_lines():
            event = json.loads(line)
            seen.append((event["type"], event["object"]["metadata"]["name"]))
            if len(seen) == 2:
                api.patch(f"{two}/b", json={"host": "i"}, headers=MERGE)
                api.patch(f"{two}/c", json={"host": "h"}, headers=MERGE)
                api.delete(two, params={"fieldSelector": "host=h,port=1"})
            if len(seen) == 6:
                break
    assert seen[:4] == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "b"), ("ADDED", "c")]
    assert sorted(seen[4:]) == [("DELETED", "a"), ("DELETED", "c")]
    assert names("host!=x") == ["b"]


def test_watches(places: Kind) -> None:
    """A watch tells what is there and what comes in its own version, in order, deletions too."""
    api = places.api
    api.post(places.path("v1"), json=places.body("v1", "a", hostPort="h:1"))
    seen: list[tuple[str, str, Object]] = []
    with api.stream("GET", f"{places.path('v2')}?watch=true&timeoutSeconds={int(patient(8))}") as stream:
        for line in stream.iter_lines():
            event = json.loads(line)
            seen.append((event["type"], event["object"]["metadata"]["name"], fields(event["object"])))
            if len(seen) == 1:
                api.post(places.path("v1"), json=places.body("v1", "b", hostPort="h:2"))
                api.patch(f"{places.path('v1')}/b", json={"hostPort": "h:3"}, headers=MERGE)
                api.delete(f"{places.path('v1')}/b")
            if event["type"] == "DELETED":
                break
    expected = [("ADDED", "a", "1"), ("ADDED", "b", "2"), ("MODIFIED", "b", "3"), ("DELETED", "b", "3")]
    assert seen == [(what, name, {"host": "h", "port": port}) for what, name, port in expected]


def test_failures(places: Kind, hooks: Hooks) -> None:
    """What the webhook can't convert is an error in upstream's words; the stored version needs no webhook."""
    api, who = places.api, f"conversion webhook for {places.group}/v1, Kind=Place failed: "
    assert api.post(places.path("v1"), json=places.body("v1", "a", hostPort="inconvertible:1")).status_code == 201
    failed = api.get(f"{places.path('v2')}/a")
    assert failed.status_code == 500 and failed.json()["message"] == f"{who}no such host"
    assert api.get(f"{places.path('v1')}/a").status_code == 200
    webhook = {"clientConfig": {"url": "https://127.0.0.1:1/x", "caBundle": hooks.bundle}}
    spec = {"conversion": {"webhook": {**webhook, "conversionReviewVersions": ["v1"]}}}
    assert api.patch(f"{DEFINITIONS}/{places.name}", json={"spec": spec}, headers=MERGE).status_code == 200
    failed = api.get(places.path("v2")).json()["message"]
    assert failed == f'{who}Post "https://127.0.0.1:1/x": dial tcp 127.0.0.1:1: connect: connection refused'


def test_definitions(api: httpx2.Client) -> None:
    """A conversion without a place or reviews is refused, in upstream's words."""
    spec = {
        "group": "x.example.org", "names": {"plural": "places", "kind": "Place"}, "scope": "Cluster",
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
        "conversion": {"strategy": "Webhook"},
    }  # fmt: skip
    refused = api.post(DEFINITIONS, json={"metadata": {"name": "places.x.example.org"}, "spec": spec})
    assert refused.status_code == 422
    causes = [(one["field"], one["message"]) for one in refused.json()["details"]["causes"]]
    assert causes == [
        ("spec.conversion.webhookClientConfig", "Required value: required when strategy is set to Webhook"),
        ("spec.conversion.conversionReviewVersions", "Required value"),
    ]
