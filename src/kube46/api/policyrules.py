"""Errors of admission policies and of their bindings, but for those of expressions.

Source: k8s.io/kubernetes pkg/apis/admissionregistration/validation/{validation,static_suffix}.go.
"""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, duplicate, each_invalid, forbidden, go_quote, invalid, not_supported, required
from kube46.api.selectors import selector_errors

Object = dict[str, Any]

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
MUTATING = ("*", "CONNECT", "CREATE", "UPDATE")
ACTIONS = ("Audit", "Deny", "Warn")
RESERVED = ".static.k8s.io"


def reserved(name: str) -> list[FieldError]:
    """Names that belong to configuration in files."""
    if not name.endswith(RESERVED):
        return []
    text = f"names ending with {go_quote(RESERVED)} are reserved for static manifest-based configurations"
    return [invalid("metadata.name", name, f"{text} and cannot be managed via the API")]


def failure_policy(spec: Object) -> list[FieldError]:
    """What happens when a policy can't be judged."""
    value = spec.get("failurePolicy")
    return [] if value in ("Fail", "Ignore") else [not_supported("spec.failurePolicy", value, ("Fail", "Ignore"))]


def param_kind(kind: Object | None) -> list[FieldError]:
    """The kind of parameters."""
    if kind is None:
        return []
    place, text, name = "spec.paramKind", kind.get("apiVersion") or "", kind.get("kind") or ""
    found = _api_version(f"{place}.apiVersion", text)
    if not name:
        return [*found, required(f"{place}.kind")]
    if problems := names.label_1035(name.lower()):
        detail = f"may have mixed case, but should otherwise match: {','.join(problems)}"
        found.append(invalid(f"{place}.kind", name, detail))
    return found


def _api_version(place: str, text: str) -> list[FieldError]:
    if not text:
        return [required(place)]
    if text.count("/") > 1:
        return [invalid(place, text, f"unexpected GroupVersion string: {text}")]
    group, _, version = text.rpartition("/")
    found = [invalid(place, group, ",".join(problems))] if group and (problems := names.subdomain(group)) else []
    if not version:
        return [*found, invalid(place, text, "version must be specified")]
    return found + ([invalid(place, version, ",".join(problems))] if (problems := names.label_1035(version)) else [])


def match_constraints(constraints: Object | None, *, mutating: bool = False) -> list[FieldError]:
    """What a policy is about; mutating ones know no deletions."""
    place = "spec.matchConstraints"
    if constraints is None:
        return [required(place)]
    found = match_resources(constraints, place)
    if not constraints.get("resourceRules"):
        found.append(required(f"{place}.resourceRules"))
    return found + (mutating_operations(constraints, place) if mutating else [])


def mutating_operations(resources: Object, place: str) -> list[FieldError]:
    """Operations that nothing can be mutated in."""
    return [
        not_supported(f"{place}.resourceRules.operations", operation, MUTATING)
        for rule in resources.get("resourceRules") or ()
        for operation in rule.get("operations") or ()
        if operation not in MUTATING
    ]


def match_resources(resources: Object | None, place: str) -> list[FieldError]:
    """Rules and selectors."""
    if resources is None:
        return []
    policy, found = resources.get("matchPolicy"), []
    if policy not in ("Equivalent", "Exact"):
        found.append(not_supported(f"{place}.matchPolicy", policy, ("Equivalent", "Exact")))
    for name in ("namespaceSelector", "objectSelector"):
        found += selector_errors(resources.get(name) or {}, f"{place}.{name}")
    for name in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(resources.get(name) or ()):
            found += _named_rule(rule, f"{place}.{name}[{index}]")
    return found


def _named_rule(rule: Object, place: str) -> list[FieldError]:
    found: list[FieldError] = []
    listed = rule.get("resourceNames") or []
    for index, name in enumerate(listed):
        found += each_invalid(f"{place}.resourceNames[{index}]", name, names.path_segment(name))
        if name in listed[:index]:
            found.append(duplicate(f"{place}.resourceNames[{index}]", name))
    return found + rule_errors(rule, place)


