"""Nodes, pods and clusters for the tests of the scheduler."""

import itertools
from typing import Any

import msgspec

from kube46.api.objects import Node, Pod
from kube46.lab.controllers.scheduler.places import Cluster

READY = [{"type": "Ready", "status": "True"}]
HOSTNAME = "kubernetes.io/hostname"
NUMBERS = itertools.count()


def node(name: str, labels: dict[str, str] | None = None, *, ready: bool = True, **spec: Any) -> Node:
    """A node with the label of its name."""
    allocatable = spec.pop("allocatable", {})
    status = {"conditions": READY if ready else [], "allocatable": allocatable}
    meta = {"name": name, "labels": {HOSTNAME: name, **(labels or {})}}
    return msgspec.convert({"metadata": meta, "spec": spec, "status": status}, Node)


def pod(
    name: str = "", labels: dict[str, str] | None = None, containers: list[dict[str, Any]] | None = None, **spec: Any
) -> Pod:
    """A pod; without a name it gets one of its own."""
    name = name or f"p{next(NUMBERS)}"
    meta = {"name": name, "namespace": spec.pop("namespace", "n"), "uid": name, "labels": labels or {}}
    meta |= spec.pop("meta", {})
    status = spec.pop("status", {})
    whole = {"metadata": meta, "spec": {"containers": containers or [{}], **spec}, "status": status}
    return msgspec.convert(whole, Pod)


def asks(**requests: str) -> dict[str, Any]:
    """A container that asks for resources."""
    return {"resources": {"requests": requests}}


def cluster(*nodes: Node, **pods: list[Pod]) -> Cluster:
    """Nodes, and their pods by node."""
    made = Cluster()
    for one in nodes:
        made.set_node(one.metadata.name, one)
    for name, there in pods.items():
        for one in there:
            made.add(one, name)
    return made
