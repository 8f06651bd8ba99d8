"""Webhooks that fail closed and are served by pods: a stopped cluster comes back, or `up` says who keeps it away."""

import base64
import os
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.conftest import Cluster, eventually, program_of
from kube46.apiserver.certificates import Authority

pytestmark = [pytest.mark.root, pytest.mark.alone, pytest.mark.timeout(180)]

NAME, KINDS = "fail-closed", ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of one node."""
    cluster = Cluster(f"rhook-{os.getpid()}", ("ipv4", "ipv6"), tmp_path_factory.mktemp("home"))
    try:
        cluster.up("--nodes", "1")
        yield cluster
    finally:
        cluster.down()


def served(authority: Authority) -> tuple[dict[str, Any], dict[str, Any]]:
    """The webhook's pod and its Service."""
    pems = authority.issue("hook", (), ["hook.default.svc"], server=True)
    env = [{"name": name, "value": pem.decode()} for name, pem in zip(("CERTIFICATE", "KEY"), pems, strict=True)]
    container = {
        "name": "hook",
        "image": "host",
        "command": list(program_of("approve")),
        "env": env,
        "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    meta = {"name": "hook", "labels": {"app": "hook"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
    ports = {"selector": {"app": "hook"}, "ports": [{"port": 443, "targetPort": 8443}]}
    return pod, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hook"}, "spec": ports}


def configuration(kind: str, authority: Authority) -> dict[str, Any]:
    """Asked about all that a node and `up` write before pods run, and nothing passes without an answer.

    EndpointSlices are left out: by these the webhook is found, and whoever guards them by itself may lock itself out.
    """
    asked = ["nodes", "nodes/status", "leases", "events", "clusterroles", "services"]
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": asked}
    hook = {
        "name": f"{kind.lower()}.example.com",
        "rules": [rule],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "timeoutSeconds": 3,
        "admissionReviewVersions": ["v1"],
        "clientConfig": {
            "service": {"name": "hook", "namespace": "default"},
            "caBundle": base64.b64encode(authority.certificate_pem).decode(),
        },
    }
    group = "admissionregistration.k8s.io/v1"
    return {"apiVersion": group, "kind": kind, "metadata": {"name": NAME}, "webhooks": [hook]}


def test_a_cluster_comes_back_whose_nodes_wait_for_one_of_its_pods(own: Cluster) -> None:
    """After stop and up the webhook's pod runs again, though no Node can be registered before; then writes pass."""
    authority = Authority.create()
    own.apply(*served(authority))
    own.kubectl("wait", "--for=condition=Ready", "pod/hook", "--timeout=60s")
    eventually(lambda: own.get("endpointslices", "-l", "kubernetes.io/service-name=hook")["items"][0]["endpoints"])
    own.apply(*(configuration(kind, authority) for kind in KINDS))
    eventually(lambda: own.kubectl("label", "--overwrite", "node", "node1", "passes=before"))
    own.run("kube46", "stop", "--name", own.name)
    own.up()
    # its readiness is probed anew, so for a moment nobody may be behind its Service
    eventually(lambda: own.kubectl("label", "--overwrite", "node", "node1", "passes=after"))
