"""Whether the validation rules of a schema can be run, asked as the definition is written: none is ever left out.

Source: apiextensions-apiserver pkg/apis/apiextensions/validation, pkg/apiserver/schema/cel/compilation.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api.errors import FieldError, invalid
from kube46.apiserver.customresources.rule_values import with_metadata
from kube46.apiserver.customresources.structure import EMBEDDED, key

if TYPE_CHECKING:
    from kube46.apiserver.customresources.rule_trees import Findings

Object = dict[str, Any]
RULES = "x-kubernetes-validations"


def problems(schema: Object, path: str, *, root: bool = True, uncorrelated: str = "") -> list[FieldError]:
    """The errors of all rules; `uncorrelated` is the list above whose members have no former selves."""
    found: list[FieldError] = []
    seen = with_metadata(schema) if root or schema.get(EMBEDDED) else schema
    for index, rule in enumerate(schema.get(RULES) or ()):
        found += _rule(rule, seen, f"{path}.{RULES}[{index}]", uncorrelated)
    for name, inner in (schema.get("properties") or {}).items():
        found += problems(inner, key(path, name), root=False, uncorrelated=uncorrelated)
    if isinstance(schema.get("additionalProperties"), dict):
        below = f"{path}.additionalProperties"
        found += problems(schema["additionalProperties"], below, root=False, uncorrelated=uncorrelated)
    if isinstance(schema.get("items"), dict):
        known = schema.get("x-kubernetes-list-type") == "map"
        within = uncorrelated or ("" if known else path)
        found += problems(schema["items"], f"{path}.items", root=False, uncorrelated=within)
    return found


def _rule(rule: Object, schema: Object, path: str, uncorrelated: str) -> list[FieldError]:
    from kube46.apiserver.customresources import rule_engine  # loads the evaluator

    found: list[FieldError] = []
    optional = bool(rule.get("optionalOldSelf"))
    names: set[str] = set()
    try:
        compiled = rule_engine.compiled(rule["rule"], optional_old=optional)
        findings, value = compiled.examine(schema)
        names = findings.names
        if detail := _detail(
            findings, compiled.returns, value, "BOOL", "boolean", "cel expression must evaluate to a bool"
        ):
            found.append(invalid(f"{path}.rule", _shown(rule), detail))
    except rule_engine.RuleProblem as problem:
        found.append(invalid(f"{path}.rule", _shown(rule), f"compilation failed: {problem}"))
    found += _message(rule, schema, path)
    if "oldSelf" in names and "oldSelf" in rule["rule"]:
        if uncorrelated:
            text = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelated}"
            found.append(invalid(f"{path}.rule", rule["rule"], text))
    elif rule.get("optionalOldSelf") is not None and not found:
        text = "may not be set if oldSelf is not used in rule"
        found.append(invalid(f"{path}.optionalOldSelf", rule["optionalOldSelf"], text))
    return found


def _message(rule: Object, schema: Object, path: str) -> list[FieldError]:
    from kube46.apiserver.customresources import rule_engine

    expression = rule.get("messageExpression")
    if not expression:
        return []
    try:
        compiled = rule_engine.compiled(expression)
        findings, value = compiled.examine(schema)
        detail = _detail(
            findings, compiled.returns, value, "STRING", "string", "messageExpression must evaluate to a string"
        )
    except rule_engine.RuleProblem as problem:
        detail = f"messageExpression compilation failed: {problem}"
    return [invalid(f"{path}.messageExpression", _shown(rule), detail)] if detail else []


def _detail(findings: Findings, returns: str, value: Object | None, wanted: str, kind: str, otherwise: str) -> str:
    if findings.problems:
        return f"compilation failed: ERROR: {'; '.join(dict.fromkeys(findings.problems))}"
    typed = value is not None and value.get("type") not in (None, kind) and not value.get("x-kubernetes-int-or-string")
    return otherwise if typed or returns.upper() not in (wanted, "DYN") else ""


def _shown(rule: Object) -> Object:
    """As Go prints upstream's internal form."""
    return {
        "Rule": rule.get("rule", ""), "Message": rule.get("message", ""),
        "MessageExpression": rule.get("messageExpression", ""), "Reason": rule.get("reason"),
        "FieldPath": rule.get("fieldPath", ""), "OptionalOldSelf": rule.get("optionalOldSelf"),
    }  # fmt: skip
