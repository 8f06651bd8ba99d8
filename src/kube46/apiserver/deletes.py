"""Delete and deletecollection: preconditions, grace for pods, finalizers and propagation, the end of namespaces.

Source: k8s.io/apiserver registry/generic/registry/store.go and rest/delete.go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.apiserver import statuses
from kube46.apiserver.noderestriction import admit
from kube46.apiserver.requests import number_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube46.apiserver.selectors import Selector
    from kube46.apiserver.strategy import Object
    from kube46.apiserver.transactions import Txn
    from kube46.apiserver.writes import Call, Registry

IMMORTAL = ("default", "kube-system", "kube-public")
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
POLICIES = ("", "Background", "Foreground", "Orphan")


MOST_GRACE = 10**9  # seconds, some 30 years: a deletionTimestamp must be a date


class _Preconditions(msgspec.Struct, rename="camel"):
    uid: str | None = None
    resource_version: str | None = None


class Body(msgspec.Struct, rename="camel"):
    """The fields of a DeleteOptions body that count."""

    grace_period_seconds: int | None = None
    preconditions: _Preconditions | None = None
    orphan_dependents: bool | None = None
    propagation_policy: str | None = None
    dry_run: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """DeleteOptions: grace in seconds (None: the object's own), preconditions, and what happens to dependents."""

    grace: int | None = None
    uid: str = ""
    resource_version: str = ""
    propagation: str = ""
    dry_run: bool = False

    @classmethod
    def parse(cls, body: Body, query: dict[str, str]) -> Options:
        """From the body, and from the query what the body leaves open; raises 400 or 422 for what can't be read."""
        preconditions = body.preconditions or _Preconditions()
        grace = body.grace_period_seconds
        if grace is None and query.get("gracePeriodSeconds"):
            grace = number_of(query, "gracePeriodSeconds")
        propagation = body.propagation_policy or query.get("propagationPolicy") or ""
        orphans = body.orphan_dependents
        if orphans is None and "orphanDependents" in query:
            orphans = query["orphanDependents"].lower() in ("1", "true")
        if orphans is not None and not propagation:
            propagation = "Orphan" if orphans else "Background"
        if propagation not in POLICIES:
            text = (
                f'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "{propagation}": '
                'supported values: "Background", "Foreground", "Orphan", "nil"'
            )
            raise statuses.StatusError(422, "Invalid", text, {})
        dry_run = "All" in (body.dry_run or ()) or query.get("dryRun") == "All"
        return cls(
            grace, preconditions.uid or "", preconditions.resource_version or "", propagation, dry_run
        )  # fmt: skip


@dataclass(slots=True)
class Outcome:
    """What a delete did: the object as it is or last was, and whether it is gone."""

    obj: Object = field(default_factory=dict)
    gone: bool = False


async def delete(
    registry: Registry, call: Call, options: Options, before: Callable[[Txn], None] | None = None
) -> Object:
    """Delete one object; returns the answer: the object where its kind says so or while it lingers, else a Status.

    `before` writes what is to be committed along with the deletion, or refuses it by raising StatusError.
    """
    with registry.store.begin() as txn:
        if before:
            before(txn)
        outcome = _delete(registry, call, options, txn)
    await registry.finish(call, txn)
    if outcome.gone and not call.kind.returns_deleted:
        return statuses.success(call.kind, call.name, outcome.obj["metadata"]["uid"])
    return registry.view(call, outcome.obj)


async def delete_all(registry: Registry, call: Call, options: Options, selector: Selector) -> Object:
    """Delete what a selector picks, in one commit; returns the list of what was deleted."""
    collection = registry.store.collection(call.kind.resource)
    keys = list(collection.under(call.namespace))
    found: list[Object] = []
    with registry.store.begin() as txn:
        for key in keys:
            if not selector.matches(collection.records[key].value):
                continue
            call.namespace, _, call.name = key.rpartition("/")
            if txn.exists(call.kind.resource, call.name, call.namespace):
                found.append(registry.view(call, _delete(registry, call, options, txn).obj))
    await registry.finish(call, txn)
    metadata = {"resourceVersion": str(registry.store.revision)}
    return {
        "kind": call.kind.list_kind, "apiVersion": call.kind.api_version, "metadata": metadata,
        "items": [{k: v for k, v in obj.items() if k not in ("kind", "apiVersion")} for obj in found],
    }  # fmt: skip


def _delete(registry: Registry, call: Call, options: Options, txn: Txn) -> Outcome:
    obj = txn.get(call.kind.resource, call.name, call.namespace)
    if obj is None:
        raise statuses.not_found(call.kind, call.name)
    _check(call, options, obj)
    admit(call.user, call.kind, call.subresource, call.name, None, obj, txn)
    changed = _set_finalizers(obj["metadata"], options.propagation)
    changed = registry.strategy(call.kind).prepare_delete(obj) or changed
    if call.kind.resource == "pods" or not registry.may_go(call.kind, obj):
        changed = _mark(call, options, obj) or changed
    if registry.may_go(call.kind, obj):
        txn.delete(call.kind.resource, call.name, call.namespace)
        if not call.dry_run:
            obj["metadata"]["resourceVersion"] = str(txn.revision)
        registry.strategy(call.kind).after_delete(obj, registry.context(call, txn))
        return Outcome(obj, gone=True)
    if changed:
        obj = txn.update(call.kind.resource, obj)
    return Outcome(obj)


def _check(call: Call, options: Options, obj: Object) -> None:
    meta = obj["metadata"]
    if options.uid and options.uid != meta["uid"]:
        text = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({meta['uid']}). "
            "The object might have been deleted and then recreated"
        )
        raise statuses.conflict(call.kind, call.name, text)
    if options.resource_version and options.resource_version != meta["resourceVersion"]:
        text = (
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match the "
            f"ResourceVersion in record ({meta['resourceVersion']}). The object might have been modified"
        )
        raise statuses.conflict(call.kind, call.name, text)
    if call.kind.resource == "namespaces":
        if call.name in IMMORTAL:
            raise statuses.forbidden(call.kind, call.name, "this namespace may not be deleted")
        if meta.get("deletionTimestamp") and (obj.get("spec") or {}).get("finalizers"):
            text = (
                "The system is ensuring all content is removed from this namespace.  "
                "Upon completion, this namespace will automatically be purged by the system."
            )
            raise statuses.conflict(call.kind, call.name, text)


