"""Strategic merge patch: a merge patch that knows which lists are maps, by the merge keys of the kind's type.

Source: apimachinery pkg/util/strategicpatch/patch.go (StrategicMergeMapPatch); texts of pkg/util/mergepatch/errors.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.apiserver.patching_json import same
from kube46.apiserver.schemas import Schemas, Shape

if TYPE_CHECKING:
    from kube46.apiserver.schemas import Field, Type

DIRECTIVE, RETAIN = "$patch", "$retainKeys"
DELETE_FROM, ORDER = "$deleteFromPrimitiveList", "$setElementOrder"
BAD_RETAIN = "invalid patch format of retainKeys"
BAD_ORDER = "invalid patch format of setElementOrder list"
BAD_PRIMITIVE = "invalid patch format of primitive list"
GO_TYPES = {
    dict: "map[string]interface {}",
    list: "[]interface {}",
    str: "string",
    bool: "bool",
    int: "int64",
    float: "float64",
}


class BadPatch(Exception):
    """A patch that cannot be applied. `malformed` ones are 400; the others, which do not fit the type, are 422."""

    def __init__(self, text: str, *, malformed: bool = False) -> None:
        super().__init__(text)
        self.malformed = malformed


def strategic_merge_patch(document: dict[str, Any], patch: dict[str, Any], schema: Type) -> dict[str, Any]:
    """The document with the patch merged in; both are changed in place, as upstream does. Raises BadPatch.

    What is left of the patch (without directives and nulls that were carried out) is shown when the result is no object
    of the type.
    """
    return _merge_map(document, patch, schema)


def go_value(value: Any) -> str:
    """A value as Go's `%v` prints it: `map[a:1 b:[x y]]`."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{name}:{go_value(value[name])}" for name in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(go_value, value)) + "]"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}" if abs(value) >= 1e21 else str(int(value)) if value == int(value) else repr(value)
    return str(value)


def _field(schema: Type | Shape, name: str) -> Field:
    """The field a key of the patch means; raises BadPatch for keys the type does not have."""
    if isinstance(schema, Shape):
        kind = {"list": "slice", "any": "interface"}.get(schema.kind, schema.kind)
        raise BadPatch(f"merging an object in json but data type is not struct, instead is: {kind}")
    found = schema.fields.get(name)
    if found is None:
        found = next((field for key, field in schema.fields.items() if key.lower() == name.lower()), None)
    if found is None:
        raise BadPatch(f"unable to find api field in struct {schema.short} for the json field {_quoted(name)}")
    return found


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _struct(shape: Shape) -> Type | Shape:
    """What a shape's members are looked up in."""
    return Schemas.load().type(shape.ref) if shape.kind == "struct" else shape


def _strategy(field: Field) -> str:
    strategies = [s for s in field.patch_strategy.split(",") if s != "retainKeys"]
    return strategies[0] if strategies else ""


def _slice(schema: Type | Shape, name: str) -> tuple[Type | Shape, Field]:
    field = _field(schema, name)
    if field.shape.kind == "bytes" or field.shape.item is None or field.shape.kind != "list":
        raise BadPatch("expected slice or array type, but got: struct")
    return _struct(field.shape.item), field


def _merge_map(original: dict[str, Any], patch: dict[str, Any], schema: Type | Shape) -> dict[str, Any]:
    if DIRECTIVE in patch:
        return _directed(patch)
    _retain_keys(original, patch)
    _apply_orders(original, patch, schema)
    for key, value in patch.items():
        deleting, name = key.startswith(DELETE_FROM), key
        if deleting:
            name = _after(key, DELETE_FROM, BAD_PRIMITIVE)
        if value is None:
            original.pop(name, None)
            continue
        if name not in original or type(original[name]) is not type(value):
            if not deleting:
                _take(original, name, value)
            continue
        if isinstance(value, dict):
            field = _field(schema, name)
            if _strategy(field) == "replace":
                original[name] = value
            else:
                original[name] = _merge_map(original[name], value, _struct(field.shape))
        elif isinstance(value, list):
            element, field = _slice(schema, name)
            original[name] = _merge_list(original[name], value, element, field, deleting)
        else:
            original[name] = value
    return original


def _directed(patch: dict[str, Any]) -> dict[str, Any]:
    """`$patch: replace` takes the rest of the patch as it is, `$patch: delete` leaves an empty map."""
    directive = patch[DIRECTIVE]
    if directive == "replace":
        del patch[DIRECTIVE]
        return patch
    if directive == "delete":
        return {}
    raise _unknown(directive, patch)


def _unknown(directive: Any, patch: dict[str, Any]) -> BadPatch:
    return BadPatch(f"unknown patch type: {_go_string(directive)} in map: {go_value(patch)}")


