"""The ClusterRoles and bindings that every cluster has; what an administrator changed in them stays changed.

Source: k8s.io/kubernetes plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go, for the kinds that are served here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api.rbac.validation import GROUP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kube46.apiserver.strategy import Object

LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
UPDATED = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
READ = ("get", "list", "watch")
WRITE = ("create", "delete", "deletecollection", "patch", "update")
AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"

CORE = ("configmaps", "endpoints", "persistentvolumeclaims", "pods", "replicationcontrollers",
        "replicationcontrollers/scale", "serviceaccounts", "services")  # fmt: skip
APPS = ("daemonsets", "deployments", "deployments/scale", "replicasets", "replicasets/scale", "statefulsets",
        "statefulsets/scale")  # fmt: skip
NAMESPACE = ("bindings", "events", "limitranges", "namespaces", "namespaces/status", "persistentvolumeclaims/status",
             "pods/log", "pods/status", "replicationcontrollers/status", "resourcequotas", "resourcequotas/status",
             "services/status")  # fmt: skip
STREAMS = ("pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "services/proxy")
OTHERS = {
    "autoscaling": ("horizontalpodautoscalers",),
    "batch": ("cronjobs", "jobs"),
    "discovery.k8s.io": ("endpointslices",),
    "networking.k8s.io": ("ingresses", "networkpolicies"),
    "policy": ("poddisruptionbudgets",),
}


def _rule(verbs: tuple[str, ...], group: str, *resources: str) -> Object:
    return {"verbs": list(verbs), "apiGroups": [group], "resources": list(resources)}


def _paths(*paths: str) -> Object:
    return {"verbs": ["get"], "nonResourceURLs": list(paths)}


def _view() -> list[Object]:
    statuses = {"apps": tuple(f"{name}/status" for name in APPS if "/" not in name)}
    others = [_rule(READ, group, *names, *(f"{name}/status" for name in names)) for group, names in OTHERS.items()]
    return [
        _rule(READ, "", *CORE, *(f"{name}/status" for name in ("services", "pods"))),
        _rule(READ, "", *NAMESPACE),
        _rule(READ, "apps", "controllerrevisions", *APPS, *statuses["apps"]),
        *others,
    ]


def _edit() -> list[Object]:
    others = [_rule(WRITE, group, *names) for group, names in OTHERS.items() if group != "discovery.k8s.io"]
    return [
        _rule(READ, "", *STREAMS, "secrets"),
        _rule(("impersonate",), "", "serviceaccounts"),
        _rule(WRITE, "", *CORE, *STREAMS, "secrets"),
        _rule(("create",), "", "pods/eviction", "serviceaccounts/token", "events"),
        _rule(WRITE, "apps", *APPS),
        *others,
        _rule((*READ, *WRITE), "coordination.k8s.io", "leases"),
    ]


def _admin() -> list[Object]:
    return [
        _rule(("create",), "authorization.k8s.io", "localsubjectaccessreviews"),
        _rule((*READ, *WRITE), GROUP, "roles", "rolebindings"),
    ]


def cluster_roles() -> Iterator[Object]:
    """All default ClusterRoles; parts come before the roles that gather them."""
    everything = [_rule(("*",), "*", "*"), {"verbs": ["*"], "nonResourceURLs": ["*"]}]
    reviews = ("selfsubjectaccessreviews", "selfsubjectrulesreviews")
    discovery = ("/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz",
                 "/version", "/version/")  # fmt: skip
    plain: dict[str, list[Object]] = {
        "cluster-admin": everything,
        "system:basic-user": [_rule(("create",), "authorization.k8s.io", *reviews),
                              _rule(("create",), "authentication.k8s.io", "selfsubjectreviews")],
        "system:discovery": [_paths(*discovery)],
        "system:public-info-viewer": [_paths("/healthz", "/livez", "/readyz", "/version", "/version/")],
        "system:monitoring": [_paths("/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/readyz",
                                     "/readyz/*")],
        "system:auth-delegator": [_rule(("create",), "authentication.k8s.io", "tokenreviews"),
                                  _rule(("create",), "authorization.k8s.io", "subjectaccessreviews")],
    }  # fmt: skip
    for name, rules in plain.items():
        yield {**_meta(name), "rules": rules}
    everyone = {f"{AGGREGATE}{name}": "true" for name in ("view", "edit", "admin")}
    reader = _rule(READ, "metrics.k8s.io", "nodes", "pods")  # metrics-server brings it along
    yield {**_meta("system:aggregated-metrics-reader", everyone), "rules": [reader]}
    for name, rules in (("view", _view()), ("edit", _edit()), ("admin", _admin())):
        yield {**_meta(f"system:aggregate-to-{name}", {f"{AGGREGATE}{name}": "true"}), "rules": rules}
    for name, into in (("view", "edit"), ("edit", "admin"), ("admin", "")):
        selector: Object = {"matchLabels": {f"{AGGREGATE}{name}": "true"}}
        labels = {f"{AGGREGATE}{into}": "true"} if into else {}
        yield {**_meta(name, labels), "aggregationRule": {"clusterRoleSelectors": [selector]}, "rules": []}


def cluster_bindings() -> Iterator[Object]:
    """All default ClusterRoleBindings."""
    groups = {
        "cluster-admin": ("system:masters",),
        "system:basic-user": (AUTHENTICATED,),
        "system:discovery": (AUTHENTICATED,),
        "system:monitoring": ("system:monitoring",),
        "system:public-info-viewer": (AUTHENTICATED, UNAUTHENTICATED),
    }
    for name, members in groups.items():
        subjects = [{"kind": "Group", "apiGroup": GROUP, "name": member} for member in members]
        role = {"apiGroup": GROUP, "kind": "ClusterRole", "name": name}
        yield {**_meta(name), "subjects": subjects, "roleRef": role}


def _meta(name: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": LABELS | (labels or {}), "annotations": UPDATED}}
