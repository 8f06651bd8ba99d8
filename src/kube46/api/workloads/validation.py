"""Validation that workloads share, and that of Deployments: selector and template must fit, the selector stays."""

from __future__ import annotations

from typing import Any

from kube46.api.errors import FieldError, forbidden, invalid, not_supported, required
from kube46.api.metadata import annotations_valid, labels_valid
from kube46.api.pods import validation
from kube46.api.selectors import matches, selector_errors

Object = dict[str, Any]

STRATEGIES = ("Recreate", "RollingUpdate")


def errors(obj: Object, kind: str) -> list[FieldError]:
    """Every error of `spec`; `kind` is "deployment" or "replicaset", as texts name it."""
    spec: Object = obj["spec"]
    found: list[FieldError] = []
    if spec["replicas"] < 0:
        found.append(invalid("spec.replicas", spec["replicas"], "must be greater than or equal to 0"))
    found += chosen(spec, kind)
    found += template(spec) + lasting(spec, "ReplicaSet")
    return found + _rollout(spec) if kind == "deployment" else found


def controller_errors(obj: Object) -> list[FieldError]:
    """Every error of a ReplicationController's `spec`."""
    spec: Object = obj["spec"]
    selector, made = spec.get("selector") or {}, spec.get("template")
    found = not_negative(spec, "minReadySeconds")
    if not selector:
        found.append(required("spec.selector"))
    found += not_negative(spec, "replicas")
    if made is None:
        return [*found, required("spec.template")]
    return found + template({**spec, "selector": {"matchLabels": selector}}) + lasting(spec, "ReplicationController")


def chosen(spec: Object, kind: str) -> list[FieldError]:
    """Errors of `spec.selector`; a workload must have one, and it must not be empty."""
    selector = spec.get("selector")
    if selector is None:
        return [required("spec.selector")]
    found = selector_errors(selector, "spec.selector")
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        found.append(invalid("spec.selector", selector, f"empty selector is invalid for {kind}"))
    return found


def template(spec: Object) -> list[FieldError]:
    """Errors of `spec.template`, which the selector must select."""
    selector, made = spec.get("selector"), spec.get("template") or {}
    labels, field = (made.get("metadata") or {}).get("labels") or {}, "spec.template"
    found: list[FieldError] = []
    chooses = selector is None or selector.get("matchLabels") or selector.get("matchExpressions")
    if chooses and (selector is None or not matches(selector, labels)):  # no selector selects nothing
        text = "`selector` does not match template `labels`"
        found.append(invalid(f"{field}.metadata.labels", labels or None, text))
    return found + template_errors(made, field)


def template_errors(made: Object, field: str) -> list[FieldError]:
    """Errors of a pod template alone."""
    meta = made.get("metadata") or {}
    found = labels_valid(meta.get("labels"), f"{field}.labels")
    found += annotations_valid(meta.get("annotations"), f"{field}.annotations")
    return found + validation.validate(made["spec"], f"{field}.spec")


def lasting(spec: Object, kind: str) -> list[FieldError]:
    """What a template of pods that are to run for ever may not say; `kind` is as texts name it."""
    pod, field = spec["template"]["spec"], "spec.template.spec"
    found: list[FieldError] = []
    policy = pod.get("restartPolicy")
    if policy != "Always":
        found.append(not_supported(f"{field}.restartPolicy", policy, ("Always",)))
    if pod.get("activeDeadlineSeconds") is not None:
        found.append(forbidden(f"{field}.activeDeadlineSeconds", f"activeDeadlineSeconds in {kind} is not Supported"))
    return found


def not_negative(spec: Object, *keys: str, place: str = "spec") -> list[FieldError]:
    """Counts and seconds that must not be below zero."""
    text = "must be greater than or equal to 0"
    start = f"{place}." if place else ""
    return [invalid(f"{start}{key}", spec[key], text) for key in keys if (spec.get(key) or 0) < 0]


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
            found += share(f"spec.strategy.rollingUpdate.{key}", rolling[key])
        if not found and zero(rolling["maxUnavailable"]) and zero(rolling["maxSurge"]):
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


def zero(value: int | str | None) -> bool:
    """Whether a count or share is none at all."""
    return value in (0, "0%")


def share(field: str, value: int | str, *, most: bool = False) -> list[FieldError]:
    """Errors of a count or a share; with `most` a share may not be above 100 %."""
    if most and isinstance(value, str) and value.endswith("%") and value[:-1].isdigit() and int(value[:-1]) > 100:
        return [invalid(field, value, "must not be greater than 100%")]
    if isinstance(value, int):
        return [] if value >= 0 else [invalid(field, value, "must be greater than or equal to 0")]
    if value.endswith("%") and value[:-1].isdigit():
        return []
    rule = "a valid percent string must be a numeric string followed by an ending '%'"
    return [invalid(field, value, f"{rule} (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')")]


def immutable(new: Object, old: Object, *keys: str) -> list[FieldError]:
    """The selector is set once, and so are the other fields of `spec` that are named."""
    after, before = new["spec"], old["spec"]
    changed = [key for key in ("selector", *keys) if after.get(key) != before.get(key)]
    return [invalid(f"spec.{key}", after.get(key), "field is immutable") for key in changed]


def deployment_status_errors(new: Object) -> list[FieldError]:
    """Of all pods some are updated, ready and available, and what is available is ready (apps/validation)."""
    status = new.get("status") or {}
    replicas, ready, available = (status.get(name) or 0 for name in ("replicas", "readyReplicas", "availableReplicas"))
    parts = {"updatedReplicas": status.get("updatedReplicas") or 0, "readyReplicas": ready}
    text, found = "cannot be greater than status.replicas", status_errors(new)
    for name, count in {**parts, "availableReplicas": available}.items():
        if count > replicas:
            found.append(invalid(f"status.{name}", count, text))
    if available > ready:
        found.append(invalid("status.availableReplicas", available, "cannot be greater than readyReplicas"))
    return found


def status_errors(new: Object) -> list[FieldError]:
    """Numbers of a status are never negative."""
    status = new.get("status") or {}
    numbers = [key for key, value in status.items() if isinstance(value, int) and not isinstance(value, bool)]
    return not_negative(status, *numbers, place="status")
