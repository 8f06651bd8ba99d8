"""Keeps nodes to themselves in what they write: own Node, own Lease, pods bound to it, tokens of those.

Source: k8s.io/kubernetes plugin/pkg/admission/noderestriction/admission.go, whose texts these are. Two rules are our
own, for kube46's programs on a node: an agent writes its name server's slices, a provisioner volumes on its own disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.api.errors import go_quote
from kube46.api.storage import volumes
from kube46.apiserver import nodecertificates, podreferences, statuses
from kube46.apiserver.kinds import BY_PLURAL, Kind
from kube46.apiserver.nodeauthorizer import node_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube46.apiserver.strategy import Object, User
    from kube46.apiserver.transactions import Txn

CACHED_POD, CACHED_NODE = Kind("", "v1", "pod", "Pod"), Kind("", "v1", "node", "Node")  # as caches name them
RESTRICTED = "node-restriction.kubernetes.io"
OWN_LABELS = frozenset((
    "kubernetes.io/hostname", "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type", "kubernetes.io/os", "kubernetes.io/arch",
    "beta.kubernetes.io/os", "beta.kubernetes.io/arch",
))  # fmt: skip
OWN_LABEL_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
CLAIM_STATUS = ("capacity", "conditions", "allocatedResourceStatuses", "allocatedResources")
# what a pod's status says of resource claims, and how the refusal to change it is spelled
CLAIMS = {
    "resourceClaimStatuses": "resource claim statues", "extendedResourceClaimStatus": "extended resource claim status",
    "nodeAllocatableResourceClaimStatuses": "node allocatable resource claim statuses",
}  # fmt: skip
# volume types of a pod that need an object of the API, and how that is told
VOLUMES = {
    "configMap": "configmaps (via configmap volumes)", "secret": "secrets (via secret volumes)",
    "csi": "csidrivers (via CSI volumes)", "glusterfs": "endpoints (via glusterFS volumes)",
    "persistentVolumeClaim": "persistentvolumeclaims", "ephemeral": "persistentvolumeclaims (via ephemeral volumes)",
    "azureFile": "secrets (via azureFile volumes)",
}  # fmt: skip


def admit(
    user: User, kind: Kind, subresource: str, name: str, new: Object | None, old: Object | None, txn: Txn
) -> None:
    """Refuse with 403 what a node may not write: `old` is None of a create, `new` of a delete."""
    node = node_of(user)
    if node is None:
        own = (f for (group, prefix), f in OWN.items() if group in user.groups and user.name.startswith(prefix))
        if check := next(own, None):
            for obj in filter(None, (old, new)):
                if text := check(user.name.rpartition(":")[2], kind, name, obj):
                    raise statuses.forbidden(kind, name, text)
        return
    if not node:
        raise statuses.forbidden(kind, name, f'could not determine node from user "{user.name}"')
    if (rule := RULES.get((kind.group, kind.plural))) and (text := rule(node, subresource, name, new, old, txn)):
        raise statuses.forbidden(kind, name, text)


def _pod(node: str, subresource: str, _: str, new: Object | None, old: Object | None, txn: Txn) -> str:
    quoted = go_quote(node)
    if subresource == "status" and new and old:
        return _pod_status(quoted, node, new, old)
    if subresource:
        return f"unexpected pod subresource {go_quote(subresource)}, only 'status' and 'eviction' are allowed"
    if old is None and new:
        return _mirror(quoted, node, new, txn)
    if new is None and old:
        mine = old["spec"].get("nodeName") == node
        return "" if mine else f"node {quoted} can only delete pods with spec.nodeName set to itself"
    return f'unexpected operation "UPDATE", node {quoted} can only create and delete mirror pods'


def _pod_status(quoted: str, node: str, new: Object, old: Object) -> str:
    if old["spec"].get("nodeName") != node:
        return f"node {quoted} can only update pod status for pods with spec.nodeName set to itself"  # noqa: S608
    if (old["metadata"].get("labels") or {}) != (new["metadata"].get("labels") or {}):
        return f"node {quoted} cannot update labels through pod status"
    before, after = old.get("status") or {}, new.get("status") or {}
    for field, words in CLAIMS.items():
        if (before.get(field) or None) != (after.get(field) or None):
            return f"node {quoted} cannot update {words}"
    return ""


def _mirror(quoted: str, node: str, pod: Object, txn: Txn) -> str:
    """A node creates only mirrors of the pods that it runs from files, which it owns and which use no other object."""
    if podreferences.MIRROR not in (pod["metadata"].get("annotations") or {}):
        return f'pod does not have "{podreferences.MIRROR}" annotation, node {quoted} can only create mirror pods'
    if pod["spec"].get("serviceAccountName"):
        return "a mirror pod may not reference service accounts"
    if pod["spec"].get("nodeName") != node:
        return f"node {quoted} can only create pods with spec.nodeName set to itself"
    owners = pod["metadata"].get("ownerReferences") or []
    if len(owners) > 1:
        return f"node {quoted} can only create pods with a single owner reference set to itself"
    if not owners or [owners[0].get(key) for key in ("apiVersion", "kind", "name")] != ["v1", "Node", node]:
        return f"node {quoted} can only create pods with an owner reference set to itself"
    if not owners[0].get("controller"):
        return f"node {quoted} can only create pods with a controller owner reference set to itself"
    if owners[0].get("blockOwnerDeletion"):
        return f"node {quoted} must not set blockOwnerDeletion on an owner reference"
    own = txn.get("nodes", node)
    if own is None:
        raise statuses.not_found(CACHED_NODE, node)
    if owners[0].get("uid", "") != own["metadata"]["uid"]:
        return f"node {node} UID mismatch: expected {owners[0].get('uid', '')} got {own['metadata']['uid']}"
    used = _uses(pod["spec"])
    return f"node {quoted} can not create pods that reference {used}" if used else ""


def _uses(spec: Object) -> str:
    """The first kind of object that a pod uses."""
    found = {plural for plural, _ in podreferences.used({**spec, "volumes": []}, "")}
    found |= {"resourceclaims"} if spec.get("resourceClaims") else set()
    for plural in ("serviceaccounts", "secrets", "configmaps", "resourceclaims"):
        if plural in found:
            return plural
    in_volumes = {plural for plural, _ in podreferences.used({"volumes": spec.get("volumes")}, "")}
    for plural in ("secrets", "configmaps"):  # looked for in all volumes before the types of volumes are
        if plural in in_volumes:
            return plural
    for volume in spec.get("volumes") or ():
        for kind, words in VOLUMES.items():
            if volume.get(kind):
                return words
        for source in (volume.get("projected") or {}).get("sources") or ():
            if source.get("serviceAccountToken"):
                return "serviceaccounts (via projected volumes)"
    return ""


def _node(node: str, _: str, name: str, new: Object | None, old: Object | None, txn: Txn) -> str:
    quoted = go_quote(node)
    if name != node:
        return f"node {quoted} is not allowed to modify node {go_quote(name)}"
    if new is None:
        return ""
    labels, before = (dict((obj or {"metadata": {}})["metadata"].get("labels") or {}) for obj in (new, old))
    changed = {key for key in labels.keys() | before.keys() if labels.get(key) != before.get(key)}
    forbidden = ", ".join(sorted(filter(_is_foreign, changed)))
    if old is None:
        return f"node {quoted} is not allowed to set the following labels: {forbidden}" if forbidden else ""
    if ((new.get("spec") or {}).get("taints") or []) != ((old.get("spec") or {}).get("taints") or []):
        return f"node {quoted} is not allowed to modify taints"
    if (new["metadata"].get("ownerReferences") or []) != (old["metadata"].get("ownerReferences") or []):
        return f"node {quoted} is not allowed to modify ownerReferences"
    return f"is not allowed to modify labels: {forbidden}" if forbidden else ""


def _is_foreign(label: str) -> bool:
    """Whether a label is for others than the node to set, since it may draw pods there."""
    domain, slash, _ = label.partition("/")
    if not slash:
        return False
    if _below(domain, RESTRICTED):
        return True
    own = label in OWN_LABELS or any(_below(domain, root) for root in OWN_LABEL_DOMAINS)
    return not own and (_below(domain, "kubernetes.io") or _below(domain, "k8s.io"))


def _below(domain: str, root: str) -> bool:
    return domain == root or domain.endswith(f".{root}")


def _claim(node: str, subresource: str, _: str, new: Object | None, old: Object | None, txn: Txn) -> str:
    if subresource != "status" or new is None or old is None:
        return "may only update PVC status"
    if _without_claim_status(new) != _without_claim_status(old):
        quoted = go_quote(node)
        return f"node {quoted} is not allowed to update fields other than status.quantity and status.conditions"
    return ""


def _without_claim_status(claim: Object) -> Object:
    meta = {k: v for k, v in claim["metadata"].items() if k not in ("resourceVersion", "managedFields")}
    status = {k: v for k, v in (claim.get("status") or {}).items() if k not in CLAIM_STATUS}
    return {**claim, "metadata": meta, "status": status}


def _lease(node: str, _: str, name: str, new: Object | None, old: Object | None, txn: Txn) -> str:
    namespace = (new or old or {})["metadata"].get("namespace")
    if namespace != "kube-node-lease":
        return 'can only access leases in the "kube-node-lease" system namespace'
    return "" if name == node else "can only access node lease with the same name as the requesting node"


def _storage_node(node: str, _: str, name: str, new: Object | None, old: Object | None, txn: Txn) -> str:
    return "" if name == node else "can only access CSINode with the same name as the requesting node"


def _slice(node: str, _: str, name: str, new: Object | None, old: Object | None, txn: Txn) -> str:
    if new is not None and old is not None:  # the node authorizer has seen to it
        return ""
    own = ((new or old or {}).get("spec") or {}).get("nodeName") == node
    verb = "create" if old is None else "delete"
    return "" if own else f"can only {verb} ResourceSlice with the same NodeName as the requesting node"


def _agent(node: str, kind: Kind, name: str, obj: Object) -> str:
    """Ours: an agent writes the slices in which it publishes its node's name server, one a family (part dns)."""
    if kind.resource != "endpointslices":
        return ""
    meta = obj["metadata"]
    service = (meta.get("labels") or {}).get("kubernetes.io/service-name")
    names = [f"kube-dns-{node}-{family}" for family in ("ipv4", "ipv6")]
    own = meta.get("namespace") == "kube-system" and name in names and service == "kube-dns"
    return "" if own else f"node {go_quote(node)} can only write its own slices of kube-system/kube-dns"


