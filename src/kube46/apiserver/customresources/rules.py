"""Validation rules (CEL) asked of an object: the schema's, from the outside in, each with what stood there before.

Source: apiextensions-apiserver pkg/apiserver/schema/cel/validation.go.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from kube46.api.errors import FieldError, duplicate, forbidden, invalid, required
from kube46.apiserver.customresources import rule_engine
from kube46.apiserver.customresources.lists import correlated
from kube46.apiserver.customresources.rule_engine import EvaluationProblem, OutOfBudget
from kube46.apiserver.customresources.rule_values import aligned, plain, with_metadata

Object = dict[str, Any]
RULES = "x-kubernetes-validations"
SECONDS = 1.0  # for all rules of one request: the server answers nobody meanwhile
LONGEST_MESSAGE = 5 << 10  # bytes
SPENT = "validation failed due to running out of cost budget, no further validation rules will be run"


class _Spent(Exception):
    """No time left."""


def problems(schema: Object, value: Object, old: Object | None) -> list[FieldError]:
    """What the rules say of an object; `old` is what it was before an update."""
    run = _Run(time.monotonic() + SECONDS)
    with contextlib.suppress(_Spent):
        run.check(value, old, schema, "", root=True)
    return run.found


class _Run:
    def __init__(self, deadline: float) -> None:
        self._deadline, self.found = deadline, list[FieldError]()

    def check(self, value: Any, old: Any, schema: Object, path: str, *, root: bool = False) -> None:
        """The rules of a value and of all within it."""
        if value is None:
            return
        if schema.get(RULES):
            self._rules(value, old, with_metadata(schema) if root else schema, path)
        if isinstance(value, dict):
            before = old if isinstance(old, dict) else {}
            properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
            for name, inner in value.items():
                if name in properties:
                    self.check(inner, before.get(name), properties[name], f"{path}.{name}" if path else name)
                elif isinstance(more, dict):
                    self.check(inner, before.get(name), more, f"{path}[{name}]")
        elif isinstance(value, list) and isinstance(schema.get("items"), dict):
            known = schema.get("x-kubernetes-list-type") == "map"
            for index, inner in enumerate(value):
                former = correlated(inner, schema, old, None) if known else None
                self.check(inner, former, schema["items"], f"{path}[{index}]")

    def _rules(self, value: Any, old: Any, schema: Object, path: str) -> None:
        shown = plain(value, schema)
        before = None if old is None else plain(aligned(old, value, schema), schema)
        for rule in schema[RULES]:
            if time.monotonic() > self._deadline:
                self._spend(path, schema, SPENT)
            self._rule(rule, schema, path, value, shown, before, same=old == value)

    def _spend(self, path: str, schema: Object, text: str) -> None:
        self.found.append(invalid(path or "<nil>", schema.get("type", ""), text))
        raise _Spent

    def _rule(
        self, rule: Object, schema: Object, path: str, value: Any, shown: Any, old: Any, *, same: bool
    ) -> None:  # fmt: skip
        optional = bool(rule.get("optionalOldSelf"))
        transition = "oldSelf" in rule["rule"]
        if transition and old is None and not optional:
            return
        where, kind = path or "<nil>", schema.get("type", "")
        try:
            compiled = rule_engine.compiled(rule["rule"], optional_old=optional)
            rule_engine.check_budget(compiled, shown)
            holds = rule_engine.run(compiled, shown, old, optional_old=optional, deadline=self._deadline)
        except rule_engine.RuleProblem as problem:
            self.found.append(invalid(where, kind, f"rule compile error: {problem}"))
            return
        except OutOfBudget:
            text = "'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to"
            self._spend(path, schema, f"{text} call cost exceeds limit for rule: {_name(rule)}")
        except EvaluationProblem as problem:
            self.found.append(invalid(where, kind, _failure(str(problem), rule)))
            return
        if holds is True or (same and not transition):  # what was wrong before and is as it was may stay
            return
        detail = self._message(rule, shown, old) or (rule.get("message") or "").strip() or f"failed rule: {_name(rule)}"
        field = path + (rule.get("fieldPath") or "")
        self.found.append(_error(field.removeprefix(".") or "<nil>", value, kind, detail, rule.get("reason")))

    def _message(self, rule: Object, shown: Any, old: Any) -> str:
        """The message that an expression makes; "" when it makes none that fits one line."""
        if not rule.get("messageExpression"):
            return ""
        try:
            compiled = rule_engine.compiled(rule["messageExpression"])
            rule_engine.check_budget(compiled, shown)
            text = rule_engine.run(compiled, shown, old, deadline=self._deadline)
        except (rule_engine.RuleProblem, EvaluationProblem, OutOfBudget):
            return ""
        text = text.strip() if isinstance(text, str) else ""
        return "" if "\n" in text or len(text.encode()) > LONGEST_MESSAGE else text


def _failure(problem: str, rule: Object) -> str:
    """Upstream's words for an evaluation that ended without a value."""
    if problem.startswith("No matching overloads"):
        what = "call arguments did not match a supported operator, function or macro signature for rule"
        return f"'no such overload': {what}: {_name(rule)}"
    if problem.startswith("Key not found in map : "):
        problem = "no such key: " + problem.removeprefix("Key not found in map : ").strip('"')
    elif problem == "divide by zero":
        problem = "division by zero"
    return f"{problem} evaluating rule: {_name(rule)}"


def _name(rule: Object) -> str:
    return str((rule.get("message") or "").strip() or rule["rule"].strip())


def _error(field: str, value: Any, kind: str, detail: str, reason: str | None) -> FieldError:
    compound = kind in ("object", "array")
    if reason == "FieldValueForbidden":
        return forbidden(field, detail)
    if reason == "FieldValueRequired":
        return required(field, detail)
    if reason == "FieldValueDuplicate":
        return FieldError(reason, field, "Duplicate value") if compound else duplicate(field, value)
    if compound:
        return FieldError("FieldValueInvalid", field, f"Invalid value: {detail}")
    return invalid(field, value, detail)
