"""The managers of an object and their fields: what a write makes of them, and server-side apply.

Everything here is pure: objects in, objects and entries out. Source: KEP-555; structured-merge-diff merge/update.go;
apimachinery managedfields/internal (strip meta, cap managers, manager identifiers).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kube46.api.errors import go_quote
from kube46.apiserver.managedfields import clientside, sets
from kube46.apiserver.managedfields.sets import MEMBER, Set
from kube46.apiserver.managedfields.values import UnknownField, compare, joined, merge, set_of, without

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kube46.apiserver.managedfields.merging import Merging

Object = dict[str, Any]
APPLY, UPDATE = "Apply", "Update"
MOST_UPDATERS = 10  # older ones become one, called ANCIENT
ANCIENT = "ancient-changes"
BEFORE_FIRST_APPLY = "before-first-apply"
IDENTITY = (
    "creationTimestamp",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
)
NEVER_OWNED: Set = {
    "f:apiVersion": sets.leaf(),
    "f:kind": sets.leaf(),
    "f:metadata": {MEMBER: True, **{f"f:{name}": sets.leaf() for name in IDENTITY}},
}


@dataclass(frozen=True, slots=True)
class Manager:
    """Who writes: entries of the same manager are one."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    def __str__(self) -> str:
        """As conflicts name it."""
        where = f' with subresource "{self.subresource}"' if self.subresource else ""
        using = f" using {self.api_version}" if self.operation == UPDATE else ""
        return f"{go_quote(self.name)}{where}{using}"


@dataclass(frozen=True, slots=True)
class Owned:
    """A manager's fields and when it last wrote."""

    fields: Set
    time: str = ""


Managers = dict[Manager, Owned]