def _provisioner(node: str, kind: Kind, name: str, obj: Object) -> str:
    """Ours: a provisioner writes volumes on its node's own disk (lab/kubelet/provisioning.py)."""
    if kind.resource != "persistentvolumes":
        return ""
    spec = obj.get("spec") or {}
    required = (spec.get("nodeAffinity") or {}).get("required") or {}
    own = bool(spec.get("local")) and required.get("nodeSelectorTerms") == [volumes.node_term(node)]
    return "" if own else f"node {go_quote(node)} can only write local volumes that lie on itself"


RULES: dict[tuple[str, str], Callable[[str, str, str, Object | None, Object | None, Txn], str]] = {
    ("", "pods"): _pod, ("", "nodes"): _node, ("", "persistentvolumeclaims"): _claim,
    ("coordination.k8s.io", "leases"): _lease, ("storage.k8s.io", "csinodes"): _storage_node,
    ("resource.k8s.io", "resourceslices"): _slice,
    ("certificates.k8s.io", "certificatesigningrequests"): nodecertificates.signing_request,
    ("certificates.k8s.io", "podcertificaterequests"): nodecertificates.pod_certificate,
}  # fmt: skip

# group and what precedes the node in its users' names → the rule of kube46's own programs on a node
OWN: dict[tuple[str, str], Callable[[str, Kind, str, Object], str]] = {
    ("kube46:agents", "kube46:agent:"): _agent, ("kube46:provisioners", "kube46:provisioner:"): _provisioner,
}  # fmt: skip


