"""Real packets through the table, in both families."""

import subprocess
import time
from collections import Counter
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from kernel.proxy.cluster import (
    CLIENT,
    FURTHER,
    NODE,
    PODS,
    UNALLOCATED,
    add_address,
    ask,
    ask_udp,
    connect,
    datagrams,
    ip,
    talk,
)
from kernel.proxy.conftest import CIDRS
from kube46.api.objects import EndpointPort, ServiceCIDR, ServiceCIDRSpec, ServicePort
from kube46.proxy.claims import NOBODY, merge
from kube46.proxy.rules import static_elements
from kube46.proxy.settings import Settings, node_view
from patience import patient
from unit.proxy.samples import CLUSTER_IPS, SETTINGS, VIEW, pods, service, slices
from unit.proxy.samples import node as api_node

if TYPE_CHECKING:
    from kernel.proxy.conftest import Node

pytestmark = pytest.mark.root
both = pytest.mark.parametrize("index", [0, 1], ids=["IPv4", "IPv6"])
NODE_IPS = ("192.0.2.1", "2001:db8:c::1")
CLIENT_IPS = ("192.0.2.10", "2001:db8:c::10")
BRIDGE_IPS = ("10.244.0.1", "fd00:10:244::1")
POD2 = ("10.244.0.2", "fd00:10:244::2")
TCP = ServicePort("http", "TCP", None, 80, 8080, 30080)
UDP = ServicePort("dns", "UDP", None, 53, 8080, 30053)
BALANCED = ("198.51.100.9", "2001:db8:9::9")
PORTS = (EndpointPort("http", "TCP", 8080), EndpointPort("dns", "UDP", 8080))


def serve(node: "Node", *numbers: int, **spec: object) -> None:
    """One Service of two ports on the pods of these numbers."""
    made = service(ports=(TCP, UDP), **spec)
    node.hold(made, slices(pods(*numbers), ports=PORTS))
    node.apply()


@both
def test_a_pods_connections_to_a_cluster_ip_are_spread(node: "Node", index: int) -> None:
    """Both endpoints get a fair part over TCP and over UDP, and they see the pod's own address."""
    serve(node, 2, 3)
    tcp = Counter(ask(PODS[2], CLUSTER_IPS[index], 80)[0] for _ in range(60))
    udp = Counter(ask_udp(PODS[2], CLUSTER_IPS[index], 53)[0] for _ in range(60))
    assert tcp.keys() == udp.keys() == {"pod2", "pod3"}
    assert min(*tcp.values(), *udp.values()) >= 10  # of 60 fair throws fewer than 10 in 1 of 10^7
    seen = {ask(PODS[3], CLUSTER_IPS[index], 80) for _ in range(20)}
    assert ("pod2", ("10.244.0.3", "fd00:10:244::3")[index]) in seen


@both
def test_the_node_itself_reaches_a_cluster_ip(node: "Node", index: int) -> None:
    """The node's own sockets are translated too."""
    serve(node, 2)
    assert ask(NODE, CLUSTER_IPS[index], 80)[0] == "pod2"
    assert ask_udp(NODE, CLUSTER_IPS[index], 53)[0] == "pod2"


@both
def test_a_source_that_is_no_pod_is_masqueraded_to_a_cluster_ip(node: "Node", index: int) -> None:
    """Whoever lies outside the pod CIDRs is seen as the node (K-10a)."""
    serve(node, 2)
    assert ask(CLIENT, CLUSTER_IPS[index], 80) == ("pod2", BRIDGE_IPS[index])


@both
@pytest.mark.parametrize(
    ("settings", "hidden"),
    [
        ({"masquerade_all": True}, {PODS[3], CLIENT}),
        ({"pod_interface": "cni0"}, {CLIENT}),
        ({"pod_interface": "cn*"}, {CLIENT}),
        ({"pod_interface": "out"}, {PODS[3]}),
    ],
    ids=["all", "bridge", "prefix", "another"],
)
def test_who_is_a_pod(node: "Node", index: int, settings: dict[str, Any], hidden: set[str]) -> None:
    """Towards a cluster address the node hides the source of everybody, or of all but those that come from the pods'
    interface (K-10, K-11); with externalTrafficPolicy Local those alone reach endpoints elsewhere."""
    node.restart(replace(SETTINGS, **settings))
    serve(node, 2)
    own = {PODS[3]: ("10.244.0.3", "fd00:10:244::3")[index], CLIENT: CLIENT_IPS[index]}
    for sender, address in own.items():
        assert ask(sender, CLUSTER_IPS[index], 80)[1] == (BRIDGE_IPS[index] if sender in hidden else address)
    local = service(ports=(TCP, UDP), type="NodePort", external_traffic_policy="Local")
    node.hold(local, slices([*pods(2), *pods(3, node_name="node2")], ports=PORTS))
    node.apply()
    near = PODS[3] not in hidden or "masquerade_all" in settings
    assert {ask(PODS[2], NODE_IPS[index], 30080)[0] for _ in range(30)} == ({"pod2", "pod3"} if near else {"pod2"})


