"""PodDisruptionBudgets and evictions against a real API server."""

import pytest

from server.controllers.cluster import Cluster, Refused, eventually
from server.controllers.test_standalone import APPS, ready, workload


def evict(cluster: Cluster, namespace: str, name: str) -> None:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
    cluster.create(f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", body)


def test_budget_refuses_what_would_break_it(cluster: Cluster, namespace: str) -> None:
    """One eviction more than the budget has is refused with 429; when pods are back the next one goes."""
    path = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    cluster.create(path, {"metadata": {"name": "b"}, "spec": spec})
    cluster.create(f"{APPS}/{namespace}/deployments", workload(3))
    eventually(lambda: cluster.get(f"{path}/b")["status"]["disruptionsAllowed"] == 1)
    first, second, _ = ready(cluster, namespace)
    evict(cluster, namespace, first)
    with pytest.raises(Refused) as caught:
        evict(cluster, namespace, second)
    assert caught.value.status == 429
    assert caught.value.body["details"]["causes"][0]["reason"] == "DisruptionBudget"
    eventually(lambda: cluster.get(f"{path}/b")["status"]["disruptionsAllowed"] == 1)
    evict(cluster, namespace, second)
    eventually(lambda: second not in ready(cluster, namespace))
    eventually(lambda: not cluster.get(f"{path}/b")["status"].get("disruptedPods"))


def test_dry_run_costs_nothing(cluster: Cluster, namespace: str) -> None:
    """A dry run of an eviction leaves pod and budget as they were."""
    path = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    spec = {"minAvailable": 0, "selector": {}}
    cluster.create(f"{APPS}/{namespace}/deployments", workload(1))
    eventually(lambda: ready(cluster, namespace))
    cluster.create(path, {"metadata": {"name": "b"}, "spec": spec})
    eventually(lambda: cluster.get(f"{path}/b")["status"]["disruptionsAllowed"] == 1)
    (name,) = ready(cluster, namespace)
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    cluster.create(f"/api/v1/namespaces/{namespace}/pods/{name}/eviction?dryRun=All", body)
    assert cluster.get(f"{path}/b")["status"]["disruptionsAllowed"] == 1
    assert ready(cluster, namespace) == [name]
