"""Connections to Services, counted by the kernel where nothing of a Service is touched. Pure.

    postrouting, input ─▶ translated? jump count ─▶ update @hits4|6 { asked address . protocol . port counter }

Both hooks see the first packet of a connection only, and one of them each connection, whatever chain picked its
endpoint: so no change of a Service loses a count. Elements are learnt by packets: Services that nobody uses cost
nothing, and only places of Services are translated, so nobody fills the set with others. The rules are messages of our
own: libnftables 1.0.6 aborts the process on updates whose key is longer than 16 bytes.
"""

import struct
from collections.abc import Iterable
from socket import inet_ntop

from kube46.addresses.families import Family
from kube46.netlink import expressions as go
from kube46.proxy.affinity import NFPROTO
from kube46.proxy.endpoints import SOCKET_FAMILIES
from kube46.proxy.layout import COUNTED, NUMBERS
from kube46.proxy.rules import Element

PROTOCOL_NAMES = {number: name for name, number in NUMBERS.items()}
ASKED = {Family.IPV4: go.Tracked.ADDRESS, Family.IPV6: go.Tracked.ADDRESS6}


def rules() -> list[bytes]:
    """The rules of the chain that counts."""
    return [b"".join(_rule(family)) for family in NFPROTO]


def _rule(family: Family) -> Iterable[bytes]:
    words = 1 if family is Family.IPV4 else 4
    yield go.family_is(NFPROTO[family])
    yield go.asked(0, ASKED[family])
    yield go.transport(words)
    yield go.asked(words + 1, go.Tracked.PORT)
    yield go.count(f"{COUNTED}{family.version}", 0)


def places(family: Family, key: bytes) -> tuple[Element, Element] | None:
    """The elements that a count may be of: an address's port, or else a node port. None for other protocols."""
    words = len(key) - 8
    protocol, port = key[words], struct.unpack_from("!H", key, words + 4)[0]
    name = PROTOCOL_NAMES.get(protocol)
    if name is None:
        return None
    address = inet_ntop(SOCKET_FAMILIES[family], key[:words])
    return (f"service{family.version}", f"{address} . {name} . {port}"), (
        f"nodeport{family.version}",
        f"{name} . {port}",
    )