@both
def test_node_ports_are_the_named_addresses_alone(node: "Node", index: int) -> None:
    """Without a word the node's primary ones: at its other addresses nobody answers; with prefixes those in them."""
    made = service(ports=(TCP, UDP), type="NodePort")
    for prefixes, answering in ((None, NODE_IPS), (("10.244.0.0/24", "fd00:10:244::/64"), BRIDGE_IPS)):
        node.restart()
        view = VIEW
        if prefixes is not None:
            named = Settings(VIEW.name, nodeport_addresses=tuple(map(ip_network, prefixes)), nodeport_primary=False)
            view = node_view(api_node(), named)
        node.changes = node.claims.replace(NOBODY, static_elements(view, CIDRS))
        node.hold(made, slices(pods(2), ports=PORTS))
        node.apply()
        for address in (NODE_IPS[index], BRIDGE_IPS[index]):
            if address in answering:
                assert ask(PODS[3], address, 30080)[0] == "pod2"
            else:
                with pytest.raises(ConnectionRefusedError):
                    ask(PODS[3], address, 30080, patient(5))


@both
def test_a_node_of_one_family_has_node_ports_of_one(node: "Node", index: int) -> None:
    """The other family's are refused at once, and its cluster addresses served: the pods have both."""
    view = node_view(api_node(addresses=(NODE_IPS[index],)), SETTINGS)
    node.changes = node.claims.replace(NOBODY, static_elements(view, CIDRS))
    serve(node, 2, type="NodePort")
    assert ask(CLIENT, NODE_IPS[index], 30080)[0] == "pod2"
    with pytest.raises(ConnectionRefusedError):
        ask(CLIENT, NODE_IPS[1 - index], 30080, patient(5))
    assert {ask(PODS[3], address, 80)[0] for address in CLUSTER_IPS} == {"pod2"}


@both
def test_a_node_port_is_reached_from_outside(node: "Node", index: int) -> None:
    """TCP and UDP, the source hidden behind the node."""
    serve(node, 2, 3, type="NodePort")
    assert {ask(CLIENT, NODE_IPS[index], 30080) for _ in range(30)} == {
        ("pod2", BRIDGE_IPS[index]),
        ("pod3", BRIDGE_IPS[index]),
    }
    assert ask_udp(CLIENT, NODE_IPS[index], 30053)[0] in ("pod2", "pod3")


@both
def test_policy_local_keeps_the_clients_address(node: "Node", index: int) -> None:
    """externalTrafficPolicy Local: only this node's endpoints, and they see the client (K-10c)."""
    made = service(ports=(TCP, UDP), type="NodePort", external_traffic_policy="Local")
    node.hold(made, slices([*pods(2), *pods(3, node_name="node2")], ports=PORTS))
    node.apply()
    assert {ask(CLIENT, NODE_IPS[index], 30080) for _ in range(20)} == {("pod2", CLIENT_IPS[index])}
    assert {ask(PODS[2], NODE_IPS[index], 30080)[0] for _ in range(40)} == {"pod2", "pod3"}
    assert {ask(NODE, NODE_IPS[index], 30080)[0] for _ in range(40)} == {"pod2", "pod3"}


@both
def test_policy_local_without_an_endpoint_here_drops(node: "Node", index: int) -> None:
    """With endpoints elsewhere only, outside clients get no answer: the load balancer shall not choose this node."""
    made = service(ports=(TCP,), type="NodePort", external_traffic_policy="Local")
    node.hold(made, slices(pods(3, node_name="node2"), ports=PORTS))
    node.apply()
    with pytest.raises(TimeoutError):
        ask(CLIENT, NODE_IPS[index], 30080, 0.3)
    assert ask(PODS[2], NODE_IPS[index], 30080)[0] == "pod3"


@both
def test_internal_policy_local(node: "Node", index: int) -> None:
    """internalTrafficPolicy Local: only this node's endpoints; none here, dropped."""
    spec = {"internal_traffic_policy": "Local"}
    node.hold(service(ports=(TCP,), **spec), slices([*pods(2), *pods(3, node_name="node2")], ports=PORTS))
    node.apply()
    assert {ask(PODS[3], CLUSTER_IPS[index], 80)[0] for _ in range(20)} == {"pod2"}
    node.hold(service(ports=(TCP,), **spec), slices(pods(3, node_name="node2"), ports=PORTS))
    node.apply()
    with pytest.raises(TimeoutError):
        ask(PODS[2], CLUSTER_IPS[index], 80, 0.3)


