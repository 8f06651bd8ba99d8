"""Values taken apart and put together by their way of merging: sets, comparison, merge, removal.

Source: structured-merge-diff, typed/{tofieldset,compare,merge,remove}.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kube46.apiserver.managedfields.merging import ABSENT, LEAF
from kube46.apiserver.managedfields.sets import MEMBER, Set, element_text, leaf, union
from kube46.apiserver.patching_strategic import go_value
from kube46.apiserver.told_empty import MARKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kube46.apiserver.managedfields.merging import Merging


class UnknownField(Exception):
    """A value has a field, or an item, that its type does not allow; `path` and `problem` say where and what."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


class Comparison(NamedTuple):
    """The paths in which two values differ."""

    removed: Set
    modified: Set
    added: Set


def set_of(value: Any, way: Merging, path: str = "") -> Set:
    """The paths that somebody owns who applies this value: leaves, items, empty objects. Raises UnknownField."""
    found: Set = {}
    _check(value, way, path)
    for element, inner, below, named in parts(value, way, path):
        if element in found:
            raise UnknownField(path, f"duplicate entries for key {element_text(element)}")
        _check(inner, below, f"{path}{named}")
        node = set_of(inner, below, f"{path}{named}") if below.of(inner) != "leaf" else leaf()
        if inner == {} or element[:2] != "f:" or way.how != "struct":
            node[MEMBER] = True
        if node:
            found[element] = node
    return found


def _check(value: Any, way: Merging, path: str) -> None:
    """Refuse a scalar, or a list, where an object belongs, and the other way round."""
    wanted = {"struct": dict, "map": dict, "keyed": list, "set": list}.get(way.how)
    if wanted is not None and value is not None and not isinstance(value, wanted):
        raise UnknownField(path, f"expected {'map' if wanted is dict else 'list'}, got &{{{go_value(value)}}}")


def parts(value: Any, way: Merging, path: str = "") -> Iterator[tuple[str, Any, Merging, str]]:
    """The parts of a value that is no leaf: path element, value, way, and the element as texts print it."""
    if way.of(value) == "map":
        for name, inner in value.items():
            below = way.below(name)
            if below is None:
                raise UnknownField(f"{path}.{name}", "field not declared in schema")
            yield f"f:{name}", inner, below, f".{name}"
        return
    assert way.item is not None
    for index, item in enumerate(value):
        try:
            yield way.element(item), item, way.item, f"[{index}]"
        except ValueError as problem:
            raise UnknownField(f"{path}[{index}]", str(problem)) from None


def compare(old: Any, new: Any, way: Merging) -> Comparison:
    """What changed from one object to another."""
    removed: Set = {}
    modified: Set = {}
    added: Set = {}
    if isinstance(old, dict) and isinstance(new, dict):  # most of an object stays: what does is not taken apart
        same = {name for name, inner in new.items() if not isinstance(inner, MARKS) and old.get(name, ABSENT) == inner}
        old, new = ({name: inner for name, inner in obj.items() if name not in same} for obj in (old, new))
    before, after = _by_element(old, way), _by_element(new, way)
    for element in before.keys() | after.keys():
        was, is_, below = _pair(before.get(element), after.get(element))
        if was is ABSENT and is_ is ABSENT:
            continue
        if isinstance(was, Repeated) is not isinstance(is_, Repeated) and ABSENT not in (was, is_):
            assert way.item is not None
            added[element] = everything(is_, way.item)
            removed[element] = everything(was, way.item)
        elif was is ABSENT:
            added[element] = everything(is_, below)
        elif is_ is ABSENT:
            removed[element] = everything(was, below)
        elif was != is_:
            if _is_leaf(was, is_, below):
                if _said(was) != _said(is_):
                    modified[element] = leaf()
                continue
            for found, inner in zip((removed, modified, added), compare(was, is_, below), strict=True):
                if inner:
                    found[element] = inner
    return Comparison(removed, modified, added)


