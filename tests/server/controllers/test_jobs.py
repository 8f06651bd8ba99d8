"""Jobs and CronJobs against a real API server."""

from typing import Any

from server.controllers.cluster import Cluster, Json, eventually, for_a_while
from server.controllers.test_standalone import pods, template

BATCH = "/apis/batch/v1/namespaces"


def job(cluster: Cluster, namespace: str, ends: str = "", **spec: Any) -> str:
    """Makes a Job whose pods end in that phase; its path."""
    labels = {"ends": ends} if ends else {}
    body = {"template": template(labels, restartPolicy="Never"), **spec}
    cluster.create(f"{BATCH}/{namespace}/jobs", {"metadata": {"name": "j"}, "spec": body})
    return f"{BATCH}/{namespace}/jobs/j"


def every(cluster: Cluster, namespace: str) -> list[Json]:
    return cluster.items(f"/api/v1/namespaces/{namespace}/pods")


def test_job_completes_and_kubectl_waits(cluster: Cluster, namespace: str) -> None:
    """As many pods succeed as asked for, none is made too many, all are let go, and the status tells it."""
    path = job(cluster, namespace, "Succeeded", completions=5, parallelism=2)
    cluster.kubectl("-n", namespace, "wait", "--for=condition=complete", "job/j", "--timeout=30s")
    status = cluster.get(path)["status"]
    assert (status["succeeded"], status.get("failed", 0), status.get("active", 0)) == (5, 0, 0)
    assert status["completionTime"]
    for_a_while(lambda: len(every(cluster, namespace)) == 5, 0.5)
    eventually(lambda: not any(pod["metadata"].get("finalizers") for pod in every(cluster, namespace)))
    assert "5/5" in cluster.kubectl("-n", namespace, "get", "jobs")


def test_failed_job_says_why(cluster: Cluster, namespace: str) -> None:
    """More failures than backoffLimit end the Job."""
    job(cluster, namespace, "Failed", backoffLimit=0)
    cluster.kubectl("-n", namespace, "wait", "--for=condition=failed", "job/j", "--timeout=30s")
    events = f"/api/v1/namespaces/{namespace}/events"
    eventually(lambda: "BackoffLimitExceeded" in {event["reason"] for event in cluster.items(events)})


def test_deadline_ends_the_pods(cluster: Cluster, namespace: str) -> None:
    """A Job that is active for too long fails, and its pods are deleted."""
    job(cluster, namespace, activeDeadlineSeconds=1)
    cluster.kubectl("-n", namespace, "wait", "--for=condition=failed", "job/j", "--timeout=30s")
    eventually(lambda: not every(cluster, namespace))


def test_indexed_job_is_suspended_and_resumed(cluster: Cluster, namespace: str) -> None:
    """A suspended Job has no pods; resumed it makes one of each number, and deleted none is left behind."""
    path = job(cluster, namespace, completionMode="Indexed", completions=3, parallelism=3, suspend=True)
    eventually(lambda: cluster.get(path)["status"]["conditions"][0]["type"] == "Suspended")
    assert every(cluster, namespace) == []
    cluster.patch(path, {"spec": {"suspend": False}})
    eventually(lambda: len(pods(cluster, namespace)) == 3)
    assert sorted(pod["spec"]["hostname"] for pod in pods(cluster, namespace)) == ["j-0", "j-1", "j-2"]
    cluster.patch(path, {"spec": {"suspend": True}})
    eventually(lambda: not every(cluster, namespace))
    assert cluster.get(path)["status"].get("failed", 0) == 0
    cluster.patch(path, {"spec": {"suspend": False}})
    eventually(lambda: len(pods(cluster, namespace)) == 3)
    cluster.delete(path, propagationPolicy="Background")
    eventually(lambda: not every(cluster, namespace))


def test_a_pod_that_is_no_longer_a_jobs_may_go(cluster: Cluster, namespace: str) -> None:
    """A pod that loses its Job's labels is released, and nothing of the Job keeps it from being deleted."""
    job(cluster, namespace)
    eventually(lambda: len(pods(cluster, namespace)) == 1)
    name = pods(cluster, namespace)[0]["metadata"]["name"]
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    cluster.patch(path, {"metadata": {"labels": None}})
    eventually(lambda: not cluster.get(path)["metadata"].get("ownerReferences"))
    eventually(lambda: not cluster.get(path)["metadata"].get("finalizers"))
    cluster.delete(path)
    eventually(lambda: cluster.missing(path))


def test_ttl_deletes_the_job(cluster: Cluster, namespace: str) -> None:
    """Some seconds after its end a Job goes, and its pods with it."""
    path = job(cluster, namespace, "Succeeded", ttlSecondsAfterFinished=1)
    eventually(lambda: every(cluster, namespace))
    eventually(lambda: cluster.missing(path) and not every(cluster, namespace), 20)


def test_cronjob_runs_when_due(cluster: Cluster, namespace: str) -> None:
    """Each time has one Job; old ones go beyond the limit; suspended, no more come."""
    spec = {"template": template({"ends": "Succeeded"}, restartPolicy="Never")}
    body = {"schedule": "@every 1s", "jobTemplate": {"spec": spec}, "successfulJobsHistoryLimit": 1}
    path = f"{BATCH}/{namespace}/cronjobs"
    cluster.create(path, {"metadata": {"name": "c"}, "spec": body})
    eventually(lambda: cluster.get(f"{path}/c")["status"].get("lastSuccessfulTime"), 30)
    cluster.patch(f"{path}/c", {"spec": {"suspend": True}})
    eventually(lambda: len(cluster.items(f"{BATCH}/{namespace}/jobs")) == 1)
    assert "@every 1s" in cluster.kubectl("-n", namespace, "get", "cronjobs")
    cluster.kubectl("-n", namespace, "create", "job", "now", "--from=cronjob/c")
    eventually(lambda: cluster.get(f"{BATCH}/{namespace}/jobs/now")["status"].get("succeeded") == 1)
