"""The plan of a cluster's places and processes."""

import re
from itertools import pairwise

import pytest

from kube46.addresses.families import Family, family_of
from kube46.lab import parts, rules, settings
from kube46.lab.paths import Paths
from kube46.lab.settings import Flags, Settings

PATHS = Paths("dev")
FAMILIES = ["ipv4,ipv6", "ipv6,ipv4", "ipv4", "ipv6"]


def made(families: str = "ipv4,ipv6", nodes: int = 2) -> Settings:
    """Settings with defaults."""
    return settings.from_flags("dev", Flags(families=families, nodes=nodes))


def addresses(text: str) -> list[str]:
    """The addresses in an `ip` command."""
    return re.findall(r"(?:address add|via) ([0-9a-f.:]+)", text)


@pytest.mark.parametrize("families", FAMILIES)
def test_inner_places_know_only_the_clusters_families(families: str) -> None:
    """cp and nodes have addresses and routes of the cluster's families only; edge and outside of both."""
    given = made(families)
    for place in rules.plan(given, PATHS):
        found = {family_of(address) for command in place.commands for address in addresses(command)}
        wanted = set(Family) if place.name in (rules.EDGE, rules.OUTSIDE_PLACE) else set(given.families)

        assert found == wanted, place.name


@pytest.mark.parametrize("families", FAMILIES)
def test_forwarding_is_on_where_packets_pass(families: str) -> None:
    """Nodes forward the cluster's families, edge both, cp and outside none."""
    given = made(families)
    keys = {Family.IPV4: "net/ipv4/ip_forward", Family.IPV6: "net/ipv6/conf/all/forwarding"}
    for place in rules.plan(given, PATHS):
        values = {sysctl.key: sysctl.value for sysctl in place.sysctls}
        on = {family for family, key in keys.items() if values[key] == "1"}
        wanted = {
            rules.CP: set(),
            rules.OUTSIDE_PLACE: set(),
            rules.EDGE: set(Family),
        }.get(place.name, set(given.families))

        assert on == wanted, place.name


def test_ipv6_is_off_in_the_nodes_of_an_ipv4_cluster() -> None:
    """Links there get no link-local address; sysctls come before links, so that they hold for them."""
    for place in rules.plan(made("ipv4"), PATHS):
        values = {sysctl.key: sysctl.value for sysctl in place.sysctls}
        off = place.name not in (rules.EDGE, rules.OUTSIDE_PLACE)

        assert values["net/ipv6/conf/default/disable_ipv6"] == ("1" if off else "0")


def test_every_address_of_the_underlay_is_of_one_place() -> None:
    """The largest cluster has as many different addresses as places, in both families."""
    places = [rules.CP, rules.EDGE, *made(nodes=settings.MAX_NODES, families="ipv4").node_names]
    for family in Family:
        found = [rules.underlay_address(place, family) for place in places]

        assert len(set(found)) == len(places)
        assert all(address in settings.UNDERLAY[family] for address in found)


def test_node_numbers_read_alike_in_both_families() -> None:
    """node1 is .11 and ::11."""
    assert rules.node_addresses(made(), "node1") == ("10.46.0.11", "fd46::11")
    assert rules.node_addresses(made("ipv6,ipv4"), "node2") == ("fd46::12", "10.46.0.12")


def test_service_addresses_are_the_first_and_the_tenth() -> None:
    """`kubernetes` is the first address of each range, the DNS the tenth."""
    assert rules.api_addresses(made()) == ("10.96.0.1", "fd00:10:96::1")
    assert rules.dns_addresses(made()) == ("10.96.0.10", "fd00:10:96::a")


@pytest.mark.parametrize("families", FAMILIES)
def test_ipv6_addresses_skip_duplicate_detection(families: str) -> None:
    """An address that is still tentative could not be bound to at once."""
    commands = [command for place in rules.plan(made(families), PATHS) for command in place.commands]
    given = [command for command in commands if command.startswith("address add") and ":" in command]

    assert all(command.endswith("nodad") for command in given)


def test_bridge_filtering_is_left_alone_where_the_kernel_has_none() -> None:
    """Without br_netfilter there are no such sysctls to write."""
    for place in rules.plan(made(), PATHS, bridge_filter=False):
        assert not [sysctl for sysctl in place.sysctls if "bridge" in sysctl.key]


@pytest.mark.parametrize("families", FAMILIES)
def test_parts_start_in_the_order_they_need_each_other(families: str) -> None:
    """The API server is first and alone is handed sockets; each node has an agent and a kubelet."""
    found = parts.parts(made(families), PATHS)

    assert found[0].name == "apiserver"
    assert [part.name for part in found if part.listens] == ["apiserver"]
    assert all(one.rank <= next_.rank for one, next_ in pairwise(found))
    assert {part.place for part in found if part.name.startswith("kubelet")} == {"node1", "node2"}
    assert len({part.log for part in found}) == len(found)


@pytest.mark.parametrize(("owner", "uid"), [(0, "65534"), (1000, "1000")])
def test_pods_never_run_as_root_by_default(owner: int, uid: str) -> None:
    """A cluster that root made runs its pods as nobody; a user's, as that user."""
    (kubelet, *_) = [part for part in parts.parts(made(), PATHS, owner) if part.name == "kubelet-node1"]

    assert kubelet.argv[kubelet.argv.index("--default-uid") + 1] == uid