def _mark(call: Call, options: Options, obj: Object) -> bool:
    """Record in the object that it is to go, unless that was done already; whether this changed it."""
    meta = obj["metadata"]
    grace = _grace(call, options, obj)
    before = meta.get("deletionGracePeriodSeconds")
    if meta.get("deletionTimestamp") and (before or 0) <= grace:
        return False
    meta["deletionTimestamp"] = (datetime.now(UTC) + timedelta(seconds=grace)).strftime("%Y-%m-%dT%H:%M:%SZ")
    meta["deletionGracePeriodSeconds"] = grace
    if "generation" in meta and before is None:
        meta["generation"] += 1
    if call.kind.resource == "namespaces":
        meta.pop("deletionGracePeriodSeconds")
        obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
    return True


def _grace(call: Call, options: Options, obj: Object) -> int:
    """Seconds until the object goes: only pods that a kubelet runs get any."""
    if call.kind.resource != "pods":
        return 0
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Failed", "Succeeded"):
        return 0
    own = spec.get("terminationGracePeriodSeconds")
    grace = options.grace if options.grace is not None else (30 if own is None else int(own))
    return min(grace, MOST_GRACE) if grace >= 0 else 1


def _set_finalizers(meta: dict[str, Any], propagation: str) -> bool:
    if not propagation:
        return False
    before = list(meta.get("finalizers") or ())
    after = [name for name in before if name not in (FOREGROUND, ORPHAN)]
    if propagation == "Foreground":
        after.append(FOREGROUND)
    elif propagation == "Orphan":
        after.append(ORPHAN)
    meta["finalizers"] = after
    if not after:
        del meta["finalizers"]
    return sorted(after) != sorted(before)
