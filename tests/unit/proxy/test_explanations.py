"""What `kube46 explain svc` says."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from msgspec import structs

from kube46.addresses.families import Family
from kube46.api.objects import Endpoint, EndpointHints, ServicePort, ZoneHint
from kube46.proxy.explanations import Source, explain
from unit.proxy.samples import CLUSTER_IPS, VIEW, pods, service, slices

PORT = ServicePort("http", "TCP", None, 80, 8080, 30080)
POD = Source(
    "pod default/client", {Family.IPV4: ip_address("10.244.0.9"), Family.IPV6: ip_address("fd00:10:244::9")}, "pod"
)
OUTSIDE = Source("a client outside", {Family.IPV4: ip_address("203.0.113.1")})
HERE, AWAY = pods(2), pods(7, node_name="node2")


def said(ends: list[Endpoint], source: Source = POD, **spec: Any) -> str:
    """The whole text."""
    made = service(ports=(PORT,), **spec)
    return "\n".join(explain(made, slices(ends), replace(VIEW, zone="a"), source))


def test_both_families_are_told_alike() -> None:
    """Addresses, endpoints, and who sees what."""
    text = said(HERE + AWAY)
    assert text.startswith("Service default/web (ClusterIP) on node node1, for pod default/client\n")
    assert (
        "IPv4: cluster address 10.96.0.20:80/TCP → one of 2 at random\n    → 10.244.0.2:8080\n    → 10.244.0.7:8080"
        in text
    )
    assert "IPv6: cluster address [fd00:10:96::20]:80/TCP → one of 2 at random\n    → [fd00:10:244::2]:8080" in text
    assert text.count("the endpoint sees the client's own address") == 2


LOCAL = {"type": "NodePort", "external_traffic_policy": "Local"}
CASES: dict[str, tuple[list[Endpoint], Source, dict[str, Any], str]] = {
    "refused": ([], POD, {}, "refused at once (TCP reset, ICMP port unreachable)\n    no endpoint"),
    "dropped": (AWAY, POD, {"internal_traffic_policy": "Local"}, "dropped\n    the policy is Local"),
    "internal": (HERE + AWAY, POD, {"internal_traffic_policy": "Local"}, "internalTrafficPolicy Local: only"),
    "left out": (HERE + AWAY, POD, {"internal_traffic_policy": "Local"}, "not 10.244.0.7: on node2"),
    "external near": (HERE + AWAY, POD, LOCAL, "node port 192.0.2.1:30080/TCP → one of 2 at random"),
    "external far": (HERE + AWAY, OUTSIDE, LOCAL, "node port 192.0.2.1:30080/TCP → its only endpoint"),
    "external far, why": (HERE, OUTSIDE, LOCAL, "only endpoints on node1, the source keeps its address"),
    "masqueraded": (HERE, OUTSIDE, {"type": "NodePort"}, "sees the node's address: externalTrafficPolicy Cluster"),
    "outside to a cluster address": (HERE, OUTSIDE, {}, "the client is none of the pods' ranges"),
    "affinity": (HERE, POD, {"session_affinity": "ClientIP"}, "ClientIP: the same for 10800 s"),
    "unready": (HERE + pods(5, ready=False), POD, {}, "not 10.244.0.5: not ready"),
    "terminating": (HERE + pods(5, ready=False, terminating=True), POD, {}, "not 10.244.0.5: terminating, and"),
    "serving no more": (
        HERE + pods(5, ready=False, terminating=True, serving=False), POD, {}, "0.5: terminating, and it serves no"
    ),
    "itself": (pods(9), POD, {}, "pod default/client, picked itself, sees the node's address"),
    "itself by its node port": (pods(9), POD, LOCAL, "pod default/client, picked itself"),
    "one family": (HERE, POD, {"cluster_ips": CLUSTER_IPS[:1]}, "IPv6: none; the Service has no"),
    "headless": (HERE, POD, {"cluster_ips": ("None",)}, "nothing is programmed: it is headless"),
    "external name": (HERE, POD, {"type": "ExternalName", "external_name": "example.org"}, "an alias in DNS, of"),
    "external address": (HERE, POD, {"external_ips": ("198.51.100.1",)}, "external address 198.51.100.1:80/TCP"),
    "ranges": (
        HERE, OUTSIDE,
        {"type": "LoadBalancer", "ingress": ("198.51.100.9",), "load_balancer_source_ranges": ("203.0.113.0/24",)},
        "only from loadBalancerSourceRanges: 203.0.113.0/24",
    ),
    "not in the ranges": (
        HERE, POD,
        {"type": "LoadBalancer", "ingress": ("198.51.100.9",), "load_balancer_source_ranges": (" 203.0.113.0/24 ",)},
        "→ dropped\n    10.244.0.9 is in none of loadBalancerSourceRanges: 203.0.113.0/24\n",
    ),
    "ranges of the other family": (
        HERE, POD,
        {"type": "LoadBalancer", "ingress": ("198.51.100.9",), "load_balancer_source_ranges": ("2001:db8::/32",)},
        "loadBalancerSourceRanges keep nobody away: they let all of IPv4 in",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_reasons(case: str) -> None:
    """Each verdict has its reason."""
    ends, source, spec, expected = CASES[case]
    assert expected in said(ends, source, **spec)


def test_a_node_of_one_family_has_node_ports_of_one() -> None:
    """Which is said of the other."""
    alone = replace(VIEW, nodeport_addresses={Family.IPV6: VIEW.nodeport_addresses[Family.IPV6]})
    text = "\n".join(explain(service(ports=(PORT,), type="NodePort"), slices(HERE), alone, POD))
    assert "IPv4: node port 30080/TCP → none: node1 has no address of IPv4" in text
    assert "IPv6: node port [2001:db8:c::1]:30080/TCP → its only endpoint" in text


def hinted(ends: list[Endpoint], zone: str = "", name: str = "") -> list[Endpoint]:
    """Endpoints that are for a zone, a node, or both."""
    zones, nodes = (tuple(map(ZoneHint, filter(None, [text]))) for text in (zone, name))
    return [structs.replace(end, hints=EndpointHints(for_zones=zones, for_nodes=nodes)) for end in ends]


def test_hints_are_a_reason() -> None:
    """An endpoint for another zone, or another node, is named with it; under a policy Local they are none."""
    text = said(hinted(HERE, "a") + hinted(AWAY, "b"))
    assert "not 10.244.0.7: hints keep it for zone b, this node's is a" in text
    both = hinted(HERE, "a", "node1") + hinted(AWAY, "a", "node2")
    assert "not 10.244.0.7: hints keep it for node node2, this is node1" in said(both)
    assert "not 10.244.0.7: on node2" in said(both, internal_traffic_policy="Local")