class Conflicts(Exception):
    """An apply would change fields of other managers: manager → paths."""

    def __init__(self, found: dict[Manager, tuple[str, ...]]) -> None:
        super().__init__(found)
        self.found = found

    @property
    def message(self) -> str:
        """Upstream's text, by manager when there are several (managedfields/internal/conflict.go)."""
        count = sum(map(len, self.found.values()))
        if count == 1:
            ((manager, (path,)),) = self.found.items()
            return f"Apply failed with 1 conflict: conflict with {manager}: {path}"
        texts = [f"conflicts with {manager}:\n" + "\n".join(f"- {path}" for path in p) for manager, p in self._sorted()]
        return f"Apply failed with {count} conflicts: " + "\n".join(texts)

    def _sorted(self) -> list[tuple[Manager, tuple[str, ...]]]:
        return sorted(self.found.items(), key=lambda item: str(item[0]))

    @property
    def causes(self) -> list[dict[str, str]]:
        """One a path."""
        return [
            {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": path}
            for manager, paths in self._sorted()
            for path in paths
        ]


def read(entries: Iterable[Object]) -> Managers:
    """The managers of `metadata.managedFields`; raises ValueError for entries that are none.

    Of two entries of one manager the later counts.
    """
    found: Managers = {}
    for entry in entries:
        if entry.get("operation") not in (APPLY, UPDATE) or entry.get("fieldsType") != "FieldsV1":
            raise ValueError(entry.get("operation"))
        if not entry.get("apiVersion"):
            raise ValueError("apiVersion")
        manager = Manager(
            entry.get("manager", ""), entry["operation"], entry["apiVersion"], entry.get("subresource", "")
        )
        fields = sets.from_json({} if entry.get("fieldsV1") is None else entry["fieldsV1"])
        found[manager] = Owned(sets.difference(fields, sets.leaf()), entry.get("time") or "")
    return found


def written(managers: Managers) -> list[Object]:
    """`metadata.managedFields`, in upstream's order: applies first, then by time and name."""

    def order(item: tuple[Manager, Owned]) -> tuple[bool, str, str, str, str]:
        manager, owned = item
        return manager.operation != APPLY, owned.time, manager.name, manager.api_version, manager.subresource

    return [
        {
            **({"manager": manager.name} if manager.name else {}),
            "operation": manager.operation, "apiVersion": manager.api_version,
            **({"time": owned.time} if owned.time else {}), "fieldsType": "FieldsV1",
            "fieldsV1": sets.to_json(owned.fields),
            **({"subresource": manager.subresource} if manager.subresource else {}),
        }
        for manager, owned in sorted(managers.items(), key=order)
    ]  # fmt: skip


def updated(
    live: Object, new: Object, managers: Managers, by: Manager, now: str, way: Merging, reset: Set | None = None
) -> Managers:
    """The managers after `by` has written `new` in place of `live`: what it changed is its own now.

    `reset`: what this kind of write does not change, whatever is sent; nobody owns it for that.
    An object that can't be taken apart keeps the managers it has.
    """
    try:
        changes = compare(_plain(live), _plain(new), way)
    except UnknownField:
        return managers
    changed = _owned(sets.union(changes.modified, changes.added), reset)
    removed = _owned(changes.removed, reset)
    if not changed and not removed:
        return {manager: owned for manager, owned in managers.items() if owned.fields}
    found = _without(managers, by, sets.union(changed, removed))
    own = managers[by].fields if by in managers else {}
    own = sets.union(sets.difference(own, removed), changed)
    if own:
        found[by] = managers[by] if by in managers and managers[by].fields == own and not changed else Owned(own, now)
    return _capped(found)


def applied(
    live: Object | None,
    config: Object,
    managers: Managers,
    by: Manager,
    now: str,
    way: Merging,
    *,
    force: bool,
    blank: Object | None = None,
    reset: Set | None = None,
) -> tuple[Object, Managers]:
    """The object and its managers after an apply; raises Conflicts, unless forced, and UnknownField."""
    config = _plain(config)
    own = _owned(set_of(config, way), reset)
    if live is None:
        return config, {by: Owned(own, now)} if own else {}
    plain = _plain(live)
    if not managers:
        before_all = Manager(BEFORE_FIRST_APPLY, UPDATE, by.api_version, by.subresource)
        managers = updated(blank or {}, live, {}, before_all, now, way, reset)
    others = {manager: owned for manager, owned in managers.items() if manager != by}
    last = managers[by].fields if by in managers else {}
    merged = merge(plain, config, way)
    held = sets.with_parents(joined([own, *(owned.fields for owned in others.values())]))
    gone = sets.difference(sets.with_parents(last), held)
    if "f:metadata" in gone:
        gone["f:metadata"].pop(MEMBER, None)
    merged = without(merged, gone, way)
    changes = compare(plain, merged, way)
    changed = _owned(sets.union(changes.modified, changes.added), reset)
    conflicts = _shared(others, changed)
    if conflicts and not force and by.name == clientside.MANAGER:
        conflicts = _shared(others, sets.difference(changed, clientside.given_up(plain, by.api_version, way)))
    if conflicts and not force:
        raise Conflicts(conflicts)
    found = _without(others, by, sets.union(changed, _owned(changes.removed, reset)))
    if own:  # a manager that changes nothing has no time of its own
        before = managers[by].time if by in managers else ""
        found[by] = Owned(own, before if merged == plain else now)
    return merged, found


def _shared(managers: Managers, fields: Set) -> dict[Manager, tuple[str, ...]]:
    """Which of the fields are whose."""
    pairs = ((manager, sets.intersection(owned.fields, fields)) for manager, owned in managers.items())
    return {manager: tuple(sets.paths(both)) for manager, both in pairs if both}


def _owned(fields: Set, reset: Set | None) -> Set:
    """The fields that somebody may own."""
    return sets.difference(sets.outside(fields, reset) if reset else fields, NEVER_OWNED)


def _plain(obj: Object) -> Object:
    """The object without what says who owns it."""
    meta = {name: value for name, value in obj.get("metadata", {}).items() if name != "managedFields"}
    return {**{name: value for name, value in obj.items() if name not in ("kind", "apiVersion")}, "metadata": meta}


def _without(managers: Managers, by: Manager, fields: Set) -> Managers:
    """The other managers less some fields; who has none left is gone."""
    found: Managers = {}
    for manager, owned in managers.items():
        if manager != by and (rest := sets.difference(owned.fields, fields)):
            found[manager] = owned if rest == owned.fields else replace(owned, fields=rest)
    return found


def _capped(managers: Managers) -> Managers:
    """At most MOST_UPDATERS updating managers: the oldest are one."""
    updaters = sorted((m for m in managers if m.operation == UPDATE), key=lambda m: (managers[m].time, m.name))
    if len(updaters) <= MOST_UPDATERS:
        return managers
    old = updaters[: len(updaters) - MOST_UPDATERS + 1]
    ancient = Manager(ANCIENT, UPDATE, old[0].api_version)
    found = {manager: owned for manager, owned in managers.items() if manager not in old}
    found[ancient] = Owned(joined([managers[manager].fields for manager in old]), managers[old[-1]].time)
    return found
