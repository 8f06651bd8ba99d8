"""The stand-alone cluster's loops against a real API server: outcomes, kills, and kubectl's waiting commands."""

import json
from pathlib import Path
from typing import Any

from server.controllers.cluster import ALL, Cluster, Json, Kubelets, eventually, for_a_while

APPS = "/apis/apps/v1/namespaces"


def made(cluster: Cluster, name: str) -> str:
    cluster.create("/api/v1/namespaces", {"metadata": {"name": name}})
    return name


def template(labels: dict[str, str] | None = None, **spec: Any) -> Json:
    body = {"containers": [{"name": "c", "image": "host"}], "terminationGracePeriodSeconds": 0, **spec}
    return {"metadata": {"labels": {"app": "web", **(labels or {})}}, "spec": body}


def workload(replicas: int, pod: Json | None = None, **spec: Any) -> Json:
    body = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": pod or template(), **spec}
    return {"metadata": {"name": "web"}, "spec": body}


def pods(cluster: Cluster, namespace: str) -> list[Json]:
    """Living pods, by name."""
    found = cluster.items(f"/api/v1/namespaces/{namespace}/pods")
    return sorted((p for p in found if not p["metadata"].get("deletionTimestamp")), key=lambda p: p["metadata"]["name"])


def ready(cluster: Cluster, namespace: str) -> list[str]:
    """Names of ready pods."""
    return [
        p["metadata"]["name"]
        for p in pods(cluster, namespace)
        if any(c["type"] == "Ready" and c["status"] == "True" for c in p.get("status", {}).get("conditions", []))
    ]


def sets(cluster: Cluster, namespace: str) -> list[Json]:
    return cluster.items(f"{APPS}/{namespace}/replicasets")


def test_replicaset_makes_spreads_and_shrinks(cluster: Cluster, namespace: str) -> None:
    """A ReplicaSet's pods are made, bound over both nodes alike, and as many as are too many are deleted."""
    cluster.create(f"{APPS}/{namespace}/replicasets", workload(6))
    eventually(lambda: len(ready(cluster, namespace)) == 6)
    nodes = [p["spec"]["nodeName"] for p in pods(cluster, namespace)]
    assert sorted(nodes) == ["node1"] * 3 + ["node2"] * 3
    path = f"{APPS}/{namespace}/replicasets/web"
    eventually(lambda: cluster.get(path)["status"].get("availableReplicas") == 6)
    cluster.patch(path, {"spec": {"replicas": 2}})
    eventually(lambda: len(pods(cluster, namespace)) == 2 and cluster.get(path)["status"]["replicas"] == 2)
    assert sorted(p["spec"]["nodeName"] for p in pods(cluster, namespace)) == ["node1", "node2"]
    for_a_while(lambda: len(cluster.items(f"/api/v1/namespaces/{namespace}/pods")) == 2)


def test_replicaset_adopts_and_releases(cluster: Cluster, namespace: str) -> None:
    """A matching pod without an owner is taken in; a pod whose labels stop matching is let go and replaced."""
    cluster.create(
        f"/api/v1/namespaces/{namespace}/pods", {**template(), "metadata": {"name": "stray", "labels": {"app": "web"}}}
    )
    eventually(lambda: ready(cluster, namespace) == ["stray"])  # so that the loop knows it before the ReplicaSet
    cluster.create(f"{APPS}/{namespace}/replicasets", workload(2))
    eventually(lambda: len(ready(cluster, namespace)) == 2)
    stray = f"/api/v1/namespaces/{namespace}/pods/stray"
    assert cluster.get(stray)["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
    cluster.patch(stray, {"metadata": {"labels": {"app": "other"}}})
    eventually(lambda: len(pods(cluster, namespace)) == 3)
    eventually(lambda: not cluster.get(stray)["metadata"].get("ownerReferences"))


def test_kills_never_make_a_pod_too_many(tmp_path: Path) -> None:
    """kill -9 of the loops at any moment of scaling: afterwards there are the pods asked for, and they stay."""
    with Cluster(tmp_path) as server, Kubelets(server):
        server.node("node1")
        for moment in range(4):
            with server.controllers(ALL) as process:
                if moment == 0:
                    server.create(f"{APPS}/default/replicasets", workload(12))
                eventually(lambda moment=moment: len(pods(server, "default")) >= 3 * (moment + 1))
                process.kill()
                process.wait()
            assert len(pods(server, "default")) <= 12
        with server.controllers(ALL):
            eventually(lambda: len(ready(server, "default")) == 12)
            names = ready(server, "default")
            for_a_while(lambda: ready(server, "default") == names)


def test_deployment_rolls_and_kubectl_waits(cluster: Cluster, namespace: str) -> None:
    """kubectl's rollout status, wait, scale, set and undo end, and find what they ask for."""
    body = {"apiVersion": "apps/v1", "kind": "Deployment", **workload(2)}
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(body))
    assert "successfully rolled out" in cluster.kubectl(
        "-n", namespace, "rollout", "status", "deploy/web", "--timeout=20s"
    )
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Available", "deploy/web", "--timeout=20s")
    first = ready(cluster, namespace)
    cluster.kubectl("-n", namespace, "scale", "deploy/web", "--replicas=3")
    cluster.kubectl("-n", namespace, "rollout", "status", "deploy/web", "--timeout=20s")
    assert set(first) < set(ready(cluster, namespace))
    cluster.patch(f"{APPS}/{namespace}/deployments/web", {"spec": {"template": template({"version": "2"})}})
    cluster.kubectl("-n", namespace, "rollout", "status", "deploy/web", "--timeout=20s")
    eventually(lambda: len(pods(cluster, namespace)) == 3)
    assert {p["metadata"]["labels"].get("version") for p in pods(cluster, namespace)} == {"2"}
    assert not set(first) & set(ready(cluster, namespace))
    cluster.kubectl("-n", namespace, "rollout", "undo", "deploy/web")
    cluster.kubectl("-n", namespace, "rollout", "status", "deploy/web", "--timeout=20s")
    eventually(lambda: {p["metadata"]["labels"].get("version") for p in pods(cluster, namespace)} == {None})
    revisions = {s["metadata"]["annotations"]["deployment.kubernetes.io/revision"] for s in sets(cluster, namespace)}
    assert (len(sets(cluster, namespace)), revisions) == (2, {"2", "3"})


