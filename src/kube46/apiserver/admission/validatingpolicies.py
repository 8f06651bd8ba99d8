"""ValidatingAdmissionPolicies: what a bound policy's validations fail is refused, warned of, or told the audit.

Source: apiserver pkg/admission/plugin/policy/validating/{dispatcher,validator}.go.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kube46.apiserver import statuses
from kube46.apiserver.admission import conditions
from kube46.apiserver.admission.plugin import Plugin
from kube46.apiserver.admission.policyindex import Index, Misconfigured, unjudged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kube46.apiserver.admission.attributes import Attributes
    from kube46.apiserver.admission.matching import Matcher
    from kube46.apiserver.admission.plugin import Parts
    from kube46.apiserver.admission.policyindex import Invocation
    from kube46.apiserver.authorization import Authorizer
    from kube46.apiserver.expressions.environment import Program
    from kube46.apiserver.strategy import Transaction

Object = dict[str, Any]
SECONDS = 1.0  # for the expressions of one policy: nobody is answered meanwhile
LONGEST_MESSAGE, LONGEST_ANNOTATION = 5 << 10, 10 << 10  # bytes
MOST_FAILURES = 50  # told to the audit
CODES = {"Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413, "Invalid": 422}
FAILURES = "validation.policy.admission.k8s.io/validation_failure"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request is not valid: which validation, and how the refusal is to be called."""

    message: str
    reason: str = ""
    index: int = 0


@dataclass(frozen=True, slots=True)
class Validation:
    """One validation, compiled; `program` is the problem where it can't be."""

    expression: str
    program: Program | str
    message: str
    message_program: Program | None
    reason: str


@dataclass(frozen=True, slots=True)
class Judge:
    """What a policy says, compiled."""

    validations: tuple[Validation, ...]
    annotations: tuple[tuple[str, Program | str], ...]

    def failures(self, inputs: Object, authorizer: Authorizer, *, ignores: bool) -> list[Failure]:
        """All that is wrong with a request; `ignores` leaves out what could not be evaluated."""
        from kube46.apiserver.customresources.rule_engine import OutOfBudget

        deadline = time.monotonic() + SECONDS
        try:
            found = [self._failure(n, one, inputs, authorizer, deadline) for n, one in enumerate(self.validations)]
        except OutOfBudget:
            return [] if ignores else [Failure(conditions.SPENT)]
        return [one for one in found if one is not None and (one.reason or not ignores)]

    def _failure(
        self, index: int, one: Validation, inputs: Object, authorizer: Authorizer, deadline: float
    ) -> Failure | None:  # fmt: skip
        from kube46.apiserver.customresources.rule_engine import EvaluationProblem

        if isinstance(one.program, str):
            return Failure(f"compilation error: {one.program}", index=index)
        try:
            if one.program.run(inputs, authorizer.decide, deadline) is True:
                return None
        except EvaluationProblem as problem:
            return Failure(str(problem), index=index)
        message = self._message(one, inputs, deadline) or one.message.strip()
        return Failure(message or f"failed expression: {one.expression.strip()}", one.reason, index)

    def _message(self, one: Validation, inputs: Object, deadline: float) -> str:
        """What the message's expression makes; "" when it makes none that fits one line."""
        from kube46.apiserver.customresources.rule_engine import EvaluationProblem

        if one.message_program is None:
            return ""
        try:
            text = one.message_program.run(inputs, None, deadline)
        except EvaluationProblem:
            return ""
        text = text.strip() if isinstance(text, str) else ""
        return "" if "\n" in text or len(text.encode()) > LONGEST_MESSAGE else text

    def annotated(self, inputs: Object, authorizer: Authorizer) -> Iterator[tuple[str, str | Failure]]:
        """The annotations for the audit, or why there is none."""
        from kube46.apiserver.customresources.rule_engine import EvaluationProblem, OutOfBudget

        deadline = time.monotonic() + SECONDS
        for key, program in self.annotations:
            if isinstance(program, str):
                yield key, Failure(f"compilation error: {program}")
                continue
            try:
                value = program.run(inputs, authorizer.decide, deadline)
            except (EvaluationProblem, OutOfBudget) as problem:
                yield key, Failure(str(problem) or conditions.SPENT)
                continue
            if isinstance(value, str) and value.strip():
                yield key, value.strip().encode()[:LONGEST_ANNOTATION].decode(errors="ignore")


