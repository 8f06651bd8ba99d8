"""What a client says: steps made of edits, independent of the server they are sent to."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

Json = Any
JSON, MERGE = "application/json", "application/merge-patch+json"
STRATEGIC, POINTERS = "application/strategic-merge-patch+json", "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


class Removed(Enum):
    """The value of an edit that takes a field away."""

    REMOVED = "removed"


REMOVED = Removed.REMOVED


@dataclass(frozen=True, slots=True)
class Edit:
    """Set one field, or remove it; in a JSON Patch, maybe by another operation."""

    path: tuple[str | int, ...]
    value: Json
    operation: str = "add"

    @property
    def pointer(self) -> str:
        """The field's RFC 6901 JSON Pointer."""
        return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in self.path)

    def __str__(self) -> str:
        how = "" if self.operation == "add" else f" ({self.operation})"
        return f"{self.pointer} {'removed' if self.value is REMOVED else '= ' + json.dumps(self.value)}{how}"


@dataclass(frozen=True, slots=True)
class Step:
    """One request; its body is `base` with `edits` done to it.

    `base` None: no body. `last`: the base is instead what the server last showed of the object at this path.
    A JSON Patch's body is the edits themselves; in a merge patch a removed field is null.
    """

    method: str
    path: str
    base: Json = None
    edits: tuple[Edit, ...] = ()
    last: str = ""
    form: str = JSON
    accept: str = JSON

    def body(self, seen: dict[str, Json]) -> Json:
        """What is sent, given what the server has shown so far."""
        if self.form == POINTERS:
            return [_operation(edit) for edit in self.edits]
        base = seen.get(self.last, self.base) if self.last else self.base
        if base is None:
            return None
        result = _in_order(base) if self.last else copy.deepcopy(base)
        for edit in self.edits:
            set_field(result, edit, null=self.form in (MERGE, STRATEGIC))
        return result

    def __str__(self) -> str:
        lines = [f"{self.method} {self.path}{'' if self.form == JSON else '  ' + self.form}"]
        if self.accept != JSON:
            lines[0] += f"  Accept: {self.accept}"
        if self.last:
            lines.append(f"  as last seen at {self.last}, but for")
        if self.base is not None and not self.last:
            lines.append(f"  {json.dumps(self.base)}")
        return "\n".join([*lines, *(f"  {edit}" for edit in self.edits)])


def _in_order(value: Json) -> Json:
    """A copy with members by name: of two errors Go tells the first in the text, and servers' texts differ in order."""
    if isinstance(value, dict):
        return {name: _in_order(value[name]) for name in sorted(value)}
    return [_in_order(inner) for inner in value] if isinstance(value, list) else value


def _operation(edit: Edit) -> Json:
    if edit.value is REMOVED:
        return {"op": "remove", "path": edit.pointer}
    if edit.operation in ("move", "copy"):
        return {"op": edit.operation, "from": edit.value, "path": edit.pointer}
    return {"op": edit.operation, "path": edit.pointer, "value": edit.value}


def set_field(document: Json, edit: Edit, *, null: bool = False) -> None:
    """Do an edit as far as the document lets it: parents are made, an index beyond the end appends."""
    *parents, last = edit.path
    node = document
    for part, after in zip(parents, edit.path[1:], strict=True):
        fresh: Json = [] if isinstance(after, int) else {}
        if isinstance(node, list) and isinstance(part, int):
            if part >= len(node):
                node.append(fresh)
                part = len(node) - 1
        elif isinstance(node, dict) and isinstance(part, str):
            if not isinstance(node.get(part), (dict, list)):
                node[part] = fresh
        else:
            return
        node = node[part]
    _set(node, last, edit.value, null=null)


def _set(node: Json, key: str | int, value: Json, *, null: bool) -> None:
    value = value if value is REMOVED else copy.deepcopy(value)  # a later edit may go into it
    if isinstance(node, list) and isinstance(key, int):
        if value is REMOVED:
            del node[key : key + 1]
        elif key < len(node):
            node[key] = value
        else:
            node.append(value)
    elif isinstance(node, dict) and isinstance(key, str):
        if value is not REMOVED or null:
            node[key] = None if value is REMOVED else value
        else:
            node.pop(key, None)


@dataclass(frozen=True, slots=True)
class Conversation:
    """Steps about the objects of one topic, with servers of one setting of --service-cluster-ip-range."""

    topic: str
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return "\n".join(f"{number}. {step}" for number, step in enumerate(self.steps, 1))
