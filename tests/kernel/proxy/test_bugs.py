"""Sixteen bugs of other Service proxies (shared/dataplane.md A.5), by number; `mutations.py` shows each test fail."""

import asyncio
import contextlib
import json
import re
import socket
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kernel.proxy import cluster
from kernel.proxy.cluster import CLIENT, NODE, PODS, ask, ask_udp, connect, datagrams, in_namespace, ip, talk
from kernel.proxy.test_affinity import sticky
from kernel.proxy.test_packets import BALANCED, CLIENT_IPS, NODE_IPS, PORTS, TCP, UDP, serve, tracked
from kube46.addresses.families import Family
from kube46.api.objects import EndpointPort, EndpointSlice
from kube46.kubernetes.caches import Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig
from kube46.netlink import batches
from kube46.nftables import Nft
from kube46.proxy.claims import NOBODY, Claims
from kube46.proxy.controller import Proxy
from kube46.proxy.nftables import ProxyTable, other_proxies
from kube46.proxy.reports import Report
from kube46.proxy.rules import service_elements, static_elements
from kube46.proxy.settings import EVERYTHING
from unit.proxy.samples import CLUSTER_IPS, SETTINGS, VIEW, endpoint, pods, service, slices

if TYPE_CHECKING:
    from kernel.proxy.conftest import Node

pytestmark = pytest.mark.root
both = pytest.mark.parametrize("index", [0, 1], ids=["IPv4", "IPv6"])


@both
def test_bug_01_udp_to_a_service_scaled_to_zero(node: "Node", index: int) -> None:
    """kubernetes#139628: the flow to the last endpoint goes with it; the client is refused, not heard by nobody."""
    serve(node, 2)
    with datagrams(PODS[3], CLUSTER_IPS[index], 53) as flow:
        assert talk(flow)[0] == "pod2"
        serve(node)
        with pytest.raises(ConnectionRefusedError):
            talk(flow)


@both
def test_bug_02_proxy_and_endpoint_restart_together(node: "Node", index: int) -> None:
    """kubernetes#125467, #126130: an endpoint that was replaced while no proxy ran has no flows left, although the
    client keeps its port."""
    serve(node, 2)
    with datagrams(PODS[3], CLUSTER_IPS[index], 53) as flow:
        assert talk(flow)[0] == "pod2"
        node.restart()
        serve(node, 3)
        assert talk(flow)[0] == "pod3"


@both
def test_bug_03_a_restart_flushes_no_flow(node: "Node", index: int) -> None:
    """kubernetes#122740: flows to endpoints that live stay tracked over a restart during which others went."""
    serve(node, 2, 3)
    with contextlib.ExitStack() as stack:
        answered, before = "", set[str]()
        while answered != "pod3":
            before = set(tracked(CLUSTER_IPS[index]))
            answered = talk(stack.enter_context(datagrams(CLIENT, CLUSTER_IPS[index], 53)))[0]
        (mine,) = set(tracked(CLUSTER_IPS[index])) - before
        node.restart()
        serve(node, 3)
        assert mine in tracked(CLUSTER_IPS[index])


CRASHING = """
import asyncio, sys
from kernel.proxy.conftest import Node
from kube46.netlink import expressions as go
from kube46.netlink.batches import carry_out
from unit.proxy.samples import pods, service
node = Node()
node.nft.run("add table inet foreign; add chain inet foreign c; "
    "add map inet foreign one { type ipv4_addr : mark; }; add map inet foreign two { type mark . mark : mark; }")
rule = go.payload(0, go.Base.NETWORK, 16, 4) + go.look_up("one", 0, 1) + go.mark(2) + go.look_up("two", 1, 3)
batch = go.inserted("foreign", "c", [rule])
asyncio.run(node.nft.inside(lambda: carry_out(batch)))
node.serve(service(), pods(2))
node.restart()
node.serve(service(), pods(2, 3))
node.nft.run("add table ip another; delete table ip another")
node.serve(service(session_affinity="ClientIP"), pods(2, 3, 4))
print("alive")
"""


def test_bug_04_rules_of_others_that_crash_the_library(node: "Node") -> None:
    """kubernetes#136786, #140898: a table that aborts this libnftables when it is listed stops neither a first pass nor
    an adoption nor changes: no other's table is ever read."""
    try:
        environment = {
            "PYTHONPATH": ":".join(sys.path),
            "KUBE46_TEST_PREFIX": cluster.PREFIX,
            "PATH": "/usr/sbin:/usr/bin:/bin",
        }
        done = subprocess.run(
            [sys.executable, "-c", CRASHING], capture_output=True, text=True, check=False, env=environment
        )
        assert done.stdout == "alive\n", done.stderr[-2000:]
        listed = subprocess.run(
            ["ip", "netns", "exec", NODE, "nft", "list", "table", "inet", "foreign"], capture_output=True, check=False
        )
        assert listed.returncode != 0, "this libnftables can list the rule: nothing is shown any more"
    finally:
        node.nft.run("delete table inet foreign")


