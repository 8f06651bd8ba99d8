"""Elements are found by a word of their comments in the kernel's bytes."""

from hypothesis import given
from hypothesis import strategies as st

from kube46.netlink import owned, wire

WORD = "0123456789abcdef"
COMMENTS = st.sampled_from([WORD, f"net pod {WORD}", "", "0123", "other fedcba9876543210"])


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=12), COMMENTS), max_size=12))
def test_members_with_a_word(values: list[tuple[bytes, str]]) -> None:
    """Exactly the elements whose comment has the word are found, with their keys, wherever they stand in the list."""
    packed = b"".join(
        wire.nested(
            owned.LIST_ELEMENT,
            wire.nested(owned.KEY, wire.attribute(owned.DATA_VALUE, key)),
            wire.attribute(owned.USERDATA, bytes([owned.COMMENT, len(comment) + 1]) + comment.encode() + b"\0"),
        )
        for key, comment in values
    )
    found = [owned.Element("any4", one) for one in owned.members(packed, WORD)]
    assert [one.key for one in found] == [key for key, comment in values if WORD in comment]
    assert [owned.comment(one.attributes, owned.USERDATA) for one in found] == [
        comment for _, comment in values if WORD in comment
    ]


@given(st.binary(max_size=200))
def test_garbage_ends_the_search(data: bytes) -> None:
    """Bytes that are no elements end the search; it never loops or raises."""
    list(owned.members(data + WORD.encode(), WORD))
    owned.comment({owned.USERDATA: data}, owned.USERDATA)
