"""What kube46's programs may do, as roles: the least that they need. Pure.

The API server, ours or the real one, knows no program of kube46's: it is told their rights by these objects, made at
each start (`granting`).
"""

from collections.abc import Iterable, Iterator
from typing import Any

from kube46.kubernetes.leases import LEASE
from kube46.lab.identities import AGENTS, CONTROLLERS, PROVISIONERS

Rule = dict[str, Any]
GROUP = "rbac.authorization.k8s.io"
FLOWS = "flowcontrol.apiserver.k8s.io"
APPS, BATCH, COORDINATION, DISCOVERY = "apps", "batch", "coordination.k8s.io", "discovery.k8s.io"
NETWORKING, POLICY, STORAGE = "networking.k8s.io", "policy", "storage.k8s.io"
METRICS = "metrics.k8s.io"
SEE = ("list", "watch")
READ = ("get", *SEE)
NAMESPACE = "kube-system"  # of cluster DNS and of leases


def _rule(group: str, resources: str, *verbs: str) -> Rule:
    return {"apiGroups": [group], "resources": resources.split(), "verbs": list(verbs)}


EVENTS = _rule("", "events", "create", "patch")
# Of who makes pods of a template.
PODS = (_rule("", "pods", *SEE, "create", "patch", "delete"),)
REVISIONS = _rule(APPS, "controllerrevisions", *SEE, "get", "create", "patch", "delete")
SLICES = _rule(DISCOVERY, "endpointslices", *SEE, "create", "update", "delete")

# loop → what it does beside writing Events.
LOOPS: dict[str, tuple[Rule, ...]] = {
    "node-ipam": (_rule("", "nodes", *SEE, "patch"),),
    "endpointslice": (_rule("", "services pods nodes", *SEE), SLICES),
    "endpoint": (_rule("", "services pods", *SEE), _rule("", "endpoints", *SEE, "create", "update", "delete")),
    "endpointslicemirroring": (_rule("", "services endpoints", *SEE), SLICES),
    "scheduler": (
        _rule("", "nodes namespaces services pods", *SEE),
        _rule("", "persistentvolumes persistentvolumeclaims", *SEE, "patch"),
        _rule(APPS, "replicasets statefulsets", *SEE),
        _rule(POLICY, "poddisruptionbudgets", *SEE),
        _rule(STORAGE, "storageclasses", *SEE),
        _rule("", "pods/binding", "create"),
        _rule("", "pods/status", "patch"),
        _rule("", "pods", "delete"),  # those of lesser priority
    ),
    "replicaset": (*PODS, _rule(APPS, "replicasets", *SEE, "get"), _rule(APPS, "replicasets/status", "patch")),
    "replicationcontroller": (
        *PODS,
        _rule("", "replicationcontrollers", *SEE, "get"),
        _rule("", "replicationcontrollers/status", "patch"),
    ),
    "deployment": (
        _rule(APPS, "deployments", *SEE, "get", "patch"),
        _rule(APPS, "deployments/status", "patch"),
        _rule(APPS, "replicasets", *SEE, "get", "create", "patch", "delete"),
        _rule("", "pods", *SEE),
    ),
    "daemonset": (
        *PODS,
        REVISIONS,
        _rule(APPS, "daemonsets", *SEE, "get"),
        _rule(APPS, "daemonsets/status", "patch"),
        _rule("", "nodes", *SEE),
    ),
    "statefulset": (
        *PODS,
        REVISIONS,
        _rule(APPS, "statefulsets", *SEE, "get"),
        _rule(APPS, "statefulsets/status", "patch"),
        _rule("", "persistentvolumeclaims", *SEE, "create", "patch"),
    ),
    "job": (*PODS, _rule(BATCH, "jobs", *SEE, "get", "delete"), _rule(BATCH, "jobs/status", "patch")),
    "cronjob": (
        _rule(BATCH, "cronjobs", *SEE, "get"),
        _rule(BATCH, "cronjobs/status", "patch"),
        _rule(BATCH, "jobs", *SEE, "create", "delete"),
    ),
    "disruption": (
        _rule(POLICY, "poddisruptionbudgets", *SEE),
        _rule(POLICY, "poddisruptionbudgets/status", "patch"),
        _rule(APPS, "replicasets deployments statefulsets", *SEE),
        _rule("", "pods", *SEE),
    ),
    # Both look after objects of every kind, as upstream's do.
    "garbage-collector": (_rule("*", "*", *SEE, "get", "patch", "delete"),),
    "namespace": (
        _rule("*", "*", "list", "delete", "deletecollection"),
        _rule("", "namespaces", *SEE, "get"),
        _rule("", "namespaces/status", "patch"),
        _rule("", "namespaces/finalize", "update"),
    ),
    "serviceaccount": (
        _rule("", "namespaces", *SEE),
        _rule("", "serviceaccounts", *SEE, "create"),
        _rule("", "configmaps", *SEE, "create", "patch"),
    ),
    "node-lifecycle": (
        _rule("", "nodes", *SEE, "get", "patch"),
        _rule("", "nodes/status", "patch"),
        _rule(COORDINATION, "leases", *SEE),
        _rule("", "pods", *SEE, "delete"),
        _rule("", "pods/status", "patch"),
    ),
    "persistentvolume-binder": (
        _rule("", "persistentvolumes persistentvolumeclaims", *SEE, "get", "patch"),
        _rule("", "persistentvolumes/status persistentvolumeclaims/status", "patch"),
        _rule(STORAGE, "storageclasses", *SEE),
        _rule("", "nodes pods", *SEE),
    ),
    "ephemeral-volume": (_rule("", "pods", *SEE), _rule("", "persistentvolumeclaims", *SEE, "get", "create")),
    "storage-protection": (
        _rule("", "persistentvolumes persistentvolumeclaims", *SEE, "patch"),
        _rule("", "persistentvolumeclaims/status", "patch"),
        _rule("", "pods", *SEE),
    ),
    "service-cidr": (
        _rule(NETWORKING, "servicecidrs", *SEE, "patch"),
        _rule(NETWORKING, "servicecidrs/status", "patch"),
        _rule(NETWORKING, "ipaddresses", *SEE),
    ),
    "validatingadmissionpolicy-status": (
        _rule("admissionregistration.k8s.io", "validatingadmissionpolicies", *SEE),
        _rule("admissionregistration.k8s.io", "validatingadmissionpolicies/status", "patch"),
    ),
    # counts objects of every kind
    "resourcequota": (_rule("*", "*", *SEE), _rule("", "resourcequotas/status", "update")),
}
# loop → the kind whose deletion waits for what the loop made of it (blockOwnerDeletion), which some clusters' admission
# (OwnerReferencesPermissionEnforcement) lets only those ask for who may set the owner's finalizers.
OWNERS = {
    "endpointslice": ("", "services"),
    "endpointslicemirroring": ("", "endpoints"),
    "replicaset": (APPS, "replicasets"),
    "replicationcontroller": ("", "replicationcontrollers"),
    "deployment": (APPS, "deployments"),
    "daemonset": (APPS, "daemonsets"),
    "statefulset": (APPS, "statefulsets"),
    "job": (BATCH, "jobs"),
    "cronjob": (BATCH, "cronjobs"),
    "ephemeral-volume": ("", "pods"),
}
AGENT = (
    _rule("", "services nodes", *SEE),
    _rule(DISCOVERY, "endpointslices", *SEE),
    _rule(NETWORKING, "servicecidrs", *SEE),
)
AGENT_DNS = (_rule(DISCOVERY, "endpointslices", "get", "create", "patch"),)  # where the DNS Service is
LEADER_ELECTION = (
    _rule(COORDINATION, "leases", "create"),
    {**_rule(COORDINATION, "leases", "get", "patch"), "resourceNames": [LEASE]},
)
PROVISIONER = (
    _rule("", "persistentvolumeclaims", *SEE),
    _rule("", "persistentvolumes", *SEE, "get", "create", "patch", "delete"),
    _rule(STORAGE, "storageclasses", "get"),
    EVENTS,
)


