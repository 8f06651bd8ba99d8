"""Delete and deletecollection: preconditions, grace for pods, finalizers and propagation, the end of namespaces.

Source: k8s.io/apiserver registry/generic/registry/store.go and rest/delete.go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kube46.apiserver import statuses
from kube46.apiserver.customresources.conversions import asks
from kube46.apiserver.noderestriction import admit
from kube46.apiserver.transactions import copied, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kube46.apiserver.deleteoptions import DeleteOptions
    from kube46.apiserver.strategy import Object
    from kube46.apiserver.transactions import Txn
    from kube46.apiserver.writes import Call, Registry

AT_ONCE = 50  # objects of a collection that go before other requests get their turn: some 20 ms
IMMORTAL = ("default", "kube-system", "kube-public")
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
MOST_GRACE = 10**9  # seconds, some 30 years: a deletionTimestamp must be a date


@dataclass(slots=True)
class Outcome:
    """What a delete did: the object as it is or last was, and whether it is gone."""

    obj: Object = field(default_factory=dict)
    gone: bool = False


async def delete(
    registry: Registry, call: Call, options: DeleteOptions, before: Callable[[Txn], None] | None = None
) -> Object:
    """Delete one object; returns the answer: the object where its kind says so or while it lingers, else a Status.

    `before` writes what is to be committed along with the deletion, or refuses it by raising StatusError.
    """
    outcome = Outcome()

    def step(_: None, txn: Txn) -> Object:
        nonlocal outcome
        if before:
            before(txn)
        outcome = _delete(registry, call, options, txn)
        return outcome.obj

    await registry.settle(call, None, step)
    if outcome.gone and not call.kind.returns_deleted:
        return statuses.success(call.kind, call.name, outcome.obj["metadata"]["uid"])
    if asks(call.kind):
        return registry.view(call, await registry.conversions.one(call.kind, outcome.obj))
    return registry.view(call, outcome.obj)


async def delete_all(registry: Registry, call: Call, options: DeleteOptions, values: Sequence[bytes]) -> None:
    """Delete listed objects, some in each commit; those that are gone already are passed over."""

    def step(some: Sequence[bytes], txn: Txn) -> Object:
        for value in some:
            meta = decode.decode(value)["metadata"]
            call.namespace, call.name = meta.get("namespace", ""), meta["name"]
            if txn.exists(call.kind.resource, call.name, call.namespace):
                _delete(registry, call, options, txn)
        return {}

    start, call.unnamed = 0, True
    while start < len(values):
        # where webhooks are asked, one by one: what they have let go is gone though they hold another back
        size = 1 if registry.gate.asks(call) else AT_ONCE
        await registry.settle(call, values[start : start + size], step)
        start, call.round = start + size, None


def _delete(registry: Registry, call: Call, options: DeleteOptions, txn: Txn) -> Outcome:
    obj = txn.get(call.kind.resource, call.name, call.namespace)
    if obj is None:
        raise statuses.not_found(call.kind, call.name)
    _check(call, options, obj)
    admit(call.user, call.kind, call.subresource, call.name, None, obj, txn)
    if registry.gate.concerns(call):
        registry.gate.delete(call, registry.conversions.current(call, copied(obj)) or obj, txn)
    stays = call.kind.resource == "namespaces" and "deletionTimestamp" not in obj["metadata"]  # its first end is a mark
    changed = _set_finalizers(obj["metadata"], _propagation(call, options, obj))
    changed = registry.strategy(call.kind).prepare_delete(obj) or changed
    if stays or call.kind.resource == "pods" or not registry.may_go(call.kind, obj):
        changed = _mark(call, options, obj) or changed
    if not stays and registry.may_go(call.kind, obj):
        txn.delete(call.kind.resource, call.name, call.namespace)
        if not call.dry_run:
            obj["metadata"]["resourceVersion"] = str(txn.revision)
        registry.strategy(call.kind).after_delete(obj, registry.context(call, txn))
        return Outcome(obj, gone=True)
    if changed and not call.dry_run:
        obj = txn.update(call.kind.resource, obj)
    return Outcome(obj)


def _check(call: Call, options: DeleteOptions, obj: Object) -> None:
    meta = obj["metadata"]
    if call.kind.resource == "namespaces" and call.name in IMMORTAL:
        raise statuses.forbidden(call.kind, call.name, "this namespace may not be deleted")
    wanted = (("UID", options.uid, meta["uid"]), ("ResourceVersion", options.resource_version, meta["resourceVersion"]))
    for what, given, stored in wanted:
        if given is None or given == stored:
            continue
        if call.kind.resource == "namespaces":  # whose own storage words it so
            text = f"Precondition failed: {what} in precondition: {given}, {what} in object meta: {stored}"
            raise statuses.conflict(call.kind, call.name, text)
        text = f"the {what} in the precondition ({given}) does not match the {what} in record ({stored}). "
        text += f"The object might have been {'deleted and then recreated' if what == 'UID' else 'modified'}"
        raise statuses.conflict_of_kind(call.kind, call.name, text)
    if options.unsafe:
        text = "unsafe deletion is not allowed because the object is decodable from storage"
        raise statuses.storage_conflict(call.kind, call.namespace, call.name, text, dry_run=call.dry_run)


def _mark(call: Call, options: DeleteOptions, obj: Object) -> bool:
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


def _grace(call: Call, options: DeleteOptions, obj: Object) -> int:
    """Seconds until the object goes: only pods that a kubelet runs get any."""
    if call.kind.resource != "pods":
        return 0
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Failed", "Succeeded"):
        return 0
    own = spec.get("terminationGracePeriodSeconds")
    grace = options.grace if options.grace is not None else (30 if own is None else int(own))
    return min(grace, MOST_GRACE) if grace >= 0 else 1


def _propagation(call: Call, options: DeleteOptions, obj: Object) -> str:
    """What was asked for; else what the object's finalizers say already, else what its kind does."""
    chosen = (FOREGROUND, ORPHAN)
    if options.propagation or any(name in chosen for name in obj["metadata"].get("finalizers") or ()):
        return options.propagation
    return "Orphan" if call.kind.orphans else ""


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
