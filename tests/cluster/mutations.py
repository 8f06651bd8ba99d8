# ruff: noqa: E501 – samples are read across
"""Good objects of many kinds, and small random damage to them: dropped fields, wrong types, bad and repeated values."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

Body = dict[str, Any]
CONTAINER: Body = {
    "name": "c", "image": "host", "command": ["sleep", "1"], "ports": [{"containerPort": 80, "name": "http", "protocol": "TCP"}],
    "env": [{"name": "A", "value": "b"}, {"name": "P", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1"}},
    "volumeMounts": [{"name": "v", "mountPath": "/v"}], "imagePullPolicy": "IfNotPresent",
    "readinessProbe": {"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "periodSeconds": 5},
    "livenessProbe": {"exec": {"command": ["true"]}, "initialDelaySeconds": 1},
    "securityContext": {"runAsUser": 1, "privileged": False},
}  # fmt: skip
POD_SPEC: Body = {
    "containers": [CONTAINER], "initContainers": [{"name": "i", "image": "host"}], "restartPolicy": "Always",
    "volumes": [{"name": "v", "emptyDir": {}}, {"name": "m", "configMap": {"name": "x", "defaultMode": 420}}],
    "terminationGracePeriodSeconds": 5, "dnsPolicy": "ClusterFirst", "nodeSelector": {"a": "b"},
    "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}], "hostname": "h",
    "securityContext": {"runAsNonRoot": True, "fsGroup": 5},
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]}}},
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
}  # fmt: skip
LABELS = {"app": "x"}
TEMPLATE: Body = {"metadata": {"labels": LABELS}, "spec": POD_SPEC}
JOB: Body = {
    "template": {"spec": {**POD_SPEC, "restartPolicy": "Never"}},
    "backoffLimit": 2,
    "completions": 1,
    "parallelism": 1,
}
RULE: Body = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
HOOK: Body = {
    "name": "a.example.org", "clientConfig": {"url": "https://example.org/x"}, "sideEffects": "None",
    "admissionReviewVersions": ["v1"], "rules": [{**RULE, "apiVersions": ["v1"], "operations": ["CREATE"]}],
}  # fmt: skip
del HOOK["rules"][0]["verbs"]
WORKLOAD: Body = {"selector": {"matchLabels": LABELS}, "template": TEMPLATE, "minReadySeconds": 1}
CLAIM: Body = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "s"}
# path of the collection → a good object without metadata
SAMPLES: dict[str, Body] = {
    "/api/v1/namespaces/NS/pods": {"spec": POD_SPEC},
    "/apis/apps/v1/namespaces/NS/deployments": {
        "spec": {**WORKLOAD, "replicas": 2, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}},
    "/apis/apps/v1/namespaces/NS/replicasets": {"spec": {**WORKLOAD, "replicas": 2}},
    "/apis/apps/v1/namespaces/NS/daemonsets": {"spec": {**WORKLOAD, "updateStrategy": {"type": "RollingUpdate"}}},
    "/apis/apps/v1/namespaces/NS/statefulsets": {"spec": {
        **WORKLOAD, "serviceName": "x", "replicas": 1, "podManagementPolicy": "Parallel",
        "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": CLAIM}]}},
    "/api/v1/namespaces/NS/replicationcontrollers": {"spec": {"replicas": 1, "selector": LABELS, "template": TEMPLATE}},
    "/apis/batch/v1/namespaces/NS/jobs": {"spec": JOB},
    "/apis/batch/v1/namespaces/NS/cronjobs": {"spec": {
        "schedule": "1 * * * *", "timeZone": "Etc/UTC", "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": JOB},
        "startingDeadlineSeconds": 5, "successfulJobsHistoryLimit": 1}},
    "/api/v1/namespaces/NS/configmaps": {"data": {"a": "b"}, "binaryData": {"c": "eA=="}, "immutable": False},
    "/api/v1/namespaces/NS/secrets": {"type": "Opaque", "data": {"a": "eA=="}, "stringData": {"b": "c"}},
    "/api/v1/namespaces/NS/persistentvolumeclaims": {"spec": CLAIM},
    "/api/v1/persistentvolumes": {"spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Retain",
        "hostPath": {"path": "/x", "type": ""}, "storageClassName": "s"}},
    "/apis/storage.k8s.io/v1/storageclasses": {
        "provisioner": "example.org/p", "parameters": {"a": "b"}, "volumeBindingMode": "Immediate"},
    "/apis/autoscaling/v2/namespaces/NS/horizontalpodautoscalers": {"spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}, "minReplicas": 1, "maxReplicas": 3,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 5}}}],
        "behavior": {"scaleUp": {"stabilizationWindowSeconds": 3}}}},
    "/apis/policy/v1/namespaces/NS/poddisruptionbudgets": {"spec": {"minAvailable": 1, "selector": {"matchLabels": LABELS}}},
    "/apis/scheduling.k8s.io/v1/priorityclasses": {"value": 5, "description": "x", "preemptionPolicy": "Never"},
    "/apis/node.k8s.io/v1/runtimeclasses": {"handler": "crun", "overhead": {"podFixed": {"cpu": "1"}}},
    "/apis/coordination.k8s.io/v1/namespaces/NS/leases": {"spec": {
        "holderIdentity": "x", "leaseDurationSeconds": 5, "renewTime": "2026-01-01T00:00:00.000000Z", "leaseTransitions": 1}},
    "/apis/rbac.authorization.k8s.io/v1/namespaces/NS/roles": {"rules": [RULE]},
    "/apis/rbac.authorization.k8s.io/v1/namespaces/NS/rolebindings": {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "b"}]},
    "/api/v1/namespaces/NS/resourcequotas": {"spec": {"hard": {"pods": "1", "limits.cpu": "2"}, "scopes": ["NotTerminating"]}},
    "/api/v1/namespaces/NS/limitranges": {"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}, "default": {"cpu": "1"}}]}},
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations": {"webhooks": [HOOK]},
    "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations": {"spec": {
        "type": "Limited", "limited": {"nominalConcurrencyShares": 5, "limitResponse": {"type": "Reject"}}}},
    "/api/v1/nodes": {"spec": {"unschedulable": True, "taints": [{"key": "a", "effect": "NoSchedule"}], "podCIDR": "10.1.0.0/24"}},
    "/api/v1/namespaces/NS/events": {
        "involvedObject": {"kind": "Pod", "name": "x", "namespace": "NS"}, "reason": "R", "message": "m", "type": "Normal"},
}  # fmt: skip
STRANGE = ("", "-", "A_B", "x" * 300, -1, 0, 1 << 40, True, None, [], {}, "10%", "1.5", [None])


def damaged(body: Body, chance: random.Random) -> Body:
    """A copy with one thing wrong somewhere in it: or nothing, now and then."""
    made = copy.deepcopy(body)
    places = list(_places(made))
    holder, key = chance.choice(places)
    match chance.randrange(6):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        case 2 if isinstance(holder, dict):
            holder[f"{key}x"] = holder.pop(key)
        case _:
            holder[key] = copy.deepcopy(chance.choice(STRANGE))
    return made


def _places(node: Any) -> Any:
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(pairs):
        yield node, key
        yield from _places(value)