def compiled(name: str, spec: Object) -> Judge:
    """A policy's judge; what can't be compiled any more fails when it is asked."""
    from kube46.apiserver.customresources.rule_engine import RuleProblem
    from kube46.apiserver.expressions.environment import Scope, Variables, program

    params, variables = spec.get("paramKind") is not None, Variables()
    scope = Scope(params=params, authorizer=True)
    for variable in spec.get("variables") or ():
        variables.tried(variable["name"], variable["expression"], scope)

    def made(expression: str, returns: Sequence[str], scope: Scope = scope) -> Program | str:
        try:
            return program(expression, returns, scope, variables)
        except RuleProblem as problem:
            return str(problem)

    def validation(one: Object) -> Validation:
        text = one.get("messageExpression") or ""
        other = made(text, ("string",), Scope(params=params)) if text else ""
        return Validation(
            one["expression"], made(one["expression"], ("bool",)), one.get("message") or "",
            None if isinstance(other, str) else other, one.get("reason") or "Invalid",
        )  # fmt: skip

    annotations = (
        (one["key"], made(one["valueExpression"], ("string", "null_type")))
        for one in spec.get("auditAnnotations") or ()
    )
    return Judge(tuple(map(validation, spec.get("validations") or ())), tuple(annotations))


class ValidatingPolicies(Plugin):
    """The plugin ValidatingAdmissionPolicy."""

    def __init__(self, parts: Parts, matcher: Matcher) -> None:
        self._authorizer = parts.authorizer
        self._index = Index(parts, matcher, "validatingadmissionpolicies", compiled)

    def active(self) -> bool:
        """Whether there is a binding."""
        return self._index.active()

    def validate(self, asked: Attributes, txn: Transaction) -> None:
        """Refuse what a policy denies, the first of them by name in its own words."""
        if unjudged(asked.kind):
            return
        denied: list[tuple[str, str, Failure]] = []
        audited: list[Object] = []
        for found in self._index.invocations(asked, txn):
            if isinstance(found, Misconfigured):
                if not found.hook.ignores:
                    denied.append((found.hook.name, found.binding, Failure(found.text)))
                continue
            self._judge(found, asked, txn, denied, audited)
        if audited:
            asked.annotations[FAILURES] = json.dumps(audited[:MOST_FAILURES], separators=(",", ":"))
        if denied:
            raise _refusal(asked, *denied[0])

    def _judge(
        self, found: Invocation[Judge], asked: Attributes, txn: Transaction, denied: list[tuple[str, str, Failure]],
        audited: list[Object],
    ) -> None:  # fmt: skip
        hook, inputs, actions = (
            found.hook,
            self._index.inputs(asked, found, txn),
            found.binding_spec["validationActions"],
        )
        try:
            if not self._index.meant(found, inputs):
                return
            failures = hook.judge.failures(inputs, self._authorizer, ignores=hook.ignores)
        except conditions.Unmatchable as problem:
            failures = [] if hook.ignores else [Failure(str(problem))]
        for failure in failures:
            for action in actions:
                if action == "Deny":
                    denied.append((hook.name, found.binding, failure))
                elif action == "Warn":
                    who = f"ValidatingAdmissionPolicy '{hook.name}' with binding '{found.binding}'"
                    asked.warnings.append(f"Validation failed for {who}: {failure.message}")
                elif action == "Audit":
                    audited.append({
                        "message": failure.message, "policy": hook.name, "binding": found.binding,
                        "expressionIndex": failure.index, "validationActions": actions,
                    })  # fmt: skip
        for key, value in hook.judge.annotated(inputs, self._authorizer):
            if isinstance(value, str):
                asked.annotations[f"{hook.name}/{key}"] = value
            elif not hook.ignores:
                denied.append((hook.name, found.binding, value))


def _refusal(asked: Attributes, policy: str, binding: str, failure: Failure) -> statuses.StatusError:
    by = f"ValidatingAdmissionPolicy '{policy}'" + (f" with binding '{binding}'" if binding else "")
    message = f"{by} denied request: {failure.message}"
    found = statuses.forbidden(asked.kind, named(asked), message, [{"message": message}])
    found.reason = failure.reason or "Invalid"
    found.code = CODES.get(found.reason, 422)
    return found


def named(asked: Attributes) -> str:
    """What a refusal calls the object: a generated name is not known yet."""
    meta = (asked.object or {}).get("metadata") or {}
    return asked.name or meta.get("name") or meta.get("generateName") or "Unknown"
