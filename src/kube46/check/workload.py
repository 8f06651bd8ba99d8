"""The pods and Services of a check: a responder on each node behind its own Service, a headless one for all."""

import inspect
from typing import Any

from kube46.check import responder

PORT = 8080
HEADLESS = "responders"
LABELS = {"app.kubernetes.io/name": "kube46-check", "app.kubernetes.io/managed-by": "kube46"}


def pod_name(node: str) -> str:
    """The responder of a node; dots of node names would make its DNS name two labels."""
    return f"on-{node.replace('.', '-')}"[:63].rstrip("-")


def namespace(name: str) -> dict[str, Any]:
    """The check's own namespace."""
    return {"metadata": {"name": name, "labels": LABELS}}


def pod(node: str) -> dict[str, Any]:
    """The responder of one node. It tolerates every taint: a check of a broken node must run on it."""
    name = pod_name(node)
    return {
        "metadata": {"name": name, "labels": {**LABELS, "kube46.dev/check": name, "kube46.dev/check-group": HEADLESS}},
        "spec": {
            "hostname": name,
            "subdomain": HEADLESS,
            "nodeSelector": {"kubernetes.io/hostname": node},
            "tolerations": [{"operator": "Exists"}],
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "containers": [
                {
                    "name": "responder",
                    "image": "host",
                    "command": ["/usr/bin/python3", "-IS", "-c", inspect.getsource(responder)],
                    "env": [
                        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                        {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
                        {"name": "PORT", "value": str(PORT)},
                    ],
                    "ports": [
                        {"name": "tcp", "containerPort": PORT},
                        {"name": "udp", "containerPort": PORT, "protocol": "UDP"},
                    ],
                    "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
                }
            ],
        },
    }


def service(name: str, selector: dict[str, str], *, headless: bool) -> dict[str, Any]:
    """A Service of all families the cluster has, over TCP and UDP."""
    ports = [{"name": kind.lower(), "protocol": kind, "port": PORT} for kind in ("TCP", "UDP")]
    place: dict[str, Any] = {"clusterIP": "None"} if headless else {"type": "NodePort"}
    return {
        "metadata": {"name": name, "labels": LABELS},
        "spec": {"ipFamilyPolicy": "PreferDualStack", "selector": selector, "ports": ports, **place},
    }


def services(nodes: list[str]) -> list[dict[str, Any]]:
    """A Service for each responder alone, so that the endpoint of every probe is known, and the headless one."""
    own = [service(pod_name(node), {"kube46.dev/check": pod_name(node)}, headless=False) for node in nodes]
    return [*own, service(HEADLESS, {"kube46.dev/check-group": HEADLESS}, headless=True)]
