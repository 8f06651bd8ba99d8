"""What a proxy tells of itself: whether it keeps up, and how long changes take, under kube-proxy's names."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kube46.addresses.families import Family
from kube46.proxy import metrics
from kube46.proxy.checks import Answer, Health, healthz, is_eligible, livez
from kube46.proxy.claims import Changes
from kube46.proxy.rules import DROP

if TYPE_CHECKING:
    from kube46.api.objects import Node

DROPPING = {
    f"{name}{family.version}": (policy, family)
    for name, policy in (("service", "internal"), ("nodeport-far", "external"))
    for family in Family
}
"""Maps in which a policy Local without endpoints here is a drop."""


class Report:
    """Written by the proxy's loop, read by the threads that serve /healthz and /livez."""

    def __init__(self, patience: float = 60.0) -> None:
        self._health = Health(patience=patience)
        self._started = datetime.now(UTC)
        self.node: Node | None = None

    def queued(self) -> None:
        """Something changed: a pass is due."""
        now = datetime.now(UTC)
        if self._health.due_since is None:
            self._health = replace(self._health, due_since=now)
        for family in self._health.families:
            metrics.LAST_QUEUED.labels(family).set(now.timestamp())

    def began(self) -> datetime | None:
        """A pass takes all that is due; returns since when. What comes during it is due anew."""
        since = self._health.due_since
        self._health = replace(self._health, due_since=None)
        return since

    def failed(self, due_since: datetime | None) -> None:
        """A pass failed, what was due still is."""
        self._health = replace(self._health, due_since=due_since or datetime.now(UTC))

    def done(self, families: Sequence[Family], seconds: float, trigger_times: Iterable[str], *, full: bool) -> None:
        """A pass succeeded. `trigger_times`: when the changes of endpoints that it took were made, as they say."""
        now = datetime.now(UTC)
        self._health = replace(self._health, families=families, updated=now)
        delays = [*self._delays(trigger_times, now)]
        for family in families:
            metrics.SYNC_SECONDS.labels(family).observe(seconds)
            (metrics.FULL_SYNC_SECONDS if full else metrics.PARTIAL_SYNC_SECONDS).labels(family).observe(seconds)
            metrics.LAST_SYNC.labels(family).set(now.timestamp())
            for delay in delays:
                metrics.NETWORK_PROGRAMMING_SECONDS.labels(family).observe(delay)

    def count(self, changes: Changes) -> None:
        """Keep the number of Service ports that have endpoints, but none that their policy allows on this node."""
        for (name, _), change in changes.items():
            if name in DROPPING:
                difference = (change.new == DROP) - (change.old == DROP)
                if difference:
                    metrics.NO_LOCAL_ENDPOINTS.labels(*DROPPING[name]).inc(difference)

    def is_healthy(self) -> bool:
        """Whether the proxy keeps up."""
        return self._health.is_healthy(datetime.now(UTC))

    def pages(self) -> Mapping[str, Callable[[], Answer]]:
        """What is served, by path."""
        return {"/healthz": self._healthz, "/livez": self._livez}

    def _healthz(self) -> Answer:
        answer = healthz(self._health, datetime.now(UTC), eligible=is_eligible(self.node))
        metrics.HEALTHZ.labels(answer.status).inc()
        return answer

    def _livez(self) -> Answer:
        answer = livez(self._health, datetime.now(UTC))
        metrics.LIVEZ.labels(answer.status).inc()
        return answer

    def _delays(self, times: Iterable[str], now: datetime) -> Iterable[float]:
        """Seconds that the changes took, but for those from before we started."""
        for text in times:
            try:
                changed = datetime.fromisoformat(text)
            except ValueError:
                continue
            if changed.tzinfo is not None and changed >= self._started:
                yield max(0.0, (now - changed).total_seconds())
