"""nft's text: names, comments, keys."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.nftables import Table, concat, elements, identifier, quoted


@pytest.mark.parametrize("name", ["kube46-proxy", "service4", "a.b", "x/y", "A_1"])
def test_names_nft_can_read_pass(name: str) -> None:
    """Letters, digits and a few signs, letter first."""
    assert identifier(name) == name


@pytest.mark.parametrize("name", ["", "4a", "a b", 'a"', "a;b", "a\n", "-a", "a{", "é", "a" * 200])
def test_names_nft_would_read_otherwise_are_refused(name: str) -> None:
    """Nothing that could end a word, a command or a block gets through."""
    with pytest.raises(ValueError, match="nftables name"):
        identifier(name)


@given(st.text())
def test_a_comment_is_always_one_quoted_printable_string(text: str) -> None:
    """However hostile the text, the result has exactly two quotes, no backslash, no control character, and fits."""
    written = quoted(text)
    inner = written[1:-1]
    assert written[0] == written[-1] == '"'
    assert '"' not in inner
    assert "\\" not in inner
    assert inner.isprintable()
    assert inner.isascii()
    assert len(inner) <= 120


def test_a_key_joins_typed_parts() -> None:
    """Addresses, prefixes, words and numbers are joined as nft's concatenations."""
    assert concat(ip_address("fd00::1"), "tcp", 80) == "fd00::1 . tcp . 80"
    assert concat(ip_network("10.0.0.0/8")) == "10.0.0.0/8"
    with pytest.raises(ValueError, match="nftables name"):
        concat("tcp }")


def test_a_table_checks_its_family_and_name() -> None:
    """A table is named by family and name; anything else is refused."""
    assert str(Table("kube46-proxy")) == "inet kube46-proxy"
    with pytest.raises(ValueError, match="family"):
        Table("a", "inet6")
    with pytest.raises(ValueError, match="nftables name"):
        Table("a b")


def test_elements_are_batched() -> None:
    """No command grows without bound, and none is written for no members."""
    commands = list(elements("add", Table("t"), "s", (str(n) for n in range(1001))))
    assert [command.count(",") + 1 for command in commands] == [500, 500, 1]
    assert commands[-1] == "add element inet t s { 1000 }\n"
    assert list(elements("delete", Table("t"), "s", [])) == []
    with pytest.raises(ValueError, match="flush"):
        list(elements("flush", Table("t"), "s", ["1"]))
