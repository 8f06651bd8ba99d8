# ruff: noqa: E501 – tables of cases are read across
"""Claims, volumes, classes, nodes and pods for tests of rules."""

from typing import Any

import msgspec

from kube46.api.objects import Node, Pod
from kube46.api.storage_objects import PersistentVolume, PersistentVolumeClaim, StorageClass


def claim(
    name: str = "data", size: str = "1Gi", *, notes: dict[str, str] | None = None, **spec: Any
) -> PersistentVolumeClaim:
    """A claim of namespace `shop`, of class `fast` unless told otherwise; `phase` and `deleted` are no part of its spec."""
    status = {"phase": spec.pop("phase", "Pending")}
    meta: dict[str, Any] = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "annotations": notes or {}}
    if spec.pop("deleted", False):
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    whole = {"storageClassName": "fast", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return msgspec.convert({"metadata": meta, "spec": {**whole, **spec}, "status": status}, PersistentVolumeClaim)


def volume(
    name: str = "disk", size: str = "1Gi", *, notes: dict[str, str] | None = None, **spec: Any
) -> PersistentVolume:
    """A volume of class `fast` that is Available unless told otherwise; `node` is where it lies."""
    meta: dict[str, Any] = {
        "name": name,
        "uid": f"uid-{name}",
        "annotations": notes or {},
        "labels": spec.pop("labels", {}),
    }
    status = {"phase": spec.pop("phase", "Available")}
    if spec.pop("deleted", False):
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    if node := spec.pop("node", ""):
        expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}
    whole = {"storageClassName": "fast", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": size}}
    return msgspec.convert({"metadata": meta, "spec": {**whole, **spec}, "status": status}, PersistentVolume)


def for_claim(name: str = "data", uid: str | None = None) -> dict[str, str]:
    """A claimRef."""
    return {"namespace": "shop", "name": name, "uid": f"uid-{name}" if uid is None else uid}


def storage_class(
    name: str = "fast", *, waits: bool = False, provisioner: str = "local-path.kube46", **more: Any
) -> StorageClass:
    """A class."""
    mode = "WaitForFirstConsumer" if waits else "Immediate"
    body = {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": mode, **more}
    return msgspec.convert(body, StorageClass)


def node(name: str, *, ready: bool = True, **labels: str) -> Node:
    """A node with its hostname."""
    status = {"conditions": [{"type": "Ready", "status": str(ready)}]}
    meta = {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}}
    return msgspec.convert({"metadata": meta, "status": status}, Node)


def pod(name: str = "web", *claims: str, on: str = "", phase: str = "Pending", **meta: Any) -> Pod:
    """A pod of namespace `shop` that mounts claims."""
    volumes = [{"name": f"v-{c}", "persistentVolumeClaim": {"claimName": c}} for c in claims]
    whole = {"name": name, "namespace": "shop", "uid": f"uid-{name}", **meta}
    return msgspec.convert(
        {"metadata": whole, "spec": {"nodeName": on, "volumes": volumes}, "status": {"phase": phase}}, Pod
    )
