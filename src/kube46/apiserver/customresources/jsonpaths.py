"""JSON paths of printer columns: `.spec.x`, `['a.b']`, `[0]`, `[-1:]`, `[*]`, `[?(@.type=="Ready")]`.

Source: client-go util/jsonpath; what none of these steps is, finds nothing.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

STEP = re.compile(
    r"(?P<all>\.?\[\*\]|\.\*(?=[.\[]|$))"
    r"|\.(?P<name>(?:\\.|[^.\[\]\\])+)"
    r"|\[(?:'(?P<quoted>(?:[^'\\]|\\.)*)'|\"(?P<double>(?:[^\"\\]|\\.)*)\")\]"
    r"|\[(?P<index>-?\d+)\]"
    r"|\[(?P<first>-?\d*):(?P<last>-?\d*)\]"
    r"|\[\?\(@(?P<left>[^=!<>]*?)\s*(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<right>.+?))?\s*\)\]"
)
LITERAL = re.compile(
    r"'(?P<single>(?:[^'\\]|\\.)*)'|\"(?P<double>(?:[^\"\\]|\\.)*)\"|(?P<word>true|false|-?\d+(?:\.\d+)?)"
)
COMPARISONS = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Name:
    """A member of an object."""

    name: str


@dataclass(frozen=True, slots=True)
class Part:
    """A slice of a list; of an index, its one element."""

    range: slice


@dataclass(frozen=True, slots=True)
class Every:
    """All members."""


@dataclass(frozen=True, slots=True)
class Filter:
    """The members of a list that hold a value at a path, or that compare so with it."""

    left: tuple[Step, ...]
    operator: str
    right: Any


Step = Name | Part | Every | Filter


@functools.lru_cache(maxsize=1024)
def parse(path: str) -> tuple[Step, ...] | None:
    """The steps of a path; None for what is none."""
    found: list[Step] = []
    at = 0
    while at < len(path):
        match = STEP.match(path, at)
        if match is None or (step := _step(match)) is None:
            return None
        found.append(step)
        at = match.end()
    return tuple(found)


def _step(match: re.Match[str]) -> Step | None:
    for group in ("name", "quoted", "double"):
        if (name := match[group]) is not None:
            return Name(re.sub(r"\\(.)", r"\1", name))
    if match["index"] is not None:
        index = int(match["index"])
        return Part(slice(index, index + 1 or None))
    if match["all"] is not None:
        return Every()
    if match["left"] is None:
        first, last = (int(text) if text else None for text in (match["first"], match["last"]))
        return Part(slice(first, last))
    left = parse(match["left"])
    if left is None or not match["operator"]:
        return None if left is None else Filter(left, "", None)
    literal = LITERAL.fullmatch(match["right"])
    if literal is None:
        return None
    text = literal["single"] if literal["single"] is not None else literal["double"]
    return Filter(
        left, match["operator"], json.loads(literal["word"]) if text is None else re.sub(r"\\(.)", r"\1", text)
    )


def find(value: Any, path: str) -> list[Any]:
    """What a path leads to."""
    steps = parse(path)
    return [] if steps is None else _find([value], steps)


def _find(values: Iterable[Any], steps: Iterable[Step]) -> list[Any]:
    found = list(values)
    for step in steps:
        found = [inner for value in found for inner in _go(value, step)]
    return found


def _go(value: Any, step: Step) -> list[Any]:
    match step:
        case Name(name):
            return [value[name]] if isinstance(value, dict) and name in value else []
        case Part(part):
            return value[part] if isinstance(value, list) else []
        case Every():
            return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        case Filter():
            return [one for one in value if _fits(one, step)] if isinstance(value, list) else []


def _fits(value: Any, step: Filter) -> bool:
    left = _find([value], step.left)
    if not left:
        return False
    if not step.operator:
        return True
    try:
        return bool(COMPARISONS[step.operator](left[0], step.right))
    except TypeError:
        return False