def test_rollout_steps_pauses_and_restarts(cluster: Cluster, namespace: str) -> None:
    """Never fewer available pods than asked for nor more than the surge; kubectl pauses, resumes and restarts."""

    def rollout(*words: str) -> str:
        return cluster.kubectl("-n", namespace, "rollout", words[0], "deploy/web", *words[1:])

    path = f"{APPS}/{namespace}/deployments"
    limits = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    cluster.create(path, workload(3, strategy=limits))
    rollout("status", "--timeout=20s")
    first = set(ready(cluster, namespace))
    rollout("pause")
    cluster.patch(f"{path}/web", {"spec": {"template": template({"version": "2"})}})
    for_a_while(lambda: set(ready(cluster, namespace)) == first and len(sets(cluster, namespace)) == 1)
    rollout("resume")

    def done() -> bool:
        assert len(ready(cluster, namespace)) >= 3
        assert len(pods(cluster, namespace)) <= 4
        return {p["metadata"]["labels"].get("version") for p in pods(cluster, namespace)} == {"2"}

    eventually(done)
    rollout("status", "--timeout=20s")
    rollout("restart")
    rollout("status", "--timeout=20s")
    assert [line.split()[0] for line in rollout("history").splitlines()[2:] if line] == ["1", "2", "3"]
    rollout("undo", "--to-revision=1")
    rollout("status", "--timeout=20s")
    assert {p["metadata"]["labels"].get("version") for p in pods(cluster, namespace)} == {None}


def test_broken_template_keeps_the_old_pods(cluster: Cluster, namespace: str) -> None:
    """While the new pods don't get ready the old ones stay, and the Deployment stays available."""
    path = f"{APPS}/{namespace}/deployments"
    cluster.create(path, workload(2))
    eventually(lambda: cluster.get(f"{path}/web")["status"].get("availableReplicas") == 2)
    old = ready(cluster, namespace)
    cluster.patch(f"{path}/web", {"spec": {"template": template({"ready": "never"}), "progressDeadlineSeconds": 2}})
    eventually(lambda: len(pods(cluster, namespace)) == 3)  # one above the count: maxSurge

    def reason(kind: str) -> str:
        conditions = cluster.get(f"{path}/web")["status"]["conditions"]
        return next(f"{c['status']} {c['reason']}" for c in conditions if c["type"] == kind)

    eventually(lambda: reason("Progressing") == "False ProgressDeadlineExceeded")
    assert reason("Available") == "True MinimumReplicasAvailable"
    assert ready(cluster, namespace) == old


def test_recreate_ends_the_old_before_the_new(cluster: Cluster, namespace: str) -> None:
    """With the strategy Recreate pods of two templates never run at once."""
    path = f"{APPS}/{namespace}/deployments"
    cluster.create(path, workload(2, strategy={"type": "Recreate"}))
    eventually(lambda: len(ready(cluster, namespace)) == 2)
    cluster.patch(f"{path}/web", {"spec": {"template": template({"version": "2"})}})

    def versions() -> set[str | None]:
        every = cluster.items(f"/api/v1/namespaces/{namespace}/pods")
        found = {p["metadata"]["labels"].get("version") for p in every}
        assert len(found) < 2
        return found

    eventually(lambda: versions() == {"2"} and len(ready(cluster, namespace)) == 2)


