"""Per-Service figures in /metrics: connections and endpoints of the Service ports that this node has connected to.

Read when somebody asks, by one dump a family and at most once in MIN_AGE seconds; changes of Services cost nothing.
A Service port that was shown is shown until its Service goes; when `most` are, all further ones are told together, with
empty labels, so that the number of series has a bound.
"""

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from kube46.addresses.families import Family
from kube46.api.objects import Service
from kube46.netlink import counters
from kube46.nftables import Nft, NftError, elements
from kube46.proxy.claims import Claims
from kube46.proxy.counting import places
from kube46.proxy.layout import COUNTED, COUNTED_SIZE, TABLE, read_pick
from kube46.proxy.ranks import service_of
from kube46.proxy.rules import Element, cluster_ips

MIN_AGE = 5.0
Owner = tuple[str, str]
log = logging.getLogger(__name__)


class Port(NamedTuple):
    """A Service port of a family; its fields are the labels."""

    namespace: str
    service: str
    port: str
    protocol: str
    ip_family: str


OTHERS = Port("", "", "", "", "")
CONNECTIONS = "kube46_proxy_service_connections"
ENDPOINTS = "kube46_proxy_service_endpoints"


class Services(Protocol):
    """The Services, by owner."""

    def get(self, key: Owner, /) -> Service | None:
        """None when there is no such Service."""


class Usage:
    """A collector of prometheus_client's. Used by the threads that serve /metrics, between `__enter__` and `__exit__`,
    after which nft's handle may be closed. `most` 0: nothing is counted, and nothing told."""

    def __init__(self, nft: Nft, claims: Claims, services: Services, most: int) -> None:
        self._nft, self._claims, self._services, self._most = nft, claims, services, most
        self._lock = threading.Lock()
        self._read_at = -MIN_AGE
        self._counts: dict[Port, int] = {}
        self._shown: set[Port] = set()

    def __enter__(self) -> Self:
        if self._most:
            REGISTRY.register(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._most:
            REGISTRY.unregister(self)
        with self._lock:  # whoever reads just now
            self._read_at, self._counts = math.inf, {}

    def describe(self) -> Iterable[Metric]:
        """The families without samples: registration reads nothing."""
        return [family for family, _ in self._families()]

    def collect(self) -> Iterator[Metric]:
        """The figures, at most MIN_AGE seconds old."""
        with self._lock:
            if time.monotonic() - self._read_at >= MIN_AGE:
                self._counts = self._read()
                self._read_at = time.monotonic()
            counts = dict(self._counts)
        for family, value in self._families():
            for port, connections in counts.items():
                found = value(port, connections)
                if found is not None:
                    family.add_metric(list(port), found)
            yield family

    def _families(self) -> list[tuple[CounterMetricFamily | GaugeMetricFamily, Callable[[Port, int], float | None]]]:
        said = "Connections (of UDP and SCTP: flows) of this node to a Service port, at all its addresses"
        return [
            (CounterMetricFamily(CONNECTIONS, said, labels=Port._fields), lambda _, connections: connections),
            (
                GaugeMetricFamily(ENDPOINTS, "Endpoints of it that this node picks from", labels=Port._fields),
                lambda port, _: self._endpoints(port),
            ),
        ]

    def _read(self) -> dict[Port, int]:
        found: Counter[Port] = Counter()
        for family in Family:
            name = f"{COUNTED}{family.version}"
            try:
                counted = self._nft.call(lambda name=name: counters.read(TABLE.name, name))  # type: ignore[misc]
            except OSError as error:  # no table yet, or it has just been taken away
                log.info("Connections of Services not read error=%s", error)
                continue
            strangers = []
            for key, connections in counted:
                port = self._port(family, places(family, key))
                if port is None:
                    strangers.append(key)
                else:
                    found[port] += connections
            if len(counted) > COUNTED_SIZE // 2:
                self._remove(family, strangers)
        self._shown &= found.keys()
        return self._bounded(found)

    def _bounded(self, found: Mapping[Port, int]) -> dict[Port, int]:
        for port in sorted(found.keys() - self._shown)[: max(0, self._most - len(self._shown))]:
            self._shown.add(port)
        counts = {port: number for port, number in found.items() if port in self._shown}
        if rest := sum(number for port, number in found.items() if port not in self._shown):
            counts[OTHERS] = rest
        return counts

    def _port(self, family: Family, where: tuple[Element, Element] | None) -> Port | None:
        """Whose place it is; None: nobody's, or no longer."""
        for element in where or ():
            owner = self._claims.holder(element)
            service = None if owner is None else self._services.get(service_of(owner))
            if service is None:
                continue
            *_, protocol, number = element[1].split(" . ")
            for port in service.spec.ports:
                by = port.node_port if element[0].startswith("nodeport") else port.port
                if (port.protocol.lower(), str(by)) == (protocol, number):
                    return Port(*service.key, str(port.port), port.protocol, family)
        return None

    def _endpoints(self, port: Port) -> int | None:
        service = self._services.get((port.namespace, port.service))
        if service is None:
            return None
        family = Family(port.ip_family)
        key = f"{cluster_ips(service).get(family)} . {port.protocol.lower()} . {port.port}"
        verdict = self._claims.value((f"service{family.version}", key)) or ""
        name = verdict.removeprefix("goto ")
        return read_pick(name).count if name.startswith("service-") else 0

    def _remove(self, family: Family, keys: list[bytes]) -> None:
        """Make room: what is of no Service is counted anew if it ever is one's again."""
        known = filter(None, (places(family, key) for key in keys))
        texts = [place[0][1] for place in known]
        try:
            self._nft.run("".join(elements("delete", TABLE, f"{COUNTED}{family.version}", texts)))
        except NftError as error:
            log.warning("Counts of places that no Service has not removed error=%s", error)
