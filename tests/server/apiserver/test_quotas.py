"""ResourceQuotas and LimitRanges at the API server: what is charged, refused and filled in, without any controller."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from patience import patient
from server.running import Server

Json = dict[str, Any]
STRATEGIC = {"content-type": "application/strategic-merge-patch+json"}


def enforce(api: httpx2.Client, namespace: str, hard: Json, used: Json | None = None, **spec: Any) -> str:
    """A quota whose status a controller has written; its path."""
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    made = api.post(path, json={"metadata": {"name": "q"}, "spec": {"hard": hard, **spec}})
    assert made.status_code == 201, made.text
    status = {"hard": hard, "used": dict.fromkeys(hard, "0") if used is None else used}
    assert api.patch(f"{path}/q/status", json={"status": status}, headers=STRATEGIC).status_code == 200
    return f"{path}/q"


def used(api: httpx2.Client, path: str) -> Json:
    """What is charged."""
    found: Json = api.get(path).json()["status"]["used"]
    return found


def pod(name: str = "p", **resources: Any) -> Json:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i", "resources": resources}]}}


def test_a_quota_is_charged_and_kept(api: httpx2.Client, namespace: str) -> None:
    """What fits is counted in the same commit, what does not is refused with 403 and counted nowhere."""
    path, pods = enforce(api, namespace, {"pods": "2", "requests.cpu": "1"}), f"/api/v1/namespaces/{namespace}/pods"
    assert api.post(pods, json=pod("a", requests={"cpu": "700m"})).status_code == 201
    refused = api.post(pods, json=pod("b", requests={"cpu": "400m"}))
    text = "exceeded quota: q, requested: requests.cpu=400m, used: requests.cpu=700m, limited: requests.cpu=1"
    assert (refused.status_code, refused.json()["reason"]) == (403, "Forbidden")
    assert refused.json()["message"] == f'pods "b" is forbidden: {text}'
    assert used(api, path) == {"pods": "1", "requests.cpu": "700m"}
    silent = api.post(pods, json=pod("b")).json()["message"]
    assert silent == 'pods "b" is forbidden: failed quota: q: must specify requests.cpu for: c'
    entries = api.get(path).json()["metadata"]["managedFields"]
    assert [one["subresource"] for one in entries if one["manager"] == "kube-apiserver"] == ["status"]


def test_what_is_not_made_is_not_charged(api: httpx2.Client, namespace: str) -> None:
    """Dry runs, taken names and invalid objects cost nothing, though a dry run is refused where it would not fit."""
    path = enforce(api, namespace, {"count/configmaps": "2"})
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    assert api.post(f"{maps}?dryRun=All", json={"metadata": {"name": "a"}}).status_code == 201
    assert api.post(maps, json={"metadata": {"name": "a"}}).status_code == 201
    assert api.post(maps, json={"metadata": {"name": "a"}}).status_code == 409
    assert api.post(maps, json={"metadata": {"name": "A"}}).status_code == 422
    assert used(api, path) == {"count/configmaps": "1"}
    assert api.post(maps, json={"metadata": {"generateName": "b-"}}).status_code == 201
    assert api.post(f"{maps}?dryRun=All", json={"metadata": {"name": "c"}}).status_code == 403
    assert api.put(f"{maps}/a", json={"metadata": {"name": "a"}, "data": {"x": "y"}}).status_code == 200
    assert used(api, path) == {"count/configmaps": "2"}


def test_no_more_than_fit_however_many_come_at_once(server: Server, api: httpx2.Client, namespace: str) -> None:
    """Of many creates at the same time as many succeed as the quota has room for."""
    path = enforce(api, namespace, {"count/secrets": "7"})

    def make(number: int) -> int:
        with server.client() as client:
            body = {"metadata": {"name": f"s{number}"}}
            return client.post(f"/api/v1/namespaces/{namespace}/secrets", json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(make, range(24)))
    assert (answers.count(201), answers.count(403)) == (7, 17)
    assert used(api, path) == {"count/secrets": "7"}


def test_updates_pay_for_what_is_more(api: httpx2.Client, namespace: str) -> None:
    """A Service that takes node ports, a claim that grows: refused beyond the quota, else charged."""
    hard = {"services.nodeports": "1", "requests.storage": "2Gi"}
    path, place = enforce(api, namespace, hard), f"/api/v1/namespaces/{namespace}"
    ports = [{"name": name, "port": n} for n, name in enumerate("ab", 80)]
    assert api.post(f"{place}/services", json={"metadata": {"name": "s"}, "spec": {"ports": ports}}).status_code == 201
    many = api.patch(f"{place}/services/s", json={"spec": {"type": "NodePort"}}, headers=STRATEGIC)
    text = (
        "exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1"
    )
    assert (many.status_code, many.json()["message"]) == (403, f'services "s" is forbidden: {text}')
    merge = {"content-type": "application/merge-patch+json"}
    few = {"spec": {"type": "NodePort", "ports": ports[:1]}}
    assert api.patch(f"{place}/services/s", json=few, headers=merge).status_code == 200
    assert used(api, path) == {"services.nodeports": "1", "requests.storage": "0"}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    assert (
        api.post(f"{place}/persistentvolumeclaims", json={"metadata": {"name": "c"}, "spec": spec}).status_code == 201
    )
    assert used(api, path)["requests.storage"] == "1Gi"


def test_a_quota_that_nobody_has_counted_refuses_nothing(api: httpx2.Client, namespace: str) -> None:
    """As upstream: before a controller has told what is used there is nothing to charge."""
    path = f"/api/v1/namespaces/{namespace}"
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"configmaps": "0"}}}
    assert api.post(f"{path}/resourcequotas", json=quota).status_code == 201
    assert api.post(f"{path}/configmaps", json={"metadata": {"name": "a"}}).status_code == 201


@pytest.mark.parametrize("plural", ["pods", "replicationcontrollers"])
def test_other_namespaces_are_free(api: httpx2.Client, namespace: str, plural: str) -> None:
    """A quota is for its own namespace, and for what it names."""
    enforce(api, namespace, {f"count/{plural}": "0"})
    other = api.post("/api/v1/namespaces", json={"metadata": {"generateName": "t-"}}).json()["metadata"]["name"]
    for place, expected in ((namespace, 403), (other, 201)):
        spec = pod()["spec"]
        if plural != "pods":
            spec = {"selector": {"a": "b"}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": spec}}
        made = api.post(f"/api/v1/namespaces/{place}/{plural}", json={"metadata": {"name": "x"}, "spec": spec})
        assert made.status_code == expected
        assert api.post(f"/api/v1/namespaces/{place}/configmaps", json={"metadata": {"name": "x"}}).status_code == 201


def test_a_limit_range_fills_in_and_refuses(api: httpx2.Client, namespace: str) -> None:
    """Containers get what they don't say before the class of service is decided, and what is too much is refused."""
    place = f"/api/v1/namespaces/{namespace}"
    item = {"type": "Container", "max": {"cpu": "1"}, "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "500m"}}
    ranges = {"metadata": {"name": "l"}, "spec": {"limits": [item | {"min": {"cpu": "100m"}}]}}
    assert api.post(f"{place}/limitranges", json=ranges).status_code == 201
    made = api.post(f"{place}/pods", json=pod("a")).json()
    assert made["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "500m"}, "requests": {"cpu": "500m"}}
    told = "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == told
    refused = api.post(f"{place}/pods", json=pod("b", limits={"cpu": "2"}))
    text = "maximum cpu usage per Container is 1, but limit is 2"
    assert (refused.status_code, refused.json()["message"]) == (403, f'pods "b" is forbidden: {text}')
    resized = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "50m"}}}]}}
    smaller = api.patch(f"{place}/pods/a/resize", json=resized, headers=STRATEGIC)
    text = "minimum cpu usage per Container is 100m, but request is 50m"
    assert (smaller.status_code, smaller.json()["message"]) == (403, f'pods "a" is forbidden: {text}')
    assert api.patch(f"{place}/pods/a", json={"metadata": {"labels": {"x": "y"}}}, headers=STRATEGIC).status_code == 200


