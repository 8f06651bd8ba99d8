"""Session affinity ClientIP, by real packets: who stays, how long, and who has to move."""

import re
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from kernel.proxy.cluster import CLIENT, NODE, PODS, ask, ask_udp
from kube46.api.objects import ClientIPConfig, Endpoint, EndpointPort, ServicePort, SessionAffinityConfig
from unit.proxy.samples import CLUSTER_IPS, pods, service, slices

if TYPE_CHECKING:
    from kernel.proxy.conftest import Node

pytestmark = pytest.mark.root
both = pytest.mark.parametrize("index", [0, 1], ids=["IPv4", "IPv6"])
NODE_IPS = ("192.0.2.1", "2001:db8:c::1")
TCP = ServicePort("http", "TCP", None, 80, 8080, 30080)
UDP = ServicePort("dns", "UDP", None, 53, 8080, 30053)
PORTS = (EndpointPort("http", "TCP", 8080), EndpointPort("dns", "UDP", 8080))


def sticky(node: "Node", ends: list[Endpoint], seconds: int = 10800, **spec: Any) -> None:
    """A Service of two ports whose clients are remembered."""
    config = SessionAffinityConfig(ClientIPConfig(seconds))
    made = service(ports=(TCP, UDP), session_affinity="ClientIP", session_affinity_config=config, **spec)
    node.hold(made, slices(ends, ports=PORTS))
    node.apply()


def remembered(index: int) -> list[float]:
    """The seconds left to each client that is known, as nft's own program lists them."""
    command = ["ip", "netns", "exec", NODE, "nft", "list", "map", "inet", "kube46-proxy", f"affinity{'46'[index]}"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [seconds(found) for found in re.findall(r"expires (\w+)", listed)]


def seconds(text: str) -> float:
    """nft's `2h59m58s952ms`."""
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)(ms|[dhms])", text))


@both
def test_a_client_stays_whatever_becomes_of_other_endpoints(node: "Node", index: int) -> None:
    """Its endpoint lives on: others that come, that go, a new process on the table, and the first place that changes
    hands move nobody; the Service's node port and its cluster address are one memory (K-12)."""
    sticky(node, pods(3), type="NodePort")
    assert ask(CLIENT, CLUSTER_IPS[index], 80)[0] == "pod3"
    for others in ((2,), (2, 4, 5, 6), (2,), ()):
        sticky(node, pods(*others, 3), type="NodePort")
        assert {ask(CLIENT, CLUSTER_IPS[index], 80)[0] for _ in range(8)} == {"pod3"}
        assert {ask(CLIENT, NODE_IPS[index], 30080)[0] for _ in range(8)} == {"pod3"}
    sticky(node, pods(2, 3), type="NodePort")
    node.restart()
    sticky(node, pods(2, 3), type="NodePort")
    assert {ask(CLIENT, CLUSTER_IPS[index], 80)[0] for _ in range(16)} == {"pod3"}


@both
def test_a_client_whose_endpoint_went_gets_another_and_keeps_it(node: "Node", index: int) -> None:
    """Also when the first comes back."""
    sticky(node, pods(2))
    assert ask(PODS[3], CLUSTER_IPS[index], 80)[0] == "pod2"
    sticky(node, pods(3))
    assert {ask(PODS[3], CLUSTER_IPS[index], 80)[0] for _ in range(3)} == {"pod3"}
    sticky(node, pods(2, 3))
    assert {ask(PODS[3], CLUSTER_IPS[index], 80)[0] for _ in range(16)} == {"pod3"}


@both
def test_a_connection_begins_the_timeout_anew(node: "Node", index: int) -> None:
    """`timeoutSeconds` counts from a client's last new connection; afterwards it is unknown."""
    sticky(node, pods(2, 3), 600)
    first = ask(CLIENT, CLUSTER_IPS[index], 80)[0]
    while remembered(index)[0] > 599:
        time.sleep(0.05)
    before = time.monotonic()
    assert ask(CLIENT, CLUSTER_IPS[index], 80)[0] == first
    (left,) = remembered(index)
    assert left >= 600 - (time.monotonic() - before) - 0.1

    sticky(node, pods(2, 3), 1)
    ask(CLIENT, CLUSTER_IPS[index], 80)
    assert remembered(index)[0] <= 1 or not remembered(index)
    while remembered(index):
        time.sleep(0.05)


@both
def test_every_client_and_every_port_has_its_own_memory(node: "Node", index: int) -> None:
    """Pods, the node and outside clients are known by their own addresses, and a Service's ports are apart, as
    kube-proxy has it (kubernetes#103000); each stays where it is."""
    sticky(node, pods(2, 3))
    for netns in (*PODS.values(), CLIENT, NODE):
        assert len({ask(netns, CLUSTER_IPS[index], 80)[0] for _ in range(8)}) == 1
        assert len({ask_udp(netns, CLUSTER_IPS[index], 53)[0] for _ in range(8)}) == 1
    assert len(remembered(index)) == 8


@both
def test_policies_and_affinity_go_together(node: "Node", index: int) -> None:
    """A client known at an endpoint elsewhere gets one of this node where its policy says so, and is not masqueraded;
    a pod of the node keeps the whole choice."""
    ends = [*pods(2), *pods(3, node_name="node2")]
    sticky(node, ends, type="NodePort", external_traffic_policy="Local")
    assert {ask(CLIENT, NODE_IPS[index], 30080) for _ in range(8)} == {
        ("pod2", ("192.0.2.10", "2001:db8:c::10")[index])
    }
    sticky(node, pods(3, node_name="node2"), type="NodePort", external_traffic_policy="Local")
    assert ask(PODS[2], NODE_IPS[index], 30080)[0] == "pod3"
    sticky(node, ends, type="NodePort", external_traffic_policy="Local")
    assert {ask(PODS[2], NODE_IPS[index], 30080)[0] for _ in range(8)} == {"pod3"}
    sticky(node, ends, type="NodePort", internal_traffic_policy="Local")
    assert {ask(PODS[2], CLUSTER_IPS[index], 80)[0] for _ in range(8)} == {"pod2"}


def test_anybody_can_list_the_rules(node: "Node") -> None:
    """nft lists the table of sticky Services, as text and as JSON; libnftables 1.0.6 aborts the process on rules that
    it can't take apart (kubernetes#103000, #136786)."""
    sticky(node, pods(2, 3), type="NodePort", external_traffic_policy="Local")
    for flags in ([], ["-j"]):
        done = subprocess.run(
            ["ip", "netns", "exec", NODE, "nft", *flags, "list", "ruleset"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "affinity6" in done.stdout


def test_rules_that_a_killed_agent_did_not_finish_are_finished(node: "Node") -> None:
    """The chain of a new timeout picks by chance until its rules are all there; a successor completes them."""
    sticky(node, pods(2, 3))
    node.nft.run(
        "flush chain inet kube46-proxy service-pick-sticky10800-tcp-2\n"
        "add rule inet kube46-proxy service-pick-sticky10800-tcp-2 drop"
    )
    node.restart()
    sticky(node, pods(2, 3))
    for index in (0, 1):
        assert len({ask(CLIENT, CLUSTER_IPS[index], 80)[0] for _ in range(8)}) == 1
        assert len(remembered(index)) == 1
