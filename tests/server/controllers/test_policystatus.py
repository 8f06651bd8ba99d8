"""What a controller notes in the status of ValidatingAdmissionPolicies, against a real API server."""

from pathlib import Path

from server.controllers.cluster import Cluster, Json, eventually

PATH = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
MERGE = "application/merge-patch+json"


def seen(cluster: Cluster, path: str) -> int:
    """The generation of a policy that was checked."""
    found: int = cluster.get(path)["status"]["observedGeneration"]
    return found


def test_types_are_checked(tmp_path: Path) -> None:
    """A policy is checked when it is new and when it has changed; warnings go when what they are about goes."""
    rule: Json = {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["CREATE"]}
    wrong = [{"expression": "object.spec.replicas > '1'"}]
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": wrong}
    path = f"{PATH}/p"
    with Cluster(tmp_path) as cluster, cluster.controllers("validatingadmissionpolicy-status"):
        cluster.create(PATH, {"metadata": {"name": "p"}, "spec": spec})
        eventually(lambda: seen(cluster, path) == 1)
        (warning,) = cluster.get(path)["status"]["typeChecking"]["expressionWarnings"]
        assert warning["fieldRef"] == "spec.validations[0].expression"
        text = "found no matching overload for '_>_' applied to '(int, string)'"
        assert warning["warning"].startswith(f"apps/v1, Kind=Deployment: ERROR: <input>:1:22: {text}")
        right = {"spec": {"validations": [{"expression": "object.spec.replicas > 1"}]}}
        cluster.call("PATCH", path, right, MERGE)
        eventually(lambda: seen(cluster, path) == 2)
        assert "expressionWarnings" not in cluster.get(path)["status"].get("typeChecking", {})