class Counting(Nft):
    """The real handle, which counts what it was asked for."""

    asked = 0

    async def apply(self, text: str) -> None:
        self.asked += 1
        await super().apply(text)

    async def read_json(self, command: str = "list ruleset") -> list[dict[str, object]]:
        self.asked += 1
        return await super().read_json(command)


@pytest.mark.parametrize("others", [10, 1000])
def test_bug_05_a_change_costs_the_same_among_many(node: "Node", others: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """kubernetes#139513, #135639: nothing is listed for a change nor goes through libnftables, and its transaction does
    not grow with the number of Services."""
    node.nft.close()
    counting = node.nft = Counting(NODE)
    node.restart()
    for number in range(others):
        ips = (f"10.96.{4 + number // 250}.{number % 250}", f"fd00:10:96::{4096 + number:x}")
        node.hold(service(f"s{number}", cluster_ips=ips), slices(pods(2, 3), name=f"s{number}"))
    node.serve(service(), pods(2, 3))
    counting.asked, sent = 0, list[bytes]()
    real = batches.carry_out_on

    def carry_out_on(netlink: socket.socket, batch: bytes) -> None:
        sent.append(batch)
        real(netlink, batch)

    monkeypatch.setattr("kube46.proxy.nftables.batches.carry_out_on", carry_out_on)
    monkeypatch.setattr("kube46.proxy.nftables.listing.read", lambda table: pytest.fail(f"{table} is read"))
    for ends in (pods(2, 4), pods(2, 5)):
        node.serve(service(), ends)
    assert counting.asked == 0
    assert len(sent) == 2
    assert max(map(len, sent)) < 1000


def test_bug_06_the_clients_address_at_an_ipv6_only_load_balancer(node: "Node") -> None:
    """kubernetes#102527: externalTrafficPolicy Local of an IPv6 Service in a dual-stack cluster hides nobody."""
    made = service(
        ports=(TCP,), cluster_ips=CLUSTER_IPS[1:], type="LoadBalancer", external_traffic_policy="Local",
        ingress=BALANCED[1:],
    )  # fmt: skip
    node.hold(made, slices(pods(2), ports=PORTS))
    node.apply()
    assert ask(CLIENT, BALANCED[1], 80) == ("pod2", CLIENT_IPS[1])
    assert ask(CLIENT, NODE_IPS[1], 30080) == ("pod2", CLIENT_IPS[1])


@both
def test_bug_07_no_node_port_in_a_family_without_the_service(node: "Node", index: int) -> None:
    """kubernetes#66766, #72098: refused at once, so that Happy Eyeballs falls back, also while slices of the other
    family are left."""
    made = service(ports=(TCP,), cluster_ips=CLUSTER_IPS[index : index + 1], type="NodePort")
    node.hold(made, slices(pods(2), ports=PORTS))
    node.apply()
    assert ask(CLIENT, NODE_IPS[index], 30080)[0] == "pod2"
    with pytest.raises(ConnectionRefusedError):
        ask(CLIENT, NODE_IPS[1 - index], 30080)


def test_bug_08_families_are_never_mixed(node: "Node") -> None:
    """kubernetes#93858, #89923, #92412, #97343, #101506: each family's elements hold only its addresses and its slices'
    ports, and each family is served at its own port."""
    four, six = slices(pods(2), ports=(EndpointPort("http", "TCP", 8080),))
    six = replace_ports(six, 9999)
    elements = service_elements(service(type="NodePort", ports=(TCP,)), [six, four], VIEW, {})
    for (name, key), value in elements.items():
        mine, other = (r"\d+\.\d+\.\d+\.\d+", ":") if name.endswith("4") else ("::", r"\d+\.\d+\.\d+\.\d+")
        assert not re.search(other, key + value), (name, key, value)
        assert "backend" not in name or re.search(mine, value)
    assert elements["service-backend-tcp4", "10.96.0.20 . 80 . 0"] == "10.244.0.2 . 8080"
    assert elements["service-backend-tcp6", "fd00:10:96::20 . 80 . 0"] == "fd00:10:244::2 . 9999"


def replace_ports(part: EndpointSlice, port: int) -> EndpointSlice:
    """The slice with another port."""
    ports = (EndpointPort("http", "TCP", port),)
    return EndpointSlice(address_type=part.address_type, endpoints=part.endpoints, ports=ports)


@both
def test_bug_09_external_addresses_of_both_families_alike(node: "Node", index: int) -> None:
    """kubernetes#97275: what is routed here for an external address is served in both families; the node takes neither
    address for its own, so it answers neither ARP nor neighbour solicitations for them."""
    addresses = ("198.51.100.1", "2001:db8:9::1")
    node.hold(service(ports=(TCP,), external_ips=addresses), slices(pods(2), ports=PORTS))
    node.apply()
    assert ask(CLIENT, addresses[index], 80)[0] == "pod2"
    own = subprocess.run(["ip", "-n", NODE, "-j", "addr"], capture_output=True, text=True, check=True).stdout
    assert addresses[index] not in {info.get("local") for link in json.loads(own) for info in link["addr_info"]}


MTU = {socket.AF_INET: (socket.IPPROTO_IP, 14), socket.AF_INET6: (socket.IPPROTO_IPV6, 24)}
"""IP_MTU, IPV6_MTU: the path's, of a connected socket."""
DISCOVER = {socket.AF_INET: (socket.IPPROTO_IP, 10), socket.AF_INET6: (socket.IPPROTO_IPV6, 23)}


@both
def test_bug_10_packet_too_big_is_translated_back(node: "Node", index: int) -> None:
    """cilium#16080: the node's link to the pod is narrower than the client's; the client learns it for the address that
    it knows, the Service's."""
    serve(node, 2)
    ip(NODE, "link set cni0 mtu 1280")
    try:
        with datagrams(CLIENT, CLUSTER_IPS[index], 53) as flow:
            flow.setsockopt(*DISCOVER[flow.family], 2)  # always set DF, IPv6: never fragment
            assert flow.getsockopt(*MTU[flow.family]) == 1500
            end = time.monotonic() + 60
            while flow.getsockopt(*MTU[flow.family]) != 1280:
                assert time.monotonic() < end, "no Packet Too Big for the Service's address arrived"
                with contextlib.suppress(OSError):
                    flow.send(b"x" * 1400)
                time.sleep(0.02)
    finally:
        ip(NODE, "link set cni0 mtu 1500")
        forget_paths(CLIENT)


@both
def test_bug_11_answers_fit_a_narrow_way_back(node: "Node", index: int) -> None:
    """kube-router#685, ovn-kubernetes#5153: the client's link is narrower than the pod's; the pod is told, and its long
    answer arrives."""
    port = EndpointPort("http", "TCP", 9090)
    node.hold(service(ports=(TCP,)), slices(pods(2), ports=(port,)))
    node.apply()
    listener = in_namespace(
        PODS[2], lambda: socket.create_server(("::", 9090), family=socket.AF_INET6, dualstack_ipv6=True)
    )
    ip(NODE, "link set out mtu 1280")
    try:
        with listener, connect(CLIENT, CLUSTER_IPS[index], 80) as connection:
            listener.settimeout(5)
            served, _ = listener.accept()
            with served:
                served.settimeout(5)
                served.sendall(b"y" * 100_000)
                got = 0
                while got < 100_000:
                    got += len(connection.recv(1 << 16))
    finally:
        ip(NODE, "link set out mtu 1500")
        forget_paths(PODS[2])


def forget_paths(netns: str) -> None:
    """What was learnt of ways' widths is no other test's."""
    for family in ("-4", "-6"):
        subprocess.run(["ip", "-n", netns, family, "route", "flush", "cache"], check=True)


@both
def test_bug_12_one_affinity_for_a_ports_addresses(node: "Node", index: int) -> None:
    """kubernetes#103000: a client's endpoint is the same at the cluster address and at the node port, in IPv6 too, and
    nft can list what does it."""
    for first, second in ((2, 3), (3, 2)):
        sticky(node, pods(first), type="NodePort")
        assert ask(CLIENT, CLUSTER_IPS[index], 80)[0] == f"pod{first}"
        sticky(node, pods(first, second), type="NodePort")
        assert {ask(CLIENT, NODE_IPS[index], 30080)[0] for _ in range(12)} == {f"pod{first}"}
    listed = ["ip", "netns", "exec", NODE, "nft", "list", "ruleset"]
    assert subprocess.run(listed, capture_output=True, check=False).returncode == 0


@both
def test_bug_13_hairpin_outlives_churn(node: "Node", index: int) -> None:
    """kubernetes#134884: a pod reaches itself through its Service after its endpoints came and went, and after another
    Service of the same pod went."""
    other = service("other", ports=(TCP, UDP), cluster_ips=("10.96.0.30", "fd00:10:96::30"))
    for numbers in ((2,), (), (2, 3), (3,), (2,)):
        node.hold(other, slices(pods(*numbers), name="other", ports=PORTS))
        serve(node, *numbers)
    node.hold(other, [])
    node.apply()
    assert ask(PODS[2], CLUSTER_IPS[index], 80)[0] == "pod2"
    assert ask_udp(PODS[2], CLUSTER_IPS[index], 53)[0] == "pod2"


@both
def test_bug_14_node_ports_on_loopback_are_refused(node: "Node", index: int) -> None:
    """kubernetes#132955: neither family has them, not even with every local address; said at once, not by silence."""
    everything = replace(VIEW, nodeport_addresses={family: (prefix,) for family, prefix in EVERYTHING.items()})
    table, claims = ProxyTable(node.nft, SETTINGS), Claims()
    changes = claims.replace(NOBODY, static_elements(everything, ()))
    made = service(ports=(TCP,), type="NodePort")
    changes |= claims.replace(made.key, service_elements(made, slices(pods(2), ports=PORTS), everything, {}))
    asyncio.run(table.apply(changes, claims, everything))
    assert ask(NODE, NODE_IPS[index], 30080)[0] == "pod2"
    with pytest.raises(ConnectionRefusedError):
        ask(NODE, ("127.0.0.1", "::1")[index], 30080, 0.5)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("table {} kube-proxy {{ }}", "{} kube-proxy"),
        ("table {} nat {{ chain KUBE-SERVICES {{ }}; }}", "{} nat KUBE-SERVICES"),
    ],
    ids=["nftables", "iptables"],
)
@pytest.mark.parametrize("family", ["ip", "ip6"])
def test_bug_15_a_second_proxy_is_named(node: "Node", family: str, text: str, named: str) -> None:
    """cilium#12247: a kube-proxy beside us is found in either family and mode; we touch nothing of its."""
    node.nft.run(text.format(family))
    try:
        assert asyncio.run(other_proxies(node.nft)) == [named.format(family)]
        serve(node, 2)
        assert asyncio.run(other_proxies(node.nft)) == [named.format(family)]
    finally:
        node.nft.run(f"delete table {family} {text.split()[2]}")
    assert asyncio.run(other_proxies(node.nft)) == []


