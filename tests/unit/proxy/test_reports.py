"""What the proxy counts."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace
from prometheus_client import REGISTRY

from kube46.addresses.families import Family
from kube46.api.objects import EndpointPort, ServicePort
from kube46.proxy.reports import Report, without_local_endpoints
from kube46.proxy.rules import service_elements
from unit.proxy.samples import VIEW, pods, service, slices

BOTH = (EndpointPort("http", "TCP", 8080), EndpointPort("also", "TCP", 8080))
NODE_PORT = ServicePort("http", "TCP", None, 80, 8080, 30080)


def value(name: str, **labels: str) -> float:
    """A sample of the registry; 0 where it isn't."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_policies_without_an_endpoint_here_are_counted() -> None:
    """Up when the last endpoint of the node goes, down when one comes or the Service goes; by policy and family."""
    report = Report()
    name = "kubeproxy_sync_proxy_rules_no_local_endpoints_total"
    before = {family: value(name, traffic_policy="external", ip_family=family) for family in Family}
    made = service(type="NodePort", external_traffic_policy="Local", ports=[NODE_PORT])
    for ends, expected in ((pods(3, node_name="node2"), 1), (pods(2), 0), (pods(3, node_name="node2"), 1), (None, 0)):
        report.count(made.key, {} if ends is None else service_elements(made, slices(ends), VIEW, {}))
        for family in Family:
            assert value(name, traffic_policy="external", ip_family=family) - before[family] == expected


def test_a_port_is_counted_once_whatever_leads_to_it() -> None:
    """A load balancer without node ports drops at each of its addresses, a policy Local of both kinds in both."""
    ingress = ("198.51.100.8", "198.51.100.9", "2001:db8:9::9")
    policies = {"external_traffic_policy": "Local", "internal_traffic_policy": "Local"}
    ports = [ServicePort("http", "TCP", None, 80, 8080), ServicePort("also", "TCP", None, 81, 8080)]
    for node_ports in (0, 30080):
        numbered = [replace(port, node_port=node_ports and node_ports + port.port) for port in ports]
        made = service(type="LoadBalancer", ingress=ingress, ports=numbered, **policies)
        elements = service_elements(made, slices(pods(3, node_name="node2"), ports=BOTH), VIEW, {})
        assert without_local_endpoints(elements) == {
            (policy, family): 2 for policy in ("internal", "external") for family in Family
        }


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
    """A pass that hangs or failed leaves it due since the first cause, one that succeeds does not; what comes during a
    pass is due until the next one."""
    report = Report(patience=0.0)
    assert report.is_healthy()
    report.queued()
    assert not report.is_healthy()
    report.began()
    assert not report.is_healthy()
    report.began()
    report.queued()
    report.done(tuple(Family), 0.01, (), full=True)
    assert not report.is_healthy()
    report.began()
    report.done(tuple(Family), 0.01, (), full=False)
    assert report.is_healthy()
    assert report.pages()["/livez"]().status == 200
    assert report.pages()["/healthz"]().status == 503, "no Node yet"
