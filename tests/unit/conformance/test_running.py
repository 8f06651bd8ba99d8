"""What running pods, nodes and endpoints must have."""

from typing import Any

import pytest

from kube46.addresses.families import Family
from kube46.api import objects
from kube46.api.objects.meta import Meta
from kube46.api.objects.nodes import NodeAddress, NodeSpec, NodeStatus
from kube46.api.objects.services import Endpoint, EndpointConditions, ServiceSpec
from kube46.check.runner import CheckError
from kube46.conformance import addressing, running
from kube46.conformance.places import ended

BOTH = (Family.IPV4, Family.IPV6)
SERVICE = objects.Service(metadata=Meta(name="s"), spec=ServiceSpec(ip_families=("IPv4", "IPv6")))


def pod(*ips: str, first: str = "", host: tuple[str, ...] = ("10.46.0.1", "fd46::1")) -> dict[str, Any]:
    """A pod with addresses."""
    status = {"podIP": first or (ips[0] if ips else ""), "podIPs": [{"ip": ip} for ip in ips]}
    status |= {"hostIP": host[0], "hostIPs": [{"ip": ip} for ip in host]}
    return {"metadata": {"name": "p"}, "status": status}


def piece(family: str, *addresses: str, ready: bool = True) -> objects.EndpointSlice:
    """A slice of the Service."""
    endpoints = tuple(Endpoint((address,), EndpointConditions(ready=ready)) for address in addresses)
    meta = Meta(labels={"kubernetes.io/service-name": "s"})
    return objects.EndpointSlice(metadata=meta, address_type=family, endpoints=endpoints)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (pod("10.0.0.1", "fd00::1"), []),
        (pod("10.0.0.1"), ["podIPs is ['10.0.0.1']"]),
        (pod(), ["podIPs is []"]),
        (pod("10.0.0.1", "fd00::1", first="fd00::1"), ["podIP is fd00::1"]),
        (pod("10.0.0.1", "fd00::1", host=("10.46.0.1",)), ["hostIPs is ['10.46.0.1']"]),
    ],
)
def test_pods_have_both(found: dict[str, Any], words: list[str]) -> None:
    """One address of each family, the first in the old field, the node's too."""
    said = running.pod_addresses([found], BOTH)
    assert [word in text for word, text in zip(words, said, strict=True)] == [True] * len(words)


def test_a_pod_is_told_its_addresses() -> None:
    """All of them, in the environment and in its hosts file."""
    both = pod("10.0.0.1", "fd00::1")
    hosts = "127.0.0.1\tlocalhost\n10.0.0.1\tp\nfd00::1\tp\n"
    assert running.environment({"ips": "10.0.0.1,fd00::1", "hosts": hosts}, both) == []
    said = running.environment({"ips": "10.0.0.1", "hosts": hosts.replace("fd00::1", "fd00::2")}, both)
    assert ["must be '10.0.0.1,fd00::1'" in said[0], "no line of fd00::1" in said[1]] == [True, True]


@pytest.mark.parametrize(
    ("slices", "words"),
    [
        ([piece("IPv4", "10.0.0.1"), piece("IPv6", "fd00::1")], []),
        ([piece("IPv4", "10.0.0.1")], ["addressType IPv6 are none, must be fd00::1"]),
        ([piece("IPv4", "10.0.0.1"), piece("IPv6", "fd00::1", ready=False)], ["addressType IPv6 are none"]),
        ([piece("IPv4", "10.0.0.1", "10.0.0.2"), piece("IPv6", "fd00::1")], ["10.0.0.1, 10.0.0.2, must be 10.0.0.1"]),
        (
            [piece("IPv4", "10.0.0.1"), piece("IPv6", "fd00::1"), piece("FQDN", "a.b")],
            ["some of addressType FQDN"],
        ),
    ],
)
def test_slices_are_of_both(slices: list[objects.EndpointSlice], words: list[str]) -> None:
    """Of each family of the Service, and of no other, with each ready pod."""
    said = running.slices(SERVICE, slices, [pod("10.0.0.1", "fd00::1")])
    assert [word in text for word, text in zip(words, said, strict=True)] == [True] * len(words)


def test_endpoints_are_of_the_first() -> None:
    """The old object knows one family."""
    pods = [pod("10.0.0.1", "fd00::1")]
    assert running.endpoints(SERVICE, {"subsets": [{"addresses": [{"ip": "10.0.0.1"}]}]}, pods) == []
    said = running.endpoints(SERVICE, {"subsets": [{"addresses": [{"ip": "fd00::1"}]}]}, pods)
    assert said == ["endpoints/s: addresses are fd00::1, must be 10.0.0.1, all IPv4"]


def test_nodes_have_both() -> None:
    """Addresses and ranges of each family; nodes without ranges have a network of their own."""

    def node(addresses: tuple[str, ...], first: str, *ranges: str) -> objects.Node:
        status = NodeStatus(addresses=tuple(NodeAddress("InternalIP", text) for text in addresses))
        return objects.Node(metadata=Meta(name="n"), spec=NodeSpec(first, ranges), status=status)

    both = node(("10.46.0.1", "fd46::1"), "10.244.0.0/24", "10.244.0.0/24", "fd00::/64")
    one = node(("10.46.0.1",), "fd00::/64", "10.244.0.0/24")
    none = node(("10.46.0.1", "fd46::1"), "")
    assert addressing.node_addresses([both, none], BOTH) == addressing.node_ranges([both, none], BOTH) == []
    assert "has no InternalIP of IPv6, only 10.46.0.1" in addressing.node_addresses([one], BOTH)[0]
    said = addressing.node_ranges([one], BOTH)
    assert ["podCIDR is fd00::/64" in said[0], "podCIDRs is 10.244.0.0/24" in said[1]] == [True, True]


def test_a_container_that_cannot_start_is_told() -> None:
    """Its end is its exit status; an image that is not there is a fault with a mend."""

    def status(**state: Any) -> dict[str, Any]:
        return {"status": {"ephemeralContainerStatuses": [{"name": "ask-1", "state": state}]}}

    assert ended(status(running={}), "ask-1") is None
    assert ended({}, "ask-1") is None
    assert ended(status(terminated={"exitCode": 3}), "ask-1") == 3
    with pytest.raises(CheckError, match="--image"):
        ended(status(waiting={"reason": "ErrImagePull", "message": "no"}), "ask-1")
