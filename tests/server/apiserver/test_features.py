"""The gate IPv6DualStack over restarts of one server's data: off, on, off."""

from collections.abc import Callable
from typing import Any

import httpx2

from server.running import DUAL, Server

SERVICES, PODS, NODES = "/api/v1/namespaces/default/services", "/api/v1/namespaces/default/pods", "/api/v1/nodes"
MERGE = {"content-type": "application/merge-patch+json"}
OFF = ("--service-cluster-ip-range", "10.96.0.0/16", "--feature-gates", "IPv6DualStack=false")
BOTH = [{"ip": "10.244.0.9"}, {"ip": "fd00:10:244::9"}]


def service(name: str, **spec: object) -> dict[str, Any]:
    """A Service with one port."""
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


def spec_of(api: httpx2.Client, name: str) -> dict[str, Any]:
    """A stored Service's spec."""
    found: dict[str, Any] = api.get(f"{SERVICES}/{name}").json()["spec"]
    return found


def add_pod(api: httpx2.Client, name: str) -> dict[str, Any]:
    """A pod that reports two addresses; its status as it is stored."""
    body = {"metadata": {"name": name}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}}
    assert api.post(PODS, json=body).status_code == 201
    answer = api.patch(f"{PODS}/{name}/status", json={"status": {"podIPs": BOTH}}, headers=MERGE)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["status"]
    return found


def test_gate(server_factory: Callable[..., Server]) -> None:
    """Off, new objects get no dual-stack fields; on, they do and old ones are completed; off again, these keep them."""
    server = server_factory(flags=OFF)
    cidrs = {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24", "fd00:10:244::/64"]}
    with server.client() as api:
        made = api.post(SERVICES, json=service("a", ipFamilyPolicy="PreferDualStack", ipFamilies=["IPv4", "IPv6"]))
        assert made.status_code == 201, made.text
        assert made.json()["spec"].keys().isdisjoint(("ipFamilyPolicy", "ipFamilies"))
        assert made.json()["spec"]["clusterIPs"] == [made.json()["spec"]["clusterIP"]]
        edited = api.patch(f"{SERVICES}/a", json={"spec": {"ipFamilyPolicy": "RequireDualStack"}}, headers=MERGE)
        assert (edited.status_code, "ipFamilyPolicy" in edited.json()["spec"]) == (200, False)
        assert add_pod(api, "a")["podIPs"] == BOTH[:1]
        assert api.post(NODES, json={"metadata": {"name": "a"}, "spec": cidrs}).json()["spec"]["podCIDRs"] == [
            "10.244.0.0/24"
        ]
        metrics = api.get("/metrics").text
    assert 'kubernetes_feature_enabled{name="IPv6DualStack",stage=""} 0.0' in metrics
    assert server.stop() == 0
    server.flags = ("--service-cluster-ip-range", DUAL, "--dual-stack-stage", "beta")
    server.start()
    with server.client() as api:
        assert spec_of(api, "a")["ipFamilyPolicy"] == "SingleStack"
        assert spec_of(api, "a")["ipFamilies"] == ["IPv4"]
        dual = api.post(SERVICES, json=service("b", ipFamilyPolicy="RequireDualStack")).json()["spec"]
        assert len(dual["clusterIPs"]) == 2
        assert add_pod(api, "b")["podIPs"] == BOTH
        api.post(NODES, json={"metadata": {"name": "b"}, "spec": cidrs})
        assert 'kubernetes_feature_enabled{name="IPv6DualStack",stage="BETA"} 1.0' in api.get("/metrics").text
    assert server.stop() == 0
    server.flags = OFF
    server.start()
    with server.client() as api:
        assert spec_of(api, "b") == dual
        labelled = {"metadata": {"labels": {"x": "y"}}}
        patched = api.patch(f"{SERVICES}/b", json=labelled, headers=MERGE)
        assert patched.json().get("spec") == dual, patched.text
        message = api.patch(f"{PODS}/b/status", json={"status": {"message": "m"}}, headers=MERGE)
        assert message.json()["status"]["podIPs"] == BOTH
        node = api.patch(f"{NODES}/b", json=labelled, headers=MERGE).json()
        assert len(node["spec"]["podCIDRs"]) == 2
