# ruff: noqa: E501 – tables of cases are read across
"""Quotas and LimitRanges refuse the same, in the same words, and charge the same as those of the real server.

There is no controller in either place: the tests write what is used so far themselves, as one would.
"""

import time
from typing import Any

import httpx2
import pytest

from cluster.test_discovery import ours
from cluster.upstream import Upstream
from patience import patient
from server.running import Server

__all__ = ["ours"]
Json = dict[str, Any]
MERGE = {"content-type": "application/merge-patch+json"}
STRATEGIC = {"content-type": "application/strategic-merge-patch+json"}


def pod(name: str = "p", start: tuple[Json, ...] = (), **resources: Any) -> Json:
    """A pod of one container; what `resources` doesn't know is of the pod's spec."""
    own = {key: resources.pop(key) for key in ("requests", "limits") if key in resources}
    first = [{"name": f"i{n}", "image": "i", "resources": one} for n, one in enumerate(start)]
    spec = {"containers": [{"name": "c", "image": "i", "resources": own}], "initContainers": first, **resources}
    return {"metadata": {"name": name}, "spec": spec}


def claim(size: str, **spec: Any) -> Json:
    return {
        "metadata": {"name": "c"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec},
    }


def service(kind: str, ports: int) -> Json:
    listed = [{"name": f"p{n}", "port": 80 + n} for n in range(ports)]
    return {"metadata": {"name": "s"}, "spec": {"type": kind, "ports": listed}}


def resized(cpu: str) -> Json:
    return {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}}


# name → quotas (hard, used, more of the spec), limits, requests; the last is refused, which tells that all is in force
CASES: dict[str, tuple[list[tuple[Json, Json, Json]], list[Json], list[tuple[str, str, Json]]]] = {
    "pods": (
        [({"pods": "3", "requests.cpu": "1", "limits.memory": "1Gi"}, {"pods": "1", "requests.cpu": "100m", "limits.memory": "0"}, {})], [],
        [
            ("POST", "pods", pod("a", requests={"cpu": "600m"}, limits={"memory": "512Mi"})),
            ("POST", "pods", pod("b", requests={"cpu": "600m"}, limits={"memory": "700Mi"})),
            ("PATCH", "pods/a/resize", resized("800m")),
            ("PATCH", "pods/a/resize", resized("1200m")),
            ("POST", "pods", pod("d", start=({"limits": {"memory": "1M"}},), requests={"cpu": "1m"}, limits={"memory": "1M"})),
            ("POST", "pods", {"metadata": {"name": "c"}, "spec": pod()["spec"]}),
        ],
    ),
    "scopes": (
        [
            ({"pods": "0"}, {"pods": "0"}, {"scopes": ["BestEffort", "NotTerminating"]}),
            ({"cpu": "1"}, {"cpu": "0"}, {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["system-node-critical"]}]}}),
        ], [],
        [
            ("POST", "pods", pod("a", activeDeadlineSeconds=9)),
            ("POST", "pods", pod("b", requests={"memory": "1"})),
            ("POST", "pods", pod("c", requests={"cpu": "2"}, priorityClassName="system-node-critical")),
            ("POST", "pods", pod("d", requests={"cpu": "500m"}, priorityClassName="system-node-critical")),
            ("POST", "pods", pod("e", requests={"cpu": "501m"}, priorityClassName="system-node-critical")),
            ("POST", "pods", pod("f")),
        ],
    ),
    "others": (
        [({"services.nodeports": "2", "requests.storage": "3Gi", "gold.storageclass.storage.k8s.io/requests.storage": "1Gi", "count/configmaps": "1"},
          {"services.nodeports": "0", "requests.storage": "1Gi", "gold.storageclass.storage.k8s.io/requests.storage": "0", "count/configmaps": "0"}, {})], [],
        [
            ("POST", "services", service("ClusterIP", 3)),
            ("PATCH", "services/s", {"spec": {"type": "NodePort"}}),
            ("PATCH", "services/s", {"spec": {"type": "NodePort", "ports": [{"port": 80}]}}),
            ("POST", "persistentvolumeclaims", claim("1500Mi", storageClassName="gold")),
            ("POST", "persistentvolumeclaims", claim("1500Mi")),
            ("POST", "configmaps", {"metadata": {"name": "a"}}),
            ("PUT", "configmaps/a", {"metadata": {"name": "a"}, "data": {"a": "b"}}),
            ("POST", "configmaps", {"metadata": {"name": "b"}}),
            ("POST", "persistentvolumeclaims", {**claim("5Gi"), "metadata": {"name": "d"}}),
        ],
    ),
    "limits": (
        [],
        [
            {"type": "Container", "min": {"cpu": "100m"}, "max": {"cpu": "1"}, "default": {"cpu": "500m", "memory": "1Gi"}, "defaultRequest": {"cpu": "200m"}, "maxLimitRequestRatio": {"cpu": "4"}},
            {"type": "Pod", "max": {"memory": "1Gi"}},
            {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}},
        ],
        [
            ("POST", "pods", pod("a")),
            ("POST", "pods", pod("b", requests={"cpu": "50m"})),
            ("POST", "pods", pod("c", limits={"cpu": "2"})),
            ("POST", "pods", pod("d", requests={"cpu": "100m"}, limits={"cpu": "900m"})),
            ("POST", "pods", pod("e", start=({"limits": {"memory": "2Gi"}},))),
            ("POST", "persistentvolumeclaims", claim("512Mi")),
            ("POST", "persistentvolumeclaims", claim("1Gi")),
            ("PATCH", "pods/a/resize", resized("50m")),
            ("POST", "persistentvolumeclaims", {**claim("5Gi"), "metadata": {"name": "d"}}),
        ],
    ),
}  # fmt: skip


