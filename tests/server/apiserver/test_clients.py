"""Real clients: kubectl, the official Python client, kube46's own."""

import json
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import kubernetes
import pytest

from server.running import KUBECTL, Server

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: host, ports: [{containerPort: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  ipFamilyPolicy: PreferDualStack
  selector: {app: web}
  ports: [{port: 80}]
"""


def test_kubectl_manifest(server: Server, namespace: str) -> None:
    """apply, get, describe, scale, patch, label, annotate, edit-like replace, delete of real manifests."""
    n = ("-n", namespace)
    made = server.kubectl("apply", *n, "-f", "-", stdin=DEPLOYMENT)
    assert made == "deployment.apps/web created\nservice/web created\n"
    again = server.kubectl("apply", *n, "-f", "-", stdin=DEPLOYMENT)
    assert again == "deployment.apps/web unchanged\nservice/web unchanged\n"
    changed = server.kubectl("apply", *n, "-f", "-", stdin=DEPLOYMENT.replace("containerPort: 80", "containerPort: 81"))
    assert changed == "deployment.apps/web configured\nservice/web unchanged\n"
    table = server.kubectl("get", *n, "svc,deploy")
    assert "service/web" in table
    assert "deployment.apps/web" in table
    addresses = json.loads(server.kubectl("get", *n, "svc", "web", "-o", "json"))["spec"]["clusterIPs"]
    assert len(addresses) == 2
    description = server.kubectl("describe", *n, "svc", "web")
    assert f"IPs:                      {','.join(addresses)}" in description
    assert "RequireDualStack" not in description
    assert server.kubectl("scale", *n, "deploy", "web", "--replicas=5") == "deployment.apps/web scaled\n"
    strategic = '{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"A","value":"b"}]}]}}}}'
    server.kubectl("patch", *n, "deploy", "web", "-p", strategic)
    server.kubectl(
        "patch", *n, "deploy", "web", "--type=json", "-p", '[{"op":"add","path":"/metadata/labels","value":{"x":"y"}}]'
    )
    server.kubectl("annotate", *n, "deploy", "web", "note=this")
    deployment = json.loads(server.kubectl("get", *n, "deploy", "web", "-o", "json"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "A", "value": "b"}]
    assert container["ports"][0]["containerPort"] == 81
    assert deployment["spec"]["replicas"] == 5
    assert deployment["metadata"]["labels"] == {"x": "y"}
    assert server.kubectl("get", *n, "deploy", "-l", "x=y", "-o", "name") == "deployment.apps/web\n"
    server.kubectl("replace", *n, "-f", "-", stdin=json.dumps(deployment))
    gone = server.kubectl("delete", *n, "deploy/web", "svc/web", "--wait=true")
    assert gone.count("deleted") == 2
    assert "No resources found" in server.try_kubectl("get", *n, "deploy,svc").stderr


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("configmap", "c", "--from-literal=x=y"), "configmap"),
        (("secret", "generic", "s", "--from-literal=x=y"), "secret"),
        (("serviceaccount", "robot"), "serviceaccount"),
        (("deployment", "d", "--image=host", "--replicas=2", "--port=80", "--", "sleep", "1"), "deployment"),
        (("service", "clusterip", "v", "--tcp=80:8080"), "service"),
        (("service", "nodeport", "w", "--tcp=80:8080"), "service"),
        (("ingress", "i", "--rule=a.example/x*=v:80"), "ingress"),
    ],
)
def test_kubectl_create(server: Server, namespace: str, arguments: tuple[str, ...], kind: str) -> None:
    """kubectl's typed commands, which send protobuf, create the same as the manifests they would print."""
    made = server.kubectl("create", *arguments[:2], *arguments[2:4], "-n", namespace, *arguments[4:])
    assert made.startswith(kind)
    printed = server.kubectl(
        "create", *arguments[:2], *arguments[2:4], "--dry-run=client", "-o", "json", *arguments[4:]
    )
    wanted = json.loads(printed)
    name = wanted["metadata"]["name"]
    stored = json.loads(server.kubectl("get", kind, name, "-n", namespace, "-o", "json"))
    _contains(stored, {k: v for k, v in wanted.items() if k in ("spec", "data", "type")})


def _contains(stored: Any, wanted: Any) -> None:
    if isinstance(wanted, dict):
        for name, value in wanted.items():
            if value not in ({}, None, ""):
                _contains(stored[name], value)
    elif isinstance(wanted, list):
        assert len(stored) == len(wanted)
        for one, other in zip(stored, wanted, strict=True):
            _contains(one, other)
    else:
        assert stored == wanted


def test_kubectl_other_commands(server: Server, namespace: str) -> None:
    """Namespaces, tokens, rights, discovery and explanations."""
    name = f"{namespace}-x"
    assert server.kubectl("create", "namespace", name) == f"namespace/{name} created\n"
    resources = server.kubectl("api-resources")
    for line in ("services                            svc", "endpointslices", "deployments"):
        assert line.split()[0] in resources
    assert "networking.k8s.io/v1" in server.kubectl("api-versions")
    assert server.kubectl("auth", "can-i", "create", "pods") == "yes\n"
    assert "admin" in server.kubectl("auth", "whoami")
    assert "ipFamilyPolicy" in server.kubectl("explain", "service.spec")
    assert server.kubectl("get", "--raw", "/readyz") == "ok"
    assert "Server Version: v1.37.2+kube46" in server.kubectl("version")
    server.kubectl("create", "serviceaccount", "robot", "-n", namespace)
    assert server.kubectl("create", "token", "robot", "-n", namespace).count(".") == 2
    assert "is running at" in server.kubectl("cluster-info")
    missing = server.try_kubectl("get", "pod", "none", "-n", namespace)
    assert missing.stderr == 'Error from server (NotFound): pods "none" not found\n'
    invalid = server.try_kubectl(
        "create", "-n", namespace, "-f", "-", stdin="{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, bogus: 1}"
    )
    assert 'unknown field "bogus"' in invalid.stderr


def test_kubectl_watch(server: Server, namespace: str) -> None:
    """`kubectl get -w` prints a line a change."""
    environment = {"KUBECONFIG": str(server.kubeconfig()), "HOME": str(server.directory)}
    command = [str(KUBECTL), "get", "cm", "-n", namespace, "-w", "-o", "name"]
    server.kubectl("create", "configmap", "a", "-n", namespace)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline() == "configmap/a\n"
        server.kubectl("create", "configmap", "b", "-n", namespace)
        assert watch.stdout.readline() == "configmap/b\n"
        watch.terminate()


def test_kubectl_wait_for_deletion(server: Server, namespace: str) -> None:
    """`kubectl delete` waits until finalizers are gone."""
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "finalizers": ["example.com/x"]}}
    server.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(manifest))
    waiting = threading.Thread(target=server.kubectl, args=("delete", "cm", "a", "-n", namespace))
    waiting.start()
    time.sleep(0.5)
    assert waiting.is_alive()
    server.kubectl("patch", "cm", "a", "-n", namespace, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    waiting.join(10)
    assert not waiting.is_alive()


@pytest.mark.filterwarnings("ignore")
def test_official_client(server: Server, namespace: str, tmp_path: Path) -> None:
    """The official Python client lists, watches, creates, patches and deletes."""
    configuration = kubernetes.client.Configuration(host=server.url)
    configuration.ssl_ca_cert = str(server.directory / "ca.crt")
    configuration.api_key = {"authorization": "Bearer admintoken"}
    with kubernetes.client.ApiClient(configuration) as api_client:
        core = kubernetes.client.CoreV1Api(api_client)
        meta = kubernetes.client.V1ObjectMeta(name="a", labels={"x": "y"})
        made = core.create_namespaced_config_map(
            namespace, kubernetes.client.V1ConfigMap(metadata=meta, data={"k": "v"})
        )
        assert made.metadata.uid
        listing = core.list_namespaced_config_map(namespace, label_selector="x=y")
        assert [item.data for item in listing.items] == [{"k": "v"}]
        core.patch_namespaced_config_map("a", namespace, {"data": {"k": "w"}})
        version = listing.metadata.resource_version
        core.delete_namespaced_config_map("a", namespace)
        watch = kubernetes.watch.Watch()
        events = watch.stream(core.list_namespaced_config_map, namespace, resource_version=version, timeout_seconds=1)
        assert [(e["type"], e["object"].data) for e in events] == [("MODIFIED", {"k": "w"}), ("DELETED", {"k": "w"})]
        with pytest.raises(kubernetes.client.ApiException) as caught:
            core.read_namespaced_config_map("a", namespace)
        assert caught.value.status == 404
        service = kubernetes.client.V1Service(
            metadata=kubernetes.client.V1ObjectMeta(name="s"),
            spec=kubernetes.client.V1ServiceSpec(
                ip_family_policy="RequireDualStack",
                ports=[kubernetes.client.V1ServicePort(port=80)],
                selector={"a": "b"},
            ),
        )
        assert len(core.create_namespaced_service(namespace, service).spec.cluster_ips) == 2
        assert core.list_namespaced_pod(namespace).items == []
        assert kubernetes.client.VersionApi(api_client).get_code().minor == "37"
