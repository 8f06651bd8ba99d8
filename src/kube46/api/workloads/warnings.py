"""What writers of workloads are warned of: their pod templates, and what is particular to a kind.

Source: k8s.io/kubernetes pkg/registry/{apps,batch,core}/*/strategy.go (WarningsOnCreate, WarningsOnUpdate),
pkg/api/job/warnings.go.
"""

from __future__ import annotations

from typing import Any

from kube46.api.pods import warnings as pods
from kube46.api.storage import claims

Object = dict[str, Any]
MANY_COMPLETIONS, MUCH_PARALLELISM = 100_000, 10_000
MANY = (
    "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes "
    "might not be able to track completedIndexes when a big number of indexes fail"
)
ZONE = (
    "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see "
    "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
)
REVISIONS = "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"


def due(new: Object, old: Object | None) -> bool:
    """Whether an object is new or of another generation: others are not looked at again."""
    return old is None or new["metadata"].get("generation") != old["metadata"].get("generation")


def template(obj: Object) -> list[str]:
    """Of what has its template in `spec`."""
    return pods.of_template(obj["spec"].get("template"), "spec.template")


def stateful_set(obj: Object, *, new: bool) -> list[str]:
    """Of the templates of claims, and of history that never ends."""
    spec, part = obj["spec"], "" if new else ".Spec"
    found = []
    for n, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        found += claims.spec_warnings(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{n}]{part}")
    return [*found, REVISIONS] if (spec.get("revisionHistoryLimit") or 0) < 0 else found


def job(spec: Object, path: str) -> list[str]:
    """Of a Job's spec at a path."""
    many = (spec.get("completions") or 0) > MANY_COMPLETIONS and (spec.get("parallelism") or 0) > MUCH_PARALLELISM
    found = [f"{path}: {MANY}"] if many and spec.get("completionMode") == "Indexed" else []
    return found + pods.of_template(spec.get("template"), f"{path}.template")


def zone(obj: Object) -> list[str]:
    """Of an updated CronJob's schedule."""
    return [ZONE] if "TZ" in (obj["spec"].get("schedule") or "") else []