def _is_leaf(was: Any, is_: Any, way: Merging) -> bool:
    """Whether two values differ as a whole: null for an object or list is one with nothing in it."""
    if was is None or is_ is None:
        return not (was or is_) or way.how == "deduced" or way.of(is_ if was is None else was) == "leaf"
    how = way.of(was)
    return how == "leaf" or way.of(is_) != how


def _said(value: Any) -> Any:
    """An object without members that Go leaves out; lists are compared to the last."""
    if not isinstance(value, dict):
        return value
    return {name: _said(inner) for name, inner in value.items() if not isinstance(inner, MARKS)}


class Repeated(list[Any]):
    """Items of one list with the same keys: they are owned together, as one leaf."""


def _by_element(value: Any, way: Merging) -> dict[str, tuple[Any, Merging]]:
    if value is None:
        return {}
    found: dict[str, tuple[Any, Merging]] = {}
    for element, inner, below, _ in parts(value, way):
        if isinstance(inner, MARKS):
            continue
        if element in found:
            before = found[element][0]
            found[element] = Repeated([*(before if isinstance(before, Repeated) else [before]), inner]), LEAF
        else:
            found[element] = inner, below
    return found


def _pair(was: tuple[Any, Merging] | None, is_: tuple[Any, Merging] | None) -> tuple[Any, Any, Merging]:
    """Both values and their way; what Go always writes is never absent."""
    below = (was or is_ or (None, None))[1]
    assert below is not None
    return below.absent if was is None else was[0], below.absent if is_ is None else is_[0], below


def everything(value: Any, way: Merging) -> Set:
    """Every path of a value, containers included."""
    found = leaf()
    if not isinstance(value, Repeated) and way.of(value) != "leaf":
        for element, (inner, below) in _by_element(value, way).items():
            found[element] = everything(inner, below)
    return found


def merge(live: Any, config: Any, way: Merging) -> Any:
    """The live value with what the config says: leaves replaced, objects and lists of items merged."""
    how = way.of(config)
    if config is None and way.how not in ("leaf", "deduced"):
        return live or None  # an object or list that is null says nothing of what is in it
    if how == "leaf" or way.of(live) != how:
        return config
    if how == "map":
        merged = dict(live)
        for name, inner in config.items():
            below = way.below(name)
            assert below is not None  # the config was taken apart before
            merged[name] = merge(live[name], inner, below) if name in live else inner
        return merged
    return _merged_items(live, config, way)


def _merged_items(live: list[Any], config: list[Any], way: Merging) -> list[Any]:
    """Items in the order of the config, those that only the live list has where they stood among the others."""
    assert way.item is not None
    wanted = {way.element(item): item for item in config}
    found: list[Any] = []
    waiting = list(wanted)
    for item in live:
        element = way.element(item)
        if element not in wanted:
            found.append(item)
            continue
        if element in waiting:  # all that the config has before it come first
            place = waiting.index(element)
            found += [_merged(way, live, name, wanted[name]) for name in waiting[: place + 1]]
            waiting = waiting[place + 1 :]
    return found + [_merged(way, live, name, wanted[name]) for name in waiting]


def _merged(way: Merging, live: list[Any], element: str, item: Any) -> Any:
    assert way.item is not None
    same = [other for other in live if way.element(other) == element]
    return merge(same[0], item, way.item) if len(same) == 1 else item  # repeated ones are replaced


def without(value: Any, gone: Set, way: Merging) -> Any:
    """The value less the fields and items of a set; a member goes with all that is below it.

    An object or list of which nothing is left becomes null (removingWalker).
    """
    if not gone or way.of(value) == "leaf":
        return value
    kept = [
        (inner, without(inner, gone.get(element, {}), below), named)
        for element, inner, below, named in parts(value, way)
        if MEMBER not in gone.get(element, {})
    ]
    if way.of(value) == "map":
        return {named[1:]: inner for _, inner, named in kept} or None
    return [inner for _, inner, _ in kept] or None


def joined(sets: list[Set]) -> Set:
    """The union of many."""
    found: Set = {}
    for one in sets:
        found = union(found, one)
    return found
