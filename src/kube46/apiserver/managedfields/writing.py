"""managedFields within a write: noted after updates, decided by an apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.apiserver import statuses
from kube46.apiserver.customresources.kinds import CustomKind
from kube46.apiserver.managedfields import managers, merging
from kube46.apiserver.managedfields.values import UnknownField
from kube46.apiserver.transactions import now

if TYPE_CHECKING:
    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.managedfields.merging import Merging
    from kube46.apiserver.writes import Call

Object = dict[str, Any]


def _way(kind: Kind) -> Merging:
    if isinstance(kind, CustomKind):
        return kind.merging
    return merging.of_kind(kind.group, kind.version, kind.kind)


def _stored(obj: Object | None) -> managers.Managers:
    try:
        return managers.read((obj or {"metadata": {}})["metadata"].get("managedFields") or ())
    except ValueError:
        return {}


def _manager(call: Call, operation: str) -> managers.Manager:
    return managers.Manager(call.manager, operation, call.kind.api_version, call.subresource)


def note(call: Call, new: Object, live: Object | None, blank: Object | None = None) -> None:
    """Give the fields that this create or update changes to who makes it; of a new one, what is not as in `blank`.

    The writer may hand in other managers (`managedFields`), or reset all by a single empty entry.
    """
    meta, before = new["metadata"], (live or {"metadata": {}})["metadata"].get("managedFields")
    given, stored = meta.pop("managedFields", None), _stored(live)
    try:
        known = {} if given == [{}] else managers.read(given) if given and given != before else stored
    except ValueError:
        known = stored
    found = managers.updated(live or blank or {}, new, known, _manager(call, managers.UPDATE), now(), _way(call.kind))
    entries = before if found == stored else managers.written(found)
    if entries:
        meta["managedFields"] = entries


def apply(call: Call, config: Object, live: Object | None, blank: Object | None = None) -> Object:
    """The object that an apply makes of the live one, managedFields included; raises StatusError 409 and 500."""
    kind = call.kind
    by, stored = _manager(call, managers.APPLY), _stored(live)
    try:
        obj, found = managers.applied(live, config, stored, by, now(), _way(kind), force=call.force, blank=blank)
    except managers.Conflicts as conflicts:
        raise statuses.StatusError(409, "Conflict", conflicts.message, {"causes": conflicts.causes}) from None
    except UnknownField as problem:
        what = f"{call.namespace}/{call.name}; {kind.api_version}, Kind={kind.kind}"
        text = f"failed to create typed patch object ({what}): {problem}"
        raise statuses.StatusError(500, "", text) from None
    unchanged = live is not None and found == stored
    entries = live["metadata"]["managedFields"] if unchanged and live is not None else managers.written(found)
    obj["metadata"]["managedFields"] = entries
    return obj
