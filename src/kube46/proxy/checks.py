"""What load balancers and the kubelet ask a proxy, and its answers as kube-proxy words them (K-15, K-16). Pure.

Source: pkg/proxy/healthcheck/{service_health,proxy_health}.go of Kubernetes 1.37.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from kube46.addresses.families import Family
from kube46.api.objects import EndpointSlice, Node, Service
from kube46.proxy.endpoints import address_text
from kube46.proxy.settings import NodeView

TO_BE_DELETED = "ToBeDeletedByClusterAutoscaler"
NOSNIFF = {"Content-Type": "application/json", "X-Content-Type-Options": "nosniff"}
NEVER = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Check:
    """A Service's health check on this node, of one family: where it is asked for, and how many endpoints are here."""

    port: int
    endpoints: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered over HTTP."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def service_checks(
    service: Service, slices: Sequence[EndpointSlice], node: NodeView, families: Iterable[Family]
) -> dict[Family, Check]:
    """The checks of a Service whose load balancer asks each node whether it has endpoints of its own."""
    spec = service.spec
    if (
        spec.type != "LoadBalancer"
        or spec.external_traffic_policy != "Local"
        or not 0 < spec.health_check_node_port < 65536
    ):
        return {}
    return {family: Check(spec.health_check_node_port, _ready_here(slices, family, node)) for family in families}


def _ready_here(slices: Iterable[EndpointSlice], family: Family, node: NodeView) -> int:
    """Distinct addresses of the family that are ready here; terminating ones are not ready."""
    found = {
        address_text(end.addresses[0], family)
        for part in slices
        if part.address_type == family and any(port.port for port in part.ports or ())
        for end in part.endpoints or ()
        if end.addresses and end.node_name == node.name and end.conditions.ready is not False
    }
    return len(found - {None})


def service_answer(owner: tuple[str, str], check: Check, *, healthy: bool) -> Answer:
    """Whether the load balancer may send to this node: 200 or 503."""
    service = {"namespace": owner[0], "name": owner[1]}
    answer = {"service": service, "localEndpoints": check.endpoints, "serviceProxyHealthy": healthy}
    headers = {**NOSNIFF, "X-Load-Balancing-Endpoint-Weight": str(check.endpoints)}
    return Answer(200 if check.endpoints and healthy else 503, json.dumps(answer, indent="\t").encode(), headers)


@dataclass(frozen=True, slots=True)
class Health:
    """How the proxy fares: when its last pass succeeded, since when one has been due, by which it should be done."""

    families: Sequence[Family] = ()
    updated: datetime | None = None
    due_since: datetime | None = None
    patience: float = 60.0

    def is_healthy(self, now: datetime) -> bool:
        """Whether no pass has been due for too long."""
        return self.due_since is None or (now - self.due_since).total_seconds() < self.patience


def is_eligible(node: Node | None) -> bool:
    """Whether load balancers may use the node: it exists and is not about to go."""
    if node is None or node.metadata.deletion_timestamp:
        return False
    return all(taint.key != TO_BE_DELETED for taint in node.spec.taints)


def livez(health: Health, now: datetime) -> Answer:
    """/livez: the process does its work, whatever becomes of the node."""
    healthy = health.is_healthy(now)
    return _answer(_recent(_status(health, now), now) if healthy else _status(health, now), healthy=healthy)


def healthz(health: Health, now: datetime, *, eligible: bool) -> Answer:
    """/healthz: it does, and load balancers may use the node."""
    healthy = health.is_healthy(now) and eligible
    status = _recent(_status(health, now), now) if healthy else _status(health, now)
    return _answer({**status, "nodeEligible": eligible}, healthy=healthy)


def _recent(status: dict[str, object], now: datetime) -> dict[str, object]:
    """Who is healthy was updated now: older readers take lastUpdated for the last turn of a loop, change or none."""
    return {**status, "lastUpdated": _time(now)}


def _status(health: Health, now: datetime) -> dict[str, object]:
    healthy, updated = health.is_healthy(now), _time(health.updated)
    families = {
        str(family): {"lastUpdated": updated, "healthy": healthy} for family in health.families if health.updated
    }
    return {"lastUpdated": updated, "currentTime": _time(now), "healthy": healthy, "status": families}


def _answer(status: Mapping[str, object], *, healthy: bool) -> Answer:
    return Answer(200 if healthy else 503, json.dumps(status).encode(), NOSNIFF)


def _time(moment: datetime | None) -> str:
    return NEVER if moment is None else moment.isoformat().replace("+00:00", "Z")
