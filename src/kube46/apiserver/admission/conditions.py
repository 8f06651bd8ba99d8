"""Match conditions (CEL): whether a webhook or policy is asked about a write, and which conditions may be stored.

Source: apiserver pkg/admission/plugin/webhook/matchconditions/matcher.go, k8s.io/kubernetes
pkg/apis/admissionregistration/validation (validateMatchConditions).
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any

from kube46.api import names
from kube46.api.errors import FieldError, duplicate, each_invalid, invalid, required, too_many

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kube46.apiserver.authorization import Authorizer
    from kube46.apiserver.expressions.environment import Program

Object = dict[str, Any]
MOST = 64
SECONDS = 0.5  # for the conditions of one webhook or policy: nobody is answered meanwhile
SPENT = "validation failed due to running out of cost budget, no further validation rules will be run"


class Unmatchable(Exception):
    """Some condition could not be evaluated, and none was false; the text is upstream's."""


def matches(
    conditions: Sequence[Object], values: Mapping[str, Any], authorizer: Authorizer, *, params: bool = False
) -> bool:
    """Whether all conditions hold of these values (`inputs.values`); raises Unmatchable.

    A condition that is false outweighs others that fail; `params` is whether they may name a policy's parameters.
    """
    from kube46.apiserver.customresources.rule_engine import EvaluationProblem, OutOfBudget, RuleProblem

    wrong: list[str] = []
    deadline = time.monotonic() + SECONDS
    for condition in conditions:
        try:
            if _program(condition["expression"], params).run(values, authorizer.decide, deadline) is False:
                return False
        except EvaluationProblem as problem:
            wrong.append(str(problem))
        except RuleProblem as problem:
            wrong.append(f"compilation error: {problem}")
        except OutOfBudget:
            raise Unmatchable(SPENT) from None
    if wrong:
        distinct = list(dict.fromkeys(wrong))
        raise Unmatchable(distinct[0] if len(distinct) == 1 else f"[{', '.join(distinct)}]")
    return True


@functools.lru_cache(maxsize=1024)
def _program(expression: str, params: bool) -> Program:
    from kube46.apiserver.expressions.environment import Scope, program  # loads the evaluator

    return program(expression, ("bool",), Scope(params=params, authorizer=True))


def problems(conditions: Sequence[Object], path: str, *, params: bool = False) -> list[FieldError]:
    """Every error of a configuration's conditions."""
    found = [too_many(path, len(conditions), MOST)] if len(conditions) > MOST else []
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        place = f"{path}[{index}]"
        expression, name = str(condition.get("expression") or "").strip(), str(condition.get("name") or "")
        found += (
            _expression(expression, f"{place}.expression", params) if expression else [required(f"{place}.expression")]
        )
        found += each_invalid(f"{place}.name", name, names.qualified(name)) if name else [required(f"{place}.name")]
        if name in seen:
            found.append(duplicate(f"{place}.name", name))
        seen |= {name} if name else set()
    return found


def _expression(expression: str, place: str, params: bool) -> list[FieldError]:
    from kube46.apiserver.customresources.rule_engine import RuleProblem

    try:
        _program(expression, params)
    except RuleProblem as problem:
        return [invalid(place, expression, str(problem))]
    return []