def _go_string(value: Any) -> str:
    """A value as Go's `%s` prints it, which is for texts: `%!s(int64=7)`."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{name}:{_go_string(value[name])}" for name in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(_go_string, value)) + "]"
    if value is None:
        return "%!s(<nil>)"
    return value if isinstance(value, str) else f"%!s({GO_TYPES[type(value)]}={go_value(value)})"


def _take(original: dict[str, Any], name: str, value: Any) -> None:
    """A value that nothing is there to be merged with: without nulls and without directives."""
    _drop_nulls(value)
    kept, value = _without_directives(value)
    if kept:
        original[name] = value
    else:
        original.pop(name, None)


def _drop_nulls(value: Any) -> None:
    if isinstance(value, dict):
        for name in [name for name, inner in value.items() if inner is None]:
            del value[name]
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _drop_nulls(inner)


def _without_directives(value: Any) -> tuple[bool, Any]:
    """Whether a value stays, and what of it: maps are changed in place, lists are made anew."""
    if isinstance(value, dict):
        if DIRECTIVE in value:
            return False, None
        for name, inner in list(value.items()):
            kept, value[name] = _without_directives(inner)
            if not kept:
                del value[name]
        return True, value
    if isinstance(value, list):
        return True, [inner for kept, inner in map(_without_directives, value) if kept]
    return True, value


def _after(key: str, prefix: str, problem: str) -> str:
    head, slash, name = key.partition("/")
    if head != prefix or not slash:
        raise BadPatch(problem, malformed=True)
    return name


def _retain_keys(original: dict[str, Any], patch: dict[str, Any]) -> None:
    """`$retainKeys` names the only members that stay."""
    if RETAIN not in patch:
        return
    retained = patch.pop(RETAIN)
    if not isinstance(retained, list):
        raise BadPatch(BAD_RETAIN, malformed=True)
    for key, value in patch.items():
        if value is not None and not key.startswith((DELETE_FROM, ORDER)) and key not in retained:
            raise BadPatch(BAD_RETAIN, malformed=True)
    for key in [key for key in original if key not in retained]:
        del original[key]


# lists


def _apply_orders(original: dict[str, Any], patch: dict[str, Any], schema: Type | Shape) -> None:
    """`$setElementOrder/x`: merges list x now, and puts the elements it names in its order."""
    for key in [key for key in patch if key.startswith(ORDER)]:
        order = patch.pop(key)
        if not isinstance(order, list):
            raise BadPatch(_bad_argument("[]interface {}", order))
        name = _after(key, ORDER, BAD_ORDER)
        current, changes = original.get(name), patch.get(name)
        for value, present in ((current, name in original), (changes, name in patch)):
            if present and not isinstance(value, list):
                raise BadPatch(_bad_argument("[]interface {}", value))
        element, field = _slice(schema, name)
        _check_order(changes or [], order, field.merge_key)
        if current is None and changes is None:
            continue
        if changes is None:
            merged = current
        elif current is None:
            merged = _without_directives(changes)[1]
        else:
            merged = _merge_list(current, changes, element, field, False)
        assert merged is not None
        named, others = _partition(merged, order, field.merge_key)
        maps = _element_type(current or [], changes or []) is dict
        original[name] = _in_order(named, others, order, current or [], field.merge_key, maps)
        patch.pop(name, None)


def _check_order(changes: list[Any], order: list[Any], merge_key: str) -> None:
    """The patch's elements must be among those the order names, and in that order."""
    if not order or not changes:
        return
    left = [c for c in changes if not (isinstance(c, dict) and c.get(DIRECTIVE) == "delete")] if merge_key else changes
    at = position = 0
    while at < len(left) and position < len(order):
        change = left[at]
        if isinstance(change, dict) and DIRECTIVE in change:
            at += 1
            continue
        at += same(_key(change, merge_key), _key(order[position], merge_key))
        position += 1
    if at < len(left) and position >= len(order):
        text = f"The order in patch list:\n{go_value(changes)}\n doesn't match {ORDER} list:\n{go_value(order)}\n"
        raise BadPatch(text)


def _key(element: Any, merge_key: str) -> Any:
    """What identifies an element: its merge key's value, or itself."""
    if not merge_key:
        return element
    if not isinstance(element, dict):
        raise BadPatch(_bad_argument("map[string]interface {}", element))
    if merge_key not in element:
        raise BadPatch(f"map: {go_value(element)} does not contain declared merge key: {merge_key}")
    return element[merge_key]


def _bad_argument(expected: str, got: Any) -> str:
    return f"expected a {expected}, but received a {GO_TYPES.get(type(got), '%!s(<nil>)')}"


