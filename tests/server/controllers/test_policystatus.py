"""What a controller notes in the status of ValidatingAdmissionPolicies, against a real API server."""

from server.controllers.cluster import Cluster, Json, eventually

PATH = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
MERGE = "application/merge-patch+json"


def status(cluster: Cluster, path: str) -> Json:
    """A policy's generation and status, less its conditions."""
    found = cluster.get(path)
    return {"generation": found["metadata"]["generation"], **(found.get("status") or {})}


def test_types_are_checked(cluster: Cluster, namespace: str) -> None:
    """A policy is checked when it is new and when it has changed; warnings go when what they are about goes."""
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["CREATE"]}
    wrong = [{"expression": "object.spec.replicas > '1'"}]
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": wrong}
    cluster.create(PATH, {"metadata": {"name": namespace}, "spec": spec})
    path = f"{PATH}/{namespace}"
    eventually(lambda: status(cluster, path).get("observedGeneration") == 1)
    (warning,) = status(cluster, path)["typeChecking"]["expressionWarnings"]
    assert warning["fieldRef"] == "spec.validations[0].expression"
    text = "found no matching overload for '_>_' applied to '(int, string)'"
    assert warning["warning"].startswith(f"apps/v1, Kind=Deployment: ERROR: <input>:1:22: {text}")
    cluster.call("PATCH", path, {"spec": {"validations": [{"expression": "object.spec.replicas > 1"}]}}, MERGE)
    checked = {"generation": 2, "observedGeneration": 2, "typeChecking": {}}
    eventually(lambda: status(cluster, path) == checked)
    cluster.call("DELETE", path)