@both
def test_a_pod_reaches_itself_through_its_service(node: "Node", index: int) -> None:
    """Hairpin: the only endpoint is the client, over TCP, UDP and its node port."""
    serve(node, 2, type="NodePort")
    assert ask(PODS[2], CLUSTER_IPS[index], 80)[0] == "pod2"
    assert ask_udp(PODS[2], CLUSTER_IPS[index], 53)[0] == "pod2"
    assert ask(PODS[2], NODE_IPS[index], 30080)[0] == "pod2"


@both
@pytest.mark.parametrize("place", ["pod", "node", "client"])
def test_no_endpoints_is_refused_at_once(node: "Node", index: int, place: str) -> None:
    """TCP gets a reset and UDP an ICMP error of the family, at the cluster IP and the node port."""
    serve(node, type="NodePort")
    netns = {"pod": PODS[2], "node": NODE, "client": CLIENT}[place]
    for address, tcp, udp in ((CLUSTER_IPS[index], 80, 53), (NODE_IPS[index], 30080, 30053)):
        before = time.monotonic()
        with pytest.raises(ConnectionRefusedError):
            ask(netns, address, tcp)
        # a local sender hears of the refusal by EPERM, as for any packet that its own firewall rejects
        with pytest.raises((ConnectionRefusedError, PermissionError)):
            ask_udp(netns, address, udp)
        assert time.monotonic() - before < patient(1)


@both
def test_another_port_of_a_cluster_ip_is_refused(node: "Node", index: int) -> None:
    """A port that the Service does not have answers like a closed one."""
    serve(node, 2)
    with pytest.raises(ConnectionRefusedError):
        ask(PODS[2], CLUSTER_IPS[index], 81)


@both
def test_an_unallocated_service_address_is_dropped(node: "Node", index: int) -> None:
    """No packet to an address of a Service range leaves the node untranslated."""
    serve(node, 2)
    with pytest.raises(TimeoutError):
        ask(PODS[2], UNALLOCATED[index], 80, 0.3)


NARROW, WIDE = ("10.97.0.0/16", "fd00:10:97::/112"), ("10.96.0.0/15", "fd00:10:96::/47")


@both
def test_ranges_of_services_come_and_go(node: "Node", index: int) -> None:
    """Of several ServiceCIDRs, one within another, an address is dropped as long as any has it."""
    serve(node, 2)
    for further, expected in (
        ([], ConnectionRefusedError), ([NARROW], TimeoutError), ([NARROW, WIDE], TimeoutError), ([WIDE], TimeoutError),
        ([], ConnectionRefusedError), ([WIDE, NARROW, NARROW], TimeoutError), ([NARROW], TimeoutError),
    ):  # fmt: skip
        ranges = [*CIDRS, *(ServiceCIDR(spec=ServiceCIDRSpec(texts)) for texts in further)]
        merge(node.changes, node.claims.replace(NOBODY, static_elements(VIEW, ranges)))
        node.apply()
        with pytest.raises(expected):
            ask(PODS[2], FURTHER[index], 80, 0.2 if expected is TimeoutError else patient(5))
        with pytest.raises(TimeoutError):
            ask(PODS[2], UNALLOCATED[index], 80, 0.1)
    assert ask(PODS[3], CLUSTER_IPS[index], 80)[0] == "pod2"


@both
def test_external_and_load_balancer_addresses(node: "Node", index: int) -> None:
    """Both are answered on the Service's port for outside clients."""
    made = service(ports=(TCP,), external_ips=("198.51.100.1", "2001:db8:9::1"), type="LoadBalancer", ingress=BALANCED)
    node.hold(made, slices(pods(2), ports=PORTS))
    node.apply()
    for address in (("198.51.100.1", "2001:db8:9::1")[index], ("198.51.100.9", "2001:db8:9::9")[index]):
        assert ask(CLIENT, address, 80)[0] == "pod2"


@both
def test_source_ranges_of_a_load_balancer(node: "Node", index: int) -> None:
    """Who lies outside is dropped at the load balancer's address, of its family, and at no other; a change of the
    ranges takes effect, also to none and to the other family's only (K-14)."""
    spec = {
        "ports": (TCP,),
        "type": "LoadBalancer",
        "ingress": BALANCED,
        "external_ips": ("198.51.100.1", "2001:db8:9::1"),
    }
    inside, outside = ("192.0.2.0/24", "2001:db8:c::/64"), ("203.0.113.0/24", "2001:db8:77::/64")

    def reached(*ranges: str) -> bool:
        node.hold(service(load_balancer_source_ranges=ranges, **spec), slices(pods(2), ports=PORTS))
        node.apply()
        assert ask(CLIENT, NODE_IPS[index], 30080)[0] == ask(CLIENT, CLUSTER_IPS[index], 80)[0] == "pod2"
        assert ask(CLIENT, ("198.51.100.1", "2001:db8:9::1")[index], 80)[0] == "pod2"
        try:
            return ask(CLIENT, BALANCED[index], 80, 0.3)[0] == "pod2"
        except TimeoutError:
            return False

    assert reached(*inside, *outside)
    assert not reached(*outside)
    assert reached(outside[1 - index])
    assert reached(*outside, ("0.0.0.0/0", "::/0")[index])
    assert not reached(*outside)
    assert reached()


