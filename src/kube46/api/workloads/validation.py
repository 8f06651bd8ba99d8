"""Validation of Deployments and ReplicaSets: selector and template must fit, the selector stays."""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, each_invalid, forbidden, invalid, not_supported, required
from kube46.api.metadata import annotations_valid, labels_valid
from kube46.api.pods import validation

Object = dict[str, Any]

OPERATORS = ("DoesNotExist", "Exists", "In", "NotIn")
STRATEGIES = ("Recreate", "RollingUpdate")


def errors(obj: Object, kind: str) -> list[FieldError]:
    """Every error of `spec`; `kind` is "deployment" or "replicaset", as texts name it."""
    spec: Object = obj["spec"]
    found: list[FieldError] = []
    if spec["replicas"] < 0:
        found.append(invalid("spec.replicas", spec["replicas"], "must be greater than or equal to 0"))
    selector = spec.get("selector")
    if selector is None:
        found.append(required("spec.selector"))
    else:
        found += _selector(selector)
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            found.append(invalid("spec.selector", selector, f"empty selector is invalid for {kind}"))
    if kind == "deployment":
        return found + _template(spec, selector) + _rollout(spec)
    return found + _template(spec, selector)


def _selector(selector: Object) -> list[FieldError]:
    found = labels_valid(selector.get("matchLabels"), "spec.selector.matchLabels")
    for index, one in enumerate(selector.get("matchExpressions") or ()):
        field, operator, values = f"spec.selector.matchExpressions[{index}]", one.get("operator"), one.get("values")
        if operator in ("In", "NotIn") and not values:
            found.append(required(f"{field}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
        elif operator in ("Exists", "DoesNotExist") and values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            found.append(forbidden(f"{field}.values", text))
        elif operator not in OPERATORS:
            found.append(invalid(f"{field}.operator", operator or "", "not a valid selector operator"))
        key = one.get("key") or ""
        found += each_invalid(f"{field}.key", key, names.qualified(key))
    return found


def matches(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector selects these labels."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for one in selector.get("matchExpressions") or ():
        present, listed = one["key"] in labels, labels.get(one["key"]) in (one.get("values") or ())
        wanted = {"In": present and listed, "NotIn": not listed, "Exists": present, "DoesNotExist": not present}
        if not wanted.get(one["operator"], False):
            return False
    return True


def _template(spec: Object, selector: Object | None) -> list[FieldError]:
    template = spec.get("template") or {}
    meta, field = template.get("metadata") or {}, "spec.template"
    labels = meta.get("labels") or {}
    found: list[FieldError] = []
    if selector and (selector.get("matchLabels") or selector.get("matchExpressions")) and not matches(selector, labels):
        text = "`selector` does not match template `labels`"
        found.append(invalid(f"{field}.metadata.labels", labels or None, text))
    found += labels_valid(labels, f"{field}.labels")
    found += annotations_valid(meta.get("annotations"), f"{field}.annotations")
    found += validation.validate(template["spec"], f"{field}.spec")
    policy = template["spec"].get("restartPolicy")
    if policy != "Always":
        found.append(not_supported(f"{field}.spec.restartPolicy", policy, ("Always",)))
    if template["spec"].get("activeDeadlineSeconds") is not None:
        text = "activeDeadlineSeconds in ReplicaSet is not Supported"
        found.append(forbidden(f"{field}.spec.activeDeadlineSeconds", text))
    return found


def _rollout(spec: Object) -> list[FieldError]:
    strategy = spec["strategy"]
    found: list[FieldError] = []
    if strategy["type"] not in STRATEGIES:
        found.append(not_supported("spec.strategy", _internal(strategy), STRATEGIES))
    elif strategy["type"] == "Recreate" and strategy.get("rollingUpdate") is not None:
        text = "may not be specified when strategy `type` is 'Recreate'"
        found.append(forbidden("spec.strategy.rollingUpdate", text))
    elif strategy["type"] == "RollingUpdate":
        rolling = strategy["rollingUpdate"]
        for key in ("maxUnavailable", "maxSurge"):
            found += _share(f"spec.strategy.rollingUpdate.{key}", rolling[key])
        if not found and _zero(rolling["maxUnavailable"]) and _zero(rolling["maxSurge"]):
            text = "may not be 0 when `maxSurge` is 0"
            found.append(invalid("spec.strategy.rollingUpdate.maxUnavailable", rolling["maxUnavailable"], text))
    for key in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        if (spec.get(key) or 0) < 0:
            found.append(invalid(f"spec.{key}", spec[key], "must be greater than or equal to 0"))
    if spec["progressDeadlineSeconds"] <= (spec.get("minReadySeconds") or 0):
        text = "must be greater than minReadySeconds"
        found.append(invalid("spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"], text))
    return found


def _internal(strategy: Object) -> Object:
    return {"Type": strategy["type"], "RollingUpdate": strategy.get("rollingUpdate")}


def _zero(value: int | str) -> bool:
    return value in (0, "0%")


def _share(field: str, value: int | str) -> list[FieldError]:
    if isinstance(value, int):
        return [] if value >= 0 else [invalid(field, value, "must be greater than or equal to 0")]
    if value.endswith("%") and value[:-1].isdigit():
        return []
    return [invalid(field, value, "a valid percent string must be a numeric string followed by an ending '%'")]


def immutable(new: Object, old: Object) -> list[FieldError]:
    """The selector is set once."""
    selector = new["spec"].get("selector")
    if selector == old["spec"].get("selector"):
        return []
    return [invalid("spec.selector", selector, "field is immutable")]


def status_errors(new: Object) -> list[FieldError]:
    """Numbers of a status are never negative."""
    keys = ("replicas", "fullyLabeledReplicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    status = new.get("status") or {}
    text = "must be greater than or equal to 0"
    return [invalid(f"status.{key}", status[key], text) for key in keys if (status.get(key) or 0) < 0]
