"""The pods and Services of a check: a responder on each node behind its own Service, a headless one for all."""

import inspect
from dataclasses import dataclass
from typing import Any

from kube46.check import responder

PORT = 8080


@dataclass(frozen=True, slots=True)
class Program:
    """Where the check's pods find Python: an image, and the interpreter in it."""

    image: str = "host"
    python: str = "/usr/bin/python3"


HEADLESS = "responders"
LABELS = {"app.kubernetes.io/name": "kube46-check", "app.kubernetes.io/managed-by": "kube46"}


# Two pods a node: the first also asks, the second is its neighbour.
COPIES = ("a", "b")


def pod_name(node: str, copy: str = COPIES[0]) -> str:
    """A responder of a node; dots of node names would make its DNS name two labels."""
    return f"{copy}-{node.replace('.', '-')}"[:63].rstrip("-")


def namespace(name: str) -> dict[str, Any]:
    """The check's own namespace."""
    return {"metadata": {"name": name, "labels": LABELS}}


def pod(node: str, copy: str, program: Program = Program()) -> dict[str, Any]:
    """A responder of one node. It tolerates every taint: a check of a broken node must run on it."""
    name = pod_name(node, copy)
    return {
        "metadata": {"name": name, "labels": {**LABELS, "kube46.dev/check": name, "kube46.dev/check-group": HEADLESS}},
        "spec": {
            "hostname": name,
            "subdomain": HEADLESS,
            "nodeName": node,  # no label: clouds give other host names than node names
            "tolerations": [{"operator": "Exists"}],
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "containers": [
                {
                    "name": "responder",
                    "image": program.image,
                    "command": [program.python, "-IS", "-c", inspect.getsource(responder)],
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
    names = [pod_name(node, copy) for node in nodes for copy in COPIES]
    own = [service(name, {"kube46.dev/check": name}, headless=False) for name in names]
    return [*own, service(HEADLESS, {"kube46.dev/check-group": HEADLESS}, headless=True)]
