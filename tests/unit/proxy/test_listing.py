"""What a table holds as bytes, and how it differs from what it shall hold."""

from functools import partial
from ipaddress import collapse_addresses, ip_address, ip_network
from socket import AF_INET6, inet_ntop
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube46.proxy import encoding
from kube46.proxy.claims import Changes, Claims
from kube46.proxy.firewall import prefix_key
from kube46.proxy.listing import Listing, intervals

TEXTS = {
    4: st.ip_addresses(v=4).map(str), 16: st.binary(min_size=16, max_size=16).map(partial(inet_ntop, AF_INET6)),
    "port": st.integers(0, 65535).map(str), "number": st.integers(0, (1 << 32) - 1).map(str),
    "protocol": st.sampled_from(["tcp", "udp", "sctp", "1"]),
}  # fmt: skip


def texts(fields: tuple[encoding.Field, ...]) -> st.SearchStrategy[str]:
    """Of keys or values that have these fields."""
    names = {encoding.PORT: "port", encoding.NUMBER: "number", encoding.PROTOCOL: "protocol"}
    return st.tuples(*(TEXTS[names.get(field, field.width)] for field in fields)).map(" . ".join)


@pytest.mark.parametrize("name", encoding.SHAPES)
@settings(max_examples=20)
@given(data=st.data())
def test_what_is_written_is_read(name: str, data: st.DataObject) -> None:
    """Key and value of every map and set come back as they were; bytes of another length are refused."""
    shape = encoding.SHAPES[name]
    text = data.draw(texts(shape.key))
    assert encoding.key_text(name, encoding.key(name, text)) == text
    with pytest.raises(ValueError, match="declaration"):
        encoding.key_text(name, encoding.key(name, text) + b"\0\0\0\0")
    if shape.value:
        value = data.draw(texts(shape.value))
        assert encoding.value_text(name, encoding.value(name, value)) == value


MAPS = {"service4": ["drop", "goto a", "goto b"], "service-sticky4": ["1", "2"], "cluster-ips4": [""], "pods6": [""]}
KEYS = {
    "service4": ["10.0.0.1 . tcp . 80", "10.0.0.1 . udp . 80"],
    "service-sticky4": ["10.0.0.1 . tcp . 80", "10.0.0.2 . tcp . 80"],
    "cluster-ips4": ["10.0.0.1", "10.0.0.2"],
    "pods6": ["fd00::/64", "fd01::1"],
}
contents = st.fixed_dictionaries(
    {},
    optional={(name, key): st.sampled_from(values) for name, values in MAPS.items() for key in KEYS[name]},
)  # fmt: skip


def listing(elements: dict[tuple[str, str], str]) -> Listing:
    """A table that holds these."""
    maps: dict[str, dict[bytes, bytes | str]] = {name: {} for name in MAPS if encoding.is_binary(name)}
    for (name, key), value in elements.items():
        if name in maps:
            is_verdict = encoding.SHAPES[name].value is None
            maps[name][encoding.key(name, key)] = value if is_verdict else encoding.value(name, value)
    return Listing({}, maps, [element for element in elements if element[0] not in maps])


def applied(table: dict[tuple[str, str], str], changes: Changes) -> dict[tuple[str, str], str]:
    """The table after the changes, each of which is one."""
    for element, change in changes.items():
        assert table.get(element) == change.old != change.new
    return {**table, **{element: new for element, (_, new) in changes.items()}}  # type: ignore[dict-item]


@given(contents, contents)
def test_the_difference_turns_any_table_into_the_desired_one(
    actual: dict[tuple[str, str], str], wanted: dict[tuple[str, str], str]
) -> None:
    """A table reads as what it holds; with the changes it holds what it shall, and then there are none."""
    desired = Claims()
    desired.replace(("a", "b"), wanted)
    assert dict(listing(actual)) == actual
    changes = listing(actual).difference(desired)
    after = applied(actual, changes)
    assert {element: value for element, value in after.items() if value is not None} == wanted
    assert listing(wanted).difference(desired) == {}
    assert changes.keys() == {
        element for element in actual.keys() | wanted.keys() if actual.get(element) != wanted.get(element)
    }


def ends_of(prefixes: list[Any]) -> list[tuple[bytes, bool]]:
    """The keys that nft makes of prefixes."""
    found = []
    for prefix in prefixes:
        found.append((prefix.network_address.packed, False))
        if prefix.broadcast_address != ip_address(b"\xff" * len(prefix.network_address.packed)):
            found.append(((prefix.broadcast_address + 1).packed, True))
    return found


@given(st.data(), st.sampled_from([4, 6]))
def test_intervals_are_the_prefixes_that_were_written(data: st.DataObject, version: int) -> None:
    """Whatever the order in which the kernel tells them, whether they touch, begin at nothing or reach the end; with or
    without the end that nft puts before the first."""
    lengths = st.integers(0, 32 if version == 4 else 128)
    drawn = st.tuples(st.ip_addresses(v=version), lengths).map(lambda one: ip_network(one, strict=False))  # type: ignore[arg-type]
    prefixes = [*collapse_addresses(data.draw(st.lists(drawn, max_size=8)))]  # type: ignore[type-var]
    ends = ends_of(prefixes)
    zero = bytes(4 if version == 4 else 16)
    if data.draw(st.booleans()) and (zero, False) not in ends:
        ends.append((zero, True))
    shuffled = data.draw(st.permutations(ends))
    assert {*intervals(shuffled)} == {*map(prefix_key, prefixes)}


def test_an_interval_that_is_no_prefix_is_told_by_its_ends() -> None:
    """Somebody else wrote it; nft takes that text to delete it."""
    first, after = ip_address("10.0.0.1").packed, ip_address("10.0.0.4").packed
    assert [*intervals([(after, True), (first, False)])] == ["10.0.0.1-10.0.0.3"]
