"""Errors of kinds that describe a cluster's platform: admission, flow control, runtimes.

Sources: k8s.io/kubernetes pkg/apis/{admissionregistration,flowcontrol,node}/validation.
"""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, each_invalid, forbidden, invalid, not_supported, required
from kube46.api.pods import requirements

Object = dict[str, Any]

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
REVIEWS = ("v1", "v1beta1")
SIDE_EFFECTS = ("None", "NoneOnDryRun")


def webhooks(obj: Object) -> list[FieldError]:
    """Each webhook: where it is, what it is asked about, and that asking changes nothing."""
    return [
        error
        for n, hook in enumerate(obj.get("webhooks") or ())
        for error in _webhook(f"webhooks[{n}]", hook) + _versions(f"webhooks[{n}].admissionReviewVersions", hook)
    ]


def _versions(place: str, hook: Object) -> list[FieldError]:
    """The versions of reviews that a webhook understands: one that kube-apiserver sends must be among them."""
    versions = hook.get("admissionReviewVersions") or []
    if not versions:
        return [required(place, f"must specify one of {', '.join(REVIEWS)}")]
    found: list[FieldError] = []
    for n, version in enumerate(versions):
        if version in versions[:n]:
            found.append(invalid(f"{place}[{n}]", version, "duplicate version"))
        else:
            found += each_invalid(f"{place}[{n}]", version, names.label_1035(version))
    known = any(version in REVIEWS for version in versions)
    return found if known else [*found, invalid(place, versions, f"must include at least one of {', '.join(REVIEWS)}")]


def _webhook(place: str, hook: Object) -> list[FieldError]:
    name, found = hook.get("name") or "", []
    if not name:
        found.append(required(f"{place}.name"))
    else:
        found += each_invalid(f"{place}.name", name, names.subdomain(name))
        if not names.subdomain(name) and name.count(".") < 2:
            text = "should be a domain with at least three segments separated by dots"
            found.append(invalid(f"{place}.name", name, text))
    for n, rule in enumerate(hook.get("rules") or ()):
        found += _rule(f"{place}.rules[{n}]", rule)
    effects = hook.get("sideEffects")
    if not effects:
        found.append(required(f"{place}.sideEffects", f"must specify one of {', '.join(SIDE_EFFECTS)}"))
    elif effects not in SIDE_EFFECTS:
        found.append(not_supported(f"{place}.sideEffects", effects, SIDE_EFFECTS))
    client = hook.get("clientConfig") or {}
    if (client.get("url") is None) is (client.get("service") is None):
        found.append(required(f"{place}.clientConfig", "exactly one of url or service is required"))
    return found


def _rule(place: str, rule: Object) -> list[FieldError]:
    found: list[FieldError] = []
    operations = rule.get("operations") or []
    if not operations:
        found.append(required(f"{place}.operations"))
    for n, operation in enumerate(operations):
        if operation not in OPERATIONS:
            found.append(not_supported(f"{place}.operations[{n}]", operation, OPERATIONS))
    found += [required(f"{place}.{key}") for key in ("apiGroups", "apiVersions", "resources") if not rule.get(key)]
    return found


def priority_level(obj: Object) -> list[FieldError]:
    """A level is limited or exempt; what is missing is told last."""
    spec: Object = obj.get("spec") or {}
    kind, limited = spec.get("type") or "", spec.get("limited")
    if kind == "Limited":
        return [required("spec.limited")] if limited is None else _limited(limited)
    found: list[FieldError] = []
    if kind not in ("", "Exempt"):
        found.append(not_supported("spec.type", kind, ("Exempt", "Limited")))
    if limited is not None:
        found.append(forbidden("spec.limited"))
    return found if kind else [*found, required("spec.type")]


def _limited(limited: Object) -> list[FieldError]:
    found: list[FieldError] = []
    place, response = "spec.limited.limitResponse.type", limited.get("limitResponse") or {}
    shares = limited.get("nominalConcurrencyShares") or 0
    if shares < 0:
        text = "must be a non-negative integer"
        found.append(invalid("spec.limited.nominalConcurrencyShares", shares, text))
    if not response.get("type"):
        found.append(required(place))
    elif response["type"] not in ("Queue", "Reject"):
        found.append(not_supported(place, response["type"], ("Queue", "Reject")))
    return found


def runtime_class(obj: Object) -> list[FieldError]:
    """The handler is a label; its overhead is an amount of what containers ask for."""
    handler = obj.get("handler") or ""
    found = [] if handler else [required("handler")]
    if "." in handler:
        found.append(invalid("handler", handler, "must not contain dots"))
    elif handler:
        found += each_invalid("handler", handler, names.label(handler))
    return found + requirements.validate({"limits": (obj.get("overhead") or {}).get("podFixed") or {}}, "overhead")


def runtime_change(new: Object, old: Object) -> list[FieldError]:
    """The handler of a runtime stays."""
    return [] if new.get("handler") == old.get("handler") else [invalid("handler", None, "field is immutable")]
