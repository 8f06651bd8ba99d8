"""Conversations about what kinds do each in their own way: what is written without a revision, counted, kept, defaulted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cluster.machinery_patches import APPLY, DEPLOYMENTS, container, delete, deployment, get, patch, post, put
from cluster.machinery_requests import JOBS, LEASES
from cluster.mutations import HOOK, RULE

if TYPE_CHECKING:
    from cluster.machinery_player import Step

CORE, POLICY = "/api/v1/namespaces/{ns}", "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets"
HOOKS = "/apis/admissionregistration.k8s.io/v1"
# of cluster-wide kinds every conversation makes its own
NAME = "{ns}-x"
LABELS = {"app": "x"}
TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": LABELS},
    "spec": {"containers": [container("c", livenessProbe={"exec": {"command": ["true"]}})]},
}
JOB: dict[str, Any] = {"template": {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}}


def _without_revision(path: str, body: dict[str, Any]) -> list[Step]:
    """What a PUT does to an object that is not there, without a revision, with one that is not a number, and with it."""
    named = {"metadata": {"name": NAME}, **body}
    return [
        put(f"{path}/{NAME}", named), delete(f"{path}/{NAME}"), post(path, named), put(f"{path}/{NAME}", named),
        put(f"{path}/{NAME}", {**named, "metadata": {"name": NAME, "resourceVersion": "{2.metadata.resourceVersion}", "labels": {"a": "b"}}}),
        patch(f"{path}/{NAME}", {"metadata": {"resourceVersion": None}}), get(f"{path}/{NAME}"), delete(f"{path}/{NAME}"),
    ]  # fmt: skip


def _deleted(path: str, body: dict[str, Any]) -> list[Step]:
    """What becomes of what depends on it, when a DELETE does not say."""
    make = lambda name, **meta: post(path, {"metadata": {"name": name, "labels": {"k": "v"}, **meta}, **body})  # noqa: E731
    return [
        make("a"), delete(f"{path}/a?dryRun=All"), delete(f"{path}/a"), delete(f"{path}/a", {"propagationPolicy": "Background"}),
        make("b"), delete(f"{path}/b", {"orphanDependents": False}), make("c", finalizers=["foregroundDeletion"]), delete(f"{path}/c"),
        make("d"), make("e"), delete(f"{path}?labelSelector=k%3Dv"), get(f"{path}?labelSelector=k%3Dv"),
    ]  # fmt: skip


def _status(path: str, body: dict[str, Any], kind: str, status: Any) -> list[Step]:
    """What of metadata writes to /status change, and come to own."""
    version = "/".join(path.split("/")[2:4])
    meta = {"labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["a.b/c"]}
    applied = {"apiVersion": version, "kind": kind, "metadata": {"name": NAME, **meta}, "status": status}
    return [
        post(path, {"metadata": {"name": NAME}, **body}), patch(f"{path}/{NAME}/status?fieldManager=p", {"metadata": meta, "status": status}), get(f"{path}/{NAME}"),
        patch(f"{path}/{NAME}/status?fieldManager=s&force=true", applied, APPLY), get(f"{path}/{NAME}"), patch(f"{path}/{NAME}", {"metadata": {"finalizers": None}}), delete(f"{path}/{NAME}"),
    ]  # fmt: skip


def _condition(kind: str = "Ready") -> dict[str, Any]:
    """A status of one condition."""
    moment = "2026-01-01T00:00:00Z"
    return {
        "conditions": [{"type": kind, "status": "True", "reason": "R", "message": "m", "lastTransitionTime": moment}]
    }


NOTE = {"metadata": {"annotations": {"note": "1"}}}
POLICIES: dict[str, Any] = {
    "matchConstraints": {"resourceRules": [{**HOOK["rules"][0], "apiGroups": ["none.example"]}]},
    "validations": [{"expression": "true"}],
}

CONVERSATIONS: dict[str, list[Step]] = {
    **{f"kinds: {path} without a revision": _without_revision(path, body) for path, body in {
        LEASES: {"spec": {"holderIdentity": "x"}}, POLICY: {"spec": {"minAvailable": 1, "selector": {"matchLabels": LABELS}}},
        "/apis/node.k8s.io/v1/runtimeclasses": {"handler": "crun"},
        f"{HOOKS}/validatingwebhookconfigurations": {"webhooks": [HOOK]}, f"{HOOKS}/mutatingwebhookconfigurations": {"webhooks": [HOOK]},
        f"{HOOKS}/validatingadmissionpolicies": {"spec": POLICIES},
        f"{HOOKS}/validatingadmissionpolicybindings": {"spec": {"policyName": "x", "validationActions": ["Deny"]}},
        "/apis/storage.k8s.io/v1/csidrivers": {"spec": {"attachRequired": False}},
        "/apis/storage.k8s.io/v1/csinodes": {"spec": {"drivers": [{"name": "d.e", "nodeID": "x"}]}},
        "/apis/storage.k8s.io/v1/namespaces/{ns}/csistoragecapacities": {"storageClassName": "s", "capacity": "1Gi"},
        f"{CORE}/limitranges": {"spec": {"limits": [{"type": "Pod", "max": {"cpu": "2"}}]}},
        "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles": {"rules": [RULE]},
    }.items()},
    **{f"kinds: /status of {path}": _status(path, body, kind, status) for path, kind, body, status in (
        ("/apis/resource.k8s.io/v1/devicetaintrules", "DeviceTaintRule", {"spec": {"taint": {"key": "a", "effect": "NoSchedule", "timeAdded": "2026-01-01T00:00:00Z"}}}, _condition()),
        ("/apis/storage.k8s.io/v1/csinodes", "CSINode", {"spec": {"drivers": [{"name": "d.e", "nodeID": "x"}]}}, {}),
        ("/apis/storage.k8s.io/v1/volumeattachments", "VolumeAttachment", {"spec": {"attacher": "a.b", "nodeName": "n", "source": {"persistentVolumeName": "v"}}}, {"attached": True}),
        ("/apis/networking.k8s.io/v1/servicecidrs", "ServiceCIDR", {"spec": {"cidrs": ["192.0.2.0/24"]}}, _condition("Own")),
        (f"{HOOKS}/validatingadmissionpolicies", "ValidatingAdmissionPolicy", {"spec": POLICIES}, _condition()),
        (f"{DEPLOYMENTS}", "Deployment", {"spec": deployment("x")["spec"]}, {"replicas": 1}),
        ("/apis/storagemigration.k8s.io/v1/storageversionmigrations", "StorageVersionMigration", {"spec": {"resource": {"group": "a.b", "resource": "c"}}}, _condition()),
    )},
    "kinds: jobs are deleted": _deleted(JOBS, {"spec": JOB}),
    "kinds: replication controllers are deleted": _deleted(f"{CORE}/replicationcontrollers", {"spec": {"selector": LABELS, "template": TEMPLATE}}),
    "kinds: cron jobs are deleted": _deleted("/apis/batch/v1/namespaces/{ns}/cronjobs", {"spec": {"schedule": "@daily", "jobTemplate": {"spec": JOB}}}),
    "kinds: deployments count annotations": [
        post(DEPLOYMENTS, deployment("d")), patch(f"{DEPLOYMENTS}/d", NOTE), patch(f"{DEPLOYMENTS}/d", NOTE), patch(f"{DEPLOYMENTS}/d", {"metadata": {"labels": {"a": "b"}}}),
        patch(f"{DEPLOYMENTS}/d/status", {"metadata": {"annotations": {"note": "2"}}}), patch(f"{DEPLOYMENTS}/d", {"metadata": {"annotations": None}}),
        patch(f"{DEPLOYMENTS}/d?fieldManager=a", {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "annotations": {"c": "d"}}}, APPLY), get(f"{DEPLOYMENTS}/d"),
    ],
    "kinds: pod templates": [
        post(f"{CORE}/podtemplates", {"metadata": {"name": "t"}, "template": TEMPLATE}), post(f"{CORE}/podtemplates", {"metadata": {"name": "u"}}),
        post(f"{CORE}/podtemplates", {"metadata": {"name": "v"}, "template": {"metadata": {"labels": {"a b": "c"}}, "spec": {"containers": [{"name": "C"}]}}}),
        patch(f"{CORE}/podtemplates/t", {"template": {"spec": {"hostname": "other"}}}), patch(f"{CORE}/podtemplates/t", {"template": None}), get(f"{CORE}/podtemplates/t"),
    ],
}  # fmt: skip
