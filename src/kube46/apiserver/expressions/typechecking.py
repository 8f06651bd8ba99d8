"""A policy's expressions checked against the types of the objects that it is about: warnings for its status.

Source: apiserver pkg/admission/plugin/policy/validating/typechecking.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kube46.apiserver.customresources.rule_engine import RuleProblem
from kube46.apiserver.expressions import types
from kube46.apiserver.expressions.environment import Scope, returned, typed
from kube46.apiserver.expressions.rewriting import rewritten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Object = dict[str, Any]
MOST = 10  # types that one rule is checked with
Place = tuple[str, str, str]  # group, version and resource, or kind


@dataclass(frozen=True, slots=True)
class Typed:
    """A kind with its schema and the definitions that this refers to."""

    gvk: Place
    schema: Mapping[str, Any]
    definitions: Mapping[str, Any]

    @property
    def shown(self) -> str:
        """As Go prints a GroupVersionKind."""
        return f"{self.gvk[0]}/{self.gvk[1]}, Kind={self.gvk[2]}"


def resources(spec: Object) -> Iterator[list[Place]]:
    """The resources that each rule names without wildcards and subresources, in upstream's order."""
    for rule in (spec.get("matchConstraints") or {}).get("resourceRules") or ():
        groups, versions = sorted(rule.get("apiGroups") or ()), sorted(rule.get("apiVersions") or ())
        named = sorted(one for one in rule.get("resources") or () if not {"*", "/"} & set(one))
        if not any("*" in one for one in (*groups, *versions)):
            yield [(group, version, resource) for group in groups for version in versions for resource in named][:MOST]


def warnings(spec: Object, kinds: list[Typed], params: Typed | None) -> list[dict[str, str]]:
    """The ExpressionWarnings of a ValidatingAdmissionPolicy."""
    checks = [(kind, _Check(spec, kind, params)) for kind in sorted(kinds, key=lambda kind: kind.gvk)]
    found: list[dict[str, str]] = []
    for index, validation in enumerate(spec.get("validations") or ()):
        for field in ("expression", "messageExpression"):
            text = validation.get(field)
            if not text:
                continue
            problems = [(kind.shown, problem) for kind, check in checks if (problem := check.problem(text))]
            if problems:
                warning = "\n".join(f"{shown}: {problem}\n" for shown, problem in problems)
                found.append({"fieldRef": f"spec.validations[{index}].{field}", "warning": warning})
    return found


class _Check:
    """The expressions of one policy, with the objects of one kind."""

    def __init__(self, spec: Object, kind: Typed, params: Typed | None) -> None:
        self._messages: dict[str, types.Fields] = {}
        self._known: dict[str, str] = {}
        self._scope = Scope(params=spec.get("paramKind") is not None, authorizer=True)
        for names, one in ((("object", "oldObject"), kind), (("params",), params)):
            if one is None:
                continue
            if name := types.of_schema(f"{one.gvk[2]}_of_{names[0]}", one.schema, self._messages, one.definitions):
                self._known |= dict.fromkeys(names, name)
        self._variables: dict[str, str] = {}
        for variable in spec.get("variables") or ():
            try:
                self._variables[variable["name"]] = types.of_result(self._returned(variable["expression"]))
            except RuleProblem:
                self._variables[variable["name"]] = "dyn"
        self._environment = self._made()

    def problem(self, expression: str) -> str:
        """What the compiler says, "" if nothing."""
        try:
            returned(self._environment, rewritten(expression))
        except RuleProblem as problem:
            return str(problem)
        return ""

    def _returned(self, expression: str) -> str:
        return returned(self._made(), rewritten(expression))

    def _made(self) -> Any:
        return typed(self._scope, self._messages, self._variables.items(), self._known)