def rule_errors(rule: Object, place: str) -> list[FieldError]:
    """Errors of a RuleWithOperations, as webhooks have it, too."""
    operations, found = rule.get("operations") or [], []
    if not operations:
        found.append(required(f"{place}.operations"))
    if len(operations) > 1 and "*" in operations:
        found.append(invalid(f"{place}.operations", operations, _alone("*", "operations")))
    for index, operation in enumerate(operations):
        if operation not in OPERATIONS:
            found.append(not_supported(f"{place}.operations[{index}]", operation, OPERATIONS))
    for name, what in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        values = rule.get(name) or []
        if not values:
            found.append(required(f"{place}.{name}"))
        if len(values) > 1 and "*" in values:
            found.append(invalid(f"{place}.{name}", values, _alone("*", what)))
    versions = enumerate(rule.get("apiVersions") or ())
    found += [required(f"{place}.apiVersions[{index}]") for index, version in versions if not version]
    found += _resources(rule.get("resources") or [], f"{place}.resources")
    scope = rule.get("scope")
    if scope is not None and scope not in ("*", "Cluster", "Namespaced"):
        found.append(not_supported(f"{place}.scope", scope, ("*", "Cluster", "Namespaced")))
    return found


def _alone(what: str, others: str) -> str:
    return f"if '{what}' is present, must not specify other {others}"


def _resources(listed: list[str], place: str) -> list[FieldError]:
    """Resources and subresources: none may be said twice by a wildcard."""
    found = [] if listed else [required(place)]
    whole: set[str] = set()  # x of x/*
    everywhere: set[str] = set()  # y of */y
    for index, text in enumerate(listed):
        if not text:
            found.append(required(f"{place}[{index}]"))
            continue
        resource, slash, part = text.partition("/")
        if not slash:
            continue
        if resource in whole:
            detail = f"if '{resource}/*' is present, must not specify {text}"
            found.append(invalid(f"{place}[{index}]", text, detail))
        if part in everywhere:
            detail = f"if '*/{part}' is present, must not specify {text}"
            found.append(invalid(f"{place}[{index}]", text, detail))
        whole |= {resource} if part == "*" else set()
        everywhere |= {part} if resource == "*" else set()
    if len(listed) > 1 and "*/*" in listed:
        found.append(invalid(place, listed, _alone("*/*", "resources")))
    plain = [text for text in listed if text and "/" not in text]
    if "*" in listed and plain and plain[-1] != "*":  # upstream looks at the last one
        found.append(invalid(place, listed, f"{_alone('*', 'resources')} without subresources"))
    return found


def binding(spec: Object, *, mutating: bool = False) -> list[FieldError]:
    """A binding: its policy, parameters, what it narrows the policy to, and what a failure leads to."""
    name, found = spec.get("policyName") or "", []
    if name:
        found += each_invalid("spec.policyName", name, names.subdomain(name))
    else:
        found.append(required("spec.policyName"))
    found += _param_ref(spec.get("paramRef"))
    resources = spec.get("matchResources")
    found += match_resources(resources, "spec.matchResources")
    if mutating:
        return found + mutating_operations(resources or {}, "spec.matchResources")
    return found + _actions(spec.get("validationActions") or [])


def _actions(actions: list[str]) -> list[FieldError]:
    place, found = "spec.validationActions", []
    for index, action in enumerate(actions):
        if action not in ACTIONS:
            found.append(not_supported(f"{place}[{index}]", action, ACTIONS))
        if action in actions[:index]:
            found.append(duplicate(f"{place}[{index}]", action))
    if "Deny" in actions and "Warn" in actions:
        why = "repeating the same validation failure information in the API response and headers serves no purpose"
        found.append(invalid(place, actions, f"must not contain both Deny and Warn ({why})"))
    if not actions:
        found.append(required(place))
    return found


def _param_ref(ref: Object | None) -> list[FieldError]:
    if ref is None:
        return []
    place, exclusive = "spec.paramRef", "name and selector are mutually exclusive"
    name, selector, found = ref.get("name") or "", ref.get("selector"), []
    if name:
        found += each_invalid(f"{place}.name", name, names.path_segment(name))
        found += [forbidden(f"{place}.name", exclusive)] if selector is not None else []
    if selector is not None:
        found += selector_errors(selector, f"{place}.selector")
        found += [forbidden(f"{place}.selector", exclusive)] if name else []
    if not name and selector is None:
        found.append(required(place, "one of name or selector must be specified"))
    action = ref.get("parameterNotFoundAction")
    if not action:
        found.append(required(f"{place}.parameterNotFoundAction"))
    elif action not in ("Allow", "Deny"):
        found.append(not_supported(f"{place}.parameterNotFoundAction", action, ("Deny", "Allow"), in_order=True))
    return found
