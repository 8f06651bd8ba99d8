"""Through the API server to nodes, pods and Services of a whole cluster: what Kubernetes' own tests of it ask.

Source: k8s.io/kubernetes test/e2e/network/proxy.go.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e2e.conftest import Cluster, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]
NAMESPACE = "proxying"
PODS, SERVICES = (f"/api/v1/namespaces/{NAMESPACE}/{kind}" for kind in ("pods", "services"))
SAYS = {
    "SERVE_PORT_80": '<a href="/rewriteme">test</a>', "SERVE_PORT_160": "foo",
    "SERVE_TLS_PORT_443": '<a href="/tlsrewriteme">test</a>', "SERVE_TLS_PORT_460": "tls baz",
}  # fmt: skip


@pytest.fixture(scope="module", params=["ipv4,ipv6", "ipv6"])
def cluster(request: pytest.FixtureRequest, clusters: Callable[[str], Cluster]) -> Iterator[Cluster]:
    """A cluster with a pod that says the same on several ports, and a Service of each family before it."""
    found = clusters(request.param)
    found.kubectl("create", "namespace", NAMESPACE)
    ports = [{"containerPort": 80}, {"name": "plain", "containerPort": 160}, {"name": "tls", "containerPort": 460}]
    one = {
        "name": "agnhost", "image": "registry.k8s.io/e2e-test-images/agnhost:2.53", "command": ["/agnhost", "porter"],
        "env": [{"name": name, "value": text} for name, text in SAYS.items()], "ports": ports,
        "readinessProbe": {"tcpSocket": {"port": 460}, "periodSeconds": 1},
    }  # fmt: skip
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "porter", "labels": {"app": "porter"}}}
    found.apply({**pod, "spec": {"containers": [one]}}, *map(_service, found.families), namespace=NAMESPACE)
    found.kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", "pod/porter", "--timeout=60s")
    yield found
    found.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def _service(family: str) -> dict[str, Any]:
    ports = [{"name": "p1", "port": 81, "targetPort": "plain"}, {"name": "tls", "port": 443, "targetPort": "tls"}]
    spec = {"selector": {"app": "porter"}, "ports": ports, "ipFamilies": [{"ipv4": "IPv4", "ipv6": "IPv6"}[family]]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": family}, "spec": spec}


def test_pods(cluster: Cluster) -> None:
    """A pod's ports by number, its first one by none, HTTPS by a scheme; links lead through the proxy."""
    for name, wanted in (
        ("porter", f'<a href="{PODS}/porter/proxy/rewriteme">test</a>'),
        ("http:porter:160", "foo"),
        ("https:porter:443", f'<a href="{PODS}/https:porter:443/proxy/tlsrewriteme">test</a>'),
        ("https:porter:460", "tls baz"),
    ):
        assert cluster.kubectl("get", "--raw", f"{PODS}/{name}/proxy/") == wanted


def test_services(cluster: Cluster) -> None:
    """A Service of either family by its port's name and number."""
    for family in cluster.families:
        for port, wanted in (("p1", "foo"), ("81", "foo"), ("tls", "tls baz"), ("443", "tls baz")):
            scheme = "https:" if wanted.startswith("tls") else ""
            path = f"{SERVICES}/{scheme}{family}:{port}/proxy/some/path"
            assert eventually(lambda path=path: cluster.kubectl("get", "--raw", path)) == wanted


def test_nodes(cluster: Cluster) -> None:
    """A node's kubelet, by its port or by none."""
    for node in ("node1", "node1:10250"):
        assert cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/healthz") == "ok"
        said = json.loads(cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/pods"))
        assert said["kind"] == "PodList"


def test_cluster_info(cluster: Cluster) -> None:
    """`kubectl cluster-info` names the control plane and cluster DNS, by way of the proxy."""
    said = cluster.kubectl("cluster-info")
    assert "Kubernetes control plane is running at https://127.0.0.1:" in said
    assert "/api/v1/namespaces/kube-system/services/kube-dns:dns/proxy" in said
