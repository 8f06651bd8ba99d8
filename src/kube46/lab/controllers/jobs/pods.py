"""The pods that a Job makes, and which of them go first: pure."""

from typing import Any

import msgspec

from kube46.api.objects import Pod
from kube46.api.resources import JOBS
from kube46.api.workload_objects import Job
from kube46.lab.controllers.jobs import failures, indexes
from kube46.lab.controllers.owners import reference

TRACKING = "batch.kubernetes.io/job-tracking"


def pod_of(job: Job, number: int | None, last: Pod | None = None) -> dict[str, Any]:
    """A new pod, after `last` of its index failed.

    That of an Indexed Job knows its number by label, annotation, host name and environment.
    """
    meta, name = job.spec.template.get("metadata") or {}, job.metadata.name
    labels, notes = dict(meta.get("labels") or {}), dict(meta.get("annotations") or {})
    spec = dict(job.spec.template.get("spec") or {})
    if number is not None:
        labels[indexes.INDEX] = notes[indexes.INDEX] = str(number)
        notes |= failures.carried(job, last)
        spec["hostname"] = f"{name}-{number}"
        variable = {"name": "JOB_COMPLETION_INDEX", "value": str(number)}
        for kind in ("initContainers", "containers"):
            if spec.get(kind):
                spec[kind] = [{**one, "env": [*(one.get("env") or ()), variable]} for one in spec[kind]]
        name = f"{name}-{number}"
    return {
        "metadata": {
            "generateName": f"{name}-",
            "labels": labels,
            "annotations": notes,
            "finalizers": [*(meta.get("finalizers") or ()), TRACKING],
            "ownerReferences": [msgspec.to_builtins(reference(JOBS, job))],
        },
        "spec": spec,
    }