def _element_type(*lists: list[Any]) -> type:
    """The one type of all elements; raises BadPatch for a mixture, lists in lists, or no element at all."""
    kinds = [type(element) for elements in lists for element in elements]
    if not kinds:
        raise BadPatch("no elements in any of the given slices")
    if kinds[0] is list:
        raise BadPatch("lists of lists are not supported")
    if any(kind is not kinds[0] for kind in kinds):
        raise BadPatch(f"list element types are not identical: {' '.join(map(go_value, lists)).join('[]')}")
    return kinds[0]


def _merge_list(
    original: list[Any], patch: list[Any], element: Type | Shape, field: Field, deleting: bool
) -> list[Any]:
    if _strategy(field) != "merge" and not deleting:
        return patch
    if not original and not patch:
        return original
    maps = _element_type(original, patch) is dict
    if not maps:
        if deleting:
            return [value for value in original if not _contains(patch, value)]
        merged = _distinct(original + patch)
    else:
        if not field.merge_key:
            raise BadPatch("cannot merge lists without merge key for struct")
        kept, patch = _special(original, patch, field.merge_key)
        merged = _merge_elements(list(kept), patch, field.merge_key, element)
        _overwrite(original, kept, merged)
        original = kept
    named, others = _partition(merged, patch, field.merge_key)
    return _in_order(named, others, patch, original, field.merge_key, maps)


def _contains(values: list[Any], wanted: Any) -> bool:
    return any(same(value, wanted) for value in values)


def _distinct(values: list[Any]) -> list[Any]:
    """Each value once. Go fills a gap with the last value; the order is restored afterwards anyway."""
    values = list(values)
    at = 0
    while at < len(values):
        other = at + 1
        while other < len(values):
            if same(values[at], values[other]):
                values[other] = values[-1]
                values.pop()
            else:
                other += 1
        at += 1
    return values


def _special(original: list[Any], patch: list[Any], merge_key: str) -> tuple[list[Any], list[Any]]:
    """Carries out the elements of a patch that are directives; returns what is left of both lists.

    Upstream deletes by moving the elements behind, within the same array, and the list keeps its length: `original` is
    changed in that way, for the order of the merged list is taken from it afterwards.
    """
    plain, replace, size = [], False, len(original)
    for change in patch:
        directive = change.get(DIRECTIVE)
        if DIRECTIVE not in change:
            plain.append(change)
        elif directive == "delete":
            wanted = _key(change, merge_key)
            for at in reversed(range(size)):
                if merge_key in original[at] and same(original[at][merge_key], wanted):
                    original[at : size - 1] = original[at + 1 : size]
                    size -= 1
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise BadPatch("merging lists cannot yet be specified in the patch")
        else:
            raise _unknown(directive, change)
    return (plain, []) if replace else (original[:size], plain)


def _overwrite(original: list[Any], kept: list[Any], merged: list[Any]) -> None:
    """New elements take the places in the array that deleted ones have left."""
    for at in range(len(kept), min(len(merged), len(original))):
        original[at] = merged[at]


def _merge_elements(original: list[Any], patch: list[Any], merge_key: str, element: Type | Shape) -> list[Any]:
    for change in patch:
        at = _index(original, change, merge_key) if _key(change, merge_key) is not None or merge_key in change else -1
        if at < 0:
            original.append(change)
        else:
            original[at] = _merge_map(original[at], change, element)
    return original


def _index(elements: list[Any], wanted: Any, merge_key: str) -> int:
    value = wanted.get(merge_key) if merge_key and isinstance(wanted, dict) else wanted
    for at, element in enumerate(elements):
        if same(element.get(merge_key) if merge_key and isinstance(element, dict) else element, value):
            return at
    return -1


def _partition(merged: list[Any], by: list[Any], merge_key: str) -> tuple[list[Any], list[Any]]:
    """Elements that the patch names, and those only the server has."""
    named: list[Any] = []
    others: list[Any] = []
    for element in merged:
        _key(element, merge_key)
        (named if _index(by, element, merge_key) >= 0 else others).append(element)
    return named, others


def _in_order(
    named: list[Any], others: list[Any], patch_order: list[Any], server_order: list[Any], merge_key: str, maps: bool
) -> list[Any]:
    """The patch's order for what it names, the server's for the rest, interleaved by the server's as well as can be."""
    if maps:
        for element in (*named, *patch_order, *server_order, *others):
            _key(element, merge_key)
    named = sorted(named, key=lambda e: _index(patch_order, e, merge_key))
    others = sorted(others, key=lambda e: _index(server_order, e, merge_key))
    merged: list[Any] = []
    left = right = 0
    while left < len(others) and right < len(named):
        first, second = _index(server_order, others[left], merge_key), _index(server_order, named[right], merge_key)
        if 0 <= first < second:
            merged.append(others[left])
            left += 1
        else:
            merged.append(named[right])
            right += 1
    return merged + others[left:] + named[right:]
