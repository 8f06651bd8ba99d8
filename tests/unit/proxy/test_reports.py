"""What the proxy counts."""

from datetime import UTC, datetime, timedelta

from prometheus_client import REGISTRY

from kube46.addresses.families import Family
from kube46.api.objects import ServicePort
from kube46.proxy.claims import Claims
from kube46.proxy.reports import Report
from kube46.proxy.rules import service_elements
from unit.proxy.samples import VIEW, pods, service, slices

NODE_PORT = ServicePort("http", "TCP", None, 80, 8080, 30080)


def value(name: str, **labels: str) -> float:
    """A sample of the registry; 0 where it isn't."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_policies_without_an_endpoint_here_are_counted() -> None:
    """Up when the last endpoint of the node goes, down when one comes or the Service goes; by policy and family."""
    report, claims = Report(), Claims()
    name = "kubeproxy_sync_proxy_rules_no_local_endpoints_total"
    before = {family: value(name, traffic_policy="external", ip_family=family) for family in Family}
    made = service(type="NodePort", external_traffic_policy="Local", ports=[NODE_PORT])
    for ends, expected in ((pods(3, node_name="node2"), 1), (pods(2), 0), (pods(3, node_name="node2"), 1), (None, 0)):
        elements = {} if ends is None else service_elements(made, slices(ends), VIEW, claims.of(made.key))
        report.count(claims.replace(made.key, elements))
        for family in Family:
            assert value(name, traffic_policy="external", ip_family=family) - before[family] == expected


def test_delays_count_from_the_change_but_not_from_before_the_start() -> None:
    """network_programming_duration: old annotations, wrong ones and those without a zone are left out."""
    report = Report()
    name = "kubeproxy_network_programming_duration_seconds_count"
    before = value(name, ip_family="IPv6")
    now = datetime.now(UTC)
    times = [
        (now + timedelta(seconds=1)).isoformat(),
        (now - timedelta(hours=1)).isoformat(),
        "soon",
        "2026-11-23T12:00:00",
    ]
    report.done(tuple(Family), 0.01, times, full=False)
    assert value(name, ip_family="IPv6") - before == 1


def test_what_is_due_is_due_until_it_is_done() -> None:
    """A failed pass leaves it due since the first cause, a pass that succeeds does not."""
    report = Report(patience=0.0)
    assert report.is_healthy()
    report.queued()
    assert not report.is_healthy()
    since = report.began()
    assert report.is_healthy()
    report.failed(since)
    assert not report.is_healthy()
    report.began()
    report.done(tuple(Family), 0.01, (), full=True)
    assert report.is_healthy()
    assert report.pages()["/livez"]().status == 200
    assert report.pages()["/healthz"]().status == 503, "no Node yet"
