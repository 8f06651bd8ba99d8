"""Node IPAM's rules: order of blocks, exhaustion without a leak, flags."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.addresses.families import Family
from kube46.controllers.nodeipam.rules import Allocator, Exhausted, OutOfRange
from kube46.controllers.nodeipam.settings import InvalidSettings, Pool, Settings, settings


def of(*pools: tuple[str, int], reserved: tuple[str, ...] = ()) -> Allocator:
    """An allocator over pools written as (range, length)."""
    return Allocator(Settings(tuple(Pool(ip_network(p), n) for p, n in pools), tuple(map(ip_network, reserved))))


def texts(blocks: tuple[object, ...]) -> list[str]:
    return [str(block) for block in blocks]


def test_sequential_blocks_of_both_families() -> None:
    """Nodes get blocks in sequence, one of each family, in the order of --cluster-cidr."""
    allocator = of(("fd00:10:244::/56", 64), ("10.244.0.0/16", 24))
    assert texts(allocator.allocate("a")) == ["fd00:10:244::/64", "10.244.0.0/24"]
    assert texts(allocator.allocate("b")) == ["fd00:10:244:1::/64", "10.244.1.0/24"]
    assert texts(allocator.allocate("a")) == ["fd00:10:244::/64", "10.244.0.0/24"]


def test_freed_block_returns_after_the_cursor_went_round() -> None:
    """A freed block is not the next one handed out, but the last of the round (B-18)."""
    allocator = of(("10.0.0.0/22", 24))
    for owner in "abc":
        allocator.allocate(owner)
    allocator.release("a")
    assert texts(allocator.allocate("d")) == ["10.0.3.0/24"]
    assert texts(allocator.allocate("e")) == ["10.0.0.0/24"]


def test_exhausted_second_family_takes_nothing_of_the_first() -> None:
    """Upstream's leak (B-20) does not happen: a full second family costs the first one no block."""
    allocator = of(("10.0.0.0/22", 24), ("fd00::/64", 64))
    allocator.allocate("a")
    for _ in range(5):
        with pytest.raises(Exhausted, match="idx:1: CIDR allocation failed; there are no remaining CIDRs left"):
            allocator.allocate("b")
    assert [taken for _, taken, _ in allocator.usage()] == [1, 1]
    assert allocator.release("a")
    assert texts(allocator.allocate("b")) == ["10.0.1.0/24", "fd00::/64"]


def test_reserved_ranges_are_never_handed_out() -> None:
    """Blocks that overlap a Service range stay free of nodes (B-19)."""
    allocator = of(("10.0.0.0/22", 24), reserved=("10.0.1.0/28", "fd00::/112"))
    got = [texts(allocator.allocate(owner))[0] for owner in "abc"]
    assert got == ["10.0.0.0/24", "10.0.2.0/24", "10.0.3.0/24"]


def test_block_of_two_nodes_is_freed_by_the_last() -> None:
    """A block that two nodes have by mistake is not handed out while one of them lives."""
    allocator = of(("10.0.0.0/24", 24))
    shared = (ip_network("10.0.0.0/24"),)
    allocator.occupy("a", "a", shared)
    allocator.occupy("b", "b", shared)
    allocator.release("a")
    with pytest.raises(Exhausted):
        allocator.allocate("c")
    allocator.release("b")
    assert allocator.allocate("c") == shared


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (["10.9.0.0/24"], r"failed to mark cidr\[10.9.0.0/24\] at idx \[0\] as occupied for node: n: "),
        (["10.0.0.0/24", "fd00::/64"], "node:n has an allocated cidr: fd00::/64 at index:1 that does not exist"),
        (["fd00::/64"], "is out the range of cluster cidr 10.0.0.0/16"),
    ],
)
def test_foreign_cidr_of_a_node_is_refused(blocks: list[str], message: str) -> None:
    """A node's CIDR outside the configuration is an error in upstream's words (B-19), and takes nothing."""
    allocator = of(("10.0.0.0/16", 24))
    with pytest.raises(OutOfRange, match=message):
        allocator.occupy("uid", "n", tuple(map(ip_network, blocks)))
    assert allocator.usage()[0][1] == 0


def test_single_cidr_of_an_old_node_is_kept() -> None:
    """A node from single-stack times keeps its one CIDR on a dual-stack cluster."""
    allocator = of(("10.0.0.0/16", 24), ("fd00::/56", 64))
    allocator.occupy("uid", "n", (ip_network("10.0.0.0/24"),))
    assert texts(allocator.allocate("m")) == ["10.0.1.0/24", "fd00::/64"]


