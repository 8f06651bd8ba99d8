"""Validation rules compiled and run by Google's CEL; loaded at the first rule, which a server without any never meets.

The library ends an evaluation after 10,000 iterations; `check_budget` bounds what a rule may read in them, and
Kubernetes' functions, which are Python, watch the clock themselves.
"""

from __future__ import annotations

import ctypes
import functools
import json
import math
import re
import sys
import time
from dataclasses import dataclass
from typing import Any

from kube46.apiserver.customresources.rule_functions import CLOCK, extension
from kube46.apiserver.customresources.rule_growth import growth
from kube46.apiserver.customresources.rule_trees import Findings, examine

Object = dict[str, Any]
ITERATIONS = 10_000  # of one evaluation: the library's limit
MOST_BYTES = 1 << 30  # that one evaluation may read: text times the iterations that may go over it
MOST_HANDED = 1 << 26  # the same where lists go to functions in Python
MODEST = 64  # times as great as what it is given: whatever makes no more is not measured
MOST_MADE = 1 << 28  # bytes that one evaluation may make
COMPILED = 2048  # expressions kept
TAIL = re.compile(r"\s*\[[A-Z_]+\]\s*$")


class RuleProblem(Exception):
    """An expression can't be compiled; the text says where and why."""


class EvaluationProblem(Exception):
    """An evaluation failed; the text is the evaluator's."""


class OutOfBudget(Exception):
    """An evaluation would take too long."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression that can be run; `returns` is the evaluator's name of its type, `dyn` where it can't tell."""

    program: Any
    serialized: bytes
    returns: str

    def examine(self, schema: Object) -> tuple[Findings, Object | None]:
        """What it says of a schema."""
        return examine(self.serialized, schema)


@functools.cache
def extensions() -> list[Any]:
    """What the language has beyond its standard: the library's own extensions and Kubernetes' functions."""
    from cel_expr_python import cel
    from cel_expr_python.ext import ext_bindings, ext_encoders, ext_math, ext_optional, ext_strings

    _keep_none()
    return [
        ext_bindings.ExtBindings(), ext_encoders.ExtEncoders(), ext_math.ExtMath(), ext_optional.ExtOptional(),
        ext_strings.ExtStrings(), extension(cel),
    ]  # fmt: skip


def _keep_none() -> None:
    """The library (0.1.3) hands out None without counting it, and Python before 3.12 would one day free it."""
    if sys.version_info < (3, 12):
        ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40


@functools.cache
def _environment() -> Any:
    from cel_expr_python import cel

    variables = dict.fromkeys(("self", "oldSelf", "__old"), cel.Type.DYN)
    return cel.NewEnv(variables=variables, extensions=extensions())


@functools.lru_cache(maxsize=COMPILED)
def compiled(expression: str, *, optional_old: bool = False) -> Compiled:
    """A compiled expression; with `optional_old`, `oldSelf` is an optional value. Raises RuleProblem."""
    # an absent old value is an empty map here: the evaluator takes no optional values from Python
    text = f"cel.bind(oldSelf, __old.?value, ({expression}\n))" if optional_old else expression
    try:
        program = _environment().compile(text)
    except RuntimeError as error:
        raise RuleProblem(words(error)) from None
    return Compiled(program, program.serialize(), program.return_type().name())


def words(error: RuntimeError) -> str:
    """What the library says is wrong, without its own codes."""
    return TAIL.sub("", str(error).removeprefix("INVALID_ARGUMENT: "))


def run(
    rule: Compiled, value: Any, old: Any, *, optional_old: bool = False, deadline: float = math.inf
) -> Any:  # fmt: skip
    """The value of an expression by `deadline` (of time.monotonic); raises EvaluationProblem, OutOfBudget."""
    data = {"self": value, "oldSelf": None if optional_old else old}
    data["__old"] = {} if old is None else {"value": old}
    CLOCK.deadline = deadline
    try:
        found = rule.program.eval(data=data)
    except RuntimeError as error:
        if "budget" in str(error):
            raise OutOfBudget from None
        raise EvaluationProblem(words(error)) from None
    if time.monotonic() > deadline:
        raise OutOfBudget
    return outcome(found)


def outcome(found: Any) -> Any:
    """The plain value of an evaluation that has come to an end; raises EvaluationProblem."""
    if found.type().name().lower() == "*error*" or str(found.type()) == "ERROR":
        raise EvaluationProblem(re.sub(r"^[A-Z_]+: ", "", str(found.value())))
    return found.plain_value()


@functools.lru_cache(maxsize=COMPILED)
def _costs(serialized: bytes) -> tuple[Findings, bool]:
    """What a rule says of any value, and whether it may make what is much greater."""
    return examine(serialized, {})[0], growth(serialized, MODEST) > MODEST


def check_budget(rule: Compiled, value: Any) -> None:
    """Raise OutOfBudget for what could read too much, all of a value's text as often as its loops may turn; or make."""
    findings, grows = _costs(rule.serialized)
    if findings.loops or grows:
        size, turns = len(json.dumps(value, default=str)), min(ITERATIONS, _widest(value) ** findings.loops)
        if findings.loops and size * turns > (MOST_HANDED if findings.hands_lists else MOST_BYTES):
            raise OutOfBudget
        made = growth(rule.serialized, _longest(value)) * turns if grows else 0
        if made * (size + len(rule.serialized)) > MOST_MADE:
            raise OutOfBudget


def _longest(value: Any) -> int:
    """The length of the longest text within a value, or its greatest number."""
    if isinstance(value, dict | list):
        return max(map(_longest, value.values() if isinstance(value, dict) else value), default=1)
    if isinstance(value, str):
        return max(len(value), 1)
    return max(int(value), 1) if isinstance(value, int | float) and math.isfinite(value) else 1


def _widest(value: Any) -> int:
    """The length of the longest collection within a value."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return max(len(value), 1, *(_widest(one) for one in inner))
    return 1
