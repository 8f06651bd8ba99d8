"""Protobuf over HTTP: every verb and every shape as a Go client asks for it."""

import json
import threading
from typing import Any

import httpx2
import pytest

from kube46.apiserver import protobuf, protobuf_encoding
from kube46.apiserver.protobuf_wire import as_bytes, fields
from server.running import Server, resident
from unit.apiserver import objects

PROTOBUF = "application/vnd.kubernetes.protobuf"
ACCEPT = {"accept": f"{PROTOBUF}, */*"}  # client-go's, when its ContentType is protobuf
BOTH = {**ACCEPT, "content-type": PROTOBUF}


def read(answer: httpx2.Response, code: int = 200) -> dict[str, Any]:
    """The object in a protobuf answer."""
    assert (answer.status_code, answer.headers["content-type"]) == (code, PROTOBUF), answer.content
    found: dict[str, Any] = json.loads(protobuf.decode(answer.content))
    return found


def written(kind: str, api_version: str = "v1", **fields: Any) -> bytes:
    return protobuf_encoding.encode({"kind": kind, "apiVersion": api_version, **fields})


def service(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}}


def test_verbs(api: httpx2.Client, namespace: str) -> None:
    """Create, get, list, update, patch and delete answer in protobuf the objects that JSON shows."""
    path = f"/api/v1/namespaces/{namespace}/services"
    made = read(api.post(path, content=written("Service", **service("a")), headers=BOTH), 201)
    assert objects.canonical(made, json.dumps(made).encode()) == api.get(f"{path}/a").json()
    assert read(api.get(f"{path}/a", headers=ACCEPT)) == made
    found = read(api.get(path, headers=ACCEPT))
    assert (found["kind"], len(found["items"])) == ("ServiceList", 1)
    assert found["metadata"]["resourceVersion"] == api.get(path).json()["metadata"]["resourceVersion"]
    made["metadata"]["labels"] = {"x": "y"}
    again = read(api.put(f"{path}/a", content=protobuf_encoding.encode(made), headers=BOTH))
    assert again["metadata"]["labels"] == {"x": "y"}
    patched = api.patch(
        f"{path}/a",
        json={"spec": {"type": "NodePort"}},
        headers={**ACCEPT, "content-type": "application/merge-patch+json"},
    )
    assert read(patched)["spec"]["ports"][0]["nodePort"] >= 30000
    assert read(api.delete(f"{path}/a", headers=ACCEPT))["kind"] == "Service"
    assert read(api.delete(path, headers=ACCEPT))["kind"] == "ServiceList"


def test_errors(api: httpx2.Client, server: Server, namespace: str) -> None:
    """Refusals are Statuses in protobuf, those of authentication too; JSON for who accepts nothing of ours."""
    path = f"/api/v1/namespaces/{namespace}/services"
    missing = read(api.get(f"{path}/none", headers=ACCEPT), 404)
    plain = api.get(f"{path}/none").json()
    assert {key: missing[key] for key in ("kind", "status", "message", "reason", "code")} == {
        key: plain[key] for key in ("kind", "status", "message", "reason", "code")
    }
    assert (missing["details"]["name"], missing["details"]["kind"]) == ("none", "services")
    bad = read(api.post(path, content=written("Service", metadata={"name": "A"}), headers=BOTH), 422)
    assert {cause["field"] for cause in bad["details"]["causes"]} >= {"metadata.name", "spec.ports"}
    with server.client("") as stranger:
        assert read(stranger.get(path, headers=ACCEPT), 403)["reason"] == "Forbidden"
    with server.client("nonsense") as stranger:
        assert read(stranger.get(path, headers=ACCEPT), 401)["reason"] == "Unauthorized"
    refused = api.get(path, headers={"accept": "text/html"})
    assert (refused.status_code, refused.headers["content-type"]) == (406, "application/json")
    missing_html = api.get(f"{path}/none", headers={"accept": "text/html"})
    assert missing_html.status_code == 406
    eviction = f"/api/v1/namespaces/{namespace}/serviceaccounts/none/token"
    assert api.post(eviction, json={}, headers={"accept": "text/html"}).status_code == 406


def test_metadata_only(api: httpx2.Client, namespace: str) -> None:
    """A metadata informer's list and get: the object's metadata and nothing else, under its own kind."""
    path = f"/api/v1/namespaces/{namespace}/services"
    api.post(path, json=service("m")).raise_for_status()
    shape = "g=meta.k8s.io;v=v1,application/json"
    one = api.get(f"{path}/m", headers={"accept": f"{PROTOBUF};as=PartialObjectMetadata;{shape}"})
    assert one.headers["content-type"] == PROTOBUF
    envelope = dict(fields(one.content[4:]))
    identity = dict(fields(as_bytes(envelope[1])))
    assert identity == {1: b"meta.k8s.io/v1", 2: b"PartialObjectMetadata"}
    listed = api.get(path, headers={"accept": f"{PROTOBUF};as=PartialObjectMetadataList;{shape}"})
    message = as_bytes(dict(fields(listed.content[4:]))[2])
    items = [value for number, value in fields(message) if number == 2]
    assert items == [envelope[2]]
    metadata = dict(fields(as_bytes(dict(fields(as_bytes(envelope[2])))[1])))
    assert (metadata[1], metadata[3]) == (b"m", namespace.encode())
    assert set(dict(fields(as_bytes(envelope[2])))) == {1}