@pytest.mark.parametrize("program", ["iptables-legacy", "ip6tables-legacy"])
def test_a_second_proxy_that_uses_iptables_old_interface_is_named(node: "Node", program: str) -> None:
    """nftables lists none of it, and other chains are no kube-proxy's; on a kernel without it there is none to find."""
    family = "ip6" if program.startswith("ip6") else "ip"

    def iptables(*arguments: str, check: bool = True) -> int:
        command = ["ip", "netns", "exec", NODE, program, "-w", "-t", "nat", *arguments]
        return subprocess.run(command, check=check, capture_output=True).returncode

    failed = iptables("-N", "KUBE-SERVICES-OTHER", check=False)
    assert asyncio.run(other_proxies(node.nft)) == []
    if failed:
        return
    iptables("-N", "KUBE-SERVICES")
    try:
        assert asyncio.run(other_proxies(node.nft)) == [f"{family} nat KUBE-SERVICES"]
    finally:
        for chain in ("KUBE-SERVICES", "KUBE-SERVICES-OTHER"):
            iptables("-X", chain)
    assert asyncio.run(other_proxies(node.nft)) == []


def test_a_second_proxy_that_comes_later_is_named_once(node: "Node", caplog: pytest.LogCaptureFixture) -> None:
    """At the next look, and again only after it was away."""

    async def looks() -> None:
        async with (
            Client(ClusterConfig("http://127.0.0.1:1"), component="test") as client,
            asyncio.TaskGroup() as group,
        ):
            proxy = Proxy(SETTINGS, Caches(client, group), node.nft, Report())
            for change in ("", "add table ip kube-proxy", "", "delete table ip kube-proxy", "add table ip kube-proxy"):
                node.nft.run(change)
                await proxy._name_others()
            raise EnoughSeen

    try:
        with pytest.RaisesGroup(EnoughSeen, flatten_subgroups=True):
            asyncio.run(looks())
        said = [record.message for record in caplog.records if "Another Service proxy" in record.message]
        assert len(said) == 2
        assert all(text.endswith("table=ip kube-proxy") for text in said)
    finally:
        node.nft.run("delete table ip kube-proxy")


class EnoughSeen(Exception):
    """Ends what would run for ever."""


def test_bug_16_no_address_is_cut_to_fit(node: "Node") -> None:
    """kube-vip#497: an IPv6 address in an IPv4 slice, or as an IPv4 external address, is left out, never 32.1.7.24."""
    wrong = [endpoint("2001:718::1"), endpoint("10.244.0.2")]
    four = EndpointSlice(address_type="IPv4", endpoints=tuple(wrong), ports=(EndpointPort("http", "TCP", 8080),))
    made = service(external_ips=("2001:718::9",), cluster_ips=CLUSTER_IPS[:1])
    elements = service_elements(made, [four], VIEW, {})
    assert {value for (name, _), value in elements.items() if "backend" in name} == {"10.244.0.2 . 8080"}
    assert not [element for element in elements if "32.1.7.24" in f"{element} {elements[element]}"]
    assert not [name for name, _ in elements if name.endswith(str(Family.IPV6.version))]
