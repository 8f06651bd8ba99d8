"""A node's network configuration and routes, from the cluster's nodes."""

import json
from ipaddress import ip_address, ip_network

import msgspec
import pytest

from kube46.addresses.families import Family
from kube46.api.objects import Node
from kube46.cni import configurations, ranges, rules
from kube46.cni.requests import Verb
from kube46.cni.rules import PodRoute
from kube46.cni.settings import Settings


def node(name: str, cidrs: list[str], addresses: list[str]) -> Node:
    """A node with pod prefixes and InternalIPs."""
    return msgspec.convert(
        {
            "metadata": {"name": name},
            "spec": {"podCIDR": cidrs[0] if cidrs else "", "podCIDRs": cidrs},
            "status": {"addresses": [{"type": "InternalIP", "address": text} for text in addresses]},
        },
        Node,
    )


OWN = node("n1", ["10.244.0.0/24", "fd00:10:244::/64"], ["10.46.0.11", "fd46::11"])


def route(destination: str, via: str) -> PodRoute:
    """A wanted route."""
    return PodRoute(ip_network(destination), ip_address(via))


def test_routes_of_both_families() -> None:
    """Each other node's prefix goes through that node's address of the same family; there is none to ourselves."""
    other = node("n2", ["10.244.1.0/24", "fd00:10:244:1::/64"], ["10.46.0.12", "fd46::12"])
    found = rules.routes("n1", [OWN, other])

    assert found.wanted == {route("10.244.1.0/24", "10.46.0.12"), route("fd00:10:244:1::/64", "fd46::12")}
    assert found.skipped == ()


@pytest.mark.parametrize(
    ("cidrs", "addresses", "wanted", "reason"),
    [
        (["10.244.1.0/24", "fd00:1::/64"], ["fd46::12"], [("fd00:1::/64", "fd46::12")], "no IPv4 InternalIP"),
        (["10.244.1.0/24"], ["fd46::12"], [], "no IPv4 InternalIP"),
        (["fd00:1::/64"], [], [], "no IPv6 InternalIP"),
        (["10.244.0.0/24"], ["10.46.0.12"], [], "another node's too"),
        (["10.244.0.0/16"], ["10.46.0.12"], [], "another node's too"),
        (["nonsense"], ["10.46.0.12"], [], None),
        ([], ["10.46.0.12"], [], None),
        (["10.244.1.0/24"], ["nonsense", "10.46.0.12"], [("10.244.1.0/24", "10.46.0.12")], None),
    ],
    ids=str,
)
def test_prefixes_without_a_way(
    cidrs: list[str], addresses: list[str], wanted: list[tuple[str, str]], reason: str | None
) -> None:
    """A prefix whose node has no address of its family, or that is another's too, is skipped with a reason."""
    found = rules.routes("n1", [OWN, node("n2", cidrs, addresses)])

    assert found.wanted == {route(*one) for one in wanted}
    assert len(found.skipped) == (1 if reason else 0)
    assert all(reason in text and "n2" in text for text in found.skipped if reason)


def test_two_others_with_one_prefix() -> None:
    """Of two nodes with the same prefix the first by name has the route, whatever the order."""
    others = [node("n3", ["10.244.1.0/24"], ["10.46.0.13"]), node("n2", ["10.244.1.0/24"], ["10.46.0.12"])]

    for order in (others, others[::-1]):
        assert rules.routes("n1", [OWN, *order]).wanted == {route("10.244.1.0/24", "10.46.0.12")}


def test_cluster_prefixes_are_joined() -> None:
    """Prefixes of all nodes are collapsed by family, so that an interval set takes them."""
    nodes = [OWN, node("n2", ["10.244.1.0/24", "fd00:10:244:1::/64"], []), node("n3", ["10.244.0.0/23"], [])]

    assert rules.cluster_prefixes(nodes) == {
        Family.IPV4: (ip_network("10.244.0.0/23"),),
        Family.IPV6: (ip_network("fd00:10:244::/63"),),
    }


@pytest.mark.parametrize("cidrs", [["fd00::/64"], ["10.0.0.0/24"], ["fd00::/64", "10.0.0.0/24"]], ids=str)
def test_configuration_lists(cidrs: list[str]) -> None:
    """The list has the families of the node's prefixes in their order, and our own plugin can read it."""
    text = rules.configuration(Settings("n1"), map(ip_network, cidrs), 1400)
    document = json.loads(text)
    plugin = document["plugins"][0] | {"name": document["name"], "cniVersion": document["cniVersion"]}
    stdin = json.dumps(plugin).encode()
    network = configurations.load(stdin, Verb.ADD)
    configurations.check_bridge(network)

    assert [str(one[0].subnet) for one in ranges.load(network)] == cidrs
    assert (network.mtu, network.ip_masq, network.routed, network.gateway) == (1400, True, True, True)
    assert "mtu" not in rules.configuration(Settings("n1"), [], 0)


def test_prefixes_that_are_too_small() -> None:
    """A node prefix without room for a pod is named."""
    assert rules.too_small(map(ip_network, ["10.0.0.0/31", "10.0.0.0/30", "fd00::/127"])) == [
        ip_network("10.0.0.0/31"),
        ip_network("fd00::/127"),
    ]
