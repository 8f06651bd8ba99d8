# ruff: noqa: E501 – tables of commands are read across
"""What kubectl prints on both servers, word for word: ages, uids, revisions and ports stand for themselves."""

from __future__ import annotations

import difflib
import itertools
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from cluster.test_discovery import ours

if TYPE_CHECKING:
    from cluster.upstream import Upstream
    from server.running import Server

__all__ = ["ours"]
VOLATILE = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UID"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}"), "TIME"),
    (re.compile(r"(resourceVersion[\"':]+ ?[\"']?)\d+"), r"\1N"),
    (re.compile(r"\b\d+(ms|s|m)\b"), "AGE"),
    (re.compile(r"10\.96\.\d+\.\d+"), "IPV4"),
    (re.compile(r"fd00:10:96::[0-9a-f:]+"), "IPV6"),
    (re.compile(r"127\.0\.0\.1:\d+"), "SERVER"),
    (re.compile(r"(:|TCP +|https +)[3-6]\d{4}"), r"\1PORT"),
    (re.compile(r"/tmp/\S+"), "FILE"),
    (re.compile(r"FILE\t.*"), "FILE"),
    (re.compile(r"(kube-api-access|[a-z]+-[0-9a-f]{8,10})-[a-z0-9]{5}\b"), r"\1-SUFFIX"),
    (re.compile(r" +"), " "),
)  # fmt: skip
# written by kube46 alone: what is stored and not acted on (docs/reference/apiserver.md)
OURS = re.compile(r"(?m)^(Warning: .*: stored, not .*|.*metrics\.k8s\.io.*)\n")


def shown(text: str, namespace: str) -> str:
    """The text without what differs from run to run."""
    for pattern, word in VOLATILE:
        text = pattern.sub(word, text)
    return OURS.sub("", text.replace(namespace, "NAMESPACE") if namespace else text)


def compare(ours: Server, upstream: Upstream, namespace: str, *lines: str, stdin: str = "") -> None:
    """Run the same commands on both servers; the texts, what goes to stderr and the statuses are the same."""
    different: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        for line in lines:
            words = [*line.split(" "), *(("-n", namespace) if namespace else ())]
            done = list(pool.map(lambda server, words=words: server.try_kubectl(*words, stdin=stdin), (ours, upstream)))
            texts = [f"{shown(d.stdout, namespace)}{shown(d.stderr, namespace)}{d.returncode}" for d in done]
            different += difflib.unified_diff(*(text.splitlines() for text in texts), "ours", line, lineterm="", n=1)
    assert not different, "\n".join(different)


