"""Which Services select a pod, and which pods a Service selects: as many look-ups as there are labels."""

from typing import Any

from kube46.api.objects import Pod, Service
from kube46.controllers.endpointslices import endpoints, rules
from kube46.controllers.indexes import Index
from kube46.controllers.selectors import contains
from kube46.kubernetes.caches import Cache

Pair = tuple[str, str]


class Selecting:
    """Indexes over Services and pods; made before any listener that reads them."""

    def __init__(self, services: Cache[Service], pods: Cache[Pod]) -> None:
        self._services: Index[tuple[str, Pair | None], Service] = Index(services, _selecting)
        self._pods: Index[tuple[str, Pair | None], Pod] = Index(pods, _labelled)

    def services_of(self, pod: Pod) -> list[Service]:
        """The Services that select the pod: as many look-ups as it has labels."""
        namespace, labels = pod.metadata.namespace, pod.metadata.labels
        places = [(namespace, None), *((namespace, pair) for pair in labels.items())]
        candidates = [service for place in places for service in self._services.objects(place)]
        return [service for service in candidates if contains(labels, service.spec.selector or {})]

    def touched(self, old: Pod | None, new: Pod | None) -> list[Service]:
        """The Services whose endpoints a change of a pod may change; none when nothing that counts changed."""
        if old and new and _what_counts(old) == _what_counts(new):
            return []
        return [service for pod in (old, new) if pod for service in self.services_of(pod)]

    def pods_of(self, service: Service) -> list[Pod]:
        """The pods that the Service selects, found through the rarest label of its selector."""
        namespace, selector = service.metadata.namespace, service.spec.selector or {}
        places: list[tuple[str, Pair | None]] = [(namespace, pair) for pair in selector.items()] or [(namespace, None)]
        rarest = min(places, key=lambda place: len(self._pods.keys(place)))
        return [pod for pod in self._pods.objects(rarest) if contains(pod.metadata.labels, selector)]


def _what_counts(pod: Pod) -> tuple[Any, ...]:
    """All of a pod that endpoints depend on."""
    spec, meta = pod.spec, pod.metadata
    place = (spec.node_name, spec.hostname, spec.subdomain, meta.labels, meta.uid, meta.deletion_timestamp is None)
    return *place, endpoints.addresses(pod), pod.status.ready, endpoints.takes_part(pod)


def _selecting(service: Service) -> list[tuple[str, Pair | None]]:
    """Where a Service is looked for: at one pair of its selector, or at its namespace when that is empty."""
    if not rules.handles(service):
        return []
    return [(service.metadata.namespace, min((service.spec.selector or {}).items(), default=None))]


def _labelled(pod: Pod) -> list[tuple[str, Pair | None]]:
    namespace = pod.metadata.namespace
    return [(namespace, None), *((namespace, pair) for pair in pod.metadata.labels.items())]
