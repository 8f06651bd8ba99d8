"""What a mutation's expression has returned, applied to an object: an apply configuration merged, a JSON patch.

Source: apiserver pkg/admission/plugin/policy/mutating/patch/{smd,json_patch}.go, pkg/cel/mutation/dynamic/objects.go.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kube46.apiserver.customresources.kinds import CustomKind
from kube46.apiserver.expressions.functions import TYPE
from kube46.apiserver.managedfields import merging, typed, values
from kube46.apiserver.patching_json import PatchProblem, TooLarge, json_patch
from kube46.apiserver.transactions import copied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kube46.apiserver.managedfields.merging import Merging

Object = dict[str, Any]


class MutationProblem(Exception):
    """A mutation can't be applied; the text is upstream's."""


def applied(obj: Object, found: Any, kind: Any) -> Object:
    """The object with an apply configuration merged into it; `kind` is the row of the object's kind."""
    _check_types(found)
    config = {**plain(found), "apiVersion": obj["apiVersion"], "kind": obj["kind"]}
    group, _, version = str(obj["apiVersion"]).rpartition("/")
    custom = isinstance(kind, CustomKind)
    wrong = "" if custom else typed.problem(config, group, version, obj["kind"])
    way = kind.merging if custom else merging.of_kind(group, version, obj["kind"])
    try:
        values.set_of(config, way)
    except values.UnknownField as problem:
        wrong = wrong or str(problem)
    if wrong:
        raise MutationProblem(f"error applying patch: failed to convert patch object to typed object: {wrong}")
    if whole := list(_atomic(config, way, "")):
        text = f"may not mutate atomic arrays, maps or structs: {', '.join(whole)}"
        raise MutationProblem(f"error applying patch: invalid ApplyConfiguration: {text}")
    merged: Object = values.merge(obj, config, way)
    return merged


def _atomic(value: Any, way: Merging, path: str) -> Iterator[str]:
    """The places of all that would be replaced as a whole, though the config might mean a part of it."""
    if way.how == "deduced":
        return
    if way.how == "leaf" or (isinstance(value, list) and way.item is None):
        if isinstance(value, (dict, list)):
            yield path
        return
    if isinstance(value, dict) and way.how == "struct":
        for name, inner in value.items():
            if (below := way.below(name)) is not None:
                yield from _atomic(inner, below, f"{path}.{name}")
    elif isinstance(value, list) and way.item is not None:
        for index, inner in enumerate(value):
            yield from _atomic(inner, way.item, f"{path}[{index}]")


def patched(obj: Object, found: Any) -> Object:
    """The object after a JSON patch; as it was, when an operation `test` fails."""
    operations = []
    for one in found:
        operation = {name: one[name] for name in ("op", "path") if name in one}
        operation = {"op": operation.get("op", ""), "path": operation.get("path", "")}
        if one.get("from"):
            operation["from"] = one["from"]
        if "value" in one:
            if isinstance(one["value"], dict) and TYPE in one["value"]:
                _check_types(one["value"])
            operation["value"] = plain(one["value"])
        operations.append(operation)
    try:
        made: Object = json_patch(copied(obj), operations)
    except TooLarge as problem:
        raise MutationProblem(f"JSON Patch: {problem}") from None
    except PatchProblem as problem:
        if str(problem).endswith("test failed"):
            return obj
        raise MutationProblem(f"JSON Patch: {problem}") from None
    return made


def plain(value: Any) -> Any:
    """A value of the evaluator as JSON; constructed objects forget their types."""
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items() if name != TYPE}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    return value


def _check_types(found: Any) -> None:
    """Refuse an object that stands where one of another type belongs: `Object.spec` is that of the field `spec`."""
    if wrong := list(_misplaced(found, found[TYPE])):
        raise MutationProblem(f"type mismatch: {chr(10).join(wrong)}")


def _misplaced(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, dict) and TYPE in value:
        if value[TYPE] != place:
            text = f'unexpected type name "{value[TYPE]}", expected "{place}"'
            yield f"{text}, which matches field name path from root Object type"
        for name, inner in value.items():
            if name != TYPE:
                yield from _misplaced(inner, f"{place}.{name}")
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _misplaced(inner, place)
