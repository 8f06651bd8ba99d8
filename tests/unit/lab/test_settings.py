"""The flags of `up`: what they make, and the sentence that each bad one gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.addresses.families import Family
from kube46.lab import settings
from kube46.lab.settings import BadSettings, Flags

FAMILIES = ["ipv4,ipv6", "ipv6,ipv4", "ipv4", "ipv6"]


@pytest.mark.parametrize("families", FAMILIES)
def test_defaults_follow_the_families(families: str) -> None:
    """Each family setting gets one pod range and one Service range a family, in its order."""
    made = settings.from_flags("dev", Flags(families=families))
    kinds = ["ipv6" if ":" in pool else "ipv4" for pool in made.pod_cidrs]

    assert ",".join(kinds) == families
    assert [":" in pool for pool in made.pod_cidrs] == [":" in pool for pool in made.service_cidrs]


def test_no_flags_make_a_dual_stack_cluster_of_two_nodes() -> None:
    """The defaults are the contract's."""
    made = settings.from_flags("dev", Flags())

    assert made.families == (Family.IPV4, Family.IPV6)
    assert made.node_names == ("node1", "node2")
    assert made.pod_cidrs == ("10.244.0.0/16", "fd00:10:244::/56")
    assert made.service_cidrs == ("10.96.0.0/16", "fd00:10:96::/112")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (Flags(families="ipv5"), "--families ipv5: ipv5 is no family"),
        (Flags(families=""), "--families : an empty name is no family"),
        (Flags(families="ipv4,ipv4"), "is named twice"),
        (Flags(nodes=0), "--nodes 0: a cluster needs a node"),
        (Flags(nodes=201), "--nodes 201: the underlay has addresses for 200"),
        (Flags(pod_cidr="10.1.0.0/16"), "--pod-cidr 10.1.0.0/16: is ipv4 but the cluster is ipv4,ipv6"),
        (Flags(pod_cidr="fd01::/56,10.1.0.0/16"), "is ipv6,ipv4 but the cluster is ipv4,ipv6"),
        (Flags(families="ipv6", service_cidr="10.1.0.0/16"), "--service-cidr 10.1.0.0/16: is ipv4 but"),
        (Flags(families="ipv4", pod_cidr="10.1.1.0/16"), "has bits set after the prefix, write 10.1.0.0/16"),
        (Flags(families="ipv4", pod_cidr="10.1.0.0"), "has no prefix length, write 10.1.0.0/16"),
        (Flags(families="ipv4", pod_cidr="ten"), "--pod-cidr ten: is no range"),
        (Flags(families="ipv4", pod_cidr="10.1.0.0/24"), "is too small for 2 nodes of a /24 each, use /23"),
        (Flags(families="ipv4", pod_cidr="10.1.0.0/23", nodes=3), "use /22 or shorter"),
        (Flags(families="ipv6", pod_cidr="fd01::/64"), "use /63 or shorter"),
        (Flags(families="ipv6", pod_cidr="fd00::/40"), "is too large for blocks of /64, use /48 or longer"),
        (Flags(families="ipv4", service_cidr="10.1.0.0/29"), "is too small, use a prefix length from /12 to /28"),
        (Flags(families="ipv6", service_cidr="fd01::/48"), "is too large, use a prefix length from /64 to /124"),
        (Flags(families="ipv4", pod_cidr="10.96.0.0/16"), "--service-cidr 10.96.0.0/16: overlaps --pod-cidr"),
        (Flags(families="ipv4", pod_cidr="10.32.0.0/12"), "overlaps 10.46.0.0/24, which is the nodes' underlay"),
        (Flags(families="ipv4", pod_cidr="203.0.112.0/22"), "overlaps 203.0.113.0/24, which is the outside"),
        (Flags(families="ipv4", pod_cidr="127.0.0.0/16"), "which is loopback"),
        (Flags(families="ipv6", pod_cidr="fe80::/56"), "which is link-local"),
        (Flags(families="ipv6", service_cidr="64:ff9b::/112"), "which is NAT64"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_flags_are_refused_in_a_sentence(flags: Flags, words: str) -> None:
    """The message names the flag and the mend, on one line."""
    with pytest.raises(BadSettings) as refused:
        settings.from_flags("dev", flags)

    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["", "Dev", "a_b", "-a", "a-", "a.b", "a/b", "../x", "a" * 21, "agent", "cni", "é"])
def test_bad_names_are_refused(name: str) -> None:
    """A cluster's name becomes part of paths and namespaces: it must be a short DNS label."""
    with pytest.raises(BadSettings, match="--name"):
        settings.check_name(name)


@given(
    st.sampled_from(FAMILIES),
    st.integers(min_value=1, max_value=settings.MAX_NODES),
)
def test_settings_survive_being_kept(families: str, nodes: int) -> None:
    """What `up` writes is what a later `up` reads."""
    made = settings.from_flags("dev", Flags(families=families, nodes=nodes))

    assert settings.decoded(made.encoded()) == made


def test_damaged_settings_say_what_to_do() -> None:
    """A cluster whose settings cannot be read can still be deleted."""
    with pytest.raises(BadSettings, match="kube46 down"):
        settings.decoded(b"{")


@pytest.mark.parametrize(
    ("flags", "changed"),
    [
        (Flags(), []),
        (Flags(families="ipv4,ipv6", nodes=2), []),
        (Flags(pod_cidr="10.244.0.0/16,fd00:10:244::/56"), []),
        (Flags(families="ipv6"), ["--families ipv4,ipv6"]),
        (Flags(nodes=3), ["--nodes 2"]),
        (Flags(service_cidr="10.97.0.0/16,fd00:10:96::/112"), ["--service-cidr 10.96.0.0/16,fd00:10:96::/112"]),
    ],
)
def test_only_given_flags_can_differ(flags: Flags, changed: list[str]) -> None:
    """`up` without flags fits every existing cluster; a differing flag is named with the kept value."""
    assert settings.differences(settings.from_flags("dev", Flags()), "dev", flags) == changed


def test_ranges_are_compared_by_the_cluster_s_own_families() -> None:
    """A range given without --families is meant for the families that the cluster has."""
    kept = settings.from_flags("dev", Flags(families="ipv4"))

    assert settings.differences(kept, "dev", Flags(pod_cidr="10.200.0.0/16")) == ["--pod-cidr 10.244.0.0/16"]
    assert settings.differences(kept, "dev", Flags(pod_cidr="10.244.0.0/16")) == []


@pytest.mark.parametrize(
    "flags", [Flags(nodes=0), Flags(nodes=0, families="ipv4"), Flags(families="ipv4", pod_cidr="x")]
)
def test_a_bad_flag_is_no_difference(flags: Flags) -> None:
    """It is refused for itself, whatever else differs: no cluster could be made so."""
    with pytest.raises(settings.BadSettings, match=r"a cluster needs a node|--pod-cidr x"):
        settings.differences(settings.from_flags("dev", Flags()), "dev", flags)
