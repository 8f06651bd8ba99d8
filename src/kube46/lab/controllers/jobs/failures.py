"""What a failed pod means for its Job: the pod failure policy, and failures counted by index. Pure.

Source: kubernetes/pkg/controller/job/{pod_failure_policy.go,indexed_job_utils.go}, KEP-3329, KEP-3850.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from kube46.api.objects import Pod
from kube46.api.workload_objects import Job

# On a pod: how often its index had failed before, and how often that was ignored.
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"


@dataclass(frozen=True, slots=True)
class Match:
    """The action of the first rule that a failed pod matches, and what matched."""

    action: str
    message: str


def match(job: Job, pod: Pod) -> Match | None:
    """The rule that speaks of this failed pod; without one it counts against the limits."""
    for number, rule in enumerate((job.spec.pod_failure_policy or {}).get("rules") or ()):
        if what := _code(pod, rule.get("onExitCodes")) or _condition(pod, rule.get("onPodConditions")):
            return Match(rule["action"], f"{what} matching {rule['action']} rule at index {number}")
    return None


def counts(job: Job, pod: Pod) -> bool:
    """Whether the failure counts against the limits."""
    found = match(job, pod)
    return found is None or found.action != "Ignore"


def ends_job(job: Job, ended: Iterable[Pod]) -> str:
    """Why a pod's failure is the Job's; "" if none is."""
    failed = (pod for pod in ended if pod.status.phase == "Failed")
    found = (match(job, pod) for pod in failed)
    return next((one.message for one in found if one and one.action == "FailJob"), "")


def spoils(job: Job, pod: Pod) -> bool:
    """Whether the index of this failed pod has failed for good."""
    found = match(job, pod)
    if found and found.action == "FailIndex":
        return True
    return counts(job, pod) and _number(pod, FAILURES) >= (job.spec.backoff_limit_per_index or 0)


def of_indexes(job: Job, completed: Collection[int], spoilt: Collection[int]) -> tuple[str, str] | None:
    """Reason and message when too many indexes have failed, or when all have ended and some have failed."""
    most = job.spec.max_failed_indexes
    if most is not None and len(spoilt) > most:
        return "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
    if spoilt and len(spoilt) + len(completed) >= (job.spec.completions or 0):
        return "FailedIndexes", "Job has failed indexes"
    return None


def tries(pod: Pod) -> int:
    """How often the pod's index had failed before it, in any way."""
    return _number(pod, FAILURES) + _number(pod, IGNORED)


def carried(job: Job, last: Pod | None) -> dict[str, str]:
    """The annotations that a new pod of an index has, when `last` failed before."""
    if job.spec.backoff_limit_per_index is None:
        return {}
    numbers = {FAILURES: _number(last, FAILURES), IGNORED: _number(last, IGNORED)}
    if last:
        numbers[FAILURES if counts(job, last) else IGNORED] += 1
    return {name: str(number) for name, number in numbers.items() if number or name == FAILURES}


def _number(pod: Pod | None, name: str) -> int:
    text = pod.metadata.annotations.get(name, "") if pod else ""
    return int(text) if text.isascii() and text.isdecimal() else 0


def _code(pod: Pod, wanted: dict[str, Any] | None) -> str:
    """The container that ended as the rule says; success never matches."""
    if wanted is None:
        return ""
    for status in (*pod.status.container_statuses, *pod.status.init_container_statuses):
        code = (status.state.get("terminated") or {}).get("exitCode")
        if not code or wanted.get("containerName") not in (None, status.name):
            continue
        if (code in (wanted.get("values") or ())) is (wanted["operator"] == "In"):
            about = f"{pod.metadata.namespace}/{pod.metadata.name}"
            return f"Container {status.name} for pod {about} failed with exit code {code}"
    return ""


def _condition(pod: Pod, wanted: Iterable[dict[str, Any]] | None) -> str:
    held = {condition.type: condition.status for condition in pod.status.conditions}
    for pattern in wanted or ():
        if held.get(pattern["type"]) == pattern.get("status", "True"):
            return f"Pod {pod.metadata.namespace}/{pod.metadata.name} has condition {pattern['type']}"
    return ""
