"""ResourceQuotas as a controller counts them, against a real API server."""

import contextlib

import pytest

from server.controllers.cluster import Cluster, Json, Refused, eventually, for_a_while

CORE = "/api/v1/namespaces"


def quota(cluster: Cluster, namespace: str, hard: Json, name: str = "q", **spec: object) -> str:
    """A new quota; its path."""
    path = f"{CORE}/{namespace}/resourcequotas"
    cluster.create(path, {"metadata": {"name": name}, "spec": {"hard": hard, **spec}})
    return f"{path}/{name}"


def used(cluster: Cluster, path: str) -> Json:
    found: Json = cluster.get(path).get("status", {}).get("used", {})
    return found


def pod(name: str, **spec: object) -> Json:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "host"}], **spec}}


def test_a_new_quota_is_counted(cluster: Cluster, namespace: str) -> None:
    """What is there already is counted, by number and by scope, and so is what comes later."""
    for name in "abc":
        cluster.create(f"{CORE}/{namespace}/configmaps", {"metadata": {"name": name}})
    cluster.create(f"{CORE}/{namespace}/pods", pod("late", activeDeadlineSeconds=600))
    cluster.create(f"{CORE}/{namespace}/pods", pod("long"))
    eventually(lambda: cluster.get(f"{CORE}/{namespace}/configmaps/kube-root-ca.crt"))
    path = quota(cluster, namespace, {"configmaps": "5", "resourcequotas": "2", "count/deployments.apps": "1"})
    short = quota(cluster, namespace, {"pods": "1"}, "short", scopes=["Terminating"])
    eventually(lambda: used(cluster, path) == {"configmaps": "4", "resourcequotas": "2", "count/deployments.apps": "0"})
    eventually(lambda: used(cluster, short) == {"pods": "1"})
    cluster.create(f"{CORE}/{namespace}/configmaps", {"metadata": {"name": "d"}})
    assert used(cluster, path)["configmaps"] == "5"


def test_what_ends_is_given_back(cluster: Cluster, namespace: str) -> None:
    """A deleted object and a Service that is of another type make room soon, and a greater quota at once."""
    path = quota(cluster, namespace, {"count/secrets": "1", "services.nodeports": "1"})
    eventually(lambda: used(cluster, path) == {"count/secrets": "0", "services.nodeports": "0"})
    secrets, services = f"{CORE}/{namespace}/secrets", f"{CORE}/{namespace}/services"
    cluster.create(secrets, {"metadata": {"name": "a"}})
    cluster.create(services, {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}})
    with pytest.raises(Refused):
        cluster.create(secrets, {"metadata": {"name": "b"}})
    cluster.call("DELETE", f"{secrets}/a")
    cluster.call("PATCH", f"{services}/s", {"spec": {"type": "ClusterIP"}}, "application/merge-patch+json")
    eventually(lambda: used(cluster, path) == {"count/secrets": "0", "services.nodeports": "0"})
    cluster.call("PATCH", path, {"spec": {"hard": {"count/secrets": "3"}}}, "application/merge-patch+json")
    eventually(lambda: cluster.get(path)["status"]["hard"]["count/secrets"] == "3")


def test_custom_objects_are_counted(cluster: Cluster, namespace: str) -> None:
    """A quota may name a kind before it is served; it is counted from then on."""
    group = f"{namespace}.example.org"[-63:].lstrip("-")
    path = quota(cluster, namespace, {f"count/things.{group}": "1"})
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "things", "kind": "Thing"}
    definition = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    cluster.create(crds, {"metadata": {"name": f"things.{group}"}, "spec": definition})
    eventually(lambda: used(cluster, path) == {f"count/things.{group}": "0"})
    things = f"/apis/{group}/v1/namespaces/{namespace}/things"
    thing = {"apiVersion": f"{group}/v1", "kind": "Thing"}
    cluster.create(things, {**thing, "metadata": {"name": "a"}})
    with pytest.raises(Refused, match=f"exceeded quota: q, requested: count/things.{group}=1, used"):
        cluster.create(things, {**thing, "metadata": {"name": "b"}})
    cluster.call("DELETE", f"{things}/a")
    eventually(lambda: used(cluster, path) == {f"count/things.{group}": "0"})
    cluster.call("DELETE", f"{crds}/things.{group}")


def test_workloads_tell_that_they_exceed(cluster: Cluster, namespace: str) -> None:
    """A ReplicationController and a ReplicaSet that may not have all their pods say so, until they are content."""
    path = quota(cluster, namespace, {"pods": "1"})
    eventually(lambda: used(cluster, path) == {"pods": "0"})
    template = {"metadata": {"labels": {"app": "x"}}, "spec": pod("")["spec"]}
    place = f"{CORE}/{namespace}/replicationcontrollers"
    cluster.create(place, {"metadata": {"name": "rc"}, "spec": {"replicas": 2, "template": template}})

    def failure() -> Json:
        conditions: list[Json] = cluster.get(f"{place}/rc")["status"].get("conditions") or []
        return next((one for one in conditions if one["type"] == "ReplicaFailure"), {})

    told = eventually(failure)
    assert told["reason"] == "FailedCreate"
    assert "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1" in told["message"]
    cluster.call("PATCH", f"{place}/rc", {"spec": {"replicas": 1}}, "application/merge-patch+json")
    eventually(lambda: not failure())


