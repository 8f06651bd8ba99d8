"""CronJobs: defaulting and validation (pkg/apis/batch, 1.37)."""

from __future__ import annotations

import zoneinfo
from typing import Any

from kube46.api.errors import FieldError, invalid, not_supported, required
from kube46.api.workloads import jobs, schedules, validation

Object = dict[str, Any]

POLICIES = ("Allow", "Forbid", "Replace")
MOST_NAME = 52  # a Job's name is eleven characters longer


def default(obj: Object) -> None:
    """Jobs may overlap; three that completed and one that failed are kept."""
    spec = obj.setdefault("spec", {})
    spec["concurrencyPolicy"] = spec.get("concurrencyPolicy") or "Allow"
    for key, value in (("suspend", False), ("successfulJobsHistoryLimit", 3), ("failedJobsHistoryLimit", 1)):
        if spec.get(key) is None:
            spec[key] = value
    jobs.default_job_spec(spec.setdefault("jobTemplate", {}).setdefault("spec", {}))
    obj.setdefault("status", {})


def errors(obj: Object, *, new: bool) -> list[FieldError]:
    """Every error of `spec`, and of a new one's name."""
    spec, name = obj["spec"], obj["metadata"].get("name") or ""
    found = _schedule(spec) + validation.not_negative(spec, "startingDeadlineSeconds") + _zone(spec)
    if spec["concurrencyPolicy"] not in POLICIES:
        found.append(not_supported("spec.concurrencyPolicy", spec["concurrencyPolicy"], POLICIES))
    template, field = spec["jobTemplate"]["spec"], "spec.jobTemplate.spec"
    found += jobs.spec_errors(template, field)
    if template.get("selector") is not None:
        found.append(invalid(f"{field}.selector", template["selector"], "`selector` will be auto-generated"))
    if template.get("manualSelector"):
        found.append(not_supported(f"{field}.manualSelector", True, ("nil", "false")))
    found += validation.not_negative(spec, "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
    if new and len(name) > MOST_NAME:
        found.append(invalid("metadata.name", name, f"must be no more than {MOST_NAME} characters"))
    return found


def _schedule(spec: Object) -> list[FieldError]:
    text = spec.get("schedule") or ""
    if not text:
        return [required("spec.schedule")]
    if "TZ" in text:
        return [invalid("spec.schedule", text, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")]
    try:
        schedules.parse(text)
    except ValueError as error:
        return [invalid("spec.schedule", text, str(error))]
    return []


def _zone(spec: Object) -> list[FieldError]:
    zone = spec.get("timeZone")
    if zone is None:
        return []
    if not zone:
        return [invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string")]
    if zone.lower() == "local":
        text = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        return [invalid("spec.timeZone", zone, text)]
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return [invalid("spec.timeZone", zone, f"unknown time zone {zone}")]
    return []
