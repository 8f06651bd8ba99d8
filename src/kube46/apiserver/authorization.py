"""Who may do what: a small table of identities, until RBAC comes.

Masters may do everything. Nodes and controllers may do what their programs need. ServiceAccounts may read (Secrets only
in their own namespace) and write Leases and Events. The texts of refusals are kube-apiserver's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kube46.apiserver import statuses
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.strategy import User

if TYPE_CHECKING:
    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.requests import Request

READ = frozenset(("get", "list", "watch"))
WRITE = frozenset(("create", "update", "patch", "delete"))
MASTERS, NODES, CONTROLLERS = "system:masters", "system:nodes", "system:kube-controller-manager"
AUTHENTICATED, SERVICE_ACCOUNTS = "system:authenticated", "system:serviceaccounts"
NODE_PREFIX, ACCOUNT_PREFIX = "system:node:", "system:serviceaccount:"

# Paths that kube-apiserver serves to everyone (ClusterRole system:public-info-viewer).
PUBLIC_PATHS = ("/healthz", "/livez", "/readyz", "/version")
# Paths for everyone with a name (ClusterRole system:discovery).
DISCOVERY_PATHS = ("/api", "/apis", "/openapi", "/healthz", "/livez", "/readyz", "/version", "/metrics")


@dataclass(frozen=True, slots=True)
class Rule:
    """Verbs on resources (`pods`, `pods/status`, `*`), for a user or a member of a group."""

    subject: str
    verbs: frozenset[str]
    resources: frozenset[str]


def _rule(subject: str, verbs: frozenset[str], *resources: str) -> Rule:
    return Rule(subject, verbs, frozenset(resources))


CREATE = frozenset(("create",))
# Who opens one of these runs programs in a pod: WebSocket clients ask by GET, yet reading is not enough for it.
STREAMS = ("attach", "exec", "portforward")
RULES = (
    _rule(AUTHENTICATED, CREATE, "selfsubjectreviews", "selfsubjectaccessreviews"),
    _rule(SERVICE_ACCOUNTS, READ, "*"),
    _rule(SERVICE_ACCOUNTS, WRITE, "leases", "events"),
    _rule(NODES, READ, "*"),
    _rule(NODES, WRITE, "nodes", "nodes/status", "leases", "events", "endpointslices"),
    _rule(NODES, frozenset(("update", "patch")), "pods/status"),
    _rule(NODES, frozenset(("delete",)), "pods"),
    _rule(NODES, CREATE, "serviceaccounts/token", "tokenreviews", "subjectaccessreviews"),
    # garbage collection, namespaces' ends and owner references reach every kind
    _rule(CONTROLLERS, READ | {"delete", "deletecollection", "update", "patch"}, "*"),
    _rule(CONTROLLERS, CREATE, "pods", "pods/binding", "pods/eviction", "replicasets", "controllerrevisions", "jobs",
          "endpointslices", "endpoints", "serviceaccounts", "serviceaccounts/token", "configmaps", "secrets", "events",
          "leases", "tokenreviews", "subjectaccessreviews"),
)  # fmt: skip


def allowed(user: User, verb: str, resource: str, namespace: str = "") -> bool:
    """Whether the table lets a user do this; `resource` is `plural` or `plural/subresource`."""
    if MASTERS in user.groups:
        return True
    if resource == "secrets" and SERVICE_ACCOUNTS in user.groups:
        return verb in READ and bool(namespace) and user.name.startswith(f"{ACCOUNT_PREFIX}{namespace}:")
    if resource.partition("/")[2] in STREAMS:
        verb = "create"
    subjects = {user.name, *user.groups}
    return any(
        rule.subject in subjects and verb in rule.verbs and (resource in rule.resources or "*" in rule.resources)
        for rule in RULES
    )


def path_allowed(user: User, verb: str, path: str) -> bool:
    """Whether a user may do this to a path that is no resource."""
    if MASTERS in user.groups or any(_below(path, root) for root in PUBLIC_PATHS):
        return True
    return verb in ("get", "head") and AUTHENTICATED in user.groups and any(_below(path, p) for p in DISCOVERY_PATHS)


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")


def authorize(request: Request) -> None:
    """Refuse with 403 what the table does not allow."""
    target, user = request.target, request.user
    if target is None:
        if not path_allowed(user, request.verb, request.path):
            text = f'forbidden: User "{user.name}" cannot {request.verb} path "{request.path}"'
            raise StatusError(403, "Forbidden", text, {})
        return
    kind = target.kind
    resource = f"{kind.plural}/{target.subresource}" if target.subresource else kind.plural
    if not allowed(user, request.verb, resource, target.namespace):
        where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
        text = f'User "{user.name}" cannot {request.verb} resource "{resource}" in API group "{kind.group}" {where}'
        raise statuses.forbidden(kind, target.name, text)


def impersonate(request: Request) -> None:
    """Make a master the user that the Impersonate-* headers name; nobody else may do that."""
    name = request.headers.get(b"impersonate-user", b"").decode("latin-1")
    if not name:
        if any(header.startswith(b"impersonate-") for header in request.headers):
            raise statuses.bad_request("Impersonate-Group, -Uid and -Extra mean nothing without Impersonate-User")
        return
    user = request.user
    if MASTERS not in user.groups:
        cannot = f'User "{user.name}" cannot impersonate resource "users" in API group "" at the cluster scope'
        details = {"name": name, "kind": "users"}
        raise StatusError(403, "Forbidden", f'users "{name}" is forbidden: {cannot}', details)
    headers = request.scope["headers"]
    groups = [value.decode("latin-1") for key, value in headers if key == b"impersonate-group"]
    account = name.removeprefix(ACCOUNT_PREFIX).split(":") if name.startswith(ACCOUNT_PREFIX) else []
    if len(account) == 2 and not groups:
        groups = [SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{account[0]}"]
    request.user = User(name, (*groups, AUTHENTICATED))


def admit(user: User, kind: Kind, subresource: str, name: str, obj: dict[str, Any]) -> None:
    """Keep nodes to themselves (as the NodeRestriction plugin does): own Node, its Lease, pods bound to it, own DNS."""
    if NODES not in user.groups or MASTERS in user.groups or not user.name.startswith(NODE_PREFIX):
        return
    node, namespace = user.name.removeprefix(NODE_PREFIX), obj["metadata"].get("namespace", "")
    if kind.plural == "nodes" and name != node:
        raise statuses.forbidden(kind, name, f'node "{node}" is not allowed to modify node "{name}"')
    if kind.plural == "leases" and (namespace, name) != ("kube-node-lease", node):
        raise statuses.forbidden(kind, name, f'node "{node}" can only access its own lease in kube-node-lease')
    if kind.plural == "endpointslices" and not _is_own_dns(node, namespace, name, obj):
        raise statuses.forbidden(kind, name, f'node "{node}" can only write its own slices of kube-system/kube-dns')
    if kind.plural == "pods" and (obj.get("spec") or {}).get("nodeName") != node:
        what = "update status for" if subresource else "delete"
        raise statuses.forbidden(kind, name, f'node "{node}" can only {what} pods with spec.nodeName set to itself')


def _is_own_dns(node: str, namespace: str, name: str, obj: dict[str, Any]) -> bool:
    """Whether a slice is one of those in which a node publishes its name server, one a family (part dns)."""
    service = (obj["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
    names = [f"kube-dns-{node}-{family}" for family in ("ipv4", "ipv6")]
    return namespace == "kube-system" and name in names and service == "kube-dns"


def admit_token(user: User, account: str, bound_kind: str, node_name: str) -> None:
    """Let a node ask only for tokens that are bound to a pod of its own (NodeRestriction)."""
    if NODES not in user.groups or MASTERS in user.groups or not user.name.startswith(NODE_PREFIX):
        return
    kind = BY_PLURAL["serviceaccounts"]
    if bound_kind != "pod":
        raise statuses.forbidden(kind, account, "node requested token not bound to a pod")
    if node_name != user.name.removeprefix(NODE_PREFIX):
        raise statuses.forbidden(kind, account, "node requested token bound to a pod scheduled on a different node")