def request(client: httpx2.Client, place: str, way: str, path: str, body: Json, query: str = "") -> httpx2.Response:
    """One of the table's requests."""
    headers = {"PATCH": STRATEGIC if path.endswith("resize") else MERGE}.get(way, {})
    return client.request(way, f"{place}/{path}{query}", json=body, headers=headers)


def told(server: Server, case: str) -> list[Any]:
    """The answers of a server, what of an object admission makes, and what is used in the end."""
    namespace, (quotas, limits, requests) = f"limits-{case}", CASES[case]
    place = f"/api/v1/namespaces/{namespace}"
    with server.client() as client:
        client.post("/api/v1/namespaces", json={"metadata": {"name": namespace}}).raise_for_status()
        client.post(f"{place}/serviceaccounts", json={"metadata": {"name": "default"}}).raise_for_status()
        for number, (hard, used, spec) in enumerate(quotas):
            body = {"metadata": {"name": f"q{number}"}, "spec": {"hard": hard, **spec}}
            client.post(f"{place}/resourcequotas", json=body).raise_for_status()
            status = {"status": {"hard": hard, "used": used}}
            client.patch(f"{place}/resourcequotas/q{number}/status", json=status, headers=MERGE).raise_for_status()
        if limits:
            body = {"metadata": {"name": "l"}, "spec": {"limits": limits}}
            client.post(f"{place}/limitranges", json=body).raise_for_status()
        end = time.monotonic() + patient(30)
        while request(client, place, *requests[-1], query="?dryRun=All").status_code != 403:  # its cache is behind
            assert time.monotonic() < end
            time.sleep(0.05)
        found: list[Any] = []
        for one in requests:
            answer = request(client, place, *one)
            content = answer.json()
            made = content.get("metadata", {}).get("annotations"), content.get("spec", {}).get("containers", [{}])[0]
            found.append((answer.status_code, content.get("message"), made[0], made[1].get("resources")))
        names = [f"q{number}" for number in range(len(quotas))]
        return found + [client.get(f"{place}/resourcequotas/{name}").json()["status"] for name in names]


@pytest.mark.parametrize("case", CASES)
def test_limits(ours: Server, upstream: Upstream, case: str) -> None:
    """Each answer to a request that is limited, and what is used afterwards."""
    assert told(ours, case) == told(upstream, case)
