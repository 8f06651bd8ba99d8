"""What an update may change: the server's own metadata stays, /status changes the status, all else never does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api import errors
from kube46.apiserver import statuses
from kube46.apiserver.transactions import copied

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.strategy import Object
    from kube46.apiserver.writes import Call

RESET = ("deletionTimestamp", "selfLink", "labels", "annotations", "finalizers", "ownerReferences")
# metadata that /status does not change, and nobody comes to own by it (ResetObjectMetaForStatus, GetResetFields)
STATUS_KEEPS = {
    "deployments": ("labels",),
    "pods": ("ownerReferences", "deletionTimestamp"),
    **dict.fromkeys(
        (
            "apiservices",
            "csinodes",
            "devicetaintrules",
            "flowschemas",
            "podcertificaterequests",
            "prioritylevelconfigurations",
            "resourceclaims",
            "servicecidrs",
            "storageversionmigrations",
            "validatingadmissionpolicies",
            "volumeattachments",
        ),
        RESET,
    ),
}
DUPLICATE_OWNERS = (
    ".metadata.ownerReferences contains duplicate entries{}; API server dedups owner references in 1.20+, "
    "and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}"
)


def kept_by_status(kind: Kind) -> tuple[str, ...]:
    """The fields of metadata that a write to /status leaves as they are."""
    return RESET if kind.custom else STATUS_KEEPS.get(kind.plural, ())


def desire(kind: Kind, obj: Object) -> Object:
    """The part whose changes metadata.generation counts."""
    desire: Object = {k: v for k, v in obj.items() if k != "metadata" and not (k == "status" and kind.has_status)}
    if kind.generation_of:
        desire[kind.generation_of] = obj["metadata"].get(kind.generation_of) or {}
    return desire


def check_uid(call: Call, uid: str, stored: str) -> None:
    """Refuse with 409 a PUT that names another object; one that names none takes any."""
    if uid and uid != stored:
        text = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {stored}"
        raise statuses.storage_conflict(call.kind, call.namespace, call.name, text, dry_run=call.dry_run)


def check_revision(call: Call, meta: dict[str, Any], stored: str, *, unconditional: bool) -> None:
    """Refuse with 409 an update of an older revision, and with 422 one of none where the kind wants one."""
    asked = revision(meta)
    if asked == 0:
        if not unconditional:
            unset = errors.invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise statuses.invalid_resource(call.kind, call.name, [unset])
    elif asked != int(stored):
        raise statuses.conflict(call.kind, call.name)


def revision(meta: dict[str, Any]) -> int:
    """The resourceVersion that an object says, 0 for none; raises the StatusError 500 that upstream answers with."""
    text = meta.get("resourceVersion") or "0"
    if not (text.isascii() and text.isdecimal()):
        quoted = errors.go_quote(text)
        raise statuses.StatusError(500, "", f"strconv.ParseUint: parsing {quoted}: invalid syntax")
    return int(text)


def check_name(call: Call, meta: Any) -> None:
    """Refuse with 400 an object that is not the one of the path."""
    name = meta.get("name") if isinstance(meta, dict) else ""
    if not name:
        text = f"the name of the object ({call.name} based on URL) was undeterminable: name must be provided"
        raise statuses.bad_request(text)
    if name != call.name:
        raise statuses.bad_request(f"the name of the object ({name}) does not match the name on the URL ({call.name})")


def check_namespace(call: Call, meta: dict[str, Any]) -> None:
    """Fill in the namespace; refuses with 400 an object of another one."""
    if meta.get("namespace") and meta["namespace"] != call.namespace:
        if call.kind.namespaced:
            text = "the namespace of the provided object does not match the namespace sent on the request"
            raise statuses.bad_request(text)
        meta.pop("namespace")
    if call.kind.namespaced:
        meta["namespace"] = call.namespace


def merge_owners(call: Call, meta: dict[str, Any], *, late: bool = False) -> None:
    """Keep each owner once, with a warning, as dedupOwnerReferences does; `late`: in its words of patches."""
    owners = meta.get("ownerReferences")
    if not owners or len(owners) < 2:
        return
    kept: list[Any] = []
    twice: list[str] = []
    for owner in owners:
        if owner in kept:
            twice.append(owner.get("uid", ""))
        else:
            kept.append(owner)
    if twice:
        meta["ownerReferences"] = kept
        when = " after mutating admission happens" if late else ""
        call.warnings.append(DUPLICATE_OWNERS.format(when, ", ".join(twice)))


def _keep(meta: dict[str, Any], stored: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        meta.pop(name, None)
        if name in stored:
            meta[name] = stored[name]


def _carry_metadata(meta: dict[str, Any], stored: dict[str, Any]) -> None:
    """The server's own metadata."""
    meta["uid"] = meta.get("uid") or stored["uid"]  # another one is refused later: it can't be changed
    _keep(meta, stored, ("creationTimestamp", "generation"))


def keep_deletion(meta: dict[str, Any], stored: dict[str, Any]) -> None:
    """What is on its way out stays so; a writer owns what it says of that all the same, so this comes later."""
    _keep(meta, stored, ["deletionTimestamp"] if "deletionTimestamp" in stored else ())
    if "deletionGracePeriodSeconds" in stored:
        meta.setdefault("deletionGracePeriodSeconds", stored["deletionGracePeriodSeconds"])


def carry_over(call: Call, new: Object, old: Object) -> Object:
    """What the server decides stays as stored; /status changes only status and metadata, others never status."""
    stored: dict[str, Any] = old["metadata"]
    meta: dict[str, Any] = new["metadata"]
    _carry_metadata(meta, stored)
    if call.subresource == "status":
        merged = copied(old)
        if call.kind.custom:
            _keep(merged["metadata"], meta, ["managedFields"])
        else:
            _keep(meta, stored, kept_by_status(call.kind))
            merged["metadata"] = meta
        merged.pop("status", None)
        if "status" in new:
            merged["status"] = new["status"]
        return merged
    if call.kind.resource == "namespaces" and call.subresource != "finalize":
        new["spec"] = copied(old.get("spec", {}))
    if call.kind.has_status and call.subresource != "approval":  # approvals are conditions
        new.pop("status", None)
        if "status" in old:
            new["status"] = copied(old["status"])
    return new