@pytest.fixture
def namespace(ours: Server, upstream: Upstream, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own on both, with the account that a controller would make."""
    name = re.sub(r"[^a-z0-9]+", "-", f"k-{request.node.name}").strip("-")[:40].rstrip("-")
    for server in (ours, upstream):
        server.kubectl("create", "namespace", name)
        server.kubectl("create", "serviceaccount", "default", "-n", name)
    return name


@pytest.mark.parametrize("line", [
    "api-resources", "api-resources -o wide", "api-resources --namespaced=false --verbs=list -o name", "api-versions",
    "api-resources --api-group=apps", "explain service.spec.ipFamilies", "explain services", "explain nothing",
    "explain pods --recursive", "explain services --recursive", "explain deployments --recursive", "explain nodes --recursive",
    "explain ingresses --recursive", "explain hpa --recursive", "explain endpointslices --recursive", "explain deployments.spec.strategy", "explain hpa --api-version=autoscaling/v1",
    "explain ingresses.spec.rules.http.paths.pathType", "explain service.spec.nothing", "get nothing",
    "get apiservices", "get flowschemas", "get prioritylevelconfigurations", "get pc -o yaml",
    "get svc kubernetes", "get svc nothing", "get svc,ep,endpointslices -o name", "auth whoami",
])  # fmt: skip
def test_questions(ours: Server, upstream: Upstream, line: str) -> None:
    """What is asked of a new server."""
    compare(ours, upstream, "", line)


SERVICE = {
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "selector": {"app": "web"}, "ipFamilyPolicy": "RequireDualStack",
        "ports": [{"name": "http", "port": 80, "targetPort": "http"}, {"name": "dns", "port": 53, "protocol": "UDP"}],
    },
}  # fmt: skip
POD = {
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one", "labels": {"app": "web"}},
    "spec": {"containers": [{
        "name": "c", "image": "host", "ports": [{"containerPort": 80, "name": "http"}], "env": [{"name": "A", "value": "b"}],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}, "readinessProbe": {"httpGet": {"port": 80}},
    }]},
}  # fmt: skip


def test_services(ours: Server, upstream: Upstream, namespace: str) -> None:
    """The whole life of a dual-stack Service."""
    text = json.dumps(SERVICE)
    compare(ours, upstream, namespace, "apply -f - --dry-run=server", "diff -f -", "apply -f -", "diff -f -",
            "apply -f -", stdin=text)  # fmt: skip
    compare(
        ours, upstream, namespace, "get svc", "get svc -o wide", "get svc web -o yaml", "get all", "describe svc web",
        "get svc -o custom-columns=N:.metadata.name,F:.spec.ipFamilies,P:.spec.ipFamilyPolicy", "label svc web a=b",
        "get svc web -o jsonpath={.spec.ipFamilies[*]}", "label svc web a=c", "annotate svc web note=1",
        'patch svc web -p {"spec":{"ipFamilyPolicy":"SingleStack"}}', "get svc web -o json --show-managed-fields",
        'patch svc web --type=json -p [{"op":"remove","path":"/spec/selector"}]',
        'patch svc web --type=merge -p {"spec":{"type":"Nothing"}}', "create service clusterip x --tcp=80:8080",
        "create service nodeport y --tcp=80 --dry-run=server -o yaml", "create service clusterip x --tcp=80",
        "create service externalname z --external-name=example.org", "get svc", "delete svc x", "delete svc x",
        "delete svc --all --dry-run=server", "wait svc/web --for=delete --timeout=0",
    )  # fmt: skip
    changed = json.dumps({**SERVICE, "spec": {**SERVICE["spec"], "ports": [{"port": 81}]}})
    compare(
        ours, upstream, namespace, "apply -f - --server-side", "apply -f - --server-side --force-conflicts",
        "get svc web -o yaml --show-managed-fields", "replace -f -", "replace --force -f -", stdin=changed,
    )  # fmt: skip


def test_pods(ours: Server, upstream: Upstream, namespace: str) -> None:
    """A pod that nobody schedules."""
    compare(ours, upstream, namespace, "create -f -", "apply -f -", stdin=json.dumps(POD))
    compare(
        ours, upstream, namespace, "get pods -o wide", "describe pod one", "get pod one -o yaml", "logs one",
        "expose pod one --port=80 --name=exposed", "set image pod/one c=other", "run two --image=host --dry-run=server",
        "exec one -- true", "delete pod one --now", "get pods",
    )  # fmt: skip


def test_workloads(ours: Server, upstream: Upstream, namespace: str) -> None:
    """What is made of nothing but a command line; no controller acts."""
    compare(
        ours, upstream, namespace, "create deployment d --image=host --replicas=2 --port=80", "get deploy -o wide",
        "describe deploy d", "get deploy d -o yaml", "scale deploy d --replicas=3", "scale deploy d --replicas=-1",
        "set image deploy/d host=other", "set env deploy/d A=b", "set resources deploy/d --limits=cpu=1",
        "rollout history deploy/d", "rollout pause deploy/d", "rollout resume deploy/d", "rollout restart deploy/d",
        "autoscale deploy d --max=3 --cpu=50%", "get hpa", "describe hpa d", "get hpa d -o yaml",
        "get horizontalpodautoscalers.v1.autoscaling d -o yaml", "create cronjob c --image=host --schedule=* -- true",
        "create cronjob c --image=host --schedule=@daily -- true", "get cronjob -o wide", "create job j --from=cronjob/c",
        "describe job j", "get job -o wide", "create pdb b --selector=app=d --min-available=1", "get pdb",
        "describe pdb b", "get all", "delete all --all",
    )  # fmt: skip


def revision(server: Server, namespace: str, number: int) -> None:
    """What a controller makes of the Deployment `r`: a ReplicaSet with its template as it was, or will be."""
    owner = json.loads(server.kubectl("-n", namespace, "get", "deploy", "r", "-o", "json"))
    template = {
        "metadata": {"labels": {"app": "r", "pod-template-hash": f"{number}"}},
        "spec": owner["spec"]["template"]["spec"],
    }
    template["spec"]["containers"][0]["image"] = f"host:{number}"
    made = {
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "spec": {"replicas": 0, "selector": {"matchLabels": template["metadata"]["labels"]}, "template": template},
        "metadata": {
            "name": f"r-{number}", "labels": template["metadata"]["labels"],
            "annotations": {"deployment.kubernetes.io/revision": f"{number}", "kubernetes.io/change-cause": f"change {number}"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "r", "uid": owner["metadata"]["uid"], "controller": True}],
        },
    }  # fmt: skip
    server.kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(made))


def test_rollouts(ours: Server, upstream: Upstream, namespace: str) -> None:
    """Revisions of a Deployment are told, shown and gone back to; how far it is, is told."""
    compare(ours, upstream, namespace, "create deployment r --image=host:2 --replicas=2", "rollout undo deploy/r")
    for server, number in itertools.product((ours, upstream), (1, 2)):
        revision(server, namespace, number)
    far = json.dumps({"status": {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 1, "availableReplicas": 1}})
    compare(
        ours, upstream, namespace, "rollout history deploy/r", "rollout history deploy/r --revision=1",
        "rollout history deploy/r --revision=7", "rollout status deploy/r --watch=false",
        f"patch deploy r --subresource=status --type=merge -p {far}".replace(", ", ",").replace(": ", ":"),
        "rollout status deploy/r --watch=false", "rollout undo deploy/r --dry-run=server", "rollout undo deploy/r",
        "rollout undo deploy/r --to-revision=7", "rollout status deploy/r --timeout=1s", "get deploy r -o wide", "describe deploy r",
    )  # fmt: skip


NODE = {
    "apiVersion": "v1", "kind": "Node", "metadata": {"name": "k-texts", "labels": {"zone": "z"}, "annotations": {"a": "b"}},
    "spec": {"podCIDRs": ["10.1.0.0/24", "fd00:10:1::/64"], "podCIDR": "10.1.0.0/24", "taints": [{"key": "a", "effect": "NoSchedule"}]},
    "status": {
        "capacity": {"cpu": "2", "memory": "4Gi", "pods": "110"}, "allocatable": {"cpu": "1900m", "memory": "3Gi", "pods": "110"},
        "addresses": [{"type": "InternalIP", "address": "192.0.2.7"}, {"type": "InternalIP", "address": "2001:db8::7"}, {"type": "Hostname", "address": "k"}],
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "m"}], "nodeInfo": {"kubeletVersion": "v1.37.2"},
    },
}  # fmt: skip


def test_nodes(ours: Server, upstream: Upstream, namespace: str) -> None:
    """A node with its addresses of both families, what it can hold and what it holds."""
    pod = json.dumps({**POD, "spec": {**POD["spec"], "nodeName": "k-texts", "tolerations": [{"operator": "Exists"}]}})
    compare(ours, upstream, "", "create -f -", "replace --subresource=status -f -", stdin=json.dumps(NODE))
    try:
        compare(ours, upstream, namespace, "create -f -", stdin=pod)
        compare(
            ours, upstream, "", "describe node k-texts", "get node k-texts -o wide", "cordon k-texts", "uncordon k-texts",
            "taint node k-texts a:NoSchedule-", "get node k-texts -o yaml", "describe node none",
        )  # fmt: skip
    finally:  # other tests count nodes
        compare(ours, upstream, namespace, "delete pod one --grace-period=0 --force")
        compare(ours, upstream, "", "delete node k-texts")


def test_configuration(ours: Server, upstream: Upstream, namespace: str) -> None:
    """Data, rights, limits and classes."""
    compare(
        ours, upstream, namespace, "create configmap m --from-literal=a=b", "describe cm m", "get cm m -o yaml",
        "create secret generic s --from-literal=a=b", "describe secret s", "get secrets", "create sa robot",
        "create role r --verb=get,list --resource=pods", "create rolebinding b --role=r --serviceaccount=default:robot",
        "describe role r", "describe rolebinding b", "get roles,rolebindings -o wide", "auth can-i get pods",
        "auth can-i --list", "auth can-i get pods --as=somebody", "auth can-i --list --as=somebody",
        "create quota q --hard=pods=3,limits.cpu=2", "get quota", "describe quota q",
        "create ingress i --rule=example.org/=web:80", "get ingress", "describe ingress i",
        "create priorityclass k-pc --value=5 --dry-run=server -o yaml", "create token robot --duration=1s",
        "get rc", "get csr", "get limits", "get netpol", "get events", "get pvc", "get leases",
    )  # fmt: skip


def test_replication_controllers(ours: Server, upstream: Upstream, namespace: str) -> None:
    """The oldest workload: scaled like the others."""
    template = {"metadata": {"labels": {"app": "rc"}}, "spec": {"containers": [{"name": "c", "image": "host"}]}}
    made = {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": "rc"},
        "spec": {"template": template},
    }
    compare(ours, upstream, namespace, "create -f -", "create -f -", stdin=json.dumps(made))
    compare(
        ours, upstream, namespace, "get rc -o wide", "get rc rc -o yaml", "scale rc rc --replicas=4",
        "describe rc rc", "get --raw /api/v1/namespaces/default/replicationcontrollers/x/scale", "delete rc rc",
    )  # fmt: skip
