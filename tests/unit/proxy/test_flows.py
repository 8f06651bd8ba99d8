"""Which tracked connections a change makes stale."""

from ipaddress import ip_address

from kube46.addresses.families import Family
from kube46.api.objects import Endpoint, EndpointPort, ServicePort
from kube46.netlink.conntrack import Flow
from kube46.proxy.claims import Claims
from kube46.proxy.flows import stale_flows
from kube46.proxy.rules import service_elements
from unit.proxy.samples import VIEW, pods, service, slices

UDP = ServicePort("dns", "UDP", None, 53, 5353, 30053)
TCP = ServicePort("http", "TCP", None, 80, 8080)
PORTS = (EndpointPort("dns", "UDP", 5353), EndpointPort("http", "TCP", 8080))


def after(*states: list[Endpoint], **spec: str) -> set[Flow]:
    """The stale flows of the last of a series of states of one Service."""
    claims, flows = Claims(), set()
    for ends in states:
        made = service(ports=(UDP, TCP), **spec)
        elements = service_elements(made, slices(ends, ports=PORTS), VIEW, claims.of(made.key))
        flows = stale_flows(claims.replace(made.key, elements), claims)
    return flows


def udp(address: str | None, port: int, endpoint: str | None) -> Flow:
    family = Family.IPV6 if ":" in (endpoint or "") else Family.IPV4
    where = (ip_address(endpoint), 5353) if endpoint else None
    return Flow(family, 17, ip_address(address) if address else None, port, where)


def test_an_endpoint_that_went_makes_its_flows_stale_in_both_families() -> None:
    """Only those to it, only of UDP, at each frontend."""
    assert after(pods(2, 3), pods(3)) == {
        udp("10.96.0.20", 53, "10.244.0.2"),
        udp("fd00:10:96::20", 53, "fd00:10:244::2"),
    }


def test_the_last_endpoint_too() -> None:
    """Scaled to nothing, the flows go as well (kubernetes#139628)."""
    assert len(after(pods(2), [], type="NodePort")) == 4


def test_endpoints_that_only_change_places_stay() -> None:
    """A backend moved into another's place is no reason to forget its flows."""
    assert {flow.endpoint for flow in after(pods(2, 3, 4), pods(3, 4))} == {
        (ip_address("10.244.0.2"), 5353),
        (ip_address("fd00:10:244::2"), 5353),
    }


def test_new_endpoints_make_nothing_stale() -> None:
    """Growing forgets nothing."""
    assert after(pods(2), pods(2, 3)) == set()


def test_a_new_node_port_forgets_what_was_tracked_untranslated() -> None:
    """Datagrams that came before the Service did."""
    found = after(pods(2), type="NodePort")
    assert found == {
        Flow(Family.IPV4, 17, None, 30053, None),
        Flow(Family.IPV6, 17, None, 30053, None),
    }
