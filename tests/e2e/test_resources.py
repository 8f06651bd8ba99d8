"""`kubectl top` tells what programs really take, and `describe node` what they asked for."""

import json
import re
from typing import Any

import pytest

from e2e.conftest import Cluster, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(60)]

SPACE = "k-top"
HOLDS = "import time; x = bytearray(b'x') * (60 << 20); time.sleep(1000)"


def pod(name: str, *command: str, **limits: str) -> dict[str, Any]:
    """A pod of one container with limits."""
    container = {"name": "main", "image": "host", "command": list(command), "resources": {"limits": limits}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


@pytest.fixture(scope="module")
def space(dual: Cluster) -> Cluster:
    """A namespace with a pod that computes and one that holds memory."""
    dual.kubectl("create", "namespace", SPACE)
    dual.apply(
        pod("busy", "sh", "-c", "while :; do :; done", cpu="150m", memory="32Mi"),
        pod("holds", "python3", "-c", HOLDS, cpu="1", memory="128Mi"),
        namespace=SPACE,
    )
    dual.kubectl("-n", SPACE, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=20s")
    return dual


def top(cluster: Cluster, *arguments: str) -> dict[str, tuple[int, int]]:
    """Name → (millicores, MiB), by `kubectl top`; the name is the last word before the figures."""
    said = cluster.kubectl("top", *arguments, "--no-headers")
    rows = re.findall(r"(\S+)\s+(\d+)m\s+(?:\d+%\s+)?(\d+)Mi", said)
    return {name: (int(cpu), int(memory)) for name, cpu, memory in rows}


def test_top_pods(space: Cluster) -> None:
    """A pod that computes takes what it may; one that holds memory holds it; a label chooses; --containers names."""
    eventually(lambda: {"busy", "holds"} <= set(top(space, "pods", "-n", SPACE)))
    eventually(lambda: 100 <= top(space, "pods", "-n", SPACE)["busy"][0] <= 200)
    found = top(space, "pods", "-n", SPACE)
    assert found["busy"][1] < 20
    assert 60 <= found["holds"][1] <= 100
    assert set(top(space, "pods", "-A", "-l", "app=busy")) == {"busy"}
    assert set(top(space, "pods", "-n", SPACE, "holds", "--containers")) == {"main"}


def test_top_by_right(space: Cluster) -> None:
    """Whoever may view a namespace may see what its pods take, and nobody else."""
    line = ("top", "pods", "-n", SPACE, "--as=spectator")
    assert "pods.metrics.k8s.io is forbidden" in space.kubectl(*line, check=False)
    space.kubectl("-n", SPACE, "create", "rolebinding", "sees", "--clusterrole=view", "--user=spectator")
    eventually(lambda: "busy" in space.kubectl(*line))


def test_top_nodes(space: Cluster) -> None:
    """Each node takes at least what the pods on it take."""
    eventually(lambda: set(top(space, "nodes")) == {"node1", "node2"})
    by_node = dict.fromkeys(("node1", "node2"), 0)
    for entry in space.get("pods", "-n", SPACE)["items"]:
        by_node[entry["spec"]["nodeName"]] += 50 if entry["metadata"]["name"] == "holds" else 0
    assert all(top(space, "nodes")[name][1] >= least for name, least in by_node.items())


def test_metrics_are_an_api_group(space: Cluster) -> None:
    """Discovered, with both resources; unknown names are not found, and nothing can be watched or written."""
    assert "metrics.k8s.io/v1beta1" in space.kubectl("api-versions").split()
    root = "/apis/metrics.k8s.io/v1beta1"
    names = {resource["name"] for resource in json.loads(space.kubectl("get", "--raw", root))["resources"]}
    assert names == {"nodes", "pods"}
    said = space.kubectl("get", "--raw", f"{root}/namespaces/{SPACE}/pods/none", check=False)
    assert f'podmetrics.metrics.k8s.io "{SPACE}/none" not found' in said
    assert "MethodNotAllowed" in space.kubectl("get", "--raw", f"{root}/pods?watch=1", check=False)


def test_describe_node(space: Cluster) -> None:
    """What pods asked for is added up, and each has its quality of service."""
    where = space.get("pod", "-n", SPACE, "busy")
    said = space.kubectl("describe", "node", where["spec"]["nodeName"])
    assert re.search(rf"{SPACE}\s+busy\s+150m", said)
    assert where["status"]["qosClass"] == "Guaranteed"


def test_kubelet_s_own_metrics(space: Cluster) -> None:
    """/metrics/resource, as scrapers of kubelets read it."""
    node = space.get("pod", "-n", SPACE, "holds")["spec"]["nodeName"]
    said = _kubelet(space, node, "/metrics/resource")
    held = re.search(
        rf'container_memory_working_set_bytes{{container="main",namespace="{SPACE}",pod="holds"}} (\d+)', said
    )
    assert held
    assert int(held[1]) >= 60 << 20
    space.kubectl("delete", "namespace", SPACE, "--wait=false")


def _kubelet(cluster: Cluster, node: str, path: str) -> str:
    """What a node's kubelet serves to the API server."""
    pki = f"/var/lib/kube46/{cluster.name}/pki"
    files = ["--cacert", f"{pki}/ca.crt", "--cert", f"{pki}/apiserver-kubelet-client.crt"]
    addresses = cluster.get("node", node)["status"]["addresses"]
    address = next(a["address"] for a in addresses if a["type"] == "InternalIP")
    url = f"https://{address}:10250{path}"
    done = cluster.at(node, "curl", "-sS", *files, "--key", f"{pki}/apiserver-kubelet-client.key", url)
    assert isinstance(done, str)
    return done
