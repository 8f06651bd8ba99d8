"""The real kubectl, on a dual-stack cluster."""

import json
from pathlib import Path

import pytest

from e2e.conftest import Cluster, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]
EXAMPLES = Path(__file__).parents[2] / "examples"


def test_nodes_are_ready_with_addresses_and_ranges_of_both_families(dual: Cluster) -> None:
    """Each node has two InternalIPs and two pod CIDRs, the primary family first."""
    for node in dual.get("nodes")["items"]:
        internal = [entry["address"] for entry in node["status"]["addresses"] if entry["type"] == "InternalIP"]
        assert [":" in address for address in internal] == [False, True]
        assert [":" in cidr for cidr in node["spec"]["podCIDRs"]] == [False, True]
        assert node["spec"]["podCIDR"] == node["spec"]["podCIDRs"][0]
    lines = dual.kubectl("get", "nodes").splitlines()
    assert lines[0].split() == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert [line.split()[:2] for line in lines[1:]] == [["node1", "Ready"], ["node2", "Ready"]]


def test_a_deployment_is_scaled_exposed_and_reached(dual: Cluster) -> None:
    """create, scale, expose, curl by name from a pod, logs, exec, delete: the first ten minutes with kubectl."""
    dual.kubectl("create", "namespace", "first")
    dual.kubectl(
        "-n", "first", "create", "deployment", "web", "--image=host", "--port=8080", "--replicas=1",
        "--", "python3", "-m", "http.server", "8080", "--bind", "::",
    )  # fmt: skip
    dual.kubectl("-n", "first", "scale", "deployment/web", "--replicas=3")
    dual.kubectl("-n", "first", "wait", "--for=condition=Available", "deployment/web", "--timeout=30s")
    dual.kubectl("-n", "first", "expose", "deployment/web", "--port=80", "--target-port=8080")
    pods = dual.get("-n", "first", "pods")["items"]
    assert len(pods) == 3
    assert all(len(pod["status"]["podIPs"]) == 2 for pod in pods)
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node1", "node2"}
    name = pods[0]["metadata"]["name"]
    page = eventually(
        lambda: dual.kubectl("-n", "first", "exec", name, "--", "curl", "-sS", "-m", "5", "http://web.first")
    )
    assert "Directory listing" in page
    log = eventually(lambda: "".join(dual.kubectl("-n", "first", "logs", pod["metadata"]["name"]) for pod in pods))
    assert '"GET / HTTP/1.1" 200' in log
    dual.kubectl("delete", "namespace", "first", "--timeout=60s")  # process 1 heeds no SIGTERM
    assert "first" not in dual.kubectl("get", "namespaces")


def test_exec_passes_output_errors_input_and_status(dual: Cluster) -> None:
    """stdout and stderr arrive apart, stdin goes in, and the exit status of the command is kubectl's."""
    dual.kubectl("run", "sh", "--image=host", "--restart=Never", "--command", "--", "sleep", "1000")
    dual.kubectl("wait", "--for=condition=Ready", "pod/sh", "--timeout=30s")
    assert dual.kubectl("exec", "-i", "sh", "--", "tr", "a-z", "A-Z", text="hello\n") == "HELLO\n"
    output = dual.kubectl("exec", "sh", "--", "sh", "-c", "echo out; echo err >&2; exit 7", check=False)
    assert output.startswith("out\n")
    assert "err\n" in output
    assert "exit code 7" in output
    dual.kubectl("delete", "pod", "sh", "--grace-period=0", "--force")


def test_service_families_are_kubernetes_own(dual: Cluster) -> None:
    """PreferDualStack gives both addresses; an impossible wish is refused in Kubernetes' words."""
    service = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "fam"},
        "spec": {"ipFamilyPolicy": "PreferDualStack", "ports": [{"port": 80}]},
    }  # fmt: skip
    dual.kubectl("apply", "-f", "-", text=json.dumps(service))
    spec = dual.get("service", "fam")["spec"]
    assert (spec["ipFamilies"], [":" in address for address in spec["clusterIPs"]]) == (["IPv4", "IPv6"], [False, True])
    patch = json.dumps({"spec": {"ipFamilies": ["IPv6", "IPv4"]}})
    refused = dual.kubectl("patch", "service", "fam", "-p", patch, check=False)
    assert "expected an IPv6 value as indicated by `ipFamilies[0]`" in refused
    dual.kubectl("delete", "service", "fam")


def test_a_mistake_in_a_manifest_is_named(dual: Cluster) -> None:
    """An unknown field is refused by strict validation, as kubectl asks for it by default."""
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "dta": {}}
    refused = dual.kubectl("create", "-f", "-", text=json.dumps(manifest), check=False)
    assert 'unknown field "dta"' in refused


@pytest.mark.parametrize("resource", ["pods", "services", "nodes", "deployments", "endpointslices", "servicecidrs"])
def test_explain_and_describe_have_something_to_say(dual: Cluster, resource: str) -> None:
    """Documentation and descriptions come for every kind."""
    assert "FIELDS:" in dual.kubectl("explain", resource)
    dual.kubectl("describe", resource, "-A")