def admit_eviction(user: User, name: str, namespace: str, txn: Txn) -> None:
    """Let a node evict only its own pods."""
    node, pod = node_of(user), txn.get("pods", name, namespace)
    if node is None or pod is None:
        return
    if pod["spec"].get("nodeName") != node:
        text = f"node {node} can only evict pods with spec.nodeName set to itself"
        raise statuses.forbidden(BY_PLURAL["pods"], name, text)


def token_refusal(node: str, bound: Object, audiences: list[str], pod: Object | None) -> str:
    """Why a node gets no such token; `pod` is the one that the token is to be bound to. Raises StatusError 404."""
    if bound.get("apiVersion") != "v1" or bound.get("kind") != "Pod" or not bound.get("name"):
        return "node requested token not bound to a pod"
    uid = bound.get("uid")
    if not uid:
        return "node requested token with a pod binding without a uid"
    if pod is None:
        raise statuses.not_found(CACHED_POD, str(bound["name"]))
    if uid != pod["metadata"]["uid"]:
        text = f"the UID in the bound object reference ({uid}) does not match the UID in record."
        return f"{text} The object might have been deleted and then recreated"
    if pod["spec"].get("nodeName") != node:
        return "node requested token bound to a pod scheduled on a different node"
    return "node may only request 0 or 1 audiences" if len(audiences) > 1 else ""


def mounts_audience(pod: Object, audience: str) -> bool:
    """Whether a volume of the pod has a token for it; "" is the API server."""
    volumes = pod["spec"].get("volumes") or ()
    sources = [source for volume in volumes for source in (volume.get("projected") or {}).get("sources") or ()]
    tokens = [source["serviceAccountToken"] or {} for source in sources if "serviceAccountToken" in source]
    return any(token.get("audience", "") == audience for token in tokens)
