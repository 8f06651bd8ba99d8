"""The real kubectl, on a dual-stack cluster."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import SETTINGS, Cluster, echo_deployment, echo_pod, eventually

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
        "--", "timeout", "1000", "python3", "-m", "http.server", "8080", "--bind", "::",
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
    dual.kubectl("delete", "namespace", "first", "--timeout=60s")
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


@pytest.mark.parametrize("families", SETTINGS)
def test_the_daily_commands(clusters: Callable[[str], Cluster], families: str) -> None:
    """apply, diff, rollout status, get, describe, expose, scale, exec, wait, events, delete, in each family setting."""
    cluster = clusters(families)
    cluster.kubectl("create", "namespace", "daily")

    def daily(*arguments: str, **options: Any) -> str:
        return cluster.kubectl("-n", "daily", *arguments, **options)

    manifest = echo_deployment("web", 2)
    cluster.apply(manifest, namespace="daily")
    assert "successfully rolled out" in daily("rollout", "status", "deployment/web", "--timeout=30s")
    manifest["spec"]["replicas"] = 3
    changed = daily("diff", "-f", "-", text=json.dumps(manifest), check=False)
    assert re.search(r"^-\s+replicas: 2$", changed, re.MULTILINE)
    assert re.search(r"^\+\s+replicas: 3$", changed, re.MULTILINE)
    assert daily("apply", "-f", "-", text=json.dumps(manifest)).strip() == "deployment.apps/web configured"
    assert daily("apply", "-f", "-", text=json.dumps(manifest)).strip() == "deployment.apps/web unchanged"
    assert daily("diff", "-f", "-", text=json.dumps(manifest)) == ""
    daily("expose", "deployment/web", "--port=80", "--target-port=8080", "--name=web")
    daily("wait", "--for=jsonpath={.status.readyReplicas}=3", "deployment/web", "--timeout=30s")
    wide = daily("get", "pods", "-o", "wide", "--no-headers").splitlines()
    primary = "ipv6" if families.startswith("ipv6") else "ipv4"
    assert len(wide) == 3
    assert all((":" in line.split()[5]) == (primary == "ipv6") for line in wide)
    described = daily("describe", "service", "web")
    endpoints = re.search(r"Endpoints:\s+(\S+)", described)
    assert endpoints is not None
    assert endpoints[1].count("8080") == 3
    pod = wide[0].split()[0]
    assert "Started container echo" in daily("describe", "pod", pod)
    assert daily("exec", pod, "--", "printenv", "POD_NAME") == f"{pod}\n"
    reasons = set(daily("get", "events", "-o", "jsonpath={.items[*].reason}").split())
    assert {"Scheduled", "Started", "SuccessfulCreate", "ScalingReplicaSet"} <= reasons
    daily("scale", "deployment/web", "--replicas=1")
    eventually(lambda: len(daily("get", "pods", "--no-headers").splitlines()) == 1)
    daily("delete", "deployment,service", "web")
    eventually(lambda: daily("get", "pods,endpointslices", "-o", "name") == "", 10)
    cluster.kubectl("delete", "namespace", "daily", "--timeout=20s")


def test_logs_are_followed(dual: Cluster) -> None:
    """`logs -f` prints lines as they come and ends with the container; `--previous`, `--tail` and labels work."""
    command = ["sh", "-c", "for i in 1 2 3 4; do echo line $i; sleep 0.3; done"]
    pod = {"metadata": {"name": "talks", "labels": {"app": "talks"}}, "spec": {"restartPolicy": "Never"}}
    pod["spec"]["containers"] = [{"name": "c", "image": "host", "command": command}]
    dual.apply({"apiVersion": "v1", "kind": "Pod", **pod})
    eventually(lambda: dual.kubectl("logs", "talks"))
    follower = subprocess.run(
        ["kubectl", "--context", f"kube46-{dual.name}", "logs", "-f", "talks"],
        env=dual.environment, capture_output=True, text=True, timeout=20, check=True,
    )  # fmt: skip
    assert follower.stdout.splitlines() == [f"line {number}" for number in range(1, 5)]
    assert dual.kubectl("logs", "-l", "app=talks", "--tail=1") == "line 4\n"
    dual.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/talks", "--timeout=10s")
    dual.kubectl("delete", "pod", "talks")


TROUBLES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "crashes": ({"command": ["sh", "-c", "echo dying; exit 3"]}, "CrashLoopBackOff", "BackOff", "Back-off restarting"),
    "no-image": ({"image": "nosuch/image:1"}, "ErrImagePull", "Failed", "pulls from no registry"),
    "no-key": (
        {"command": ["true"], "env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "nobody", "key": "k"}}}]},
        "CreateContainerConfigError", "Failed", '"nobody" not found',
    ),
    "never-ready": (
        {"command": ["sleep", "99"], "readinessProbe": {"httpGet": {"port": 81}, "periodSeconds": 1}},
        "", "Unhealthy", "Readiness probe failed",
    ),
    "unsupported": (
        {"command": ["true"], "securityContext": {"privileged": True}},
        "UnsupportedField", "UnsupportedField", "securityContext.privileged",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TROUBLES)
def test_troubles_are_told(dual: Cluster, name: str) -> None:
    """What is wrong with a pod stands in its STATUS column and in an Event that says what."""
    container, status, reason, message = TROUBLES[name]
    spec: dict[str, Any] = {
        "containers": [{"name": "c", "image": "host", **container}],
    }
    spec["terminationGracePeriodSeconds"] = 1
    dual.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})

    def told() -> bool:
        line = dual.kubectl("get", "pod", name, "--no-headers").split()
        query = f"involvedObject.name={name},reason={reason}"
        said = dual.kubectl("get", "events", "--field-selector", query, "-o", "jsonpath={.items[*].message}")
        return line[1] == "0/1" and line[2] == (status or "Running") and message in said

    eventually(told)
    if name == "crashes":
        assert dual.kubectl("logs", name, "--previous") == "dying\n"
        state = dual.get("pod", name)["status"]["containerStatuses"][0]
        assert state["lastState"]["terminated"]["exitCode"] == 3
    dual.kubectl("delete", "pod", name, "--timeout=20s")


def test_what_a_pod_is_given(dual: Cluster) -> None:
    """Files of ConfigMaps and Secrets, their later changes, the downward API's two podIPs, and an init container."""
    dual.kubectl("create", "configmap", "conf", "--from-literal=greeting=hello")
    dual.kubectl("create", "secret", "generic", "keys", "--from-literal=password=s3cret")
    pod = {"apiVersion": "v1", "kind": "Pod", **echo_pod({"app": "given"})}
    pod["metadata"]["name"] = "given"
    spec = pod["spec"]
    spec["initContainers"] = [
        {"name": "init", "image": "host", "command": ["sh", "-c", "echo made > /shared/file"],
         "volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    ]  # fmt: skip
    spec["volumes"] = [
        {"name": "conf", "configMap": {"name": "conf"}},
        {"name": "keys", "secret": {"secretName": "keys"}},
        {"name": "shared", "emptyDir": {}},
        {
            "name": "down",
            "downwardAPI": {"items": [{"path": "app", "fieldRef": {"fieldPath": "metadata.labels['app']"}}]},
        },
    ]
    container = spec["containers"][0]
    container["volumeMounts"] = [{"name": v["name"], "mountPath": f"/{v['name']}"} for v in spec["volumes"]]
    for name in ("podIP", "podIPs", "hostIPs"):
        container["env"].append({"name": name, "valueFrom": {"fieldRef": {"fieldPath": f"status.{name}"}}})
    dual.apply(pod)
    dual.kubectl("wait", "--for=condition=Ready", "pod/given", "--timeout=30s")

    def inside(*command: str) -> str:
        return dual.kubectl("exec", "given", "-c", "echo", "--", *command)

    assert inside("cat", "/conf/greeting", "/keys/password", "/shared/file", "/down/app") == "hellos3cretmade\ngiven"
    ips = [entry["ip"] for entry in dual.get("pod", "given")["status"]["podIPs"]]
    assert inside("printenv", "podIP", "podIPs").split() == [ips[0], ",".join(ips)]
    assert len(inside("printenv", "hostIPs").split(",")) == 2
    dual.kubectl("delete", "pod", "given", "--wait=false")
    dual.kubectl("delete", "configmap/conf", "secret/keys")


@pytest.mark.parametrize("families", SETTINGS)
def test_a_pod_asks_the_api_by_its_service_account(clusters: Callable[[str], Cluster], families: str) -> None:
    """With the mounted token curl reaches https://kubernetes.default; a role lets it read; without token: 403."""
    cluster = clusters(families)
    pod = {"apiVersion": "v1", "kind": "Pod", **echo_pod({"app": "asks"})}
    pod["metadata"]["name"] = "asks"
    cluster.apply(pod)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/asks", "--timeout=30s")
    at = "/var/run/secrets/kubernetes.io/serviceaccount"
    script = f"curl -sS -m 5 --cacert {at}/ca.crt https://kubernetes.default/api/v1/namespaces/default/pods/asks"
    with_token = f'{script} -H "Authorization: Bearer $(cat {at}/token)"'
    assert json.loads(cluster.kubectl("exec", "asks", "--", "sh", "-c", with_token))["code"] == 403
    cluster.kubectl("create", "rolebinding", "asks", "--clusterrole=view", "--serviceaccount=default:default")
    found = json.loads(cluster.kubectl("exec", "asks", "--", "sh", "-c", with_token))
    assert found["metadata"]["name"] == "asks"
    assert len(found["status"]["podIPs"]) == len(families.split(","))
    assert json.loads(cluster.kubectl("exec", "asks", "--", "sh", "-c", script))["code"] == 403
    assert cluster.kubectl("exec", "asks", "--", "cat", f"{at}/namespace") == "default"
    cluster.kubectl("delete", "pod/asks", "rolebinding/asks", "--wait=false")
