"""The text of the masquerading table."""

from ipaddress import ip_interface, ip_network

from kube46.addresses.families import Family
from kube46.cni import masquerading


def test_one_rule_a_family() -> None:
    """The table has one rule for all pods of a family; pods are elements."""
    rules = [line for line in masquerading.schema().splitlines() if line.startswith("add rule")]

    assert len(rules) == 2
    assert all("saddr @pods" in rule and "masquerade" in rule for rule in rules)


def test_changes_are_idempotent_text() -> None:
    """An element is added before it is deleted, so that neither ADD nor DEL depends on what is there."""
    text = masquerading.addition([ip_interface("fd00::7/64"), ip_interface("10.0.0.7/24")], "veth1")

    assert text.count("delete element") == 2
    assert 'pods6 { fd00::7 comment "veth1" }' in text
    assert "near4 { 10.0.0.0/24 . 10.0.0.0/24 }" in text
    assert masquerading.removal(["10.0.0.7"]).index("add element") < masquerading.removal(["10.0.0.7"]).index("delete")


def test_cluster_prefixes_of_a_missing_family_are_emptied() -> None:
    """Setting the cluster's prefixes of one family empties the other's set."""
    text = masquerading.cluster({Family.IPV6: (ip_network("fd00::/56"),)})

    assert "flush set inet kube46-cni cluster4" in text
    assert "fd00::/56" in text


def test_subnets_that_overlap() -> None:
    """Of subnets that overlap the largest one is kept, as the kernel takes no two; others stay."""
    small, large = (ip_network(f"10.0.0.0/{length}") for length in (24, 16))
    others = [ip_network("10.9.0.0/24"), ip_network("fd00::/64")]
    inside = masquerading.addition([ip_interface("10.0.0.7/24")], "veth1", [large, *others])
    around = masquerading.addition([ip_interface("10.0.0.7/16")], "veth1", [small, *others])

    assert "near" not in inside
    assert "delete element inet kube46-cni near4 { 10.0.0.0/24 . 10.0.0.0/24 }" in around
    assert around.count("near") == 2
    assert around.endswith("add element inet kube46-cni near4 { 10.0.0.0/16 . 10.0.0.0/16 }\n")
