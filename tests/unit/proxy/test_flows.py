"""Which tracked connections a change makes stale."""

from ipaddress import ip_address, ip_network

import pytest

from kube46.addresses.families import Family
from kube46.api.objects import Endpoint, EndpointPort, ServicePort
from kube46.netlink.conntrack import Flow
from kube46.proxy.flows import NONE, Flows, live
from unit.proxy.samples import VIEW, pods, service, slices

UDP = ServicePort("dns", "UDP", None, 53, 5353, 30053)
TCP = ServicePort("http", "TCP", None, 80, 8080)
PORTS = (EndpointPort("dns", "UDP", 5353), EndpointPort("http", "TCP", 8080))


def after(*states: list[Endpoint] | None, **spec: str) -> set[Flow]:
    """The stale flows of the last of a series of states of one Service; None: it is not there."""
    flows = Flows()
    for ends in states:
        flows.stale.clear()
        made = service(ports=(UDP, TCP), **spec)
        flows.replace(made.key, NONE if ends is None else live(made, slices(ends, ports=PORTS), VIEW))
    return flows.stale


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


def test_a_new_service_forgets_what_was_tracked_untranslated() -> None:
    """Datagrams that came before the Service did, at each of its addresses."""
    found = after(pods(2), type="NodePort", external_ips=("198.51.100.7",))
    assert found == {
        Flow(Family.IPV4, 17, None, 30053, None),
        Flow(Family.IPV6, 17, None, 30053, None),
        *(Flow(Family.IPV4, 17, ip_address(text), 53, None) for text in ("10.96.0.20", "198.51.100.7")),
        Flow(Family.IPV6, 17, ip_address("fd00:10:96::20"), 53, None),
    }


@pytest.mark.parametrize(
    ("left", "is_kept"),
    [
        (pods(3) + pods(2, ready=False, serving=True, terminating=True), True),
        (pods(3) + pods(2, ready=False, serving=False, terminating=True), False),
        (pods(3) + pods(2, ready=False, serving=False), False),
        (pods(3) + pods(2, node_name="node2"), True),
        (pods(3), False),
        (None, False),
    ],
    ids=["serving to its end", "done", "unready", "moved", "gone", "no Service"],
)
def test_flows_go_on_as_long_as_their_endpoint_serves(left: list[Endpoint] | None, *, is_kept: bool) -> None:
    """As TCP connections do, chosen by this node or not (K-17); and not a moment longer."""
    stale = {flow.endpoint for flow in after(pods(2, 3), left, internal_traffic_policy="Local")}
    assert ((ip_address("10.244.0.2"), 5353) not in stale) is is_kept
    leaving = pods(3) + pods(2, ready=False, serving=True, terminating=True)
    assert (ip_address("fd00:10:244::2"), 5353) in {flow.endpoint for flow in after(pods(2, 3), leaving, pods(3))}


def test_what_comes_back_before_it_is_forgotten_is_not_stale() -> None:
    """A pass that failed leaves its stale flows to the next one, which may know better."""
    flows, made = Flows(), service(ports=(UDP,))
    for ends in (pods(2), None, pods(2)):
        flows.replace(made.key, NONE if ends is None else live(made, slices(ends, ports=PORTS), VIEW))
    assert {flow.endpoint for flow in flows.stale} == {None}


def test_every_entry_is_judged() -> None:
    """At the start: those to endpoints that serve stay, others to a Service, also to one that went, are stale, and
    what is nobody's, a stranger's flow to a node port's number above all, is left alone."""
    flows, made = Flows(), service(ports=(UDP,), type="NodePort")
    flows.replace(made.key, live(made, slices(pods(2), ports=PORTS), VIEW))
    own = {ip_address("192.0.2.1").packed, ip_address("2001:db8:c::1").packed}
    ranges = [ip_network("10.96.0.0/16")]

    def is_stale(asked: tuple[str, int], answering: tuple[str, int], protocol: int = 17) -> bool:
        places = ((ip_address(text).packed, port) for text, port in (asked, answering))
        return flows.known().is_stale(protocol, own, *places, ranges=ranges)

    for ip, node, end, gone in (
        ("10.96.0.20", "192.0.2.1", "10.244.0.2", "10.244.0.9"),
        ("fd00:10:96::20", "2001:db8:c::1", "fd00:10:244::2", "fd00:10:244::9"),
    ):
        for asked in ((ip, 53), (node, 30053)):
            assert not is_stale(asked, (end, 5353))
            assert is_stale(asked, (gone, 5353))
            assert is_stale(asked, (end, 5354))
            assert is_stale(asked, asked)
            assert not is_stale(asked, asked, protocol=132)
        assert not is_stale((gone, 30053), (gone, 30053))
    assert is_stale(("10.96.7.7", 53), ("10.244.0.2", 5353))
    assert not is_stale(("10.97.7.7", 53), ("10.244.0.2", 5353))
