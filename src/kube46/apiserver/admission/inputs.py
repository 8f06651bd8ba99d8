"""What expressions of admission see of a write: request, object, oldObject, namespaceObject, params, authorizer.

Source: apiserver pkg/admission/plugin/cel/{condition,activation}.go, k8s.io/api/admission/v1 (AdmissionRequest).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kube46.apiserver.expressions.functions import authorizer

if TYPE_CHECKING:
    from kube46.apiserver.admission.attributes import Attributes
    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.strategy import Transaction

Object = dict[str, Any]
Presented = tuple[Object | None, Object | None]  # object and old object, in the version that is asked about
UNSEEN = ("managedFields", "ownerReferences", "selfLink")  # of a namespace


def values(
    asked: Attributes,
    *,
    resource: Kind | None = None,
    presented: Presented | None = None,
    namespace: Object | None = None,
    params: Object | None = None,
) -> Object:
    """The variables by name; `resource` is the row whose rules matched, `presented` the objects in its version."""
    new, old = presented or (asked.object, asked.old)
    new, old, namespace, params = map(_whole, (new, old, namespace, params))
    own = {
        "group": asked.kind.group, "resource": asked.kind.plural, "subresource": asked.subresource,
        "namespace": asked.namespace, "name": asked.name,
    }  # fmt: skip
    return {
        "object": new, "oldObject": old, "request": request(asked, resource, new or old), "namespaceObject": namespace,
        "params": params, "authorizer": authorizer(asked.user, own),
    }  # fmt: skip


def _whole(obj: Object | None) -> Object | None:
    """Without NULs in texts, behind which the evaluator sees nothing: nothing may hide there."""
    if obj is None or b"\\u0000" not in msgspec.json.encode(obj):
        return obj
    found: Object = _replaced(obj)
    return found


def _replaced(value: Any) -> Any:
    if isinstance(value, dict):
        return {_replaced(name): _replaced(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return list(map(_replaced, value))
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def request(asked: Attributes, resource: Kind | None, obj: Object | None) -> Object:
    """An AdmissionRequest without its objects; what is empty is not there, but for the uid."""
    row = resource or asked.kind
    sent = dict(zip(("group", "version", "kind"), asked.gvk, strict=True))
    shown = sent if row is asked.kind or asked.subresource else _kind(row)
    user = {
        "username": asked.user.name, "uid": asked.user.uid, "groups": list(asked.user.groups),
        "extra": {name: list(texts) for name, texts in asked.user.extra.items()},
    }  # fmt: skip
    found = {
        "uid": "", "kind": shown, "resource": _resource(row), "subResource": asked.subresource, "requestKind": sent,
        "requestResource": _resource(asked.kind), "requestSubResource": asked.subresource, "name": asked.name,
        "namespace": asked.namespace, "operation": asked.operation,
        "userInfo": {name: value for name, value in user.items() if value},
    }  # fmt: skip
    kept = {name: value for name, value in found.items() if value or name == "uid"}
    return {**kept, "dryRun": asked.dry_run, "options": asked.options or None}


def _kind(row: Kind) -> Object:
    return {"group": row.group, "version": row.version, "kind": row.kind}


def _resource(row: Kind) -> Object:
    return {"group": row.group, "version": row.version, "resource": row.plural}


def namespace_of(asked: Attributes, txn: Transaction) -> Object | None:
    """The namespace that the object is in, as expressions see it; None for a namespace itself and outside of any."""
    if not asked.namespace or (asked.kind.plural == "namespaces" and not asked.kind.group):
        return None
    found = txn.get("namespaces", asked.namespace)
    if found is None:
        return None
    meta = {name: value for name, value in found["metadata"].items() if name not in UNSEEN}
    return {"metadata": meta, "spec": found.get("spec") or {}, "status": found.get("status") or {}}
