"""DaemonSets and StatefulSets against a real API server, and what kubectl says of their rollouts."""

import json

from server.controllers.cluster import Cluster, eventually, for_a_while
from server.controllers.test_standalone import APPS, pods, ready, template, workload


def apply(cluster: Cluster, namespace: str, kind: str, replicas: int = 1, **spec: object) -> None:
    body = {"apiVersion": "apps/v1", "kind": kind, **workload(replicas, **spec)}
    if kind == "DaemonSet":
        del body["spec"]["replicas"]
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(body))


def versions(cluster: Cluster, namespace: str) -> list[str | None]:
    return [pod["metadata"]["labels"].get("version") for pod in pods(cluster, namespace)]


def test_daemonset_is_on_every_node(cluster: Cluster, namespace: str) -> None:
    """One pod a node, also on one that comes; a new template goes round and comes back by kubectl's undo."""

    def rollout(*words: str) -> str:
        return cluster.kubectl("-n", namespace, "rollout", words[0], "ds/web", *words[1:])

    apply(cluster, namespace, "DaemonSet")
    rollout("status", "--timeout=20s")
    on = {pod["spec"]["nodeName"] for pod in pods(cluster, namespace)}
    assert on == {node["metadata"]["name"] for node in cluster.items("/api/v1/nodes")}
    cluster.node("later")
    try:
        eventually(lambda: len(ready(cluster, namespace)) == len(on) + 1)
        status = cluster.get(f"{APPS}/{namespace}/daemonsets/web")["status"]
        apply(cluster, namespace, "DaemonSet", template=template({"version": "2"}))
        rollout("status", "--timeout=30s")
        assert set(versions(cluster, namespace)) == {"2"}
        assert [line.split()[0] for line in rollout("history").splitlines()[2:] if line] == ["1", "2"]
        rollout("undo")
        rollout("status", "--timeout=30s")
        assert set(versions(cluster, namespace)) == {None}
        eventually(lambda: cluster.get(f"{APPS}/{namespace}/daemonsets/web")["status"]["numberAvailable"] == 3)
        assert status["desiredNumberScheduled"] == 3
    finally:
        cluster.delete("/api/v1/nodes/later")
    eventually(lambda: cluster.get(f"{APPS}/{namespace}/daemonsets/web")["status"]["desiredNumberScheduled"] == 2)


def test_daemonset_on_delete_waits(cluster: Cluster, namespace: str) -> None:
    """With OnDelete a pod of the new template comes only where somebody deletes the old one."""
    apply(cluster, namespace, "DaemonSet", updateStrategy={"type": "OnDelete"})
    eventually(lambda: len(ready(cluster, namespace)) == 2)
    patch = {"spec": {"template": template({"version": "2"})}}
    cluster.patch(f"{APPS}/{namespace}/daemonsets/web", patch)
    for_a_while(lambda: versions(cluster, namespace) == [None, None])
    cluster.delete(f"/api/v1/namespaces/{namespace}/pods/{ready(cluster, namespace)[0]}")
    eventually(lambda: sorted(versions(cluster, namespace), key=str) == ["2", None])


def test_statefulset_comes_and_goes_in_order(cluster: Cluster, namespace: str) -> None:
    """Names are numbers, the last goes first, a rollout ends, kubectl undoes it, and pods come back as themselves."""

    def rollout(*words: str) -> str:
        return cluster.kubectl("-n", namespace, "rollout", words[0], "sts/web", *words[1:])

    apply(cluster, namespace, "StatefulSet", serviceName="peers", replicas=3)
    rollout("status", "--timeout=20s")
    found = pods(cluster, namespace)
    assert [pod["metadata"]["name"] for pod in found] == ["web-0", "web-1", "web-2"]
    assert [(pod["spec"]["hostname"], pod["spec"]["subdomain"]) for pod in found][1] == ("web-1", "peers")
    cluster.patch(f"{APPS}/{namespace}/statefulsets/web", {"spec": {"template": template({"version": "2"})}})
    rollout("status", "--timeout=30s")
    assert versions(cluster, namespace) == ["2"] * 3
    assert [line.split()[0] for line in rollout("history").splitlines()[2:] if line] == ["1", "2"]
    rollout("undo")
    rollout("status", "--timeout=30s")
    assert versions(cluster, namespace) == [None] * 3
    cluster.kubectl("-n", namespace, "scale", "sts/web", "--replicas=1")
    eventually(lambda: [pod["metadata"]["name"] for pod in pods(cluster, namespace)] == ["web-0"])
    cluster.delete(f"/api/v1/namespaces/{namespace}/pods/web-0")
    eventually(lambda: ready(cluster, namespace) == ["web-0"])


def test_statefulset_stops_at_the_partition(cluster: Cluster, namespace: str) -> None:
    """Only pods from the partition on get the new template; one below it that is made anew stays as it was."""
    how = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    apply(cluster, namespace, "StatefulSet", 2, podManagementPolicy="Parallel", updateStrategy=how)
    eventually(lambda: len(ready(cluster, namespace)) == 2)
    cluster.patch(f"{APPS}/{namespace}/statefulsets/web", {"spec": {"template": template({"version": "2"})}})
    eventually(lambda: versions(cluster, namespace) == [None, "2"])
    cluster.delete(f"/api/v1/namespaces/{namespace}/pods/web-0")
    eventually(lambda: ready(cluster, namespace) == ["web-0", "web-1"])
    assert versions(cluster, namespace) == [None, "2"]


def test_replication_controller(cluster: Cluster, namespace: str) -> None:
    """The oldest workload keeps its number of pods, by a selector that is its template's labels."""
    made = {"metadata": {"labels": {"app": "old"}}, "spec": {"containers": [{"name": "c", "image": "host"}]}}
    body = {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "old"}}
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps({**body, "spec": {"template": made}}))
    eventually(lambda: len(pods(cluster, namespace)) == 1)
    cluster.kubectl("-n", namespace, "scale", "rc/old", "--replicas=3")
    eventually(lambda: len(ready(cluster, namespace)) == 3)
    path = f"/api/v1/namespaces/{namespace}/replicationcontrollers/old"
    eventually(lambda: cluster.get(path)["status"].get("availableReplicas") == 3)
    assert "terminatingReplicas" not in cluster.get(path)["status"]
    cluster.kubectl("-n", namespace, "delete", "rc/old")
    eventually(lambda: not pods(cluster, namespace))
