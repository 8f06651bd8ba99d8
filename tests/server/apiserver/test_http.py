"""The API over real TLS connections: verbs and their refusals."""

import gzip
from typing import Any

import httpx2
import pytest
import yaml

MERGE = {"content-type": "application/merge-patch+json"}


def configmap(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def refused(answer: httpx2.Response, code: int, reason: str) -> str:
    """The message of a Status, which must be complete."""
    status = answer.json()
    assert (answer.status_code, status["code"], status["reason"]) == (code, code, reason)
    assert (status["kind"], status["apiVersion"], status["status"]) == ("Status", "v1", "Failure")
    return str(status["message"])


@pytest.fixture
def maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def test_life_of_an_object(api: httpx2.Client, maps: str) -> None:
    """Create, get, update, patch and delete answer the object and raise its resourceVersion."""
    made = api.post(maps, json=configmap("a", x="1"))
    assert made.status_code == 201
    meta = made.json()["metadata"]
    assert meta["uid"]
    assert meta["creationTimestamp"]
    assert api.get(f"{maps}/a").json() == made.json()
    changed = api.put(f"{maps}/a", json={**made.json(), "data": {"x": "2"}}).json()
    assert int(changed["metadata"]["resourceVersion"]) > int(meta["resourceVersion"])
    assert changed["metadata"]["uid"] == meta["uid"]
    patched = api.patch(f"{maps}/a", json={"data": {"x": None, "y": "3"}}, headers=MERGE).json()
    assert patched["data"] == {"y": "3"}
    gone = api.delete(f"{maps}/a").json()
    assert gone["details"] == {"name": "a", "kind": "configmaps", "uid": meta["uid"]}
    assert gone["status"] == "Success"
    assert refused(api.get(f"{maps}/a"), 404, "NotFound") == 'configmaps "a" not found'


def test_update_without_change_writes_nothing(api: httpx2.Client, maps: str) -> None:
    """An update that changes nothing keeps the resourceVersion."""
    made = api.post(maps, json=configmap("a", x="1")).json()
    assert api.put(f"{maps}/a", json=made).json() == made


def test_conflicts(api: httpx2.Client, maps: str) -> None:
    """Existing names, old resourceVersions and other uids are conflicts."""
    made = api.post(maps, json=configmap("a")).json()
    assert refused(api.post(maps, json=configmap("a")), 409, "AlreadyExists") == 'configmaps "a" already exists'
    api.patch(f"{maps}/a", json={"data": {"b": "c"}}, headers=MERGE)
    text = (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert refused(api.put(f"{maps}/a", json=made), 409, "Conflict") == text
    made["metadata"].update(uid="other", resourceVersion="")
    assert "Precondition failed: UID" in refused(api.put(f"{maps}/a", json=made), 409, "Conflict")
    options = {"preconditions": {"uid": "other"}}
    answer = api.request("DELETE", f"{maps}/a", json=options)
    assert "does not match the UID in record" in refused(answer, 409, "Conflict")
    answer = api.request("DELETE", f"{maps}/a", json={"preconditions": {"resourceVersion": "1"}})
    assert "does not match the ResourceVersion in record" in refused(answer, 409, "Conflict")


def test_creates_with_a_revision(api: httpx2.Client, maps: str) -> None:
    """A revision is refused before a name that is taken is looked at, but in a dry run."""
    body = {"metadata": {"name": "a", "resourceVersion": "1"}}
    assert api.post(maps, json=body).status_code == 500
    assert api.post(maps, json={"metadata": {"name": "a"}}).status_code == 201
    assert api.post(maps, json=body).json()["message"] == "resourceVersion should not be set on objects to be created"
    assert api.post(f"{maps}?dryRun=All", json=body).status_code == 409


def test_names_and_namespaces(api: httpx2.Client, maps: str) -> None:
    """A body for another name or namespace is refused; so is a missing namespace."""
    api.post(maps, json=configmap("a"))
    text = "the name of the object (b) does not match the name on the URL (a)"
    assert refused(api.put(f"{maps}/a", json=configmap("b")), 400, "BadRequest") == text
    stray = configmap("b")
    stray["metadata"]["namespace"] = "elsewhere"
    text = "the namespace of the provided object does not match the namespace sent on the request"
    assert refused(api.post(maps, json=stray), 400, "BadRequest") == text
    answer = api.post("/api/v1/namespaces/nowhere/configmaps", json=configmap("a"))
    assert refused(answer, 404, "NotFound") == 'namespaces "nowhere" not found'
    assert refused(api.put(f"{maps}/none", json=configmap("none")), 404, "NotFound")
    assert refused(api.patch(f"{maps}/none", json={}, headers=MERGE), 404, "NotFound")


def test_generated_names(api: httpx2.Client, maps: str) -> None:
    """generateName gets five characters; two objects get two names."""
    body = {"metadata": {"generateName": "web-"}}
    first, second = (api.post(maps, json=body).json()["metadata"]["name"] for _ in range(2))
    assert first != second
    assert first.startswith("web-")
    assert len(first) == 9
    assert refused(api.post(maps, json={"metadata": {}}), 422, "Invalid").endswith(
        "Required value: name or generateName is required"
    )


def test_dry_run(api: httpx2.Client, maps: str) -> None:
    """A dry run answers as the real one and changes nothing."""
    assert api.post(f"{maps}?dryRun=All", json=configmap("a")).status_code == 201
    assert api.get(f"{maps}/a").status_code == 404
    api.post(maps, json=configmap("a", x="1"))
    assert api.patch(f"{maps}/a?dryRun=All", json={"data": {"x": "2"}}, headers=MERGE).json()["data"] == {"x": "2"}
    assert api.delete(f"{maps}/a?dryRun=All").status_code == 200
    assert api.get(f"{maps}/a").json()["data"] == {"x": "1"}
    services = maps.replace("configmaps", "services")
    api.post(f"{services}?dryRun=All", json={"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})
    assert api.get(f"{services}/s").status_code == 404


def test_lists(api: httpx2.Client, maps: str) -> None:
    """Lists are ordered, selected, and their items carry no kind."""
    for name in "cab":
        body = configmap(name)
        body["metadata"]["labels"] = {"x": name}
        api.post(maps, json=body)
    listing = api.get(maps).json()
    assert listing["kind"] == "ConfigMapList"
    assert [i["metadata"]["name"] for i in listing["items"]] == ["a", "b", "c"]
    assert not any("kind" in i or "apiVersion" in i for i in listing["items"])
    assert [i["metadata"]["name"] for i in api.get(f"{maps}?labelSelector=x+in+(a,c)").json()["items"]] == ["a", "c"]
    assert [i["metadata"]["name"] for i in api.get(f"{maps}?fieldSelector=metadata.name=b").json()["items"]] == ["b"]
    assert api.get(f"{maps}?labelSelector=nope").json()["items"] == []
    everywhere = api.get("/api/v1/configmaps").json()["items"]
    assert {"a", "b", "c"} <= {i["metadata"]["name"] for i in everywhere}


def test_pages_show_one_state(api: httpx2.Client, maps: str) -> None:
    """Pages of a list are consistent although objects change between them."""
    for number in range(7):
        api.post(maps, json=configmap(f"c{number}"))
    page = api.get(f"{maps}?limit=3").json()
    assert page["metadata"]["remainingItemCount"] == 4
    api.delete(f"{maps}/c4")
    api.post(maps, json=configmap("c35"))
    names = [i["metadata"]["name"] for i in page["items"]]
    while token := page["metadata"].get("continue"):
        following = api.get(maps, params={"limit": 3, "continue": token}).json()
        assert following["metadata"]["resourceVersion"] == page["metadata"]["resourceVersion"]
        page = following
        names += [i["metadata"]["name"] for i in page["items"]]
    assert names == [f"c{number}" for number in range(7)]
    assert refused(api.get(f"{maps}?limit=1&continue=nonsense"), 400, "BadRequest")


def test_resource_versions(api: httpx2.Client, maps: str) -> None:
    """A past state can be listed exactly; a future one is waited for and then refused."""
    first = api.post(maps, json=configmap("a")).json()["metadata"]["resourceVersion"]
    api.post(maps, json=configmap("b"))
    exact = api.get(f"{maps}?resourceVersion={first}&resourceVersionMatch=Exact").json()
    assert [i["metadata"]["name"] for i in exact["items"]] == ["a"]
    assert exact["metadata"]["resourceVersion"] == first
    for query in (
        "resourceVersion=0",
        f"resourceVersion={first}",
        f"resourceVersion={first}&resourceVersionMatch=NotOlderThan",
    ):
        assert len(api.get(f"{maps}?{query}").json()["items"]) == 2
    assert "resourceVersionMatch is forbidden" in refused(api.get(f"{maps}?resourceVersionMatch=Exact"), 422, "Invalid")
    answer = api.get(f"{maps}/a?resourceVersion=99999999")
    assert refused(answer, 504, "Timeout").startswith("Timeout: Too large resource version: 99999999, current: ")
    assert answer.json()["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


def test_deletecollection(api: httpx2.Client, maps: str) -> None:
    """DELETE of a collection deletes what is selected and lists it."""
    for name in "abc":
        body = configmap(name)
        body["metadata"]["labels"] = {"x": name}
        api.post(maps, json=body)
    gone = api.delete(f"{maps}?labelSelector=x!=b").json()
    assert [i["metadata"]["name"] for i in gone["items"]] == ["a", "c"]
    assert [i["metadata"]["name"] for i in api.get(maps).json()["items"]] == ["b"]


def test_finalizers(api: httpx2.Client, maps: str) -> None:
    """An object with finalizers lingers, can't be recreated, and goes with the last of them."""
    body = configmap("a")
    body["metadata"]["finalizers"] = ["example.com/x"]
    api.post(maps, json=body)
    lingering = api.delete(f"{maps}/a").json()
    assert lingering["kind"] == "ConfigMap"
    assert lingering["metadata"]["deletionTimestamp"]
    assert api.post(maps, json=body).status_code == 409
    assert api.patch(f"{maps}/a", json={"metadata": {"finalizers": None}}, headers=MERGE).status_code == 200
    assert api.get(f"{maps}/a").status_code == 404


@pytest.mark.parametrize(("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
def test_propagation(api: httpx2.Client, maps: str, policy: str, finalizer: str) -> None:
    """Foreground and Orphan leave the work to the garbage collector by a finalizer; Background deletes."""
    api.post(maps, json=configmap("a"))
    answer = api.request("DELETE", f"{maps}/a", json={"propagationPolicy": policy}).json()
    assert answer["metadata"]["finalizers"] == [finalizer]
    assert api.request("DELETE", f"{maps}/a", json={"propagationPolicy": "Background"}).json()["status"] == "Success"
    assert refused(api.delete(f"{maps}/a?propagationPolicy=Sideways"), 422, "Invalid")


def test_pod_grace(api: httpx2.Client, namespace: str) -> None:
    """A bound pod lingers for its kubelet; grace 0 ends it; an unbound one goes at once."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    spec = {"containers": [{"name": "c", "image": "host"}], "terminationGracePeriodSeconds": 7}
    pod = {"metadata": {"name": "p"}, "spec": spec}
    made = api.post(pods, json=pod).json()
    assert made["metadata"]["generation"] == 1
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "node1"}}
    assert api.post(f"{pods}/p/binding", json=binding).status_code == 201
    bound = api.get(f"{pods}/p").json()
    assert bound["spec"]["nodeName"] == "node1"
    assert any(c["type"] == "PodScheduled" for c in bound["status"]["conditions"])
    assert "is already assigned to node" in refused(api.post(f"{pods}/p/binding", json=binding), 409, "Conflict")
    dying = api.delete(f"{pods}/p").json()
    assert dying["metadata"]["deletionGracePeriodSeconds"] == 7
    assert dying["metadata"]["deletionTimestamp"]
    again = api.delete(f"{pods}/p").json()
    assert again["metadata"]["resourceVersion"] == dying["metadata"]["resourceVersion"]
    assert api.delete(f"{pods}/p?gracePeriodSeconds=3").json()["metadata"]["deletionGracePeriodSeconds"] == 3
    assert api.delete(f"{pods}/p?gracePeriodSeconds=0").json()["kind"] == "Pod"
    assert api.get(f"{pods}/p").status_code == 404
    api.post(pods, json=pod)
    api.delete(f"{pods}/p")
    assert api.get(f"{pods}/p").status_code == 404


def test_status_subresource(api: httpx2.Client, namespace: str) -> None:
    """/status changes status only; the object's own path never does."""
    sets = f"/apis/apps/v1/namespaces/{namespace}/replicasets"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "host"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    made = api.post(sets, json={"metadata": {"name": "r"}, "spec": spec, "status": {"replicas": 9}}).json()
    assert made["status"].get("replicas", 0) == 0
    assert made["metadata"]["generation"] == 1
    body = {"spec": {"replicas": 5}, "status": {"replicas": 2}}
    after = api.patch(f"{sets}/r/status", json=body, headers=MERGE).json()
    assert (after["spec"]["replicas"], after["status"]["replicas"], after["metadata"]["generation"]) == (2, 2, 1)
    after = api.patch(f"{sets}/r", json=body | {"status": {"replicas": 7}}, headers=MERGE).json()
    assert (after["spec"]["replicas"], after["status"]["replicas"], after["metadata"]["generation"]) == (5, 2, 2)
    scale = api.get(f"{sets}/r/scale").json()
    assert (scale["kind"], scale["spec"], scale["status"]) == (
        "Scale",
        {"replicas": 5},
        {"replicas": 2, "selector": "a=b"},
    )
    scale["spec"]["replicas"] = 1
    assert api.put(f"{sets}/r/scale", json=scale).json()["spec"] == {"replicas": 1}
    assert api.patch(f"{sets}/r/scale", json={"spec": {"replicas": 4}}, headers=MERGE).json()["spec"] == {"replicas": 4}
    assert api.get(f"{sets}/r").json()["metadata"]["generation"] == 4


def test_namespace_ends(api: httpx2.Client) -> None:
    """A deleted namespace is Terminating, takes nothing new, and goes when it is finalized."""
    made = api.post("/api/v1/namespaces", json={"metadata": {"name": "ending"}}).json()
    assert made["spec"]["finalizers"] == ["kubernetes"]
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "ending"}
    dying = api.delete("/api/v1/namespaces/ending").json()
    assert dying["status"]["phase"] == "Terminating"
    answer = api.post("/api/v1/namespaces/ending/configmaps", json=configmap("a"))
    text = "unable to create new content in namespace ending because it is being terminated"
    assert refused(answer, 403, "Forbidden") == f'configmaps "a" is forbidden: {text}'
    assert answer.json()["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    again = api.delete("/api/v1/namespaces/ending")
    assert (again.status_code, again.json()["status"]["phase"]) == (200, "Terminating")
    dying["spec"] = {}
    assert api.put("/api/v1/namespaces/ending/finalize", json=dying).status_code == 200
    assert api.get("/api/v1/namespaces/ending").status_code == 404
    answer = api.delete("/api/v1/namespaces/kube-system")
    assert (
        refused(answer, 403, "Forbidden") == 'namespaces "kube-system" is forbidden: this namespace may not be deleted'
    )


@pytest.mark.parametrize("path", ["/nothing", "/apis/nothing.io/v1/things", "//api/v1/pods", "/API/v1"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_paths_of_nobody(api: httpx2.Client, method: str, path: str) -> None:
    """A path that belongs to no part of the server gets the answer of Go's router: text."""
    answer = api.request(method, path)
    assert (answer.status_code, answer.text) == (404, "404 page not found\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_cluster_is_prepared(api: httpx2.Client) -> None:
    """The namespaces, the default ServiceCIDR and kubernetes.default exist (semantics A-18, A-20, A-21)."""
    names = {i["metadata"]["name"] for i in api.get("/api/v1/namespaces").json()["items"]}
    assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= names
    cidr = api.get("/apis/networking.k8s.io/v1/servicecidrs/kubernetes").json()
    assert cidr["spec"]["cidrs"] == ["10.96.0.0/16", "fd00:10:96::/112"]
    assert cidr["status"]["conditions"][0]["status"] == "True"
    service = api.get("/api/v1/namespaces/default/services/kubernetes").json()
    assert service["spec"]["clusterIPs"] == ["10.96.0.1"]
    assert service["spec"]["ipFamilyPolicy"] == "SingleStack"
    endpoints = api.get("/api/v1/namespaces/default/endpoints/kubernetes")
    assert endpoints.headers["warning"].startswith('299 - "v1 Endpoints is deprecated')
    slices = api.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes").json()
    assert slices["addressType"] == "IPv4"
    assert slices["endpoints"][0]["conditions"] == {"ready": True}


def test_forms(api: httpx2.Client, maps: str) -> None:
    """Tables, metadata only, YAML in both directions; nothing for those who accept none of it."""
    made = api.post(maps, content=yaml.safe_dump(configmap("a", x="z")), headers={"content-type": "application/yaml"})
    assert made.status_code == 201
    as_yaml = api.get(f"{maps}/a", headers={"accept": "application/yaml"})
    assert as_yaml.headers["content-type"] == "application/yaml"
    assert yaml.safe_load(as_yaml.text) == made.json()
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    table = api.get(maps, headers={"accept": accept}).json()
    assert table["kind"] == "Table"
    assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table["rows"][0]["cells"][:2] == ["a", 1]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    whole = api.get(f"{maps}?includeObject=Object", headers={"accept": accept}).json()
    assert whole["rows"][0]["object"]["data"] == {"x": "z"}
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    partial = api.get(maps, headers={"accept": accept}).json()
    assert partial["kind"] == "PartialObjectMetadataList"
    assert "data" not in partial["items"][0]
    assert api.get(f"{maps}/a?pretty=true").text.startswith('{\n  "kind": "ConfigMap",')
    assert refused(api.get(maps, headers={"accept": "text/html"}), 406, "NotAcceptable")


def test_big_lists_are_compressed(api: httpx2.Client, maps: str) -> None:
    """A list of more than 128 KiB comes compressed to those who accept it."""
    api.post(maps, json=configmap("big", x="y" * 200_000))
    with api.stream("GET", maps, headers={"accept-encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert len(raw) < 20_000
    assert b"y" * 200_000 in gzip.decompress(raw)


@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        ("GET", "/api/v1/namespaces/default/nothings", 404, "NotFound"),
        ("GET", "/api/v1/pods/one", 404, "NotFound"),
        ("POST", "/api/v1/nodes/one", 405, "MethodNotAllowed"),
        ("POST", "/api/v1/pods", 405, "MethodNotAllowed"),
        ("PUT", "/api/v1/nodes", 405, "MethodNotAllowed"),
        ("DELETE", "/api/v1/namespaces", 405, "MethodNotAllowed"),
        ("PATCH", "/api/v1/namespaces/default/pods/p/log", 405, "MethodNotAllowed"),
        ("GET", "/api/v1/services?fieldSelector=spec.ports=1", 400, "BadRequest"),
        ("GET", "/api/v1/services?labelSelector=a+in+(", 400, "BadRequest"),
        ("GET", "/api/v1/services?resourceVersion=abc", 400, "BadRequest"),
    ],
)
def test_refusals(api: httpx2.Client, method: str, path: str, code: int, reason: str) -> None:
    """What does not exist or makes no sense is answered with Kubernetes' Status."""
    refused(api.request(method, path), code, reason)


def test_bad_bodies(api: httpx2.Client, maps: str) -> None:
    """Malformed JSON, wrong kinds, wrong types, unknown fields and media types are refused; the server stays up."""
    headers = {"content-type": "application/json"}
    for body in (b"{", b"[]", b"", b"\xff\xfe", b'{"metadata": 3}', b'{"data": {"x": 1}, "metadata": {"name": "a"}}'):
        refused(api.post(maps, content=body, headers=headers), 400, "BadRequest")
    text = refused(
        api.post(maps, json={"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}), 400, "BadRequest"
    )
    assert text.startswith('Pod in version "v1" cannot be handled as a ConfigMap')
    unknown = {**configmap("a"), "bogus": 1}
    text = refused(api.post(f"{maps}?fieldValidation=Strict", json=unknown), 400, "BadRequest")
    assert 'strict decoding error: unknown field "bogus"' in text
    warned = api.post(f"{maps}?fieldValidation=Warn", json=unknown)
    assert warned.headers["warning"] == '299 - "unknown field \\"bogus\\""'
    assert "bogus" not in warned.json()
    refused(api.post(maps, content=b"x", headers={"content-type": "text/plain"}), 415, "UnsupportedMediaType")
    answer = api.patch(f"{maps}/a", content=b"x", headers={"content-type": "text/plain"})
    assert refused(answer, 415, "UnsupportedMediaType") == "415: Unsupported Media Type"
    deep = b"[" * 100_000
    assert api.post(maps, content=deep, headers=headers).status_code == 400
    assert api.get("/readyz").text == "ok"


def test_oversized_body(api: httpx2.Client, maps: str) -> None:
    """More than 3 MiB is refused with 413, also when the length is not announced; 1 MB values are fine."""
    body = b'{"metadata":{"name":"big"},"data":{"x":"' + b"y" * (3 << 20) + b'"}}'
    headers = {"content-type": "application/json"}
    text = refused(api.post(maps, content=body, headers=headers), 413, "RequestEntityTooLarge")
    assert text == "Request entity too large: limit is 3145728"
    chunks = (body[i : i + 65536] for i in range(0, len(body), 65536))
    refused(api.post(maps, content=chunks, headers=headers), 413, "RequestEntityTooLarge")
    assert api.post(maps, json=configmap("fits", x="y" * 900_000)).status_code == 201


def test_health_version_metrics(api: httpx2.Client) -> None:
    """Health, version and metrics answer in kube-apiserver's forms."""
    assert api.get("/healthz").text == "ok"
    verbose = api.get("/readyz?verbose").text
    assert "[+]poststarthook/rbac/bootstrap-roles ok" in verbose
    assert verbose.endswith("readyz check passed\n")
    assert api.get("/livez/ping").text == "ok"
    assert api.get("/version").json()["gitVersion"].startswith("v1.37.")
    metrics = api.get("/metrics").text
    place = 'group="",resource="",scope="",subresource="",verb="GET",version=""'
    assert f'apiserver_request_total{{code="200",component="apiserver",dry_run="",{place}}}' in metrics
    assert "process_resident_memory_bytes" in metrics
    assert 'apiserver_storage_objects{resource="namespaces"}' in metrics
    assert "apiserver_request_duration_seconds_bucket" in metrics
    assert "/api/v1" in api.get("/").json()["paths"]


def test_discovery_is_cached_by_etag(api: httpx2.Client) -> None:
    """OpenAPI and discovery carry an ETag and are not sent again to who has them."""
    first = api.get("/openapi/v2", headers={"accept": "application/json"})
    assert first.status_code == 200
    again = api.get("/openapi/v2", headers={"accept": "application/json", "if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
