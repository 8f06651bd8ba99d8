"""Who may do what: a small table for kube46's own programs, RBAC for everybody.

Masters may do everything. Nodes and controllers may do what their programs need; a role can't take that away from them.
All else is what Roles and ClusterRoles give. The texts of refusals are kube-apiserver's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kube46.api.rbac.bindings import Bindings
from kube46.api.rbac.rules import ALL, Asked
from kube46.api.rbac.rules import Rule as PolicyRule
from kube46.api.storage import volumes
from kube46.apiserver import statuses
from kube46.apiserver.kinds import BY_PLURAL, GROUPS
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.strategy import User
from kube46.apiserver.transactions import decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.requests import Request
    from kube46.apiserver.storage import Store

READ = frozenset(("get", "list", "watch"))
WRITE = frozenset(("create", "update", "patch", "delete"))
MASTERS, NODES, CONTROLLERS = "system:masters", "system:nodes", "system:kube-controller-manager"
# kube46's own on each node, beside the kubelet
AGENTS, PROVISIONERS = "kube46:agents", "kube46:provisioners"
AUTHENTICATED, SERVICE_ACCOUNTS = "system:authenticated", "system:serviceaccounts"
NODE_PREFIX, ACCOUNT_PREFIX = "system:node:", "system:serviceaccount:"
# group → what precedes the node in its users' names
OF_NODES = {NODES: NODE_PREFIX, AGENTS: "kube46:agent:", PROVISIONERS: "kube46:provisioner:"}

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
    _rule(NODES, READ, "*"),
    _rule(NODES, WRITE, "nodes", "nodes/status", "leases", "events"),
    _rule(NODES, frozenset(("update", "patch")), "pods/status"),
    _rule(NODES, frozenset(("delete",)), "pods"),
    _rule(NODES, CREATE, "serviceaccounts/token", "tokenreviews", "subjectaccessreviews"),
    _rule(AGENTS, READ, "services", "nodes", "endpointslices", "servicecidrs"),
    _rule(AGENTS, frozenset(("create", "patch")), "endpointslices"),
    _rule(PROVISIONERS, READ, "persistentvolumeclaims", "persistentvolumes", "storageclasses"),
    _rule(PROVISIONERS, WRITE, "persistentvolumes", "events"),
    # garbage collection, namespaces' ends and owner references reach every kind
    _rule(CONTROLLERS, READ | {"delete", "deletecollection", "update", "patch"}, "*"),
    _rule(CONTROLLERS, CREATE, "pods", "pods/binding", "pods/eviction", "replicasets", "controllerrevisions", "jobs",
          "endpointslices", "endpoints", "serviceaccounts", "serviceaccounts/token", "configmaps", "secrets", "events",
          "leases", "tokenreviews", "subjectaccessreviews", "persistentvolumeclaims"),
)  # fmt: skip


def _by_table(user: User, asked: Asked) -> bool:
    subjects = {user.name, *user.groups}
    names = {asked.qualified, ALL} if asked.group in GROUPS else {ALL}  # a custom kind may be called as one of ours
    return any(rule.subject in subjects and asked.verb in rule.verbs and bool(rule.resources & names) for rule in RULES)


def _path_by_table(user: User, asked: Asked) -> bool:
    if any(_below(asked.path, root) for root in PUBLIC_PATHS):
        return True
    known = AUTHENTICATED in user.groups and any(_below(asked.path, path) for path in DISCOVERY_PATHS)
    return known and asked.verb in ("get", "head")


class Authorizer:
    """Answers with the rights that are stored now; looks at the roles again when one has changed."""

    PLURALS = ("clusterroles", "roles", "clusterrolebindings", "rolebindings")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: tuple[int, ...] = ()
        self._bindings = Bindings((), (), (), ())

    def _current(self) -> Bindings:
        collections = [self._store.collection(plural) for plural in self.PLURALS]
        now = tuple(collection.changed for collection in collections)
        if now != self._seen:
            stored = ([decode.decode(record.value) for record in c.records.values()] for c in collections)
            self._bindings, self._seen = Bindings(*stored), now
        return self._bindings

    def allowed(self, user: User, asked: Asked) -> bool:
        """Whether a user may do this."""
        if MASTERS in user.groups:
            return True
        if asked.subresource in STREAMS:
            asked = replace(asked, verb="create")
        by_table = _path_by_table if asked.path else _by_table
        return by_table(user, asked) or self._current().allows(user.name, user.groups, asked)

    def rules(self, user: User, namespace: str) -> Iterator[PolicyRule]:
        """What a user may do in a namespace and everywhere, as rules (`kubectl auth can-i --list`)."""
        subjects = {user.name, *user.groups}
        if MASTERS in user.groups:
            yield PolicyRule((ALL,), (ALL,), (ALL,))
            yield PolicyRule((ALL,), paths=(ALL,))
        for rule in RULES:
            if rule.subject in subjects:
                yield PolicyRule(tuple(sorted(rule.verbs)), (ALL,), tuple(sorted(rule.resources)))
        yield from self._current().held(user.name, user.groups, namespace)

    def authorize(self, request: Request) -> None:
        """Refuse with 403 what is not allowed."""
        target, user = request.target, request.user
        if target is None:
            if not self.allowed(user, Asked(request.verb, path=request.path)):
                text = f'forbidden: User "{user.name}" cannot {request.verb} path "{request.path}"'
                raise StatusError(403, "Forbidden", text, {})
            return
        kind = target.kind
        asked = Asked(request.verb, kind.group, kind.plural, target.subresource, target.namespace, target.name)
        if not self.allowed(user, asked):
            where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
            what = f'{request.verb} resource "{asked.qualified}" in API group "{kind.group}" {where}'
            text = f'User "{user.name}" cannot {what}'
            raise statuses.forbidden(kind, target.name, text)

    def impersonate(self, request: Request) -> None:
        """Make a user the one that the Impersonate-* headers name, if rights on users, groups and accounts allow it."""
        name = request.headers.get(b"impersonate-user", b"").decode("latin-1")
        if not name:
            if any(header.startswith(b"impersonate-") for header in request.headers):
                raise statuses.bad_request("Impersonate-Group, -Uid and -Extra mean nothing without Impersonate-User")
            return
        headers = request.scope["headers"]
        groups = [value.decode("latin-1") for key, value in headers if key == b"impersonate-group"]
        account = name.removeprefix(ACCOUNT_PREFIX).split(":") if name.startswith(ACCOUNT_PREFIX) else []
        if len(account) == 2:
            self._may_impersonate(request.user, "serviceaccounts", account[1], account[0])
        else:
            self._may_impersonate(request.user, "users", name)
        for group in groups:
            self._may_impersonate(request.user, "groups", group)
        if len(account) == 2 and not groups:
            groups = [SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{account[0]}"]
        request.user = User(name, (*groups, AUTHENTICATED))

    def _may_impersonate(self, user: User, resource: str, name: str, namespace: str = "") -> None:
        asked = Asked("impersonate", "", resource, namespace=namespace, name=name)
        if self.allowed(user, asked):
            return
        where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
        cannot = f'User "{user.name}" cannot impersonate resource "{resource}" in API group "" {where}'
        raise StatusError(
            403, "Forbidden", f'{resource} "{name}" is forbidden: {cannot}', {"name": name, "kind": resource}
        )


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")


def admit(user: User, kind: Kind, subresource: str, name: str, obj: dict[str, Any]) -> None:
    """Keep nodes to themselves (as the NodeRestriction plugin does): own Node, its Lease, pods bound to it, own DNS."""
    node, namespace = _node_of(user), obj["metadata"].get("namespace", "")
    if not node:
        return
    if kind.resource == "nodes" and name != node:
        raise statuses.forbidden(kind, name, f'node "{node}" is not allowed to modify node "{name}"')
    if kind.resource == "leases" and (namespace, name) != ("kube-node-lease", node):
        raise statuses.forbidden(kind, name, f'node "{node}" can only access its own lease in kube-node-lease')
    if kind.resource == "endpointslices" and not _is_own_dns(node, namespace, name, obj):
        raise statuses.forbidden(kind, name, f'node "{node}" can only write its own slices of kube-system/kube-dns')
    if kind.resource == "persistentvolumes" and not _is_own_volume(node, obj):
        raise statuses.forbidden(kind, name, f'node "{node}" can only write local volumes that lie on itself')
    if kind.resource == "pods" and (obj.get("spec") or {}).get("nodeName") != node:
        what = "update status for" if subresource else "delete"
        raise statuses.forbidden(kind, name, f'node "{node}" can only {what} pods with spec.nodeName set to itself')


def _node_of(user: User) -> str:
    """The node whose kubelet, agent or provisioner a user is; "" for everybody else."""
    if MASTERS in user.groups:
        return ""
    prefixes = (prefix for group, prefix in OF_NODES.items() if group in user.groups)
    return next((user.name.removeprefix(prefix) for prefix in prefixes if user.name.startswith(prefix)), "")


def _is_own_dns(node: str, namespace: str, name: str, obj: dict[str, Any]) -> bool:
    """Whether a slice is one of those in which a node publishes its name server, one a family (part dns)."""
    service = (obj["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
    names = [f"kube-dns-{node}-{family}" for family in ("ipv4", "ipv6")]
    return namespace == "kube-system" and name in names and service == "kube-dns"


def _is_own_volume(node: str, obj: dict[str, Any]) -> bool:
    """Whether a volume was provisioned by a node on its own disk (lab/kubelet/provisioning.py)."""
    spec = obj.get("spec") or {}
    required = (spec.get("nodeAffinity") or {}).get("required") or {}
    return bool(spec.get("local")) and required.get("nodeSelectorTerms") == [volumes.node_term(node)]


def admit_token(user: User, account: str, bound_kind: str, node_name: str) -> None:
    """Let a node ask only for tokens that are bound to a pod of its own (NodeRestriction)."""
    if NODES not in user.groups or MASTERS in user.groups or not user.name.startswith(NODE_PREFIX):
        return
    kind = BY_PLURAL["serviceaccounts"]
    if bound_kind != "pod":
        raise statuses.forbidden(kind, account, "node requested token not bound to a pod")
    if node_name != user.name.removeprefix(NODE_PREFIX):
        raise statuses.forbidden(kind, account, "node requested token bound to a pod scheduled on a different node")
