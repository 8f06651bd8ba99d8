"""What a node may do: read what its pods use, write what it reports. Texts are kube-apiserver's.

Source: k8s.io/kubernetes plugin/pkg/auth/authorizer/node/node_authorizer.go; what it writes is looked at by
`noderestriction`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.apiserver import roles
from kube46.apiserver.nodegraph import NodeGraph, Ref

if TYPE_CHECKING:
    from kube46.api.rbac.rules import Asked
    from kube46.apiserver.storage import Store
    from kube46.apiserver.strategy import User

NODES, PREFIX = "system:nodes", "system:node:"
READ, CHANGE = ("get", "list", "watch"), ("update", "patch")
OWN = ("get", "create", "update", "patch", "delete")  # what a node may do to its Lease and its CSINode
GETS = (  # nothing here relates a node to one of the last two
    ("", "persistentvolumeclaims"), ("", "persistentvolumes"), ("resource.k8s.io", "resourceclaims"),
    ("storage.k8s.io", "volumeattachments"),
)  # fmt: skip
WRITES = {  # by kind and subresource; NodeRestriction sees to whose they are
    ("pods", ""): ("create", "delete"), ("pods", "status"): CHANGE, ("pods", "eviction"): ("create",),
    ("nodes", ""): ("create", *CHANGE), ("nodes", "status"): CHANGE,
}  # fmt: skip
ALLOWED = None  # in place of a reason


def node_of(user: User) -> str | None:
    """The name of the node that a user is; "" for a node without one, None for anybody else."""
    if NODES in user.groups and user.name.startswith(PREFIX):
        return user.name.removeprefix(PREFIX)
    return None


class NodeAuthorizer:
    """Decides for nodes; whom it has no right for, RBAC may still give one."""

    def __init__(self, store: Store) -> None:
        self._graph, self._rules = NodeGraph(store), roles.node_rules()

    def refusal(self, user: User, asked: Asked) -> str | None:
        """Why a node may not do this, "" when there is nothing to say; ALLOWED when it may."""
        node = node_of(user)
        if node is None:
            return ""
        if not node:
            return f'unknown node for user "{user.name}"'
        if not asked.path:
            kind = asked.group, asked.resource
            if kind in (("", "secrets"), ("", "configmaps")):
                return self._read(node, asked)
            if kind in GETS:
                return self._get(node, asked)
            by_kind = {
                ("", "serviceaccounts"): self._account, ("coordination.k8s.io", "leases"): _lease,
                ("storage.k8s.io", "csinodes"): _storage, ("", "nodes"): _node, ("", "pods"): self._pod,
                ("resource.k8s.io", "resourceslices"): _slice,
                ("certificates.k8s.io", "podcertificaterequests"): _certificate,
            }  # fmt: skip
            if kind in by_kind:
                return by_kind[kind](node, asked)
        return ALLOWED if any(rule.allows(asked) for rule in self._rules) else ""

    def _related(self, node: str, asked: Asked) -> str | None:
        if not asked.name:
            return "No Object name found"
        if self._graph.related(node, Ref(asked.resource, asked.namespace, asked.name)):
            return ALLOWED
        return f"no relationship found between node '{node}' and this object"

    def _read(self, node: str, asked: Asked) -> str | None:
        if asked.verb not in READ:
            return "can only read resources of this type"
        if asked.subresource:
            return "cannot read subresource"
        if not asked.namespace:
            return "can only read namespaced object of this type"
        return self._related(node, asked)

    def _get(self, node: str, asked: Asked) -> str | None:
        if asked.resource == "persistentvolumeclaims" and asked.subresource == "status":
            return self._related(node, asked) if asked.verb in CHANGE else "can only get/update/patch this type"
        if asked.verb != "get":
            return "can only get individual resources of this type"
        return "cannot get subresource" if asked.subresource else self._related(node, asked)

    def _account(self, node: str, asked: Asked) -> str | None:
        if asked.verb == "get" and not asked.subresource:
            return self._read(node, asked)
        if asked.verb != "create" or not asked.name:
            return "can only create tokens for individual service accounts"
        if asked.subresource != "token":
            return "can only create token subresource of serviceaccount"
        return self._related(node, asked)

    def _pod(self, node: str, asked: Asked) -> str | None:
        if not asked.subresource and asked.verb == "get":
            return self._get(node, asked)
        if not asked.subresource and asked.verb in ("list", "watch"):
            if ("spec.nodeName", "=", node) in asked.fields:
                return ALLOWED
            return (
                self._related(node, asked)
                if asked.name
                else "can only list/watch pods with spec.nodeName field selector"
            )
        return _write(node, asked)


def _write(_: str, asked: Asked) -> str | None:
    return ALLOWED if asked.verb in WRITES.get((asked.resource, asked.subresource), ()) else ""


def _node(node: str, asked: Asked) -> str | None:
    if asked.subresource or asked.verb not in READ or asked.name == node:
        return ALLOWED if not asked.subresource and asked.verb in READ else _write(node, asked)
    if not asked.name:
        return f"node '{node}' cannot read all nodes, only its own Node object"
    return f"node '{node}' cannot read '{asked.name}', only its own Node object"


def _lease(node: str, asked: Asked) -> str | None:
    if asked.verb not in OWN:
        return "can only get, create, update, patch, or delete a node lease"
    if asked.namespace != "kube-node-lease":
        return 'can only access leases in the "kube-node-lease" system namespace'
    if asked.verb != "create" and asked.name != node:
        return "can only access node lease with the same name as the requesting node"
    return ALLOWED


def _storage(node: str, asked: Asked) -> str | None:
    if asked.subresource == "status":
        return "CSINode status access requires CSIVolumeHealth feature"
    if asked.subresource:
        return "cannot authorize CSINode subresources"
    if asked.verb not in OWN:
        return "can only get, create, update, patch, or delete a CSINode"
    if asked.verb != "create" and asked.name != node:
        return "can only access CSINode with the same name as the requesting node"
    return ALLOWED


def _slice(node: str, asked: Asked) -> str | None:
    if asked.subresource:
        return "cannot authorize ResourceSlice subresources"
    if asked.verb == "create":
        return ALLOWED
    if asked.verb in ("watch", "list", "deletecollection"):
        if ("spec.nodeName", "=", node) in asked.fields:
            return ALLOWED
        return "can only list/watch/deletecollection resourceslices with nodeName field selector"
    return f"no relationship found between node '{node}' and this object" if asked.name else "No Object name found"


def _certificate(node: str, asked: Asked) -> str | None:
    if asked.subresource:
        return "nodes may not access the status subresource of PodCertificateRequests"
    if asked.verb == "create":
        return ALLOWED
    if asked.verb == "get":
        return f"no relationship found between node '{node}' and this object"
    if asked.verb in ("list", "watch"):
        if ("spec.nodeName", "=", node) in asked.fields:
            return ALLOWED
        return "can only list/watch podcertificaterequests with nodeName field selector"
    return f"nodes may not {asked.verb} podcertificaterequests"
