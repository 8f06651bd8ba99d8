"""Which pods a pod is spread among where it doesn't say so: those of its Services and of its workload.

Source: kubernetes/pkg/scheduler/framework/plugins/helper/spread.go (`DefaultSelector`).
"""

from kube46.api.objects import LabelSelector, Pod, Service
from kube46.api.resources import REPLICA_SETS, SERVICES, STATEFUL_SETS
from kube46.controllers.indexes import Index
from kube46.controllers.selectors import contains
from kube46.kubernetes.caches import Caches
from kube46.lab.controllers.owners import controller_of

Place = tuple[str, tuple[str, str]]


class Likeness:
    """Services and workloads, as far as they select pods: as many look-ups as a pod has labels."""

    def __init__(self, caches: Caches) -> None:
        self._services: Index[Place, Service] = Index(caches.of(SERVICES), _place)
        self._sets = {kind.kind: caches.of(kind) for kind in (REPLICA_SETS, STATEFUL_SETS)}

    def selector(self, pod: Pod) -> LabelSelector | None:
        """What selects the pods like this one; None when nothing says."""
        meta, owner = pod.metadata, controller_of(pod)
        pairs: dict[str, str] = {}
        for pair in meta.labels.items():
            for service in self._services.objects((meta.namespace, pair)):
                wanted = service.spec.selector or {}
                pairs |= wanted if contains(meta.labels, wanted) else {}
        known = self._sets.get(owner.kind) if owner else None
        workload = known.get((meta.namespace, owner.name)) if known and owner else None
        if workload is None:
            return LabelSelector(pairs) if pairs else None
        given: LabelSelector = workload.spec.selector
        return LabelSelector({**pairs, **given.match_labels}, given.match_expressions)


def _place(service: Service) -> list[Place]:
    """A Service is looked for at one pair of its selector."""
    first = min((service.spec.selector or {}).items(), default=None)
    return [(service.metadata.namespace, first)] if first else []
