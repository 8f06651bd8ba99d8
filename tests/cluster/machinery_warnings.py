"""Conversations about what writers of pods and of pod templates are warned of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cluster.machinery_patches import DEPLOYMENTS, container, delete, patch, post
from cluster.machinery_requests import JOBS

if TYPE_CHECKING:
    from cluster.machinery_player import Step

CORE, APPS, CRONJOBS = (
    "/api/v1/namespaces/{ns}",
    "/apis/apps/v1/namespaces/{ns}",
    "/apis/batch/v1/namespaces/{ns}/cronjobs",
)
LABELS = {"app": "x"}
BETA = "beta.kubernetes.io/arch"
REQUIRED, PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)
TERM = {"matchExpressions": [{"key": BETA, "operator": "In", "values": ["a"]}]}
PODS_TERM: dict[str, Any] = {"topologyKey": "x"}
NOTES = {
    "scheduler.alpha.kubernetes.io/critical-pod": "", "security.alpha.kubernetes.io/sysctls": "x",
    "seccomp.security.alpha.kubernetes.io/pod": "runtime/default", "container.seccomp.security.alpha.kubernetes.io/c": "runtime/default",
}  # fmt: skip


def ports(*found: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Ports of: number, protocol, host port, host address, name."""
    names = ("containerPort", "protocol", "hostPort", "hostIP", "name")
    return [{name: value for name, value in zip(names, port, strict=False) if value} for port in found]


def items(*paths: str) -> list[dict[str, str]]:
    """Keys at these paths."""
    return [{"key": "k", "path": path} for path in paths]


SPECS: tuple[dict[str, Any], ...] = (
    {"nodeSelector": {BETA: "amd64"}},
    {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [TERM]}, PREFERRED: [{"weight": 1, "preference": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["-x"]}]}}]}}},
    {"affinity": {kind: {REQUIRED: [PODS_TERM], PREFERRED: [{"weight": 1, "podAffinityTerm": PODS_TERM}]} for kind in ("podAffinity", "podAntiAffinity")}},
    {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "failure-domain.beta.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}]},
    {"volumes": [{"name": "a", "gitRepo": {"repository": "x"}}, {"name": "b", "cephfs": {"monitors": ["x"]}}, {"name": "d", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100m"}}}}}}]},
    {"volumes": [{"name": "a", "configMap": {"name": "m", "items": items("p", "p/q", "r", "r")}}, {"name": "b", "secret": {"secretName": "s", "items": items("p/", "p")}}, {"name": "p", "projected": {"sources": [{"configMap": {"name": "m", "items": items("p")}}, {"secret": {"name": "s", "items": items("p/q")}}, {"serviceAccountToken": {"path": "p"}}]}}]},
    {"hostAliases": [{"ip": "192.0.2.1", "hostnames": ["a"]}, {"ip": "192.0.2.1", "hostnames": ["b"]}, {"ip": "2001:DB8::1", "hostnames": ["c"]}], "dnsConfig": {"nameservers": ["2001:db8:0::1"]}},
    {"imagePullSecrets": [{"name": "a"}, {"name": "a"}, {}], "terminationGracePeriodSeconds": -1},
    {"containers": [container("c", resources={"requests": {"memory": "100m", "ephemeral-storage": "100m"}, "limits": {"memory": "1500m", "ephemeral-storage": "1500m"}})]},
    {"containers": [container("c", env=[{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)"}, {"name": "A", "value": "$(A)2"}, {"name": "A", "value": "3"}, {"name": "B"}])]},
    {"containers": [
        container("c", ports=ports((80,), (80, "UDP"), (81, "", 81), (82, "", 82, "192.0.2.1"), (90, "", 0, "192.0.2.1"), (91, "", 0, "", "n"))),
        container("d", ports=ports((80,), (81,), (82, "", 82), (83, "", 83, "192.0.2.1"), (83, "", 83, "192.0.2.2"), (92, "", 0, "", "n"))),
    ]},
)  # fmt: skip


def template(more: dict[str, Any], **meta: Any) -> dict[str, Any]:
    """A template of one container, with this."""
    return {"metadata": {"labels": LABELS, **meta}, "spec": {"containers": [container("c")], **more}}


def workloads(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All kinds that have templates, with this one."""
    spec = {"selector": {"matchLabels": LABELS}, "template": made}
    job = {"template": {**made, "spec": {"restartPolicy": "Never", **made["spec"]}}}
    return {
        DEPLOYMENTS: {"spec": spec}, f"{APPS}/replicasets": {"spec": spec}, f"{APPS}/daemonsets": {"spec": spec}, JOBS: {"spec": job},
        f"{APPS}/statefulsets": {"spec": {**spec, "serviceName": "x"}}, f"{CORE}/replicationcontrollers": {"spec": {"selector": LABELS, "template": made}},
        CRONJOBS: {"spec": {"schedule": "@daily", "jobTemplate": {"spec": job}}}, f"{CORE}/podtemplates": {"template": made},
    }  # fmt: skip


def _updates(path: str, body: dict[str, Any]) -> list[Step]:
    """Which updates warn again."""
    changed = {"spec": {"nodeSelector": {"failure-domain.beta.kubernetes.io/zone": "x"}}}
    key = {
        f"{CORE}/podtemplates": {"template": changed},
        CRONJOBS: {"spec": {"jobTemplate": {"spec": {"template": changed}}}},
        JOBS: {"spec": {"parallelism": 2}},
    }.get(path, {"spec": {"template": changed}})
    return [
        post(path, {"metadata": {"name": "a.b"}, **body}), patch(f"{path}/a.b", {"metadata": {"labels": {"a": "b"}}}), patch(f"{path}/a.b", {"metadata": {"annotations": {"a": "b"}}}),
        patch(f"{path}/a.b", key), patch(f"{path}/a.b", {"spec": {"suspend": True, "replicas": 0, "minReadySeconds": 3}}), delete(f"{path}/a.b", {"propagationPolicy": "Background"}),
    ]  # fmt: skip


CONVERSATIONS: dict[str, list[Step]] = {
    "warnings: pods": [
        post(f"{CORE}/serviceaccounts", {"metadata": {"name": "default"}}),
        *(post(f"{CORE}/pods?dryRun=All", {"metadata": {"name": f"p{n}"}, "spec": template(spec)["spec"]}) for n, spec in enumerate(SPECS)),
        post(f"{CORE}/pods?dryRun=All", {"metadata": {"name": "p.q"}, "spec": template({})["spec"]}),
    ],
    "warnings: templates": [
        *(post(f"{DEPLOYMENTS}?dryRun=All", {"metadata": {"name": f"d{n}"}, **workloads(template(spec))[DEPLOYMENTS]}) for n, spec in enumerate(SPECS)),
        post(f"{DEPLOYMENTS}?dryRun=All", {"metadata": {"name": "notes"}, **workloads(template({}, annotations=NOTES))[DEPLOYMENTS]}),
        post(f"{JOBS}?dryRun=All", {"metadata": {"name": "j"}, "spec": {**workloads(template({}))[JOBS]["spec"], "completions": 100_001, "parallelism": 10_001, "completionMode": "Indexed"}}),
    ],
    **{f"warnings: {path}": _updates(path, body) for path, body in workloads(template(SPECS[0])).items()},
}  # fmt: skip
