"""What a client of Kubernetes 1.15 does with objects of two families: its structs drop the fields it does not know."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import Any, Self

import httpx2

Json = dict[str, Any]
KINDS = ("merge-patch", "strategic-merge-patch", "json-patch")
MERGE, STRATEGIC, PATCH = (f"application/{kind}+json" for kind in KINDS)
BOTH = [{"ip": "10.244.7.9"}, {"ip": "fd00:10:244:7::9"}]
CIDRS = ["10.244.7.0/24", "fd00:10:244:7::/64"]


@dataclass
class Old:
    """A struct that decodes what it knows, and encodes no more than that."""

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Decode."""
        return cls(**{one.name: obj[one.name] for one in fields(cls) if one.name in obj})


@dataclass
class OldServiceSpec(Old):
    """core/v1 ServiceSpec of 1.15."""

    ports: list[Json] = field(default_factory=list)
    selector: dict[str, str] = field(default_factory=dict)
    clusterIP: str = ""  # noqa: N815
    type: str = ""
    sessionAffinity: str = ""  # noqa: N815


@dataclass
class OldNodeSpec(Old):
    """core/v1 NodeSpec of 1.15."""

    podCIDR: str = ""  # noqa: N815
    taints: list[Json] = field(default_factory=list)
    unschedulable: bool = False


@dataclass
class OldPodStatus(Old):
    """core/v1 PodStatus of 1.15."""

    phase: str = ""
    message: str = ""
    hostIP: str = ""  # noqa: N815
    podIP: str = ""  # noqa: N815
    qosClass: str = ""  # noqa: N815


def rewritten(obj: Json, part: str, kind: type[Old], **changes: object) -> Json:
    """An object read into old structs, changed, and encoded from them."""
    kept = {name: obj["metadata"][name] for name in ("name", "namespace", "resourceVersion") if name in obj["metadata"]}
    return {**obj, "metadata": kept, part: {**asdict(kind.of(obj[part])), **changes}}


def converse(api: httpx2.Client, namespace: str) -> dict[str, Json]:
    """Edit a Service, a pod's status and a Node in every way; what each answer holds of the families, by its name."""
    told: dict[str, Json] = {}
    api.post("/api/v1/namespaces", json={"metadata": {"name": namespace}})
    api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", json={"metadata": {"name": "default"}})
    _services(api, f"/api/v1/namespaces/{namespace}/services", told)
    _pods(api, f"/api/v1/namespaces/{namespace}/pods", told)
    _nodes(api, f"/api/v1/nodes/{namespace}", told)
    return told


def _edits(
    api: httpx2.Client, path: str, rewrite: Callable[[Json], Json], merge: Json, operations: list[Json]
) -> dict[str, Json]:
    """The three patches, then read and PUT; the answers, each the object or a Status."""
    sent = {
        "merge": api.patch(path, json=merge, headers={"content-type": MERGE}),
        "strategic": api.patch(path, json=merge, headers={"content-type": STRATEGIC}),
        "json": api.patch(path, json=operations, headers={"content-type": PATCH}),
    }
    sent["put"] = api.put(path, json=rewrite(api.get(path).json()))
    return {way: answer.json() for way, answer in sent.items()}


def _services(api: httpx2.Client, path: str, told: dict[str, Json]) -> None:
    spec = {"ports": [{"port": 80}], "selector": {"a": "b"}}
    for kind in ("ClusterIP", "NodePort", "LoadBalancer"):
        name = f"old-{kind.lower()}"
        body = {"metadata": {"name": name}, "spec": {**spec, "type": kind, "ipFamilyPolicy": "RequireDualStack"}}
        made = api.post(path, json=body).json()
        put = partial(rewritten, part="spec", kind=OldServiceSpec, selector={"a": "c"})
        merge = {"spec": {"selector": {"a": "d"}, "clusterIP": made["spec"]["clusterIP"]}}
        operations = [{"op": "replace", "path": "/spec/selector/a", "value": "e"}]
        for way, answer in _edits(api, f"{path}/{name}", put, merge, operations).items():
            assert answer["kind"] == "Service", answer
            now = answer["spec"]
            told[f"{kind} {way}"] = {field: now.get(field) for field in ("ipFamilyPolicy", "ipFamilies", "selector")}
            told[f"{kind} {way}"]["kept"] = now["clusterIPs"] == made["spec"]["clusterIPs"]


def _pods(api: httpx2.Client, path: str, told: dict[str, Json]) -> None:
    body = {"metadata": {"name": "old"}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}}
    assert api.post(path, json=body).status_code == 201
    status = {"status": {"podIP": BOTH[0]["ip"], "podIPs": BOTH}}
    api.patch(f"{path}/old/status", json=status, headers={"content-type": STRATEGIC})
    put = partial(rewritten, part="status", kind=OldPodStatus, message="x")
    merge = {"status": {"message": "y", "podIP": BOTH[0]["ip"]}}
    operations = [{"op": "replace", "path": "/status/message", "value": "z"}]
    for way, answer in _edits(api, f"{path}/old/status", put, merge, operations).items():
        assert answer["kind"] == "Pod", answer
        told[f"Pod {way}"] = {name: answer["status"].get(name) for name in ("podIP", "podIPs", "message")}


def _nodes(api: httpx2.Client, path: str, told: dict[str, Json]) -> None:
    name = path.rpartition("/")[2]
    body = {"metadata": {"name": name}, "spec": {"podCIDR": CIDRS[0], "podCIDRs": CIDRS}}
    assert api.post("/api/v1/nodes", json=body).status_code == 201
    put = partial(rewritten, part="spec", kind=OldNodeSpec, unschedulable=False)
    merge = {"spec": {"unschedulable": False, "podCIDR": CIDRS[0]}}
    operations = [{"op": "add", "path": "/spec/unschedulable", "value": True}]
    for way, answer in _edits(api, path, put, merge, operations).items():
        found = answer["spec"] if answer["kind"] == "Node" else answer
        told[f"Node {way}"] = {name: found.get(name) for name in ("podCIDR", "podCIDRs", "message")}
    told["Node after all"] = {"podCIDRs": api.get(path).json()["spec"]["podCIDRs"]}


def check(told: dict[str, Json]) -> None:
    """Fail unless nothing of the second family was lost but what an old kubelet's PUT of a status says itself."""
    for way, answer in told.items():
        if way.startswith(("ClusterIP", "NodePort", "LoadBalancer")):
            assert answer["kept"], way
            assert (answer["ipFamilyPolicy"], answer["ipFamilies"]) == ("RequireDualStack", ["IPv4", "IPv6"]), way
        elif way.startswith("Pod"):
            assert answer["podIPs"] == (BOTH[:1] if way == "Pod put" else BOTH), way
        elif way in ("Node merge", "Node strategic", "Node json"):
            assert answer["podCIDRs"] == CIDRS, way
    assert "may not change podCIDR" in told["Node put"]["message"]  # it names one range where there are two
    assert told["Node after all"]["podCIDRs"] == CIDRS