def test_node_without_cidrs_occupies_nothing() -> None:
    """A node that was there before us without CIDRs gets some."""
    allocator = of(("10.0.0.0/16", 24))
    allocator.occupy("uid", "n", ())
    assert texts(allocator.allocate("uid")) == ["10.0.0.0/24"]


STEPS = st.lists(st.tuples(st.sampled_from(["allocate", "release"]), st.sampled_from("abcdefgh")), max_size=60)


@given(STEPS)
def test_no_block_has_two_owners(steps: list[tuple[str, str]]) -> None:
    """Whatever the order of arrivals and departures, blocks never overlap and none is lost."""
    allocator = of(("10.0.0.0/22", 24), ("fd00::/61", 64))
    held: dict[str, tuple[object, ...]] = {}
    for step, owner in steps:
        if step == "release":
            allocator.release(owner)
            held.pop(owner, None)
        elif len(held) < 4 or owner in held:
            blocks = allocator.allocate(owner)
            assert held.setdefault(owner, blocks) == blocks
        else:
            with pytest.raises(Exhausted):
                allocator.allocate(owner)
        every = [block for blocks in held.values() for block in blocks]
        assert len(set(every)) == len(every)
        assert [taken for _, taken, _ in allocator.usage()] == [len(held)] * 2


@given(STEPS)
def test_a_restart_changes_nothing(steps: list[tuple[str, str]]) -> None:
    """An allocator rebuilt from the nodes alone holds exactly what the old one held."""
    old = of(("10.0.0.0/20", 24), ("fd00::/60", 64))
    for step, owner in steps:
        (old.allocate if step == "allocate" else old.release)(owner)
    new = of(("10.0.0.0/20", 24), ("fd00::/60", 64))
    for owner in "abcdefgh":
        if blocks := old.held_by(owner):
            new.occupy(owner, owner, blocks)
    assert new.usage() == old.usage()
    assert all(new.allocate(owner) == old.held_by(owner) for owner in "abcdefgh" if old.held_by(owner))


NONE: dict[Family, int | None] = {Family.IPV4: None, Family.IPV6: None}


@pytest.mark.parametrize(
    ("cidrs", "lengths", "any_length", "message"),
    [
        ("", NONE, None, "--cluster-cidr is needed"),
        ("10.0.0.0", NONE, None, "is no range"),
        ("10.0.0.0/8,10.1.0.0/16", NONE, None, "not configured as dual stack"),
        ("10.0.0.0/8,fd00::/48,fd01::/48", NONE, None, "length of clusterCIDRs is:3 more than max allowed of 2"),
        ("10.0.0.0/8,fd00::/48", NONE, 24, "usage of --node-cidr-mask-size is not allowed with dual-stack clusters"),
        ("10.0.0.0/8", {Family.IPV4: 24}, 24, "For dual-stack clusters please unset it"),
        ("fd00::/48", {Family.IPV4: 24}, None, "mask-size-ipv4 is not allowed for a single-stack IPv6 cluster"),
        ("10.0.0.0/8", {Family.IPV6: 64}, None, "mask-size-ipv6 is not allowed for a single-stack IPv4 cluster"),
        ("10.0.0.0/25", NONE, None, "mask size of cluster CIDR must be less than or equal to"),
        ("fd00::/47", NONE, None, "New CIDR set failed; the node CIDR size is too big"),
    ],
)
def test_bad_flags(cidrs: str, lengths: dict[Family, int | None], any_length: int | None, message: str) -> None:
    """Contradicting flags are refused in kube-controller-manager's words (B-15 to B-17)."""
    with pytest.raises(InvalidSettings, match=message):
        settings(cidrs, lengths, any_length=any_length)


@pytest.mark.parametrize(
    ("cidrs", "lengths", "any_length", "expected"),
    [
        ("10.244.0.0/16,fd00::/56", NONE, None, [("10.244.0.0/16", 24), ("fd00::/56", 64)]),
        ("fd00::/48 , 10.0.0.0/8", {Family.IPV4: 25, Family.IPV6: 60}, None, [("fd00::/48", 60), ("10.0.0.0/8", 25)]),
        ("fd00::/48", NONE, 56, [("fd00::/48", 56)]),
        ("10.244.1.1/16", NONE, None, [("10.244.0.0/16", 24)]),
    ],
)
def test_good_flags(
    cidrs: str, lengths: dict[Family, int | None], any_length: int | None, expected: list[tuple[str, int]]
) -> None:
    """Defaults are /24 and /64, and the order of the flag is kept."""
    pools = settings(cidrs, lengths, any_length=any_length).pools
    assert [(str(pool.prefix), pool.length) for pool in pools] == expected
