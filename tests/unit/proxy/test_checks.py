"""Health checks of Services and of the proxy, as kube-proxy answers them."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from kube46.addresses.families import Family
from kube46.api.objects import Meta, Node, NodeSpec, Taint
from kube46.proxy.checks import (
    TO_BE_DELETED,
    Check,
    Health,
    healthz,
    is_eligible,
    livez,
    service_answer,
    service_checks,
)
from unit.proxy.samples import VIEW, node, pods, service, slices

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
BALANCED = {"type": "LoadBalancer", "external_traffic_policy": "Local", "health_check_node_port": 30999}


def test_ready_endpoints_of_the_node_are_counted_by_family() -> None:
    """Distinct addresses here; elsewhere, unready and terminating ones are not counted (K-15)."""
    ends = [*pods(2, 3), *pods(4, node_name="node2"), *pods(5, ready=False), *pods(6, ready=False, terminating=True)]
    ends += [end for end in pods(7) if ":" in end.addresses[0]]
    checks = service_checks(service(**BALANCED), slices(ends), VIEW, Family)
    assert checks == {Family.IPV4: Check(30999, 2), Family.IPV6: Check(30999, 3)}


@pytest.mark.parametrize(
    "changed", [{"type": "NodePort"}, {"external_traffic_policy": "Cluster"}, {"health_check_node_port": 0}]
)
def test_other_services_have_no_check(changed: dict[str, object]) -> None:
    """Only a load balancer with externalTrafficPolicy Local asks."""
    assert service_checks(service(**{**BALANCED, **changed}), slices(pods(2)), VIEW, Family) == {}


@pytest.mark.parametrize(("endpoints", "healthy", "status"), [(2, True, 200), (0, True, 503), (2, False, 503)])
def test_an_answer_is_worded_as_kube_proxys(endpoints: int, healthy: bool, status: int) -> None:
    """Byte for byte the body of service_health.go, and its headers."""
    answer = service_answer(("default", "web"), Check(30999, endpoints), healthy=healthy)
    assert answer.status == status
    assert answer.headers == {
        "Content-Type": "application/json",
        "X-Content-Type-Options": "nosniff",
        "X-Load-Balancing-Endpoint-Weight": str(endpoints),
    }
    assert answer.body.decode() == (
        '{\n\t"service": {\n\t\t"namespace": "default",\n\t\t"name": "web"\n\t},\n'
        f'\t"localEndpoints": {endpoints},\n\t"serviceProxyHealthy": {str(healthy).lower()}\n}}'
    )


def test_a_pass_that_is_due_too_long_is_unhealthy() -> None:
    """Only what has been waiting for longer than the patience makes /healthz and /livez 503, in both families."""
    since = NOW - timedelta(seconds=60)
    for health, status in (
        (Health(), 200),
        (Health(tuple(Family), since, NOW - timedelta(seconds=59)), 200),
        (Health(tuple(Family), since, since), 503),
    ):
        assert livez(health, NOW).status == healthz(health, NOW, eligible=True).status == status
    body = json.loads(livez(Health(tuple(Family), since, since), NOW).body)
    unhealthy = {"lastUpdated": "2026-11-23T11:59:00Z", "healthy": False}
    assert body == {
        **unhealthy,
        "currentTime": "2026-11-23T12:00:00Z",
        "status": {"IPv4": unhealthy, "IPv6": unhealthy},
    }


def test_who_is_healthy_was_updated_just_now() -> None:
    """At both pages, as kube-proxy has it for older readers; the families keep the time of their last change."""
    long_ago = NOW - timedelta(hours=1)
    health = Health(tuple(Family), long_ago)
    for answer in (livez(health, NOW), healthz(health, NOW, eligible=True)):
        body = json.loads(answer.body)
        assert body["lastUpdated"] == "2026-11-23T12:00:00Z"
        assert body["status"]["IPv6"]["lastUpdated"] == "2026-11-23T11:00:00Z"
    assert json.loads(healthz(health, NOW, eligible=False).body)["lastUpdated"] == "2026-11-23T11:00:00Z"


def test_a_node_that_is_about_to_go_is_not_eligible() -> None:
    """/healthz tells load balancers; /livez, which restarts the proxy, does not (K-16)."""
    tainted = Node(metadata=Meta(name="node1"), spec=NodeSpec(taints=(Taint(TO_BE_DELETED),)))
    assert is_eligible(node())
    for gone in (None, tainted, node(deletion_timestamp="2026-11-23T12:00:00Z")):
        assert not is_eligible(gone)
    assert healthz(Health(), NOW, eligible=False).status == 503
    assert json.loads(healthz(Health(), NOW, eligible=True).body)["nodeEligible"] is True
    assert livez(Health(), NOW).status == 200
