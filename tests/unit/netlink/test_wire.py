"""The bytes of rtnetlink messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.netlink import wire
from kube46.netlink.errors import NetlinkError
from kube46.netlink.links import vlan_span

numbers = st.integers(0, 2**32 - 1)


@given(st.dictionaries(st.integers(1, 0x3FFF), st.binary(max_size=50), max_size=6))
def test_attributes_round_trip(values: dict[int, bytes]) -> None:
    """What is packed as attributes of any length is found again, by type."""
    packed = b"".join(wire.attribute(kind, value) for kind, value in values.items())

    assert wire.attributes(packed) == values
    assert len(packed) % 4 == 0


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 0xFFFF), numbers, st.binary(max_size=40)), max_size=5))
def test_messages_round_trip(values: list[tuple[int, int, int, bytes]]) -> None:
    """Several messages in one datagram are told apart, whatever their lengths."""
    datagram = b""
    for kind, flags, sequence, payload in values:
        one = wire.message(kind, flags, sequence, payload)
        datagram += one + bytes(-len(one) % 4)

    assert list(wire.messages(datagram)) == [wire.Message(*value) for value in values]


@given(st.binary(max_size=200))
def test_garbage_ends_parsing(data: bytes) -> None:
    """Bytes that are no message or attribute end the parsing; they never loop or raise."""
    list(wire.messages(data))
    wire.attributes(data)


def test_nested_and_scalars() -> None:
    """A nested attribute holds attributes; numbers and texts come back as they went in."""
    packed = wire.nested(18, wire.attribute(1, "veth"), wire.attribute(2, 1500))
    inner = wire.attributes(wire.attributes(packed)[18])

    assert wire.text(inner[1]) == "veth"
    assert wire.number(inner[2]) == 1500


def test_errors_say_what_was_asked_and_why() -> None:
    """The text of an error names the request, the reason and the kernel's explanation."""
    error = NetlinkError(17, "create bridge cni0", "Name not unique")

    assert "create bridge cni0: File exists (Name not unique)" in str(error)
    assert (error.is_presence, error.is_absence) == (True, False)


@pytest.mark.parametrize(
    ("span", "data"),
    [
        ((5, 5, 6), "0c001a000800020006000500"),
        ((5, 9, 0), "14001a0008000200080005000800020010000900"),
        ((1, 1, 0), "0c001a000800020000000100"),
    ],
)
def test_spans_of_vlans(span: tuple[int, int, int], data: str) -> None:
    """They are what iproute2's `bridge vlan add vid 5 pvid untagged`, `add vid 5-9` and `del vid 1` send (strace)."""
    assert vlan_span(*span).hex() == data