def test_workloads_that_exceed_wait_longer_and_longer(cluster: Cluster, namespace: str) -> None:
    """Pods that a quota refuses are tried some times, not in a loop, and are made once the quota allows them."""
    eventually(lambda: cluster.get(f"{CORE}/{namespace}/serviceaccounts/default"))
    path = quota(cluster, namespace, {"pods": "0"})
    eventually(lambda: used(cluster, path) == {"pods": "0"})
    template = {"metadata": {"labels": {"app": "x"}}, "spec": pod("")["spec"]}
    workload = {"metadata": {"name": "rc"}, "spec": {"replicas": 1, "template": template}}
    cluster.create(f"{CORE}/{namespace}/replicationcontrollers", workload)
    template = {**template, "metadata": {"labels": {"app": "y"}}}
    spec = {"selector": {"matchLabels": {"app": "y"}}, "template": template}
    cluster.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", {"metadata": {"name": "d"}, "spec": spec})

    def tries() -> Json:
        told: Json = {"ReplicaSet": 0, "ReplicationController": 0}
        for event in cluster.items(f"{CORE}/{namespace}/events"):
            if event["reason"] == "FailedCreate":
                told[event["involvedObject"]["kind"]] += event["count"]
        return told

    eventually(lambda: min(tries().values()) > 4)  # it is tried again
    for_a_while(lambda: max(tries().values()) <= 20, 1.25)
    cluster.patch(path, {"spec": {"hard": {"pods": "2"}}})
    eventually(lambda: len(cluster.items(f"{CORE}/{namespace}/pods")) == 2, 30)


def test_a_deployment_tells_that_its_set_is_refused(cluster: Cluster, namespace: str) -> None:
    """A Deployment whose ReplicaSet a quota refuses says so in Progressing, and goes on once the quota allows it."""
    path = quota(cluster, namespace, {"count/replicasets.apps": "0"})
    eventually(lambda: used(cluster, path) == {"count/replicasets.apps": "0"})
    place = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    template = {"metadata": {"labels": {"app": "x"}}, "spec": pod("")["spec"]}
    spec = {"selector": {"matchLabels": {"app": "x"}}, "template": template}
    cluster.create(place, {"metadata": {"name": "d"}, "spec": spec})

    def progressing() -> Json:
        held: list[Json] = cluster.get(f"{place}/d")["status"].get("conditions") or []
        return next((one for one in held if one["type"] == "Progressing"), {})

    told = eventually(progressing)
    assert (told["status"], told["reason"]) == ("False", "ReplicaSetCreateError")
    assert "exceeded quota: q, requested: count/replicasets.apps=1" in told["message"]
    cluster.patch(path, {"spec": {"hard": {"count/replicasets.apps": "1"}}})
    eventually(lambda: progressing()["status"] == "True")


def test_what_went_wrong_is_repaired(cluster: Cluster, namespace: str) -> None:
    """A status that says other limits than the spec, as somebody may write, is counted anew."""
    path = quota(cluster, namespace, {"configmaps": "9"})
    eventually(lambda: "configmaps" in used(cluster, path))
    wrong = {"status": {"hard": {"configmaps": "99"}, "used": {"configmaps": "77"}}}
    cluster.call("PATCH", f"{path}/status", wrong, "application/merge-patch+json")
    eventually(lambda: cluster.get(path)["status"]["hard"] == {"configmaps": "9"})
    assert int(used(cluster, path)["configmaps"]) < 9


def test_never_more_than_fit_while_all_changes(cluster: Cluster, namespace: str) -> None:
    """While objects come and go and are counted, there are never more than the quota allows, and it ends exact."""
    path, secrets = quota(cluster, namespace, {"count/secrets": "4"}), f"{CORE}/{namespace}/secrets"
    eventually(lambda: used(cluster, path) == {"count/secrets": "0"})
    made = 0
    for number in range(60):
        with contextlib.suppress(Refused):
            cluster.create(secrets, {"metadata": {"name": f"s{number}"}})
            made += 1
        listed = cluster.get(secrets)["items"]
        assert len(listed) <= 4
        if number % 3 == 0 and listed:
            cluster.call("DELETE", f"{secrets}/{listed[0]['metadata']['name']}")
    assert made > 4
    eventually(lambda: used(cluster, path) == {"count/secrets": str(len(cluster.get(secrets)["items"]))})


def test_kubectl(cluster: Cluster, namespace: str) -> None:
    """kubectl makes a quota, shows what is used of it, and tells why a pod is refused."""

    def kubectl(*words: str, code: int = 0) -> str:
        return cluster.kubectl("-n", namespace, *words, code=code)

    eventually(lambda: cluster.get(f"{CORE}/{namespace}/serviceaccounts/default"))
    kubectl("create", "quota", "q", "--hard=pods=1,limits.cpu=2", "--scopes=NotTerminating")
    eventually(lambda: "pods: 0/1" in kubectl("get", "quota"))
    cpu = (
        '{"apiVersion":"v1","spec":{"containers":[{"name":"a","image":"host","resources":{"limits":{"cpu":"1500m"}}}]}}'
    )
    kubectl("run", "a", "--image=host", f"--overrides={cpu}")
    assert [line.split() for line in kubectl("describe", "quota", "q").splitlines()[-2:]] == [
        ["limits.cpu", "1500m", "2"],
        ["pods", "1", "1"],
    ]
    refused = cluster.try_kubectl("-n", namespace, "run", "b", "--image=host")
    assert refused.returncode == 1
    assert "failed quota: q: must specify limits.cpu for: b" in refused.stderr