def test_a_limit_range_of_claims(api: httpx2.Client, namespace: str) -> None:
    """A claim that asks for too little is refused."""
    place = f"/api/v1/namespaces/{namespace}"
    item = {"type": "PersistentVolumeClaim", "min": {"storage": "2Gi"}}
    assert (
        api.post(f"{place}/limitranges", json={"metadata": {"name": "l"}, "spec": {"limits": [item]}}).status_code
        == 201
    )
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    refused = api.post(f"{place}/persistentvolumeclaims", json={"metadata": {"name": "c"}, "spec": spec})
    text = "minimum storage usage per PersistentVolumeClaim is 2Gi, but request is 1Gi"
    assert (refused.status_code, refused.json()["message"]) == (403, f'persistentvolumeclaims "c" is forbidden: {text}')


def test_a_limit_range_needs_no_name(api: httpx2.Client, namespace: str) -> None:
    """It is given one, as by the real server."""
    place = f"/api/v1/namespaces/{namespace}/limitranges"
    made = api.post(place, json={"spec": {"limits": [{"type": "Pod", "max": {"cpu": "1"}}]}})
    assert made.status_code == 201, made.text
    assert api.get(f"{place}/{made.json()['metadata']['name']}").status_code == 200


def test_a_killed_server_has_charged_what_it_has_made(server_factory: Callable[..., Server]) -> None:
    """Killed amid creates, it knows after its start exactly as many objects as it has charged."""
    server = server_factory()
    with server.client() as api:
        api.post("/api/v1/namespaces", json={"metadata": {"name": "n"}})
        path = enforce(api, "n", {"count/secrets": "5000"})
    made = threading.Event()

    def create(worker: int) -> None:
        with server.client() as client, contextlib.suppress(httpx2.TransportError, OSError):
            for number in range(1000):
                client.post("/api/v1/namespaces/n/secrets", json={"metadata": {"name": f"s{worker}-{number}"}})
                if number == 20:
                    made.set()

    with ThreadPoolExecutor(4) as pool:
        for worker in range(4):
            pool.submit(create, worker)
        assert made.wait(patient(30))
        assert server.process is not None
        server.process.kill()
        server.process.wait(30)
    with server.start().client() as api:
        objects = api.get("/api/v1/namespaces/n/secrets").json()["items"]
        assert used(api, path) == {"count/secrets": str(len(objects))}
        assert len(objects) > 20
