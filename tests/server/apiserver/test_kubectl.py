"""The real kubectl against the server alone: what people type, kind by kind."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kube46.apiserver.kinds import KINDS
from patience import patient
from server.running import KUBECTL, Server

Kubectl = Callable[..., str]
CREATED = {
    "clusterrole": ("--verb=get", "--resource=pods"),
    "clusterrolebinding": ("--clusterrole=view", "--user=someone"),
    "configmap": ("--from-literal=a=b",),
    "cronjob": ("--image=host", "--schedule=*/5 * * * *", "--", "true"),
    "deployment": ("--image=host", "--replicas=2", "--port=80"),
    "ingress": ("--rule=example.org/*=web:80,tls=cert",),
    "job": ("--image=host", "--", "true"),
    "poddisruptionbudget": ("--selector=app=x", "--min-available=1"),
    "priorityclass": ("--value=7",),
    "quota": ("--hard=pods=3",),
    "role": ("--verb=get,list", "--resource=pods,services"),
    "rolebinding": ("--role=x", "--serviceaccount=default:default"),
    "secret generic": ("--from-literal=password=hidden",),
    "secret docker-registry": ("--docker-server=r", "--docker-username=u", "--docker-password=p"),
    "service clusterip": ("--tcp=80:8080",),
    "service externalname": ("--external-name=example.org",),
    "service loadbalancer": ("--tcp=80",),
    "service nodeport": ("--tcp=80",),
    "serviceaccount": (),
}
CLUSTER_WIDE = ("clusterrole", "clusterrolebinding", "priorityclass")


@pytest.fixture
def kubectl(server: Server, namespace: str) -> Kubectl:
    """Runs kubectl in the test's namespace; a failure shows what it said."""

    def run(*arguments: str, text: str = "", code: int = 0, **variables: str) -> str:
        return server.kubectl("-n", namespace, *arguments, stdin=text, code=code, **variables)

    return run


def test_api_resources_and_versions(kubectl: Kubectl) -> None:
    """Every kind is listed with its group, and so is every version."""
    listed = {tuple(line.split()) for line in kubectl("api-resources", "-o", "wide", "--no-headers").splitlines()}
    names = {line[0] for line in listed}
    assert {kind.plural for kind in KINDS} <= names
    assert {kind.api_version for kind in KINDS} <= set(kubectl("api-versions").split())
    assert "services\n" in kubectl("api-resources", "--namespaced=true", "--categories=all", "-o", "name")


@pytest.mark.parametrize(("kind", "version"), sorted((kind.plural, kind.api_version) for kind in KINDS))
def test_explain(kubectl: Kubectl, kind: str, version: str) -> None:
    """Each kind's documentation comes, to the last field."""
    text = kubectl("explain", kind, "--api-version", version, "--recursive")
    assert "FIELDS:" in text
    assert "apiVersion\t<string>" in text


@pytest.mark.parametrize("kind", CREATED)
def test_create_get_describe_delete(kubectl: Kubectl, namespace: str, kind: str) -> None:
    """What `kubectl create` makes can be seen in every form, labelled, annotated, and deleted."""
    name = f"{namespace}-x" if kind in CLUSTER_WIDE else "x"
    resource = kind.split()[0]
    kubectl("create", *kind.split(), name, *CREATED[kind])
    assert kubectl("get", resource, name, "-o", "name").strip().endswith(f"/{name}")
    table = kubectl("get", resource, name, "-o", "wide").splitlines()
    assert (table[0].split()[0], table[1].split()[0]) == ("NAME", name)
    assert json.loads(kubectl("get", resource, name, "-o", "json"))["metadata"]["name"] == name
    assert f"name: {name}" in kubectl("get", resource, name, "-o", "yaml", "--show-managed-fields")
    assert f"Name:{' ' * 3}" in (described := kubectl("describe", resource, name)), described
    kubectl("label", resource, name, "tier=test")
    kubectl("annotate", resource, name, "note=kept")
    assert kubectl("get", resource, "-l", "tier=test", "-o", "jsonpath={.items[*].metadata.name}") == name
    assert (
        kubectl("get", resource, name, "-o", "custom-columns=N:.metadata.annotations.note", "--no-headers") == "kept\n"
    )
    kubectl("delete", resource, name, "--wait=false")


