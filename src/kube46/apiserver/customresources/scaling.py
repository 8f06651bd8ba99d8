"""/scale of custom objects: an autoscaling/v1 Scale read from and written to the paths that the definition names.

Source: apiextensions-apiserver pkg/registry/customresource/etcd.go (ScaleREST).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.apiserver.customresources.fieldpaths import steps
from kube46.apiserver.statuses import internal

if TYPE_CHECKING:
    from kube46.apiserver.customresources.kinds import CustomKind

Object = dict[str, Any]
KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(obj: Object, kind: CustomKind) -> Object:
    """The Scale of an object; raises 500 where it has no number of wanted replicas."""
    paths = kind.version_of.scale
    wanted = _at(obj, paths["specReplicasPath"])
    if wanted is None:
        name = obj["metadata"]["name"]
        raise internal(
            f"the spec replicas field {paths['specReplicasPath']!r} does not exist in {kind.qualified} {name}"
        )
    status: Object = {"replicas": _at(obj, paths["statusReplicasPath"]) or 0}
    if (path := paths.get("labelSelectorPath")) and (selector := _at(obj, path)):
        status["selector"] = selector
    metadata = {name: obj["metadata"][name] for name in KEPT if name in obj["metadata"]}
    spec = {"replicas": wanted} if wanted else {}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


def rescale(obj: Object, kind: CustomKind, replicas: int) -> None:
    """Write the wanted number of replicas into an object."""
    *outer, last = steps(kind.version_of.scale["specReplicasPath"]) or [""]
    for name in outer:
        inner = obj.setdefault(name, {})
        if not isinstance(inner, dict):
            raise internal(f"{kind.version_of.scale['specReplicasPath']} can't be written: {name} is no object")
        obj = inner
    obj[last] = replicas


def _at(obj: Object, path: str) -> Any:
    found: Any = obj
    for name in steps(path) or ():
        found = found.get(name) if isinstance(found, dict) else None
    return found
