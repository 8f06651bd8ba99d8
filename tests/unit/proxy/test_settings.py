"""What the proxy knows of its node."""

from ipaddress import ip_network

import msgspec
import pytest

from kube46.addresses.families import Family
from kube46.api.objects import NodeAddress, NodeSpec, NodeStatus
from kube46.proxy.settings import Settings, node_view
from unit.proxy.samples import NODE, VIEW, node


def test_without_settings_the_node_says_who_is_a_pod_and_where_node_ports_are() -> None:
    """The node's own pod CIDRs and its first InternalIP of each family."""
    assert VIEW.pods == {
        Family.IPV4: (ip_network("10.244.0.0/24"),),
        Family.IPV6: (ip_network("fd00:10:244::/64"),),
    }
    assert VIEW.nodeport_addresses == {
        Family.IPV4: (ip_network("192.0.2.1/32"),),
        Family.IPV6: (ip_network("2001:db8:c::1/128"),),
    }
    assert VIEW.families == (Family.IPV4, Family.IPV6)


def test_node_port_addresses_of_one_family_open_all_of_the_other() -> None:
    """K-13: no CIDR of a family means all addresses of it."""
    settings = Settings(NODE, nodeport_addresses=(ip_network("10.0.0.0/8"),), nodeport_primary=False)
    assert node_view(node(), settings).nodeport_addresses == {
        Family.IPV4: (ip_network("10.0.0.0/8"),),
        Family.IPV6: (ip_network("::/0"),),
    }


def test_a_single_family_node_has_one_family() -> None:
    """Nothing of the other family appears."""
    assert node_view(node(["2001:db8::1"]), Settings(NODE)).families == (Family.IPV6,)


def test_an_internal_ip_that_is_no_address_is_left_out() -> None:
    """One bad address doesn't take the others' node ports away."""
    assert node_view(node(["host.example", "2001:db8::1"]), Settings(NODE)).families == (Family.IPV6,)


def test_zone_and_missing_node() -> None:
    """The zone is a label; a node that isn't there has nothing."""
    assert node_view(node(labels={"topology.kubernetes.io/zone": "a"}), Settings(NODE)).zone == "a"
    assert node_view(None, Settings(NODE)).families == ()


def test_the_mark_is_one_bit() -> None:
    """kube-proxy's default, and a bit that no mark has is refused."""
    assert Settings(NODE).mark == 0x4000
    with pytest.raises(ValueError, match="masquerade_bit"):
        Settings(NODE, masquerade_bit=32)


def test_the_nodes_own_addresses_stand_beside_others() -> None:
    """`primary` and prefixes: both, in each family; a family of which only the node's is named has that alone."""
    settings = Settings(NODE, nodeport_addresses=(ip_network("10.0.0.0/8"),))
    assert node_view(node(), settings).nodeport_addresses == {
        Family.IPV4: (ip_network("192.0.2.1"), ip_network("10.0.0.0/8")),
        Family.IPV6: (ip_network("2001:db8:c::1"),),
    }


def test_external_addresses_of_a_node_come_after_internal_ones() -> None:
    """A family without an InternalIP has the first ExternalIP; texts with leading zeros are read as old kubelets'."""
    addresses = (
        NodeAddress("ExternalIP", "2001:db8:e::1"),
        NodeAddress("ExternalIP", "198.51.100.1"),
        NodeAddress("Hostname", "node1"),
        NodeAddress("InternalIP", "192.000.2.1"),
    )
    made = msgspec.structs.replace(node(), status=NodeStatus(addresses=addresses))
    assert node_view(made, Settings(NODE)).nodeport_addresses == {
        Family.IPV4: (ip_network("192.0.2.1"),),
        Family.IPV6: (ip_network("2001:db8:e::1"),),
    }


def test_pod_ranges_are_read_as_lax_servers_took_them() -> None:
    """A Node's podCIDRs may have bits after the prefix: they are pods' ranges all the same, and no reason to fail."""
    made = msgspec.structs.replace(node(), spec=NodeSpec(pod_cidrs=("10.244.1.1/24", "fd00:10:244:1::1/64")))
    assert node_view(made, Settings(NODE, detect_local="NodeCIDR")).pods == {
        Family.IPV4: (ip_network("10.244.1.0/24"),),
        Family.IPV6: (ip_network("fd00:10:244:1::/64"),),
    }
