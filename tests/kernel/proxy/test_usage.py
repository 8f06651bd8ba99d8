"""Connections counted by the kernel and told per Service, in real packets of both families."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client import REGISTRY, CollectorRegistry

from kernel.proxy.cluster import CLIENT, NODE, PODS, Server, ask, ask_udp, in_namespace, run
from kernel.proxy.test_packets import NODE_IPS, PORTS, TCP, UDP, both, serve
from kube46.api.objects import Service
from kube46.netlink import counters
from kube46.proxy import usage
from kube46.proxy.usage import CONNECTIONS, ENDPOINTS, OTHERS, Port, Usage
from unit.proxy.samples import CLUSTER_IPS, SETTINGS, endpoint, pods, service, slices

if TYPE_CHECKING:
    from kernel.proxy.conftest import Node

pytestmark = pytest.mark.root
FAMILIES = ("IPv4", "IPv6")
Told = Callable[..., float | None]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are as new as the question."""
    monkeypatch.setattr(usage, "MIN_AGE", 0.0)


def told(node: "Node", *services: Service, most: int = 100) -> Told:
    """What /metrics says of a Service port."""
    registry = CollectorRegistry()
    registry.register(Usage(node.nft, node.claims, {made.key: made for made in services}, most))

    def value(port: Port, name: str = f"{CONNECTIONS}_total") -> float | None:
        return registry.get_sample_value(name, port._asdict())

    return value


def web(index: int, port: str = "80", protocol: str = "TCP", name: str = "web") -> Port:
    return Port("default", name, port, protocol, FAMILIES[index])


WEB = service(ports=(TCP, UDP), type="NodePort")


@both
def test_each_connection_is_counted_once_at_whatever_address(node: "Node", index: int) -> None:
    """Pods', the node's own and outside clients', at cluster address and node port, to an endpoint elsewhere or on the
    node itself; in its family, at its port."""
    serve(node, 2, 3, type="NodePort")
    value = told(node, WEB)
    assert value(web(index)) is None
    for netns in (PODS[2], PODS[3], NODE):
        ask(netns, CLUSTER_IPS[index], 80)
    ask(CLIENT, NODE_IPS[index], 30080)
    ask_udp(CLIENT, NODE_IPS[index], 30053)
    assert (value(web(index)), value(web(index, "53", "UDP")), value(web(1 - index))) == (4, 1, None)
    with pytest.raises(ConnectionRefusedError):
        ask(PODS[3], CLUSTER_IPS[index], 81)
    server = Server(NODE, "node", port=8080)
    try:
        own = endpoint(NODE_IPS[index])
        node.hold(WEB, slices([own], ports=PORTS))
        node.apply()
        assert ask(PODS[3], CLUSTER_IPS[index], 80)[0] == ask(NODE, CLUSTER_IPS[index], 80)[0] == "node"
    finally:
        server.close()
    assert value(web(index)) == 6


@both
def test_counts_outlive_changes_restarts_and_other_programs(node: "Node", index: int) -> None:
    """Endpoints come and go, the agent too, somebody empties the chain that counts: what was counted stays, and is
    counted on; a Service that went is told no more. The number of endpoints is that of this moment."""
    serve(node, 2, type="NodePort")
    ask(PODS[3], CLUSTER_IPS[index], 80)
    serve(node, 2, 3, type="NodePort")
    ask(PODS[3], CLUSTER_IPS[index], 80)
    value = told(node, WEB)
    assert (value(web(index)), value(web(index), ENDPOINTS)) == (2, 2)
    run("ip", "netns", "exec", NODE, "nft", "flush chain inet kube46-proxy count")
    node.restart()
    serve(node, 3, type="NodePort")
    value = told(node, WEB)
    ask(PODS[2], CLUSTER_IPS[index], 80)
    assert (value(web(index)), value(web(index), ENDPOINTS)) == (3, 1)
    serve(node, type="NodePort")
    assert (value(web(index)), value(web(index), ENDPOINTS)) == (3, 0)
    assert told(node)(web(index)) is None


def test_the_number_of_series_has_a_bound(node: "Node") -> None:
    """With room for one Service port the others are one series without names, and who was first stays."""
    shop = service("a-shop", cluster_ips=("10.96.0.31", "fd00:10:96::31"))
    node.hold(shop, slices(pods(2), name="a-shop"))
    serve(node, 2, type="NodePort")
    value = told(node, WEB, shop, most=1)
    ask(PODS[3], CLUSTER_IPS[0], 80)
    assert (value(web(0)), value(OTHERS)) == (1, None)
    for address in (*CLUSTER_IPS, *shop.spec.cluster_ips):
        ask(PODS[3], address, 80)
    assert (value(web(0)), value(web(0, name="a-shop")), value(OTHERS)) == (2, None, 3)


def test_counts_of_nobody_make_room(node: "Node", monkeypatch: pytest.MonkeyPatch) -> None:
    """When half of the set is used, what is of no Service any more is removed from the kernel; the rest stays."""
    serve(node, 2, type="NodePort")
    for index in (0, 1):
        ask(PODS[3], CLUSTER_IPS[index], 80)
        ask_udp(PODS[3], CLUSTER_IPS[index], 53)
    monkeypatch.setattr(usage, "COUNTED_SIZE", 2)
    made = service(ports=(TCP,), type="NodePort")
    node.hold(made, slices(pods(2), ports=PORTS))
    node.apply()
    value = told(node, made)
    assert [value(web(index)) for index in (0, 1)] == [1, 1]
    left = [in_namespace(NODE, lambda name=name: counters.read("kube46-proxy", name)) for name in ("hits4", "hits6")]
    assert [len(found) for found in left] == [1, 1]


def test_nothing_is_counted_when_nothing_shall_be(node: "Node") -> None:
    """The switch: no rule, no series, and no collector."""
    node.restart(replace(SETTINGS, counted_ports=0))
    serve(node, 2)
    ask(PODS[3], CLUSTER_IPS[0], 80)
    assert told(node, WEB, most=0)(web(0)) is None
    with Usage(node.nft, node.claims, {}, 0):
        assert ENDPOINTS not in REGISTRY._names_to_collectors
    with Usage(node.nft, node.claims, {}, 1):
        assert ENDPOINTS in REGISTRY._names_to_collectors


def test_no_table_no_figures(node: "Node") -> None:
    """A scrape before the first pass, or after `kube46 proxy --cleanup`, answers without them."""
    assert told(node, WEB)(web(0)) is None
