"""What a proxy tells of itself: whether it keeps up, and how long changes take, under kube-proxy's names."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kube46.addresses.families import Family
from kube46.proxy import metrics
from kube46.proxy.checks import Answer, Health, healthz, is_eligible, livez
from kube46.proxy.rules import DROP, Elements

if TYPE_CHECKING:
    from kube46.api.objects import Node

DROPPING = {
    f"{name}{family.version}": (policy, family)
    for name, policy in (("service", "internal"), ("nodeport-far", "external"), ("service-far", "external"))
    for family in Family
}
"""Maps in which a policy Local without endpoints here is a drop."""
Without = Counter[tuple[str, Family]]
NONE: Without = Counter()


def without_local_endpoints(elements: Elements) -> Without:
    """How many ports of a Service drop by a policy and family: a port may do so at its node port and several addresses,
    or have no node port."""
    dropping: dict[str, set[str]] = {}
    for (name, key), value in elements.items():
        if value == DROP and name in DROPPING:
            dropping.setdefault(name, set()).add(" . ".join(key.split(" . ")[-2:]))
    found: Without = Counter()
    for name, ports in dropping.items():
        found[DROPPING[name]] = max(found[DROPPING[name]], len(ports))
    return found


class Report:
    """Written by the proxy's loop, read by the threads that serve /healthz and /livez."""

    def __init__(self, patience: float = 60.0) -> None:
        self._health = Health(patience=patience)
        self._started = datetime.now(UTC)
        self._due: datetime | None = None
        self._taken: datetime | None = None  # since when what the pass in hand takes was due
        self._without: dict[tuple[str, str], Without] = {}
        self.node: Node | None = None

    def queued(self) -> None:
        """Something changed: a pass is due."""
        now = datetime.now(UTC)
        self._due = self._due or now
        self._judge()
        for family in self._health.families:
            metrics.LAST_QUEUED.labels(family).set(now.timestamp())

    def began(self) -> None:
        """A pass takes all that is due, which still is until it is done; what comes during it is due anew."""
        self._taken, self._due = self._taken or self._due or datetime.now(UTC), None
        self._judge()

    def _judge(self) -> None:
        self._health = replace(self._health, due_since=self._taken or self._due)

    def done(self, families: Sequence[Family], seconds: float, trigger_times: Iterable[str], *, full: bool) -> None:
        """A pass succeeded. `trigger_times`: when the changes of endpoints that it took were made, as they say."""
        now = datetime.now(UTC)
        self._taken = None
        self._health = replace(self._health, families=families, updated=now, due_since=self._due)
        delays = [*self._delays(trigger_times, now)]
        for family in families:
            metrics.SYNC_SECONDS.labels(family).observe(seconds)
            (metrics.FULL_SYNC_SECONDS if full else metrics.PARTIAL_SYNC_SECONDS).labels(family).observe(seconds)
            metrics.LAST_SYNC.labels(family).set(now.timestamp())
            for delay in delays:
                metrics.NETWORK_PROGRAMMING_SECONDS.labels(family).observe(delay)

    def count(self, owner: tuple[str, str], elements: Elements) -> None:
        """Keep the number of Service ports that have endpoints, but none that their policy allows on this node."""
        before, after = self._without.pop(owner, NONE), without_local_endpoints(elements)
        if after:
            self._without[owner] = after
        for labels in before.keys() | after.keys():
            if difference := after[labels] - before[labels]:
                metrics.NO_LOCAL_ENDPOINTS.labels(*labels).inc(difference)

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
