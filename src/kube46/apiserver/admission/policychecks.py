"""Which admission policies may be stored: all that they say can be compiled.

Source: k8s.io/kubernetes pkg/apis/admissionregistration/validation/validation.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kube46.api import names, policyrules
from kube46.api.errors import FieldError, duplicate, each_invalid, invalid, not_supported, required
from kube46.apiserver.admission import conditions
from kube46.apiserver.customresources.rule_engine import RuleProblem
from kube46.apiserver.customresources.rule_trees import RESERVED
from kube46.apiserver.expressions.environment import ANY, Scope, Variables, program

if TYPE_CHECKING:
    from collections.abc import Sequence

Object = dict[str, Any]
NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*", re.ASCII)
LINES = re.compile(r"[\n\r]+")
MOST_ANNOTATIONS, LONGEST_ANNOTATION = 20, 5 << 10
REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
PATCHES = {"ApplyConfiguration": ("applyConfiguration", "Object"), "JSONPatch": ("jsonPatch", "list(JSONPatch)")}


def errors(name: str, spec: Object, before: Object, *, mutating: bool) -> list[FieldError]:
    """All errors of a policy's spec; match conditions that were there `before`, all else unchanged, may stay."""
    params = spec.get("paramKind") is not None
    found = policyrules.failure_policy(spec) + policyrules.param_kind(spec.get("paramKind"))
    found += policyrules.match_constraints(spec.get("matchConstraints"), mutating=mutating)
    if spec.get("matchConditions") != before.get("matchConditions") or not before:
        found += conditions.problems(spec.get("matchConditions") or (), "spec.matchConditions", params=params)
    checks = _Checks(params, composes=mutating or bool(spec.get("variables")))
    for index, variable in enumerate(spec.get("variables") or ()):
        found += checks.variable(variable, f"spec.variables[{index}]")
    return found + (_mutations(spec, checks) if mutating else _validations(name, spec, checks))


def _validations(name: str, spec: Object, checks: _Checks) -> list[FieldError]:
    validations, annotations = spec.get("validations") or [], spec.get("auditAnnotations") or []
    if not validations and not annotations:
        text = "validations or auditAnnotations must contain at least one item"
        return [required(f"spec.{field}", text) for field in ("validations", "auditAnnotations")]
    found: list[FieldError] = []
    for index, validation in enumerate(validations):
        found += checks.validation(validation, f"spec.validations[{index}]")
    if len(annotations) > MOST_ANNOTATIONS:
        text = f"must not have more than {MOST_ANNOTATIONS} auditAnnotations"
        shown = [{"Key": one.get("key"), "ValueExpression": one.get("valueExpression")} for one in annotations]
        found.append(invalid("spec.auditAnnotations", shown, text))
    for index, annotation in enumerate(annotations):
        place, key = f"spec.auditAnnotations[{index}]", annotation.get("key") or ""
        found += checks.annotation(name, annotation, place)
        if any((other.get("key") or "") == key for other in annotations[:index]):
            found.append(duplicate(f"{place}.key", key))
    return found


def _mutations(spec: Object, checks: _Checks) -> list[FieldError]:
    found: list[FieldError] = []
    mutations, policy = spec.get("mutations") or [], spec.get("reinvocationPolicy") or ""
    if not mutations:
        found.append(required("spec.mutations", "mutations must contain at least one item"))
    for index, mutation in enumerate(mutations):
        found += checks.mutation(mutation, f"spec.mutations[{index}]")
    if not policy:
        found.append(required("spec.reinvocationPolicy"))
    elif policy not in ("IfNeeded", "Never"):
        found.append(not_supported("spec.reinvocationPolicy", policy, ("IfNeeded", "Never")))
    return found