def objects(loops: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The roles and their bindings, for kube46's programs with these loops, and their place in the server's queues."""
    loops = tuple(loops)
    chosen = [rule for loop in loops for rule in LOOPS[loop]]
    chosen += [
        _rule(group, f"{kind}/finalizers", "update") for group, kind in (OWNERS[x] for x in loops if x in OWNERS)
    ]
    for name, rules, kind, subject in (
        ("kube46:controllers", (*merged(chosen), EVENTS), "User", CONTROLLERS),
        ("kube46:agents", AGENT, "Group", AGENTS),
        ("kube46:provisioners", PROVISIONER, "Group", PROVISIONERS),
    ):
        yield _object("ClusterRole", name, rules=list(rules))
        yield _binding("ClusterRole", name, kind, subject)
    yield _viewers_see_metrics()
    yield _flow_schema()
    for name, rules, kind, subject in (
        ("kube46:agents-dns", AGENT_DNS, "Group", AGENTS),
        ("kube46:leader-election", LEADER_ELECTION, "User", CONTROLLERS),
    ):
        yield _object("Role", name, NAMESPACE, rules=list(rules))
        yield _binding("Role", name, kind, subject, NAMESPACE)


def _viewers_see_metrics() -> dict[str, Any]:
    """As metrics-server's manifests say it: what pods and nodes take is for all who may view a namespace."""
    role = _object("ClusterRole", "system:aggregated-metrics-reader", rules=[_rule(METRICS, "nodes pods", *READ)])
    role["metadata"]["labels"] = {f"{GROUP}/aggregate-to-{name}": "true" for name in ("admin", "edit", "view")}
    return role


def _flow_schema() -> dict[str, Any]:
    """A busy server serves kube46 with kube-controller-manager and kube-scheduler, not behind everybody (KEP-1040)."""
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
    subjects = [
        {"kind": "User", "user": {"name": CONTROLLERS}},
        *({"kind": "Group", "group": {"name": name}} for name in (AGENTS, PROVISIONERS)),
    ]
    return {
        "apiVersion": f"{FLOWS}/v1",
        "kind": "FlowSchema",
        "metadata": {"name": "kube46"},
        "spec": {
            "distinguisherMethod": {"type": "ByUser"},
            "matchingPrecedence": 800,  # theirs
            "priorityLevelConfiguration": {"name": "workload-high"},
            "rules": [{"subjects": subjects, "resourceRules": [everything]}],
        },
    }


def merged(rules: Iterable[Rule]) -> list[Rule]:
    """The same rights with one rule a resource, in alphabetical order."""
    verbs: dict[tuple[str, str], set[str]] = {}
    for rule in rules:
        for resource in rule["resources"]:
            verbs.setdefault((rule["apiGroups"][0], resource), set()).update(rule["verbs"])
    return [_rule(group, resource, *sorted(held)) for (group, resource), held in sorted(verbs.items())]


def _binding(role: str, name: str, kind: str, subject: str, namespace: str = "") -> dict[str, Any]:
    return _object(
        f"{role}Binding",
        name,
        namespace,
        roleRef={"apiGroup": GROUP, "kind": role, "name": name},
        subjects=[{"apiGroup": GROUP, "kind": kind, "name": subject}],
    )


def _object(kind: str, name: str, namespace: str = "", **fields: object) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, **fields}
