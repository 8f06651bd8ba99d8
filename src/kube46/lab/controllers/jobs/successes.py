"""When an Indexed Job has succeeded before all of its indexes have: pure.

Source: kubernetes/pkg/controller/job/success_policy.go, KEP-3998.
"""

from collections.abc import Collection

from kube46.api.workload_objects import Job
from kube46.lab.controllers.jobs import indexes


def matching(job: Job, completed: Collection[int]) -> int | None:
    """The number of the first rule of the success policy that is met; None if none is."""
    done = set(completed)
    for number, rule in enumerate((job.spec.success_policy or {}).get("rules") or ()):
        listed = rule.get("succeededIndexes")
        wanted = indexes.parse(listed) if listed else None
        counted = done if wanted is None else done & wanted
        least = rule.get("succeededCount")
        if least is None:
            least = len(wanted or ())
        if len(counted) >= least > 0:
            return number
    return None
