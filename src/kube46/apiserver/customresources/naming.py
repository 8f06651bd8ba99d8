"""Which of the names that a definition asks for it gets: those that no other definition of its group has.

Source: apiextensions-apiserver pkg/controller/status/naming_controller.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api.errors import go_quote

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Object = dict[str, Any]
SCALARS = (("plural", "PluralConflict"), ("singular", "SingularConflict"))
KINDS = (("kind", "KindConflict"), ("listKind", "ListKindConflict"))


def decide(definition: Object, others: Iterable[Object], now: str) -> Object:
    """The status of a definition among the others of its group: accepted names and conditions."""
    others = list(others)
    status = definition.get("status") or {}
    wanted, held = definition["spec"]["names"], status.get("acceptedNames") or {}
    resources = {name for one in others for name in _resources(one)}
    kinds = {_accepted(one).get(name, "") for one in others for name, _ in KINDS} - {""}
    accepted, reason, message = dict(held), "", ""
    for name, conflict in SCALARS:
        if problem := _taken(wanted.get(name, ""), held.get(name, ""), resources):
            reason, message = conflict, problem
        else:
            accepted[name] = wanted.get(name, "")
    short = [name for name in wanted.get("shortNames") or () if name not in (held.get("shortNames") or ())]
    if clashes := [problem for name in short if (problem := _taken(name, "", resources))]:
        reason, message = "ShortNamesConflict", clashes[0] if len(clashes) == 1 else f"[{', '.join(clashes)}]"
    else:
        accepted["shortNames"] = wanted.get("shortNames") or []
    for name, conflict in KINDS:
        if problem := _taken(wanted.get(name, ""), held.get(name, ""), kinds):
            reason, message = conflict, problem
        else:
            accepted[name] = wanted.get(name, "")
    accepted["categories"] = wanted.get("categories") or []
    accepted.setdefault("plural", "")
    accepted.setdefault("kind", "")
    names = {name: value for name, value in accepted.items() if value or name in ("plural", "kind")}
    conditions = list(status.get("conditions") or [])
    free = ("True", "NoConflicts", "no conflicts found")
    conditions = with_condition(conditions, "NamesAccepted", *(("False", reason, message) if reason else free), now)
    conditions = _established(conditions, not reason, now)
    return {**status, "acceptedNames": names, "conditions": conditions}


def _established(conditions: list[Object], accepted: bool, now: str) -> list[Object]:
    """Once established, for ever."""
    if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
        return conditions
    if accepted:
        text = "the initial names have been accepted"
        return with_condition(conditions, "Established", "True", "InitialNamesAccepted", text, now)
    return with_condition(conditions, "Established", "False", "NotAccepted", "not all names are accepted", now)


def with_condition(
    conditions: Iterable[Object], name: str, status: str, reason: str, message: str, now: str
) -> list[Object]:
    """The conditions with one of them set; its time changes with its status only."""
    found = list(conditions)
    old = next((c for c in found if c["type"] == name), None)
    since = old["lastTransitionTime"] if old is not None and old["status"] == status else now
    new = {"type": name, "status": status, "lastTransitionTime": since, "reason": reason, "message": message}
    return [new if c["type"] == name else c for c in found] if old is not None else [*found, new]


def _accepted(definition: Object) -> Object:
    return (definition.get("status") or {}).get("acceptedNames") or {}


def _resources(definition: Object) -> set[str]:
    names = _accepted(definition)
    return {names.get("plural", ""), names.get("singular", ""), *(names.get("shortNames") or ())} - {""}


def _taken(name: str, held: str, used: Collection[str]) -> str:
    return f"{go_quote(name)} is already in use" if name != held and name in used else ""
