"""Jobs: defaulting, the selector that is made for them, and validation (pkg/apis/batch, pkg/registry/batch/job)."""

from __future__ import annotations

import json
from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, invalid, not_supported, required
from kube46.api.pods.defaults import default_spec
from kube46.api.selectors import matches, selector_errors
from kube46.api.workloads import job_policies, validation

Object = dict[str, Any]

UID, NAME = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
OLD_UID, OLD_NAME = "controller-uid", "job-name"
BACKOFF_LIMIT, NO_LIMIT = 6, 2**31 - 1
INDEXED, MODES = "Indexed", ("Indexed", "NonIndexed")
MOST_PARALLEL = 100_000
FIXED = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")
COUNTS = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
          "backoffLimitPerIndex", "maxFailedIndexes")  # fmt: skip


def default(obj: Object) -> None:
    """One completion, six failures allowed; the template's labels are the Job's where it has none."""
    spec = obj.setdefault("spec", {})
    default_job_spec(spec)
    if spec.get("parallelism") is None and spec.get("completions") is None:
        spec["completions"] = 1
    spec["parallelism"] = 1 if spec.get("parallelism") is None else spec["parallelism"]
    limit = NO_LIMIT if spec.get("backoffLimitPerIndex") is not None else BACKOFF_LIMIT
    replaced = "Failed" if spec.get("podFailurePolicy") is not None else "TerminatingOrFailed"
    for key, value in (
        ("backoffLimit", limit), ("completionMode", "NonIndexed"), ("suspend", False), ("manualSelector", False),
        ("podReplacementPolicy", replaced),
    ):  # fmt: skip
        if spec.get(key) is None:
            spec[key] = value
    labels = (spec["template"].get("metadata") or {}).get("labels")
    if labels and not obj.setdefault("metadata", {}).get("labels"):
        obj["metadata"]["labels"] = labels  # the very same, so that a new Job gets those that are made, too
    obj.setdefault("status", {})


def default_job_spec(spec: Object) -> None:
    """What is filled in a Job and in a CronJob's template of one."""
    default_spec(spec.setdefault("template", {}).setdefault("spec", {}))
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            pattern["status"] = pattern.get("status") or "True"


def select(obj: Object) -> None:
    """Makes the selector, which only this Job's pods match, and puts its labels into the template."""
    spec, meta = obj["spec"], obj["metadata"]
    if spec["manualSelector"]:
        return
    made = spec["template"].setdefault("metadata", {})
    own = {OLD_NAME: meta["name"], NAME: meta["name"], OLD_UID: meta["uid"], UID: meta["uid"]}
    labels = {**own, **(made.get("labels") or {})}
    if made.get("labels") and meta.get("labels") is made["labels"]:
        meta["labels"] = dict(labels)
    made["labels"] = labels
    selector = spec["selector"] = spec.get("selector") or {}
    selector["matchLabels"] = {UID: meta["uid"], **(selector.get("matchLabels") or {})}


def errors(obj: Object, old: Object | None = None) -> list[FieldError]:
    """Every error of a new Job, or of an update."""
    spec: Object = obj["spec"]
    found = [] if old else _generated(obj)
    found += spec_errors(spec, "spec")
    selector, labels = spec.get("selector"), (spec["template"].get("metadata") or {}).get("labels") or {}
    found += [required("spec.selector")] if selector is None else selector_errors(selector, "spec.selector")
    if selector is None or not matches(selector, labels):
        text = "`selector` does not match template `labels`"
        found.append(invalid("spec.template.metadata.labels", labels or None, text))
    if old:
        found += _changes(spec, old)
    return found + _hostnames(obj)


def _generated(obj: Object) -> list[FieldError]:
    """Labels of the user's own that stand against those that were to be made."""
    spec, meta = obj["spec"], obj["metadata"]
    if spec["manualSelector"] or spec.get("selector") is None:
        return []
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    expected = {OLD_UID: meta["uid"], OLD_NAME: meta["name"], UID: meta["uid"], NAME: meta["name"]}
    field = "spec.template.metadata.labels"
    found = [invalid(field, labels, f"must be '{v}'") for k, v in expected.items() if labels.get(k) != v]
    if not matches(spec["selector"], expected):
        found.append(invalid("spec.selector", spec["selector"], "`selector` not auto-generated"))
    return found