def test_changes(kubectl: Kubectl, tmp_path: Path) -> None:
    """set, patch in its three kinds, edit, replace, scale, apply, diff: each changes what it says."""
    kubectl("create", "deployment", "web", "--image=host")

    def value(path: str) -> str:
        return kubectl("get", "deployment", "web", "-o", f"jsonpath={{.spec.{path}}}")

    kubectl("set", "image", "deployment/web", "host=nginx:1")
    assert value("template.spec.containers[0].image") == "nginx:1"
    kubectl("set", "env", "deployment/web", "A=b")
    kubectl("set", "resources", "deployment/web", "--limits=cpu=200m,memory=64Mi")
    assert value("template.spec.containers[0].env[0].value") == "b"
    assert json.loads(value("template.spec.containers[0].resources.limits")) == {"cpu": "200m", "memory": "64Mi"}
    kubectl("patch", "deployment", "web", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":2}]')
    assert value("replicas") == "2"
    kubectl("patch", "deployment", "web", "--type=merge", "-p", '{"spec":{"replicas":3}}')
    assert value("replicas") == "3"
    strategic = '{"spec":{"template":{"spec":{"containers":[{"name":"second","image":"host"}]}}}}'
    kubectl("patch", "deployment", "web", "-p", strategic)
    assert sorted(value("template.spec.containers[*].name").split()) == ["host", "second"]
    kubectl("scale", "deployment/web", "--replicas=4", "--current-replicas=3")
    assert value("replicas") == "4"
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nexec sed -i "s/replicas: 4/replicas: 5/" "$1"\n')
    editor.chmod(0o755)
    kubectl(
        "edit",
        "deployment",
        "web",
        KUBE_EDITOR=str(editor),
    )
    assert value("replicas") == "5"
    body = json.loads(kubectl("get", "deployment", "web", "-o", "json"))
    body["spec"]["replicas"] = 6
    kubectl("replace", "-f", "-", text=json.dumps(body))
    assert value("replicas") == "6"
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": "1", "b": "2"}}
    kubectl("apply", "-f", "-", text=json.dumps(config))
    config["data"] = {"a": "1"}
    assert '-  b: "2"' in kubectl("diff", "-f", "-", text=json.dumps(config), code=1)
    kubectl("apply", "-f", "-", text=json.dumps(config))
    assert kubectl("get", "configmap", "m", "-o", "jsonpath={.data}") == '{"a":"1"}'
    assert kubectl("apply", "view-last-applied", "configmap/m", "-o", "json").count('"a"') == 1


def test_watching_and_waiting(server: Server, kubectl: Kubectl, namespace: str) -> None:
    """`get -w` prints changes as they come; `wait` ends with what it waits for, and says when it does not come."""
    kubectl("create", "configmap", "w", "--from-literal=a=b")
    command = [KUBECTL, "--kubeconfig", server.kubeconfig(), "-n", namespace, "get", "configmap", "-w", "-o", "name"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None
        try:
            while watcher.stdout.readline() != "configmap/w\n":  # others' may come first
                pass
            kubectl("label", "configmap", "w", "seen=yes")
            assert watcher.stdout.readline() == "configmap/w\n"
        finally:
            watcher.kill()
    kubectl("wait", "--for=jsonpath={.data.a}=b", "configmap/w", "--timeout=10s")
    started = time.monotonic()
    kubectl("wait", "--for=jsonpath={.data.a}=c", "configmap/w", "--timeout=1s", code=1)
    assert time.monotonic() - started < patient(10)
    kubectl("wait", "--for=create", "configmap/w", "--timeout=10s")
    kubectl("delete", "configmap", "w", "--wait=false")
    kubectl("wait", "--for=delete", "configmap/w", "--timeout=10s")


def test_expose_and_tokens(kubectl: Kubectl) -> None:
    """`expose` makes a Service of a Deployment's selector; `create token` gives a token that the server knows."""
    kubectl("create", "deployment", "web", "--image=host", "--port=8080")
    kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080", "--type=NodePort")
    service = json.loads(kubectl("get", "service", "web", "-o", "json"))["spec"]
    assert (service["selector"], service["type"]) == ({"app": "web"}, "NodePort")
    kubectl("create", "serviceaccount", "robot")
    token = kubectl("create", "token", "robot", "--duration=1h").strip()
    assert token.count(".") == 2
    assert kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}") == "admin"


def test_mistakes_are_explained(kubectl: Kubectl) -> None:
    """An unknown kind, an unknown name and an unknown field are each named."""
    for arguments, text, said in (
        (("get", "nonsense"), "", 'the server doesn\'t have a resource type "nonsense"'),
        (("get", "service", "absent"), "", 'services "absent" not found'),
        (("create", "-f", "-"), '{"apiVersion":"v1","kind":"Nonsense"}', 'no matches for kind "Nonsense"'),
        (
            ("create", "-f", "-"),
            '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"dta":{}}',
            'unknown field "dta"',
        ),
    ):
        with pytest.raises(AssertionError, match=re.escape(said)):
            kubectl(*arguments, text=text)
