"""Families and their addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.addresses.families import Family, bracketed, by_family, family_of, in_order


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("10.0.0.1", Family.IPV4),
        ("10.0.0.0/8", Family.IPV4),
        ("fd00::1", Family.IPV6),
        ("::/0", Family.IPV6),
        ("fd00::1/64", Family.IPV6),
    ],
)
def test_family_of_text(text: str, family: Family) -> None:
    """The family of an address or prefix is read off its text."""
    assert family_of(text) is family


@given(st.ip_addresses())
def test_family_of_value_and_text_agree(address: object) -> None:
    """A value and its text have the same family, of as many bits as the value."""
    family = family_of(str(address))
    assert family is family_of(address)  # type: ignore[arg-type]
    assert family.bits == address.max_prefixlen  # type: ignore[attr-defined]
    assert family.other.other is family


def test_by_family_keeps_the_first_of_each() -> None:
    """A third address of a family that is there already is left out, and the order given is kept."""
    assert list(by_family(["fd00::1", "10.0.0.1", "fd00::2"]).items()) == [
        (Family.IPV6, "fd00::1"),
        (Family.IPV4, "10.0.0.1"),
    ]


def test_in_order_skips_what_is_absent() -> None:
    """Only present families come out, in the order asked for."""
    assert in_order({Family.IPV4: 1}, (Family.IPV6, Family.IPV4)) == [1]


def test_bracketed() -> None:
    """An IPv6 host is bracketed before its port."""
    assert (bracketed("fd00::1", 80), bracketed("10.0.0.1", 80)) == ("[fd00::1]:80", "10.0.0.1:80")
