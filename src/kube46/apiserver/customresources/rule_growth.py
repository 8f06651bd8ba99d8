"""How much greater than all that it is given a value can become while a compiled rule is evaluated (pure).

The library bounds neither: thirty texts that are each the one before it twice would fill any memory. What grows with
the turns of loops is for who knows the value (`rule_engine.check_budget`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kube46.apiserver.customresources.rule_trees import (
    CALL,
    CHECKED,
    COMPREHENSION,
    IDENT,
    LIST,
    SELECT,
    STRUCT,
    fields_of,
    one_of,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kube46.apiserver.customresources.rule_trees import Node

CONSTANT, STRING, NUMBER = 3, 6, 3
ANY = 1 << 62  # whatever was calculated
INSERTED = {"replace": 2, "join": 1}  # functions that put in a text many times → which of their operands it is


def growth(serialized: bytes, longest: int) -> int:
    """An upper bound for the size of what is made, as a multiple of that of the values and the rule together.

    `longest` is the greatest text or number of the values.
    """
    root = one_of(fields_of(one_of(fields_of(serialized), CHECKED)), 4)
    return _of(fields_of(root), _Known(longest, {}))


@dataclass(frozen=True, slots=True)
class _Known:
    longest: int
    variables: Mapping[str, int]  # how great they are

    def also(self, variables: Mapping[str, int]) -> _Known:
        """With those of an inner scope."""
        return replace(self, variables={**self.variables, **variables})


def _of(node: Node, known: _Known) -> int:
    """Of a node, or of what it was made of."""
    if IDENT in node:
        return known.variables.get(text_of(fields_of(node[IDENT][0]), 1), 1)
    if SELECT in node:
        return _of(fields_of(one_of(fields_of(node[SELECT][0]), 1)), known)
    if CALL in node:
        return _of_call(fields_of(node[CALL][0]), known)
    if COMPREHENSION in node:
        return _of_comprehension(fields_of(node[COMPREHENSION][0]), known)
    found = 0
    for element in fields_of(node[LIST][0]).get(1, ()) if LIST in node else ():
        found += _of(fields_of(element), known)
    for entry in fields_of(node[STRUCT][0]).get(2, ()) if STRUCT in node else ():
        parts = [part for number in (3, 4) for part in fields_of(entry).get(number, ())]
        found += sum(_of(fields_of(part), known) for part in parts)
    return max(found, 1)


def _of_call(node: Node, known: _Known) -> int:
    operands = [fields_of(operand) for operand in (*node.get(1, ()), *node.get(3, ()))]
    sizes, name = [_of(operand, known) for operand in operands], text_of(node, 2)
    if name == "_+_":
        return sum(sizes)
    if name == "lists.range":
        return max(*sizes, _counted(operands[0], known))
    place = INSERTED.get(name)
    if place is not None and place < len(operands):
        inserted = _length(operands[place])
        return max(sizes) * (1 + (known.longest * sizes[place] if inserted is None else inserted))
    return max(sizes, default=1)


def _of_comprehension(node: Node, known: _Known) -> int:
    """Of a loop, or of a bound name, which is one without turns."""
    ranged, first = (_of(fields_of(one_of(node, number)), known) for number in (2, 4))
    made, turning = text_of(node, 3), {text_of(node, number): ranged for number in (1, 8)}
    step = _of(fields_of(one_of(node, 6)), known.also({**turning, made: first}))
    result = _of(fields_of(one_of(node, 7)), known.also({made: max(first, step)}))
    return max(ranged, first, step, result)


def _length(node: Node) -> int | None:
    """The length of a text that stands in the rule."""
    constant = fields_of(node[CONSTANT][0]) if CONSTANT in node else {}
    return len(one_of(constant, STRING)) if STRING in constant else None


def _counted(node: Node, known: _Known) -> int:
    """How far a list of numbers may go: to one that is written down, a size, or a number of the values."""
    if CONSTANT in node:
        return int(fields_of(node[CONSTANT][0]).get(NUMBER, [1])[0])
    if CALL in node and text_of(fields_of(node[CALL][0]), 2) == "size":
        return _of(node, known)
    while SELECT in node:
        node = fields_of(one_of(fields_of(node[SELECT][0]), 1))
    given = IDENT in node and text_of(fields_of(node[IDENT][0]), 1) not in known.variables
    return known.longest if given else ANY
