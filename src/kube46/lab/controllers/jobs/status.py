"""A Job's conditions and times: pure.

Source: kubernetes/pkg/controller/job/job_controller.go (`syncJob`, `enactJobFinished`).
"""

from datetime import datetime
from typing import Any

from kube46.api.workload_objects import Job
from kube46.lab.controllers import clock
from kube46.lab.controllers.jobs.rules import TARGETS, Tally, verdict

Condition = dict[str, Any]


def status(job: Job, count: Tally, now: datetime) -> dict[str, Any]:
    """The status to write; the last condition is set only when every pod has ended and is counted."""
    conditions: list[Condition] = [dict(one) for one in job.status.get("conditions") or ()]
    start = job.status.get("startTime")
    result = {**count.status, "completionTime": job.status.get("completionTime")}
    target, reason, message = verdict(job, count, now)
    if target:
        _set(conditions, _condition(target, "True", reason, message, now))
        settled = not any(count.status["uncountedTerminatedPods"].values())
        if settled and not count.active and not count.terminating:
            _set(conditions, _condition(TARGETS[target], "True", reason, message, now))
            if target == "SuccessCriteriaMet":
                result["completionTime"] = result["completionTime"] or clock.text(now)
        start = start or clock.text(now)
    elif job.spec.suspend:
        _set(conditions, _condition("Suspended", "True", "JobSuspended", "Job suspended", now))
        start = None
    else:
        if any(one["type"] == "Suspended" for one in conditions):
            _set(conditions, _condition("Suspended", "False", "JobResumed", "Job resumed", now))
        start = start or clock.text(now)
    return {**result, "startTime": start, "conditions": conditions}


def news(job: Job, status: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Type, reason and message of Events about conditions that are new in `status`."""
    before = {(one["type"], one["status"]) for one in job.status.get("conditions") or ()}
    found = []
    for one in status["conditions"]:
        if (one["type"], one["status"]) in before:
            continue
        match one["type"], one["status"]:
            case "Complete", _:
                found.append(("Normal", "Completed", "Job completed"))
            case "Failed", _:
                found.append(("Warning", one["reason"], one["message"]))
            case "Suspended", state:
                found.append(("Normal", "Suspended" if state == "True" else "Resumed", one["message"]))
    return found


def _condition(kind: str, state: str, reason: str, message: str, now: datetime) -> Condition:
    moment = clock.text(now)
    times = {"lastProbeTime": moment, "lastTransitionTime": moment}
    return {"type": kind, "status": state, "reason": reason, "message": message, **times}


def _set(conditions: list[Condition], new: Condition) -> None:
    """Adds or replaces a condition; one that says the same keeps its times."""
    for place, old in enumerate(conditions):
        if old["type"] == new["type"]:
            if old["status"] != new["status"]:
                conditions[place] = new
            return
    conditions.append(new)
