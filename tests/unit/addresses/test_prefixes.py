"""Cutting pools into blocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.addresses import prefixes


@given(st.data(), st.sampled_from(["10.244.0.0/16", "fd00:10:244::/56", "fd00::/8"]))
def test_blocks_fill_the_pool_without_overlap(data: st.DataObject, text: str) -> None:
    """Every block lies in the pool, has the length asked for, and the next one begins where it ends."""
    pool = prefixes.parse(text)
    length = data.draw(st.integers(pool.prefixlen, pool.max_prefixlen))
    count = prefixes.block_count(pool, length)
    index = data.draw(st.integers(0, count - 1))
    part = prefixes.block(pool, length, index)
    assert part.prefixlen == length
    assert part.subnet_of(pool)  # type: ignore[arg-type]
    if index + 1 < count:
        following = prefixes.block(pool, length, index + 1)
        assert int(following.network_address) == int(part.broadcast_address) + 1


@pytest.mark.parametrize("index", [-1, 256])
def test_a_block_past_the_end_is_refused(index: int) -> None:
    """There are 256 blocks of /24 in a /16, and no others."""
    with pytest.raises(ValueError, match="holds no block"):
        prefixes.block(prefixes.parse("10.244.0.0/16"), 24, index)


def test_nth_counts_from_the_network_address() -> None:
    """The tenth address of a Service range is where cluster DNS lives."""
    assert str(prefixes.nth(prefixes.parse("fd00:10:96::/112"), 10)) == "fd00:10:96::a"


def test_host_bits_are_refused() -> None:
    """A prefix with host bits set is a typing error, not a prefix."""
    with pytest.raises(ValueError, match="host bits set"):
        prefixes.parse("10.244.0.1/16")


@pytest.mark.parametrize(
    ("pool", "zones"),
    [
        ("10.96.0.0/16", ["96.10.in-addr.arpa"]),
        ("10.96.0.0/15", ["96.10.in-addr.arpa", "97.10.in-addr.arpa"]),
        ("192.0.2.2/31", ["2.2.0.192.in-addr.arpa", "3.2.0.192.in-addr.arpa"]),
        ("fd00::/16", ["0.0.d.f.ip6.arpa"]),
        ("fd00::/15", ["0.0.d.f.ip6.arpa", "1.0.d.f.ip6.arpa"]),
    ],
)
def test_reverse_zones(pool: str, zones: list[str]) -> None:
    """Zones are cut at octets and nibbles, so that names of other prefixes still go elsewhere."""
    assert prefixes.reverse_zones(prefixes.parse(pool)) == zones