class _Checks:
    """Compiles the expressions of one policy, which may name its variables where it `composes`."""

    def __init__(self, params: bool, *, composes: bool) -> None:
        self._params, self._variables = params, Variables() if composes else None

    def _compiled(
        self, place: str, expression: str, returns: Sequence[str], *, authorizer: bool = True, patches: bool = False,
        shown: str = "",
    ) -> list[FieldError]:  # fmt: skip
        scope = Scope(params=self._params, authorizer=authorizer, patches=patches)
        try:
            program(expression, returns, scope, self._variables)
        except RuleProblem as problem:
            return [invalid(place, shown or expression, str(problem))]
        return []

    def variable(self, variable: Object, place: str) -> list[FieldError]:
        """One variable, which the next may name."""
        name, expression, found = variable.get("name") or "", variable.get("expression") or "", []
        if not name.strip():
            found.append(required(f"{place}.name", "name is not specified"))
        elif not NAME.fullmatch(name) or name in RESERVED:
            found.append(invalid(f"{place}.name", name, "must be a valid CEL identifier"))
        if not expression.strip():
            return [*found, required(f"{place}.expression", "expression is not specified")]
        assert self._variables is not None
        if not NAME.fullmatch(name):
            return found + self._compiled(f"{place}.expression", expression, (ANY,))
        try:
            self._variables.add(name, expression, Scope(params=self._params, authorizer=True))
        except RuleProblem as problem:
            found.append(invalid(f"{place}.expression", expression, str(problem)))
        return found

    def validation(self, validation: Object, place: str) -> list[FieldError]:
        """One validation: its expression, its message, the expression of that."""
        expression, message = validation.get("expression") or "", validation.get("message") or ""
        other, reason = validation.get("messageExpression") or "", validation.get("reason")
        if expression.strip():
            found = self._compiled(f"{place}.expression", expression, ("bool",))
        else:
            found = [required(f"{place}.expression", "expression is not specified")]
        if other.strip():
            found += self._compiled(f"{place}.messageExpression", other, ("string",), authorizer=False)
        elif other:
            found.append(invalid(f"{place}.messageExpression", other, "must be non-empty if specified"))
        if message and not message.strip():
            found.append(invalid(f"{place}.message", message, "must be non-empty if specified"))
        elif LINES.search(message.strip()):
            found.append(invalid(f"{place}.message", message, "must not contain line breaks"))
        if reason is not None and reason not in REASONS:
            found.append(not_supported(f"{place}.reason", reason, REASONS))
        return found

    def annotation(self, name: str, annotation: Object, place: str) -> list[FieldError]:
        """One audit annotation."""
        key, expression = annotation.get("key") or "", (annotation.get("valueExpression") or "").strip()
        whole = f"{name}/{key}"
        if name:
            found = each_invalid(f"{place}.key", whole, names.qualified(whole))
        else:
            found = [invalid(f"{place}.key", key, "requires metadata.name be non-empty")]
        value = f"{place}.valueExpression"
        if not expression:
            return [*found, required(value, "valueExpression is not specified")]
        if len(expression.encode()) > LONGEST_ANNOTATION:
            return [*found, required(value, f"must not exceed {LONGEST_ANNOTATION} bytes in length")]
        return found + self._compiled(value, expression, ("string", "null_type"), shown=annotation["valueExpression"])

    def mutation(self, mutation: Object, place: str) -> list[FieldError]:
        """One mutation."""
        kind = mutation.get("patchType") or ""
        if not kind:
            return [required(f"{place}.patchType")]
        if kind not in PATCHES:
            return [not_supported(f"{place}.patchType", kind, PATCHES)]
        field, returns = PATCHES[kind]
        found: list[FieldError] = []
        if mutation.get(field) is None:
            found.append(required(f"{place}.{field}", f"must be specified when patchType is {kind}"))
        elif expression := (mutation[field].get("expression") or "").strip():
            found += self._compiled(f"{place}.{field}.expression", expression, (returns,), patches=True)
        else:
            found.append(required(f"{place}.{field}.expression"))
        other = next(own for own, _ in PATCHES.values() if own != field)
        if mutation.get(other) is not None:
            text = f"must not be specified when patchType is {kind}"
            found.append(invalid(f"{place}.{other}", f"{{{other}}}", text))
        return found
