"""Elements of sets as messages."""

import struct

import pytest

from kube46.netlink import setelements, wire
from kube46.netlink.setelements import ADD, DELETE, LARGEST


def read(batch: bytes) -> list[tuple[int, int, dict[int, bytes]]]:
    """(kind, flags, attributes) of a transaction's messages but its frame."""
    first, *found, last = wire.messages(batch)
    assert (first.kind, last.kind) == (0x10, 0x11)
    return [(message.kind, message.flags, wire.attributes(message.payload, 4)) for message in found]


def test_an_element_is_its_key_and_its_value() -> None:
    """Nested as the kernel reads it: element ⊃ key ⊃ value, data ⊃ value."""
    made = setelements.element(b"keykeyke", setelements.value(b"data"))
    (outer,) = wire.attributes(made).values()
    parts = wire.attributes(outer)
    assert len(made) == struct.unpack_from("=H", made)[0]
    assert wire.attributes(parts[setelements.KEY]) == {1: b"keykeyke"}
    assert wire.attributes(parts[setelements.DATA]) == {1: b"data"}


@pytest.mark.parametrize(
    ("text", "code", "chain"),
    [("drop", 0, None), ("goto there", -4, b"there\0"), ("jump allow4-x", -3, b"allow4-x\0")],
)
def test_a_verdict_is_a_code_and_a_chain(text: str, code: int, chain: bytes | None) -> None:
    """The kernel's numbers."""
    data = wire.attributes(wire.attributes(setelements.verdict(text))[setelements.DATA])
    fields = wire.attributes(data[setelements.VERDICT])
    assert struct.unpack("!i", fields[setelements.VERDICT_CODE])[0] == code
    assert fields.get(setelements.VERDICT_CHAIN) == chain


def test_only_the_last_message_asks_for_an_answer() -> None:
    """Deletions come first, as given, and many elements are several messages, each short enough for its length."""
    members = [setelements.element(number.to_bytes(4, "big")) for number in range(10_000)]
    batch = setelements.transaction("t", [(DELETE, "a", members[:1]), (ADD, "b", members)])
    messages = read(batch)
    assert [kind for kind, _, _ in messages] == [DELETE] + [ADD] * (len(messages) - 1)
    assert [bool(flags & wire.Flag.ACK) for _, flags, _ in messages] == [False] * (len(messages) - 1) + [True]
    assert all(len(fields[3]) <= LARGEST for _, _, fields in messages)
    assert b"".join(fields[3] for _, _, fields in messages[1:]) == b"".join(members)
    assert {fields[2] for _, _, fields in messages} == {b"a\0", b"b\0"}


def test_nothing_to_do_is_no_transaction() -> None:
    """Commands without elements are left out."""
    assert setelements.transaction("t", []) == setelements.transaction("t", [(ADD, "a", [])]) == b""
