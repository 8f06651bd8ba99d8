"""What the server counts about itself, in Prometheus' text form (names as kube-apiserver's)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from kube46.apiserver.admission import measures
from kube46.kubernetes import queues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.core import Metric

    from kube46.api.features import Features
    from kube46.apiserver.requests import Request

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


LABELS = ("component", "dry_run", "group", "resource", "scope", "subresource", "verb", "version")


VERBS = {"create": "POST", "update": "PUT"}


def _labels(request: Request) -> tuple[str, ...]:
    """kube-apiserver's labels of a request; the verb of a PATCH by apply is APPLY there."""
    target, dry = request.target, "All" if "dryRun" in request.query else ""
    verb = VERBS.get(request.verb) or request.verb.upper()
    if target is None:
        return "apiserver", dry, "", "", "", "", verb, ""
    if verb == "PATCH" and "apply-patch" in request.content_type:
        verb = "APPLY"
    scope = "resource" if target.name or verb == "POST" else "namespace" if target.namespace else "cluster"
    kind = target.kind
    return "apiserver", dry, kind.group, kind.plural, scope, target.subresource, verb, kind.version


class Metrics:
    """Counters of requests, gauges read when scraped."""

    content_type = CONTENT_TYPE_LATEST.encode()

    def __init__(
        self, counts: Callable[[], dict[str, int]], watching: Callable[[], dict[str, int]], features: Features
    ) -> None:
        self._counts, self._watching, self._features = counts, watching, features
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        self._registry.register(queues.FAILURES)
        for measure in (measures.DURATION, measures.REQUESTS, measures.REJECTIONS, measures.FAIL_OPEN):
            self._registry.register(measure)
        self._total = Counter(
            "apiserver_request_total", "Requests answered.", (*LABELS, "code"), registry=self._registry
        )
        self._duration = Histogram(
            "apiserver_request_duration_seconds", "Time to answer, watches and streams left out.", LABELS,
            buckets=BUCKETS, registry=self._registry,
        )  # fmt: skip
        self._counters: dict[tuple[tuple[str, ...], int], Counter] = {}  # looking labels up there costs three times it
        self._times: dict[tuple[str, ...], Histogram] = {}

    def observe(self, request: Request, code: int, seconds: float | None) -> None:
        """Count one request; `seconds` is None for long-running ones."""
        place = _labels(request)
        counter = self._counters.get((place, code))
        if counter is None:
            counter = self._counters[place, code] = self._total.labels(*place, str(code))
        counter.inc()
        if seconds is not None:
            times = self._times.get(place)
            if times is None:
                times = self._times[place] = self._duration.labels(*place)
            times.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """The gauges."""
        objects = GaugeMetricFamily("apiserver_storage_objects", "Stored objects.", labels=("resource",))
        for resource, count in sorted(dict(self._counts()).items()):
            objects.add_metric((resource,), count)
        yield objects
        watches = GaugeMetricFamily("apiserver_longrunning_requests", "Open watches.", labels=("verb", "resource"))
        for resource, count in sorted(dict(self._watching()).items()):
            watches.add_metric(("WATCH", resource), count)
        yield watches
        text = "This metric records the data about the stage and enablement of a k8s feature."
        enabled = GaugeMetricFamily("kubernetes_feature_enabled", f"[BETA] {text}", labels=("name", "stage"))
        for name, gate in self._features.gates:
            enabled.add_metric((name, str(gate.stage)), self._features.enabled(name))
        yield enabled

    def text(self) -> bytes:
        """The exposition; call it on a thread."""
        return generate_latest(self._registry)