def test_deletion_cascades(cluster: Cluster, namespace: str) -> None:
    """A deleted Deployment takes its ReplicaSets and pods along; a deleted Service its slices."""
    cluster.create(f"{APPS}/{namespace}/deployments", workload(2))
    service = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    cluster.create(f"/api/v1/namespaces/{namespace}/services", {"metadata": {"name": "web"}, "spec": service})
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    eventually(lambda: len(ready(cluster, namespace)) == 2 and cluster.items(slices))
    cluster.delete(f"{APPS}/{namespace}/deployments/web", propagationPolicy="Background")
    cluster.delete(f"/api/v1/namespaces/{namespace}/services/web")
    eventually(lambda: not cluster.items(f"/api/v1/namespaces/{namespace}/pods") and not sets(cluster, namespace))
    eventually(lambda: not cluster.items(slices))


def test_foreground_deletion_ends_with_the_owner(cluster: Cluster, namespace: str) -> None:
    """With propagationPolicy Foreground the owner goes last."""
    path = f"{APPS}/{namespace}/replicasets"
    cluster.create(path, workload(2))
    eventually(lambda: len(ready(cluster, namespace)) == 2)
    cluster.delete(f"{path}/web", propagationPolicy="Foreground")
    eventually(lambda: cluster.missing(f"{path}/web"))
    assert not cluster.items(f"/api/v1/namespaces/{namespace}/pods")