def test_watch(api: httpx2.Client, namespace: str) -> None:
    """A watch is frames: objects, a bookmark at the end of the initial ones, then changes."""
    path = f"/api/v1/namespaces/{namespace}/services"
    api.post(path, json=service("w")).raise_for_status()
    query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    seen: list[tuple[str, dict[str, Any]]] = []
    with api.stream("GET", f"{path}?{query}&timeoutSeconds=20", headers=ACCEPT) as stream:
        assert stream.headers["content-type"] == f"{PROTOBUF};stream=watch"
        buffer = b""
        for part in stream.iter_bytes():
            buffer += part
            while len(buffer) >= 4 and len(buffer) >= 4 + (size := int.from_bytes(buffer[:4], "big")):
                event = dict(fields(buffer[4 : 4 + size]))
                document = as_bytes(dict(fields(as_bytes(event[2])))[1])
                seen.append((as_bytes(event[1]).decode(), json.loads(protobuf.decode(document))))
                buffer = buffer[4 + size :]
                if seen[-1][0] == "BOOKMARK":
                    threading.Thread(target=api.delete, args=(f"{path}/w",)).start()
            if seen and seen[-1][0] == "DELETED":
                break
    assert [event for event, _ in seen] == ["ADDED", "BOOKMARK", "DELETED"]
    assert seen[1][1]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(seen[1][1]["metadata"]["resourceVersion"]) < int(seen[2][1]["metadata"]["resourceVersion"])
    assert seen[2][1]["spec"]["selector"] == {"a": "b"}
    old = api.get(f"{path}?watch=true&resourceVersion=1&timeoutSeconds=1", headers={"accept": "application/yaml"})
    assert old.status_code == 406


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "kind"),
    [
        ("GET", "/apis/apps/v1/namespaces/{}/deployments/d/scale", b"", 200, "Scale"),
        ("PUT", "/apis/apps/v1/namespaces/{}/deployments/d/scale",
         written("Scale", "autoscaling/v1", metadata={"name": "d"}, spec={"replicas": 3}), 200, "Scale"),
        ("GET", "/apis/apps/v1/namespaces/{}/deployments/d/status", b"", 200, "Deployment"),
        ("POST", "/api/v1/namespaces/{}/serviceaccounts/s/token", written("TokenRequest", "authentication.k8s.io/v1"),
         201, "TokenRequest"),
        ("POST", "/api/v1/namespaces/{}/pods/p/eviction", written("Eviction", "policy/v1", metadata={"name": "p"}),
         201, "Status"),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
         written("SelfSubjectAccessReview", "authorization.k8s.io/v1", spec={"resourceAttributes": {"verb": "get"}}),
         201, "SelfSubjectAccessReview"),
        ("GET", "/api", b"", 200, "APIVersions"),
        ("GET", "/apis", b"", 200, "APIGroupList"),
        ("GET", "/apis/apps", b"", 200, "APIGroup"),
        ("GET", "/apis/apps/v1", b"", 200, "APIResourceList"),
    ],
)  # fmt: skip
def test_everything_else(
    api: httpx2.Client, namespace: str, method: str, path: str, body: bytes, code: int, kind: str
) -> None:
    """Subresources, reviews and discovery speak protobuf as well."""
    pod = {"containers": [{"name": "c", "image": "i"}]}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod}
    deployment = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    api.post(f"/apis/apps/v1/namespaces/{namespace}/deployments", json=deployment).raise_for_status()
    api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", json={"metadata": {"name": "s"}})
    api.post(f"/api/v1/namespaces/{namespace}/pods", json={"metadata": {"name": "p"}, "spec": pod}).raise_for_status()
    found = read(api.request(method, path.format(namespace), content=body, headers=BOTH), code)
    assert found["kind"] == kind
    if method == "GET":
        shown = api.get(path.format(namespace)).json()
        assert set(shown) - {"metadata"} <= set(found)
        for key in ("versions", "groups", "resources", "spec"):
            assert len(found.get(key, ())) >= len(shown.get(key, ()))


def test_a_thousand_services(server_factory: Any) -> None:
    """A list of 1,000 Services in protobuf is smaller than in JSON, and the server stays below 100 MB with both."""
    server = server_factory()
    with server.client() as api:
        for number in range(1000):
            api.post("/api/v1/namespaces/default/services", json=service(f"s{number}")).raise_for_status()
        sizes = [len(api.get("/api/v1/services", headers=headers).content) for headers in ({}, ACCEPT)]
        assert sizes[1] < 0.6 * sizes[0]
        assert len(read(api.get("/api/v1/services", headers=ACCEPT))["items"]) == 1001
        assert resident(server.pid) < 100_000_000
