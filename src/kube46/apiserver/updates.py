"""What an update may change: the server's own metadata stays, /status changes the status, all else never does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.apiserver import statuses
from kube46.apiserver.transactions import copied

if TYPE_CHECKING:
    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.strategy import Object
    from kube46.apiserver.writes import Call

# metadata that /status may change (the rest stays as stored)
STATUS_META = ("labels", "annotations", "finalizers", "ownerReferences", "managedFields")
SYSTEM_META = ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink")


def desire(kind: Kind, obj: Object) -> Object:
    """The part whose changes metadata.generation counts."""
    desire: Object = {k: v for k, v in obj.items() if k != "metadata" and not (k == "status" and kind.has_status)}
    if kind.generation_labels:
        desire["labels"] = obj["metadata"].get("labels") or {}
    return desire


def check_preconditions(call: Call, meta: dict[str, Any], stored: dict[str, Any]) -> None:
    """Refuse with 409 an update that names another object or an older revision."""
    uid, version = meta.get("uid"), meta.get("resourceVersion")
    if uid and uid != stored["uid"]:
        text = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {stored['uid']}"
        raise statuses.conflict(call.kind, call.name, text)
    if version and version not in ("0", stored["resourceVersion"]):
        raise statuses.conflict(call.kind, call.name)


def carry_over(call: Call, new: Object, old: Object) -> Object:
    """What the server decides stays as stored; /status changes only status and some metadata, others never status."""
    stored: dict[str, Any] = old["metadata"]
    if call.subresource == "status":
        meta = new["metadata"] if not call.kind.custom else stored
        merged = copied(old)
        merged["metadata"] = {k: v for k, v in merged["metadata"].items() if k not in STATUS_META}
        merged["metadata"] |= {k: meta[k] for k in STATUS_META if meta.get(k)}
        merged.pop("status", None)
        if "status" in new:
            merged["status"] = new["status"]
        return merged
    meta = new["metadata"]
    meta["uid"] = stored["uid"]
    for name in SYSTEM_META:
        meta.pop(name, None)
        if name in stored:
            meta[name] = stored[name]
    if call.kind.resource == "namespaces" and call.subresource != "finalize":
        new["spec"] = copied(old.get("spec", {}))
    if call.kind.has_status and call.subresource != "approval":  # approvals are conditions
        new.pop("status", None)
        if "status" in old:
            new["status"] = copied(old["status"])
    return new
