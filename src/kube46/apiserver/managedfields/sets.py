"""Sets of field paths, as trees of path elements.

An element is written as in FieldsV1: `f:name` (a field or a map's key), `k:{"name":"x"}` (an item of a list by its
keys), `v:"x"` (an item of a set). A path is in the set when its node has the key MEMBER. Nodes are plain dicts, so
union, difference and intersection are recursions of a few lines that cost the size of the trees.

Source: sigs.k8s.io/structured-merge-diff, fieldpath.Set and its serialization.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMBER = "."
REMEMBERED = 4096  # bytes of a FieldsV1; most objects of a kind share theirs
Set = dict[str, Any]  # element → Set, MEMBER → True


def leaf() -> Set:
    """The node of a path that is a member and has no paths below."""
    return {MEMBER: True}


def union(first: Set, second: Set) -> Set:
    """Paths of either."""
    found = dict(first)
    for element, below in second.items():
        found[element] = below if element == MEMBER or element not in found else union(found[element], below)
    return found


def difference(first: Set, second: Set) -> Set:
    """Paths of the first that are not in the second."""
    found: Set = {}
    for element, below in first.items():
        if element not in second:
            found[element] = below
        elif element != MEMBER and (rest := difference(below, second[element])):
            found[element] = rest
    return found


def outside(tree: Set, reset: Set) -> Set:
    """Paths that are neither in another set nor below one of its paths."""
    found: Set = {}
    for element, below in tree.items():
        other = reset.get(element, {})
        if element == MEMBER or not other:
            found[element] = below
        elif MEMBER not in other and (rest := outside(below, other)):
            found[element] = rest
    return found


def intersection(first: Set, second: Set) -> Set:
    """Paths of both."""
    found: Set = {}
    for element, below in first.items():
        if element not in second:
            continue
        if element == MEMBER:
            found[element] = True
        elif rest := intersection(below, second[element]):
            found[element] = rest
    return found


def with_parents(tree: Set) -> Set:
    """The set with every named field that has members below it: such a field goes when all below it go."""
    found: Set = {}
    for element, below in tree.items():
        if element == MEMBER:
            found[element] = True
        else:
            found[element] = with_parents(below)
            if element.startswith("f:"):
                found[element][MEMBER] = True
    return found


def to_json(tree: Set) -> dict[str, Any]:
    """FieldsV1: a member without paths below is `{}`, with paths below it has a key `.`."""
    if tree.keys() == {MEMBER}:
        return {}
    return {element: {} if element == MEMBER else to_json(below) for element, below in sorted(tree.items())}


def from_json(fields: dict[str, Any]) -> Set:
    """A set of FieldsV1; raises ValueError for what is none. Elements of a kind nobody knows are passed over.

    Equal ones give the same set: don't change it.
    """
    encoded = msgspec.json.encode(fields)
    return _remembered(encoded) if len(encoded) <= REMEMBERED else _read(fields)


@lru_cache(maxsize=256)
def _remembered(encoded: bytes) -> Set:
    return _read(msgspec.json.decode(encoded))


def _read(fields: dict[str, Any]) -> Set:
    if not isinstance(fields, dict):
        raise ValueError(fields)
    return {name: node for element, below in fields.items() for name, node in _node(element, below)}


def _node(element: str, below: Any) -> Iterator[tuple[str, Any]]:
    """The element and what is below it, or nothing."""
    if element == MEMBER:
        yield element, True
        return
    if len(element) < 2 or element[1] != ":" or not isinstance(below, dict):
        message = f"{element!r} is no path element of FieldsV1"
        raise ValueError(message)
    match element[0]:
        case "k" if not isinstance(json.loads(element[2:]), dict):
            raise ValueError(element)
        case "v":
            json.loads(element[2:])
        case "i":
            int(element[2:])
        case "f" | "k":
            pass
        case _:
            return
    yield element, _read(below) if below else leaf()


def paths(tree: Set, before: str = "") -> Iterator[str]:
    """All member paths as error texts print them: `.spec.ports[port=80,protocol="TCP"]`; what is below comes last."""
    below = [(element, tree[element]) for element in sorted(tree, key=_rank) if element != MEMBER]
    for element, node in below:
        if MEMBER in node:
            yield before + element_text(element)
    for element, node in below:
        yield from paths(node, before + element_text(element))


def _rank(element: str) -> tuple[int, Any]:
    """The order of path elements (fieldpath.PathElement.Compare): names, keys, values, places."""
    kind, _, rest = element.partition(":")
    if kind == "k":
        return 1, [(name, *_value_rank(value)) for name, value in sorted(json.loads(rest).items())]
    if kind == "v":
        return 2, _value_rank(json.loads(rest))
    return (3, int(rest)) if kind == "i" else (0, rest)


def _value_rank(value: Any) -> tuple[int, Any]:
    """The order of scalars (value.Compare): numbers, texts, truth values, null."""
    if isinstance(value, bool):
        return 2, value
    if isinstance(value, (int, float)):
        return 0, value
    return (1, value) if isinstance(value, str) else (3, "")


def element_text(element: str) -> str:
    """A path element as error texts print it."""
    kind, _, rest = element.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        keys = json.loads(rest)
        return "[" + ",".join(f"{name}={json.dumps(value)}" for name, value in sorted(keys.items())) + "]"
    return f"[={rest}]" if kind == "v" else f"[{rest}]"
