"""The FlowSchemas and PriorityLevelConfigurations that every cluster has: tools look for them, nothing enforces them.

Source: apiserver pkg/apis/flowcontrol/bootstrap/default.go.
"""

from __future__ import annotations

from typing import Any

from kube46.api.rbac.rules import MASTERS

Object = dict[str, Any]

MADE = {"apf.kubernetes.io/autoupdate-spec": "true"}
EVERYONE = ("system:unauthenticated", "system:authenticated")


def _level(name: str, shares: int, lendable: int, queues: int = 128, hand: int = 6) -> Object:
    """A limited level; without queues it rejects at once."""
    response: Object = {"type": "Reject"}
    if queues:
        response = {"type": "Queue", "queuing": {"handSize": hand, "queueLengthLimit": 50, "queues": queues}}
    limited = {"lendablePercent": lendable, "limitResponse": response, "nominalConcurrencyShares": shares}
    return _object(name, {"type": "Limited", "limited": limited})


def _object(name: str, spec: Object) -> Object:
    return {"metadata": {"name": name, "annotations": dict(MADE)}, "spec": spec}


def _schema(name: str, precedence: int, level: str, method: str, *rules: Object) -> Object:
    spec: Object = {"matchingPrecedence": precedence, "priorityLevelConfiguration": {"name": level}}
    if method:
        spec["distinguisherMethod"] = {"type": method}
    return _object(name, {**spec, "rules": list(rules)})


def _groups(*names: str) -> list[Object]:
    return [{"kind": "Group", "group": {"name": name}} for name in names]


def _users(*names: str) -> list[Object]:
    return [{"kind": "User", "user": {"name": name}} for name in names]


def _resources(group: str, *resources: str, verbs: tuple[str, ...] = ("*",), cluster: bool = False) -> Object:
    wide = {"clusterScope": True} if cluster else {}
    lists = {"verbs": list(verbs), "apiGroups": [group], "resources": list(resources), "namespaces": ["*"]}
    return {**lists, **wide}


def _all(subjects: list[Object]) -> Object:
    return {
        "subjects": subjects,
        "resourceRules": [_resources("*", "*", cluster=True)],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    }


ACCOUNTS = [{"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": "*"}}]
ELECTION = {
    "subjects": [*_users("system:kube-controller-manager", "system:kube-scheduler"), *ACCOUNTS],
    "resourceRules": [_resources("coordination.k8s.io", "leases", verbs=("get", "create", "update"))],
}
NODES = {
    "subjects": _groups("system:nodes"),
    "resourceRules": [
        _resources("", "nodes", "nodes/status", cluster=True),
        _resources("coordination.k8s.io", "leases"),
    ],
}
PROBES = {
    "subjects": _groups(*EVERYONE),
    "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}],
}
LEVELS = (
    _object("exempt", {"type": "Exempt", "exempt": {"lendablePercent": 0, "nominalConcurrencyShares": 0}}),
    _level("catch-all", 5, 0, queues=0),
    _level("global-default", 20, 50),
    _level("leader-election", 10, 0, queues=16, hand=4),
    _level("node-high", 40, 25, queues=64),
    _level("system", 30, 33, queues=64),
    _level("workload-high", 40, 50),
    _level("workload-low", 100, 90),
)
SCHEMAS = (
    _schema("exempt", 1, "exempt", "", _all(_groups(MASTERS))),
    _schema("probes", 2, "exempt", "", PROBES),
    _schema("system-leader-election", 100, "leader-election", "ByUser", ELECTION),
    _schema("system-node-high", 400, "node-high", "ByUser", NODES),
    _schema("system-nodes", 500, "system", "ByUser", _all(_groups("system:nodes"))),
    _schema("kube-controller-manager", 800, "workload-high", "ByNamespace",
            _all(_users("system:kube-controller-manager"))),
    _schema("kube-scheduler", 800, "workload-high", "ByNamespace", _all(_users("system:kube-scheduler"))),
    _schema("kube-system-service-accounts", 900, "workload-high", "ByNamespace", _all(ACCOUNTS)),
    _schema("service-accounts", 9000, "workload-low", "ByUser", _all(_groups("system:serviceaccounts"))),
    _schema("global-default", 9900, "global-default", "ByUser", _all(_groups(*EVERYONE))),
    _schema("catch-all", 10000, "catch-all", "ByUser", _all(_groups(*EVERYONE))),
)  # fmt: skip
OBJECTS = {"prioritylevelconfigurations": LEVELS, "flowschemas": SCHEMAS}


def status(obj: Object, moment: str) -> Object:
    """The status of a schema, whose level is one of those above; levels have none."""
    level = obj["spec"].get("priorityLevelConfiguration", {}).get("name")
    if level is None:
        return {}
    text = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" and it exists'
    found = {"type": "Dangling", "status": "False", "lastTransitionTime": moment, "reason": "Found", "message": text}
    return {"conditions": [found]}
