"""Elements as bytes; that the kernel reads them as nft's text is shown by tests/kernel/proxy/test_table.py."""

import re
from socket import AF_INET, AF_INET6, inet_pton

import pytest

from kube46.netlink import setelements, wire
from kube46.proxy import encoding
from kube46.proxy.layout import declarations
from unit.proxy.samples import SETTINGS

FOUR, SIX = inet_pton(AF_INET, "10.96.0.1"), inet_pton(AF_INET6, "fd00::1")
TCP, PORT, ONE = b"\x06\0\0\0", b"\0P\0\0", b"\1\0\0\0"
CASES = {
    "address": ("cluster-ips6", "fd00::1", "", SIX, b""),
    "two": ("hairpin4", "10.96.0.1 . 10.96.0.1", "", FOUR + FOUR, b""),
    "verdict": ("service4", "10.96.0.1 . tcp . 80", "goto c", FOUR + TCP + PORT, setelements.verdict("goto c")),
    "node port": ("nodeport-far6", "tcp . 80", "drop", TCP + PORT, setelements.verdict("drop")),
    "backend": (
        "service-backend-tcp6", "fd00::1 . 80 . 1", "fd00::1 . 80", SIX + PORT + ONE, setelements.value(SIX + PORT)
    ),
    "of a node port": (
        "nodeport-backend-udp4", "80 . 1", "10.96.0.1 . 80", PORT + ONE, setelements.value(FOUR + PORT)
    ),
    "number": ("service-sticky4", "10.96.0.1 . tcp . 80", "1", FOUR + TCP + PORT, setelements.value(ONE)),
    "member": ("members4", "1 . 1", "10.96.0.1 . 80", ONE + ONE, setelements.value(FOUR + PORT)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_field_has_its_bytes(case: str) -> None:
    """Each kind of key and value; what is deleted has a key only."""
    name, key, value, packed, data = CASES[case]
    batch = encoding.transaction("t", [((name, key), value)], [((name, key), value)])
    _, gone, come, _ = wire.messages(batch)
    assert gone.payload.endswith(setelements.element(packed))
    assert come.payload.endswith(setelements.element(packed, data))


def test_every_map_is_encoded_but_intervals_and_what_packets_learn() -> None:
    """A declaration that is new here is one that nobody can fill."""
    declared = dict(re.findall(r"add (?:set|map) inet kube46-proxy (\S+) (.*)", "\n".join(declarations(SETTINGS))))
    others = {name for name, text in declared.items() if "interval" in text or "dynamic" in text}
    assert declared.keys() - others == encoding.WRITERS.keys()
    assert encoding.transaction("t", [], [(("pods4", "10.0.0.0/8"), "")]) == b""