@both
def test_a_node_in_the_ranges_reaches_its_own_load_balancer(node: "Node", index: int) -> None:
    """A packet of the node's to an address that it carries itself has that address as source (K-14)."""
    own = f"{BALANCED[index]}/{(32, 128)[index]}"
    add_address(NODE, own)
    try:
        ranges = [f"{NODE_IPS[index]}/{(32, 128)[index]}"]
        made = service(ports=(TCP,), type="LoadBalancer", ingress=BALANCED, load_balancer_source_ranges=ranges)
        node.hold(made, slices(pods(2), ports=PORTS))
        node.apply()
        assert ask(NODE, BALANCED[index], 80)[0] == "pod2"
        with pytest.raises(TimeoutError):
            ask(CLIENT, BALANCED[index], 80, 0.3)
    finally:
        ip(NODE, f"addr del {own} dev lo")


@both
def test_established_connections_outlive_changes_of_other_endpoints(node: "Node", index: int) -> None:
    """A connection to pod 2 goes on while pod 3 comes, goes, and new connections follow each change."""
    serve(node, 2)
    with connect(CLIENT, CLUSTER_IPS[index], 80) as connection:
        assert talk(connection)[0] == "pod2"
        serve(node, 2, 3)
        assert talk(connection)[0] == "pod2"
        assert {ask(CLIENT, CLUSTER_IPS[index], 80)[0] for _ in range(30)} == {"pod2", "pod3"}
        serve(node, 3)
        assert talk(connection)[0] == "pod2"
        assert {ask(CLIENT, CLUSTER_IPS[index], 80)[0] for _ in range(10)} == {"pod3"}


@both
def test_a_restart_adopts_the_table_without_dropping_a_connection(node: "Node", index: int) -> None:
    """A new process on the same objects changes no element, and connections live on."""
    serve(node, 2, 3, type="NodePort", external_traffic_policy="Local")
    with connect(CLIENT, NODE_IPS[index], 30080) as connection:
        pod, _ = talk(connection)
        node.restart()
        node.hold(
            service(ports=(TCP, UDP), type="NodePort", external_traffic_policy="Local"),
            slices(pods(2, 3), ports=PORTS),
        )
        assert node.apply() == 0
        assert talk(connection)[0] == pod
        assert ask(CLIENT, NODE_IPS[index], 30080)[0] in ("pod2", "pod3")


@both
@pytest.mark.parametrize("left", [(3,), ()], ids=["another endpoint", "no endpoint"])
def test_udp_flows_to_an_endpoint_that_went_are_forgotten(node: "Node", index: int, left: tuple[int, ...]) -> None:
    """A client that keeps its port is sent to a living endpoint or refused, also at none left (kubernetes#139628);
    the flow of another Service goes on."""
    serve(node, 2)
    other = service("other", ports=(UDP,), cluster_ips=("10.96.0.30", "fd00:10:96::30"))
    node.hold(other, slices(pods(2), name="other", ports=PORTS))
    node.apply()
    with (
        datagrams(PODS[3], CLUSTER_IPS[index], 53) as flow,
        datagrams(PODS[3], other.spec.cluster_ips[index], 53) as bystander,
    ):
        assert talk(flow)[0] == talk(bystander)[0] == "pod2"
        before = tracked(other.spec.cluster_ips[index])
        serve(node, *left)
        if left:
            assert talk(flow)[0] == "pod3"
        else:
            with pytest.raises(ConnectionRefusedError):
                talk(flow)
        assert tracked(other.spec.cluster_ips[index]) == before
        assert talk(bystander)[0] == "pod2"


def tracked(address: str) -> list[str]:
    """The tracked UDP connections to an address, without what changes by time."""
    family = "ipv6" if ":" in address else "ipv4"
    listing = subprocess.run(
        ["ip", "netns", "exec", NODE, "conntrack", "-L", "-f", family, "-p", "udp", "-d", address, "-o", "id"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [line.split("id=")[1] for line in listing.splitlines()]


@both
def test_datagrams_before_the_service_do_not_stay_untranslated(node: "Node", index: int) -> None:
    """A node port's flow that was tracked before its Service came reaches the Service afterwards."""
    serve(node)
    with datagrams(CLIENT, NODE_IPS[index], 30053) as flow:
        with pytest.raises(ConnectionRefusedError):
            talk(flow)
        serve(node, 2, type="NodePort")
        assert talk(flow)[0] == "pod2"
