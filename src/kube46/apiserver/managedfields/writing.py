"""managedFields within a write: noted after updates, decided by an apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.apiserver import statuses, updates
from kube46.apiserver.customresources.kinds import CustomKind
from kube46.apiserver.managedfields import managers, merging, sets
from kube46.apiserver.managedfields.values import UnknownField
from kube46.apiserver.schemas import Schemas
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
    subresource = "scale" if call.scales else call.subresource
    return managers.Manager(call.manager, operation, call.kind.api_version, subresource)


def _moment(call: Call) -> str:
    """When a manager writes; upstream has no time for who writes through /scale."""
    return "" if call.scales else now()


def _known(kind: Kind, found: managers.Managers) -> managers.Managers:
    """Less the managers of versions that the kind does not have: nobody could say which fields theirs are."""
    schemas = Schemas.load()

    def there(api_version: str) -> bool:
        group, _, version = api_version.rpartition("/")  # a custom kind's are converted by name only
        return group == kind.group and (kind.custom or schemas.knows(group, version, kind.kind))

    return {manager: owned for manager, owned in found.items() if there(manager.api_version)}


def _reset(call: Call, obj: Object) -> sets.Set:
    """What a write does not change: all but the status by way of /status, the status elsewhere (GetResetFields)."""
    if call.subresource == "status":
        names = [name for name in obj if name not in ("metadata", "status")]
        kept = updates.kept_by_status(call.kind)
        meta = sets.leaf() if kept is updates.RESET else {f"f:{name}": sets.leaf() for name in kept}
        return {f"f:{name}": sets.leaf() for name in names} | ({"f:metadata": meta} if meta else {})
    return {"f:status": sets.leaf()} if call.kind.has_status and not call.subresource and not call.scales else {}


def note(call: Call, new: Object, live: Object | None, blank: Object | None = None) -> None:
    """Give the fields that this create or update changes to who makes it; of a new one, what is not as in `blank`.

    The writer may hand in other managers (`managedFields`), or reset all by a single empty entry.
    """
    meta, before = new["metadata"], (live or {"metadata": {}})["metadata"].get("managedFields")
    given, stored = meta.pop("managedFields", None), _stored(live)
    known = stored if call.subresource or (given and given == before) else _given(given, stored)
    if live is not None and not known:  # upstream follows objects from their creation or first apply on
        return
    known = _known(call.kind, known)
    by, way = _manager(call, managers.UPDATE), _way(call.kind)
    found = managers.updated(live or blank or {}, new, known, by, _moment(call), way, _reset(call, new))
    entries = before if found == stored else managers.written(found)
    if entries:
        meta["managedFields"] = entries


def _given(entries: Any, stored: managers.Managers) -> managers.Managers:
    """The managers that a writer hands in, the stored ones where it hands in none that can be read."""
    if entries in ([], [{}]):
        return {}
    try:
        return managers.read(entries or ()) or stored
    except ValueError:
        return stored


def same_but_for_times(new: Object, old: Object) -> bool:
    """Whether two objects are the same but for when their fields were last written."""
    theirs, ours = (obj["metadata"].get("managedFields") or () for obj in (new, old))
    if not theirs or len(theirs) != len(ours):
        return False
    pairs = zip(theirs, ours, strict=True)
    if not all({**one, "time": ""} == {**other, "time": ""} for one, other in pairs):
        return False
    return {**new, "metadata": {**new["metadata"], "managedFields": ours}} == old


def apply(call: Call, config: Object, live: Object | None, blank: Object | None = None) -> Object:
    """The object that an apply makes of the live one, managedFields included; raises StatusError 409 and 500."""
    kind = call.kind
    by, stored = _manager(call, managers.APPLY), _stored(live)
    try:
        way, moment = _way(kind), _moment(call)
        reset = _reset(call, {**(live or {}), **config})
        obj, found = managers.applied(live, config, stored, by, moment, way, force=call.force, blank=blank, reset=reset)
    except managers.Conflicts as conflicts:
        raise statuses.StatusError(409, "Conflict", conflicts.message, {"causes": conflicts.causes}) from None
    except UnknownField as problem:
        meta = config["metadata"]
        what = f"{meta.get('namespace') or ''}/{meta.get('name') or ''}; {group_version_kind(kind)}"
        text = f"failed to create typed patch object ({what}): {problem}"
        raise statuses.StatusError(500, "", text) from None
    unchanged = live is not None and found == stored
    entries = live["metadata"].get("managedFields") if unchanged and live is not None else managers.written(found)
    if entries:
        obj["metadata"]["managedFields"] = entries
    return obj


def group_version_kind(kind: Kind) -> str:
    """As Go prints it: the group may be empty."""
    return f"{kind.group}/{kind.version}, Kind={kind.kind}"
