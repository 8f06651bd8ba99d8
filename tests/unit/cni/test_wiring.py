"""What an attachment to a bridge looks like."""

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.addresses.families import Family
from kube46.cni import wiring
from kube46.cni.configurations import Network
from kube46.cni.errors import CniError
from kube46.cni.requests import Attachment
from kube46.cni.results import Assigned, Result, Route

SUBNETS = {Family.IPV6: ("fd00::7/64", "fd00::1", "::/0"), Family.IPV4: ("10.0.0.7/24", "10.0.0.1", "0.0.0.0/0")}


def planned(*families: Family, routes: tuple[Route, ...] = (), **options: Any) -> wiring.Wiring:
    """The wiring of a pod with an address of each family."""
    ips = tuple(Assigned(ip_interface(SUBNETS[family][0])) for family in families)
    return wiring.plan(msgspec.convert({"name": "n", **options}, Network), Result(ips=ips, routes=routes))


@pytest.mark.parametrize("families", [[Family.IPV6], [Family.IPV4], [Family.IPV6, Family.IPV4]], ids=str)
def test_a_default_gateway_of_each_family(families: list[Family]) -> None:
    """isDefaultGateway gives each family of the pod, and only those, a gateway on the bridge and a default route."""
    plan = planned(*families, isDefaultGateway=True)

    assert [str(route.destination) for route in plan.routes] == [SUBNETS[family][2] for family in families]
    assert [str(wiring.next_hop(route, plan)) for route in plan.routes] == [SUBNETS[family][1] for family in families]
    assert [str(one.ip) for one in plan.bridge_addresses] == [SUBNETS[family][1] for family in families]
    assert plan.families == set(families)


def test_only_a_gateway() -> None:
    """isGateway gives the bridge its address and the pod no route but what IPAM says, through the gateway."""
    plan = planned(Family.IPV6, isGateway=True, routes=(Route(ip_network("fd09::/64")),))

    assert [str(one) for one in plan.bridge_addresses] == ["fd00::1/64"]
    assert [(str(one.destination), str(wiring.next_hop(one, plan))) for one in plan.routes] == [
        ("fd09::/64", "fd00::1")
    ]


def test_no_gateway() -> None:
    """Without a gateway the bridge has no address, and a route without one goes out of the interface."""
    plan = planned(Family.IPV6, routes=(Route(ip_network("fd09::/64")),))

    assert plan.bridge_addresses == ()
    assert wiring.next_hop(plan.routes[0], plan) is None


def test_ipams_default_route_stands() -> None:
    """A default route with a gateway from IPAM is not joined by another of that family."""
    given_route = Route(ip_network("0.0.0.0/0"), ip_address("10.0.0.99"))
    plan = planned(Family.IPV4, Family.IPV6, isDefaultGateway=True, routes=(given_route,))

    assert [(str(one.destination), str(one.gateway)) for one in plan.routes] == [
        ("0.0.0.0/0", "10.0.0.99"),
        ("::/0", "fd00::1"),
    ]


def test_nothing_assigned() -> None:
    """An IPAM plugin that assigned nothing is an error."""
    with pytest.raises(CniError):
        planned()


@pytest.mark.parametrize("families", [[], [Family.IPV6], [Family.IPV4], [Family.IPV6, Family.IPV4]], ids=str)
def test_settings_of_a_pod(families: list[Family]) -> None:
    """IPv6 is off in a pod without it, and without duplicate detection in a pod with it."""
    settings = wiring.pod_settings("eth0", families, detect_duplicates=False)

    assert settings["net/ipv6/conf/eth0/disable_ipv6"] == ("0" if Family.IPV6 in families else "1")
    assert settings.get("net/ipv6/conf/eth0/accept_dad") == ("0" if Family.IPV6 in families else None)
    assert ("net/ipv4/conf/eth0/arp_notify" in settings) == (Family.IPV4 in families)
    assert len(wiring.forwarding(families)) == len(families)


def test_a_link_too_small_for_ipv6() -> None:
    """The kernel has no settings of IPv6 for a link of less than 1280 bytes, and a pod with IPv6 cannot have one."""
    settings = wiring.pod_settings("eth0", [Family.IPV4], detect_duplicates=False, mtu=1279)

    assert not any("ipv6" in path for path in settings)
    assert planned(Family.IPV4, mtu=1279)
    assert planned(Family.IPV6, mtu=1280)
    with pytest.raises(CniError, match="mtu"):
        planned(Family.IPV4, Family.IPV6, mtu=1279)