def spec_errors(spec: Object, field: str) -> list[FieldError]:
    """Errors of a Job's `spec` but its selector, also in a CronJob."""
    found = validation.not_negative(spec, *COUNTS, place=field)
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        found.append(required(f"{field}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    mode = spec.get("completionMode")
    if mode is not None and mode not in MODES:
        found.append(not_supported(f"{field}.completionMode", mode, ("NonIndexed", INDEXED)))
    found += _indexed(spec, field) if mode == INDEXED else _not_indexed(spec, field)
    found += job_policies.errors(spec, field)
    replaced = spec.get("podReplacementPolicy")
    allowed = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
    if replaced is not None and replaced not in allowed:
        found.append(not_supported(f"{field}.podReplacementPolicy", replaced, allowed))
    found += validation.template_errors(spec["template"], f"{field}.template")
    place, policy = f"{field}.template.spec.restartPolicy", spec["template"]["spec"].get("restartPolicy")
    if policy in ("Always", "", None):
        found.append(required(place, 'valid values: "OnFailure", "Never"'))
    elif policy not in ("OnFailure", "Never"):
        found.append(not_supported(place, policy, ("OnFailure", "Never")))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        found.append(invalid(place, policy, 'only "Never" is supported when podFailurePolicy is specified'))
    return found


def _indexed(spec: Object, field: str) -> list[FieldError]:
    found: list[FieldError] = []
    if spec.get("completions") is None:
        found.append(required(f"{field}.completions", "when completion mode is Indexed"))
    if (spec.get("parallelism") or 0) > MOST_PARALLEL:
        text = f"must be less than or equal to {MOST_PARALLEL} when completion mode is Indexed"
        found.append(invalid(f"{field}.parallelism", spec["parallelism"], text))
    most = spec.get("maxFailedIndexes")
    if most is not None and spec.get("completions") is not None and most > spec["completions"]:
        found.append(invalid(f"{field}.maxFailedIndexes", most, "must be less than or equal to completions"))
    return found


def _not_indexed(spec: Object, field: str) -> list[FieldError]:
    keys = ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy")
    text = "requires indexed completion mode"
    return [invalid(f"{field}.{key}", spec[key], text) for key in keys if spec.get(key) is not None]


def _hostnames(obj: Object) -> list[FieldError]:
    """The names of an Indexed Job's pods are host names."""
    spec, name = obj["spec"], obj["metadata"].get("name") or ""
    if spec.get("completionMode") != INDEXED or not (spec.get("completions") or 0) > 0:
        return []
    last = f"{name}-{spec['completions'] - 1}"
    text = f"will not able to create pod with invalid DNS label: {last}"
    return [invalid("metadata.name", name, text)] if names.label(last) else []


def _changes(spec: Object, old: Object) -> list[FieldError]:
    """What stays; completions only change together with the parallelism of an Indexed Job."""
    before = old["spec"]
    found: list[FieldError] = []
    completions = spec.get("completions")
    elastic = spec.get("completionMode") == INDEXED and completions is not None
    if completions != before.get("completions") and not elastic:
        found.append(invalid("spec.completions", completions, "field is immutable"))
    elif completions != before.get("completions") and completions != spec.get("parallelism"):
        text = f"can only be modified in tandem with {json.dumps('parallelism')}"
        found.append(invalid("spec.completions", completions, text))
    template = _fixed(spec, old) != _fixed(before, old)
    fixed = [key for key in FIXED if spec.get(key) != before.get(key)]
    changed = ["selector"] * (spec.get("selector") != before.get("selector")) + ["template"] * template + fixed
    return found + [invalid(f"spec.{key}", spec.get(key), "field is immutable") for key in changed]


def _fixed(spec: Object, old: Object) -> Object:
    """The part of the template that cannot change: a Job that waits to begin may still be sent elsewhere."""
    template: Object = spec["template"]
    if not old["spec"].get("suspend") or (old.get("status") or {}).get("startTime"):
        return template
    free = ("nodeSelector", "tolerations", "affinity", "schedulingGates")
    meta = {k: v for k, v in (template.get("metadata") or {}).items() if k not in ("labels", "annotations")}
    pod = {key: value for key, value in template["spec"].items() if key not in free}
    return {**template, "metadata": meta, "spec": pod}