def test_a_circle_of_owners_goes(cluster: Cluster, namespace: str) -> None:
    """Objects that own each other in a circle all go when one is deleted in the foreground, and the loops live on."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    uids = {one: cluster.create(path, {"metadata": {"name": one}})["metadata"]["uid"] for one in "abc"}
    for one, owner in zip("abc", "cab", strict=True):
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": uids[owner]}
        owners = [{**reference, "blockOwnerDeletion": True}]
        cluster.patch(f"{path}/{one}", {"metadata": {"ownerReferences": owners}})
    cluster.delete(f"{path}/a", propagationPolicy="Foreground")
    eventually(lambda: all(cluster.missing(f"{path}/{one}") for one in "abc"))


def test_orphans_live_on(cluster: Cluster, namespace: str) -> None:
    """With propagationPolicy Orphan the dependents stay, without an owner."""
    path = f"{APPS}/{namespace}/replicasets"
    cluster.create(path, workload(2))
    eventually(lambda: len(ready(cluster, namespace)) == 2)
    names = ready(cluster, namespace)
    cluster.delete(f"{path}/web", propagationPolicy="Orphan")
    eventually(lambda: cluster.missing(f"{path}/web"))
    eventually(lambda: all(not p["metadata"].get("ownerReferences") for p in pods(cluster, namespace)))
    for_a_while(lambda: ready(cluster, namespace) == names)


def test_object_with_an_absent_owner_is_deleted(cluster: Cluster, namespace: str) -> None:
    """An owner reference to nothing deletes the object; one of two owners that lives keeps it."""
    root = f"/api/v1/namespaces/{namespace}/configmaps"
    alive = cluster.create(root, {"metadata": {"name": "alive"}})
    here = {"apiVersion": "v1", "kind": "ConfigMap", "name": "alive", "uid": alive["metadata"]["uid"]}
    gone = {**here, "name": "gone", "uid": "0f2b6d3e-0000-4000-8000-000000000000"}
    cluster.create(root, {"metadata": {"name": "kept", "ownerReferences": [here, gone]}})
    cluster.create(root, {"metadata": {"name": "lost", "ownerReferences": [gone]}})
    eventually(lambda: cluster.missing(f"{root}/lost"))
    eventually(lambda: [o["name"] for o in cluster.get(f"{root}/kept")["metadata"]["ownerReferences"]] == ["alive"])


def test_namespace_goes_with_all_that_is_in_it(cluster: Cluster) -> None:
    """A deleted namespace is emptied and vanishes; what a finalizer holds back is told in its conditions."""
    namespace = made(cluster, "doomed")
    cluster.create(f"{APPS}/{namespace}/deployments", workload(2))
    held = {"metadata": {"name": "held", "finalizers": ["example.org/hold"]}}
    cluster.create(f"/api/v1/namespaces/{namespace}/configmaps", held)
    eventually(lambda: len(ready(cluster, namespace)) == 2)
    path = f"/api/v1/namespaces/{namespace}"
    cluster.delete(path)

    def told() -> bool:
        conditions = cluster.get(path)["status"].get("conditions", [])
        return any("example.org/hold in 1 resource instances" in c["message"] for c in conditions)

    eventually(told)
    assert not pods(cluster, namespace)
    cluster.patch(f"{path}/configmaps/held", {"metadata": {"finalizers": None}})
    eventually(lambda: cluster.missing(path))


def test_every_namespace_has_its_account_and_ca(cluster: Cluster, namespace: str) -> None:
    """ServiceAccount default and ConfigMap kube-root-ca.crt are made, and made again when deleted or changed."""
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    bundle = f"/api/v1/namespaces/{namespace}/configmaps/kube-root-ca.crt"
    eventually(lambda: not cluster.missing(account))
    ca = (cluster.directory / "ca.crt").read_text()
    eventually(lambda: cluster.get(bundle)["data"] == {"ca.crt": ca})
    cluster.patch(bundle, {"data": {"ca.crt": "mine", "more": "x"}})
    cluster.delete(account)
    eventually(lambda: cluster.get(bundle)["data"] == {"ca.crt": ca} and not cluster.missing(account))


def test_unschedulable_pod_says_why_and_waits(cluster: Cluster, namespace: str) -> None:
    """A pod that fits nowhere gets the condition and the Event, and is bound once a node fits."""
    root = f"/api/v1/namespaces/{namespace}/pods"
    body = {"metadata": {"name": "choosy"}, "spec": {**template()["spec"], "nodeSelector": {"disk": "ssd"}}}
    cluster.create(root, body)

    def condition() -> Json:
        held = cluster.get(f"{root}/choosy")["status"]["conditions"]
        return next(c for c in held if c["type"] == "PodScheduled")

    eventually(lambda: condition()["reason"] == "Unschedulable")
    assert "2 node(s) didn't match Pod's node affinity/selector" in condition()["message"]
    events = f"/api/v1/namespaces/{namespace}/events?fieldSelector=reason=FailedScheduling"
    eventually(lambda: cluster.items(events))
    cluster.patch("/api/v1/nodes/node2", {"metadata": {"labels": {"disk": "ssd"}}})
    eventually(lambda: cluster.get(f"{root}/choosy")["spec"].get("nodeName") == "node2")
    eventually(lambda: condition()["status"] == "True")


def test_taints_drive_pods_away(cluster: Cluster, namespace: str) -> None:
    """NoExecute: at once without a toleration, after its seconds with one, never with one for ever."""
    cluster.node("hot")
    place = f"{namespace}/x"
    exists = {"key": place, "operator": "Exists", "effect": "NoExecute"}
    tolerations = {"at-once": [], "soon": [{**exists, "tolerationSeconds": 3}], "never": [exists]}
    try:
        for name, listed in tolerations.items():
            body = {**template(tolerations=listed, nodeName="hot"), "metadata": {"name": name}}
            cluster.create(f"/api/v1/namespaces/{namespace}/pods", body)
        eventually(lambda: len(ready(cluster, namespace)) == 3)
        cluster.kubectl("taint", "node", "hot", f"{place}=y:NoExecute")
        eventually(lambda: ready(cluster, namespace) == ["never", "soon"])
        eventually(lambda: ready(cluster, namespace) == ["never"])
        for_a_while(lambda: ready(cluster, namespace) == ["never"], 0.5)
        reasons = {e["reason"] for e in cluster.items(f"/api/v1/namespaces/{namespace}/events")}
        assert "TaintManagerEviction" in reasons
    finally:
        cluster.delete("/api/v1/nodes/hot")


def test_silent_node_loses_its_pods(server: Cluster, namespace: str) -> None:
    """A node without signs of life becomes Unknown and tainted, its pods unready; when it is deleted they go."""
    server.node("mute")
    try:
        with server.controllers("node-lifecycle", "--node-monitor-grace-period", "1.5"):
            body = {"metadata": {"name": "p"}, "spec": {**template()["spec"], "nodeName": "mute"}}
            server.create(f"/api/v1/namespaces/{namespace}/pods", body)
            eventually(lambda: ready(server, namespace) == ["p"], 1.4)

            def state() -> tuple[str, list[str]]:
                node = server.get("/api/v1/nodes/mute")
                held = next(c["status"] for c in node["status"]["conditions"] if c["type"] == "Ready")
                return held, sorted(f"{t['key']}:{t['effect']}" for t in node["spec"].get("taints", []))

            unreachable = "node.kubernetes.io/unreachable"
            eventually(lambda: state() == ("Unknown", [f"{unreachable}:NoExecute", f"{unreachable}:NoSchedule"]))
            server.delete("/api/v1/nodes/mute")
            eventually(lambda: not server.items(f"/api/v1/namespaces/{namespace}/pods"))
    finally:
        for name in ("node1", "node2"):
            server.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": None}})
            healthy = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
            server.patch(f"/api/v1/nodes/{name}/status", {"status": {"conditions": [healthy]}}, "strategic-merge")