@pytest.mark.parametrize("families", [[Family.IPV6], [Family.IPV4], [Family.IPV6, Family.IPV4]], ids=str)
def test_a_routed_pod_takes_no_redirects(families: list[Family]) -> None:
    """What the node says of shorter ways is not believed, in every family the pod has and no other."""
    plain = wiring.pod_settings("eth0", families, detect_duplicates=False)
    settings = wiring.pod_settings("eth0", families, detect_duplicates=False, routed=True)

    assert {path for path in settings if path not in plain} == {
        f"net/{family.lower()}/conf/{scope}/accept_redirects" for family in families for scope in ("all", "eth0")
    }


@pytest.mark.parametrize(
    ("there", "wanted", "conflict"),
    [
        ("10.0.0.1/24", "10.1.0.1/24", True),
        ("fd00::1/64", "fd00::2/64", True),
        ("fd00::1/64", "fd01::1/64", False),
        ("fe80::1/64", "fd01::1/64", False),
        ("10.0.0.1/24", "fd00::1/64", False),
    ],
)
def test_addresses_that_cannot_share_a_bridge(there: str, wanted: str, conflict: bool) -> None:
    """A bridge has one IPv4 address, and IPv6 addresses of subnets that don't overlap."""
    assert wiring.in_conflict(there, wanted) is conflict


identifiers = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]{0,300}", fullmatch=True)


@given(identifiers, identifiers.map(lambda text: text[:15]))
def test_names_of_links(container_id: str, ifname: str) -> None:
    """The host's end has a name that a link can have, always the same; its alias tells whose it is."""
    attachment = Attachment(container_id, ifname)
    name = wiring.host_link(attachment)

    assert len(name) == 15
    assert name == wiring.host_link(attachment)
    for network in ("net", "n" * 300):
        alias = wiring.alias(network, attachment)
        assert len(alias.encode()) <= 255
        assert wiring.is_of(alias, network)
        assert not wiring.is_of(alias, network[:-1])
        assert not wiring.is_of(alias, network + "n")


def test_link_local_addresses() -> None:
    """The link-local address is the modified EUI-64 of the MAC address (RFC 4291 appendix A's example)."""
    assert wiring.link_local("34:56:78:9a:bc:de") == "fe80::3656:78ff:fe9a:bcde/64"
    first = bytes.fromhex(wiring.hardware_address().replace(":", ""))[0]
    assert first & 3 == 2


@pytest.mark.parametrize("text", ["02:00:00:00:00:0A", "02-00-00-00-00-0a", "0200.0000.000a"])
def test_mac_addresses_asked_for(text: str) -> None:
    """The ways of writing that Go's net.ParseMAC takes come out as the kernel writes."""
    assert wiring.checked_mac(text) == "02:00:00:00:00:0a"


@pytest.mark.parametrize(
    "text", ["", "x", "01:00:00:00:00:01", "00:00:00:00:00:00", "02:00:00:00:00", "02:00:00:00:00-0a0"]
)
def test_mac_addresses_that_no_pod_can_have(text: str) -> None:
    """Multicast addresses, the zero one, and texts that are none are error 7."""
    with pytest.raises(CniError, match="no unicast MAC address"):
        wiring.checked_mac(text)


def test_a_point_to_point_wiring() -> None:
    """Addresses are of the second interface; a pod reaches its gateway on the link and its subnet through it."""
    network = msgspec.convert({"name": "n"}, Network)
    ips = tuple(Assigned(ip_interface(address), ip_address(gateway)) for address, gateway, _ in SUBNETS.values())
    plan = wiring.plan_ptp(network, Result(ips=ips))

    assert [one.interface for one in plan.addresses] == [1, 1]
    assert [str(one) for one in plan.gateways] == ["fd00::1", "10.0.0.1"]
    assert [(str(one.destination), str(one.gateway), str(one.source)) for one in wiring.gateway_routes(plan)] == [
        ("fd00::1/128", "None", "fd00::7"),
        ("fd00::/64", "fd00::1", "fd00::7"),
        ("10.0.0.1/32", "None", "10.0.0.7"),
        ("10.0.0.0/24", "10.0.0.1", "10.0.0.7"),
    ]
    assert plan.bridge_addresses == ()
    with pytest.raises(CniError, match="has no gateway"):
        wiring.plan_ptp(network, Result(ips=(Assigned(ip_interface("10.0.0.7/32")),)))
    with pytest.raises(CniError, match="assigned no address"):
        wiring.plan_ptp(network, Result())
