"""Forgets tracked connections, one flow at a time, by ctnetlink.

The kernel filters the dump by protocol and ports (CTA_FILTER, Linux 5.8), so the whole table is never copied; addresses
are compared here, because the kernel's filter turns the comparison of IPv6 addresses upside down (seen on 6.18). Each
entry is deleted by its own tuple: nothing else is touched. Source: linux/netfilter/nfnetlink_conntrack.h.
"""

import os
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kube46.addresses.families import Address, Family
from kube46.netlink import wire

NETLINK_NETFILTER = 12
CT_GET, CT_DELETE = 0x101, 0x102  # NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_…
TUPLE_ORIG, TUPLE_REPLY, ID, ZONE, FILTER = 1, 2, 12, 18, 25
TUPLE_IP, TUPLE_PROTO = 1, 2
PROTO_NUM, PROTO_SRC_PORT, PROTO_DST_PORT = 1, 2, 3
FILTER_ORIG_FLAGS, FILTER_REPLY_FLAGS = 1, 2
F_PROTO_NUM, F_SRC_PORT, F_DST_PORT = 1 << 3, 1 << 4, 1 << 5
FAMILIES = {Family.IPV4: socket.AF_INET, Family.IPV6: socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Flow:
    """Tracked connections to one address and port, as they were asked for."""

    family: Family
    protocol: int
    """The number of the protocol, as in an IP header."""
    address: Address | None
    """The destination before translation; None: any (a node port)."""
    port: int
    endpoint: tuple[Address, int] | None
    """Only those that were translated to this endpoint; None: only untranslated ones."""
    anyone: bool = False
    """Translated or not, to whatever endpoint."""


def forget(flows: Iterable[Flow]) -> int:
    """Delete the tracked connections of the flows in this thread's network namespace; how many there were.

    Raises OSError when the kernel refuses. Needs CAP_NET_ADMIN.
    """
    count = 0
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER) as netlink:
        netlink.bind((0, 0))
        for ports, members in _by_ports(flows).items():
            for entry in list(_dump(netlink, ports)):
                if any(_is_of(entry, flow) for flow in members):
                    count += _delete(netlink, ports.family, entry)
    return count


@dataclass(frozen=True, slots=True)
class _Ports:
    """What the kernel filters by. `answering` is the port that answers, None: any."""

    family: Family
    protocol: int
    asked: int
    answering: int | None


def _by_ports(flows: Iterable[Flow]) -> dict[_Ports, list[Flow]]:
    """Flows that one dump finds, together."""
    groups: dict[_Ports, list[Flow]] = {}
    for flow in flows:
        answering = flow.endpoint[1] if flow.endpoint is not None else None
        groups.setdefault(_Ports(flow.family, flow.protocol, flow.port, answering), []).append(flow)
    return groups


def _dump(netlink: socket.socket, ports: _Ports) -> Iterator[dict[int, bytes]]:
    """The entries with these ports."""
    _send(netlink, CT_GET, wire.Flag.REQUEST | wire.Flag.DUMP, ports.family, _filter(ports))
    for kind, payload in _answers(netlink):
        if kind == wire.Kind.DONE:
            return
        if kind == wire.Kind.ERROR:
            _check(payload)
        yield wire.attributes(payload, 4)


def _is_of(entry: dict[int, bytes], flow: Flow) -> bool:
    """Whether the entry's addresses are the flow's."""
    _, asked = _sides(entry[TUPLE_ORIG])
    if flow.anyone:
        return flow.address is None or asked[0] == flow.address.packed
    answering, _ = _sides(entry[TUPLE_REPLY])
    if flow.address is not None and asked[0] != flow.address.packed:
        return False
    return answering == asked if flow.endpoint is None else answering[0] == flow.endpoint[0].packed


def _delete(netlink: socket.socket, family: Family, entry: dict[int, bytes]) -> int:
    """Delete one entry by its tuple, zone and id; 0 when it has gone by itself meanwhile."""
    which = b"".join(
        wire.nested(kind, value) if kind == TUPLE_ORIG else wire.attribute(kind, value)
        for kind, value in entry.items()
        if kind in (TUPLE_ORIG, ZONE, ID)
    )
    _send(netlink, CT_DELETE, wire.Flag.REQUEST | wire.Flag.ACK, family, which)
    for _, payload in _answers(netlink):
        try:
            _check(payload)
        except FileNotFoundError:
            return 0
        return 1
    return 0


def _filter(ports: _Ports) -> bytes:
    """CTA_FILTER and the tuples it speaks of."""
    parts = [_tuple(TUPLE_ORIG, ports.protocol, PROTO_DST_PORT, ports.asked)]
    reply_flags = 0
    if ports.answering is not None:
        reply_flags = F_PROTO_NUM | F_SRC_PORT
        parts.append(_tuple(TUPLE_REPLY, ports.protocol, PROTO_SRC_PORT, ports.answering))
    flags = (
        wire.attribute(FILTER_ORIG_FLAGS, F_PROTO_NUM | F_DST_PORT),
        wire.attribute(FILTER_REPLY_FLAGS, reply_flags),
    )
    return wire.nested(FILTER, *flags) + b"".join(parts)


def _tuple(kind: int, protocol: int, side: int, port: int) -> bytes:
    numbers = wire.attribute(PROTO_NUM, bytes([protocol])), wire.attribute(side, struct.pack("!H", port))
    return wire.nested(kind, wire.nested(TUPLE_PROTO, *numbers))


def _sides(data: bytes) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """(source, destination) of a tuple, each address and port as bytes."""
    parts = wire.attributes(data)
    addresses, numbers = wire.attributes(parts[TUPLE_IP]), wire.attributes(parts[TUPLE_PROTO])
    source, destination = (addresses[kind] for kind in sorted(addresses))
    return (source, numbers.get(PROTO_SRC_PORT, b"")), (destination, numbers.get(PROTO_DST_PORT, b""))


def _send(netlink: socket.socket, kind: int, flags: int, family: Family, payload: bytes) -> None:
    body = struct.pack("=BBH", FAMILIES[family], 0, 0) + payload
    netlink.send(wire.HEADER.pack(wire.HEADER.size + len(body), kind, flags, 1, 0) + body)


def _answers(netlink: socket.socket) -> Iterator[tuple[int, bytes]]:
    while True:
        data = netlink.recv(1 << 16)
        offset = 0
        while offset < len(data):
            length, kind, *_ = wire.HEADER.unpack_from(data, offset)
            yield kind, data[offset + wire.HEADER.size : offset + length]
            offset += (length + 3) & ~3


def _check(payload: bytes) -> None:
    number = -struct.unpack_from("=i", payload)[0]
    if number:
        raise OSError(number, f"Connection tracking: {os.strerror(number)}")
