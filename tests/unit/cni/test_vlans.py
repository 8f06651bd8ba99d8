"""The VLANs of a pod's port."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.cni import vlans
from kube46.cni.configurations import Network
from kube46.cni.errors import CniError, Code


def network(**keys: Any) -> Network:
    """A configuration with these keys."""
    return msgspec.convert({"name": "n", **keys}, Network)


@pytest.mark.parametrize(
    ("trunk", "spans"),
    [
        ([], ()),
        ([{"id": 7}], ((7, 7),)),
        ([{"minID": 5, "maxID": 9}, {"id": 11}, {"id": 10}], ((5, 11),)),
        ([{"id": 4094, "minID": 1, "maxID": 2}], ((1, 2), (4094, 4094))),
    ],
)
def test_trunks(trunk: list[dict[str, int]], spans: tuple[tuple[int, int], ...]) -> None:
    """Entries are single VLANs, spans, or both at once; what adjoins is joined."""
    assert vlans.tagged(network(vlanTrunk=trunk)) == spans


@given(st.sets(st.integers(1, 4094), max_size=40))
def test_spans_are_the_numbers(numbers: set[int]) -> None:
    """The spans hold each VLAN that was given once, and no other, with a gap between any two."""
    spans = vlans.tagged(network(vlanTrunk=[{"id": one} for one in numbers]))

    assert [one for first, last in spans for one in range(first, last + 1)] == sorted(numbers)
    assert all(left[1] + 1 < right[0] for left, right in itertools.pairwise(spans))


@pytest.mark.parametrize(
    ("trunk", "word"),
    [
        ({"id": 0}, "0 is no VLAN"),
        ({"id": 4095}, "4095 is no VLAN"),
        ({"minID": 3}, "go together"),
        ({"maxID": 3}, "go together"),
        ({"minID": 9, "maxID": 5}, "greater"),
        ({"minID": 4000, "maxID": 10**12}, "4095 is no VLAN"),
        ({"minID": -(10**12), "maxID": 4}, "0 is no VLAN"),
    ],
)
def test_trunks_that_are_none(trunk: dict[str, int], word: str) -> None:
    """Numbers that are no VLANs, and halves of spans, are error 7."""
    with pytest.raises(CniError, match=word) as caught:
        vlans.tagged(network(vlanTrunk=[trunk]))
    assert caught.value.code == Code.INVALID_CONFIG


def test_untagged_frames() -> None:
    """They are of `vlan`; of 1 where only a trunk is given; other numbers are refused."""
    assert vlans.untagged(network(vlan=7)) == 7
    assert vlans.untagged(network(vlanTrunk=[{"id": 7}])) == 1
    assert not vlans.wanted(network())
    for wrong in (-1, 4095):
        with pytest.raises(CniError, match=f"vlan: is {wrong}"):
            vlans.untagged(network(vlan=wrong))
