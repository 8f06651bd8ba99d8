"""Forgets tracked connections, one flow at a time, by ctnetlink.

The kernel filters the dump by protocol and ports (CTA_FILTER, Linux 5.8), so the whole table is never copied; of many
ports by protocol. Addresses are compared here, because the kernel's filter turns the comparison of IPv6 addresses
upside down (seen on 6.18). Each entry is deleted by its own tuple: nothing else is touched. Source:
linux/netfilter/nfnetlink_conntrack.h.
"""

import os
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from kube46.addresses.families import Address, Family
from kube46.netlink import wire
from kube46.netlink.connections import Netlink

NETLINK_NETFILTER = 12
CT_GET, CT_DELETE = 0x101, 0x102  # NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_…
TUPLE_ORIG, TUPLE_REPLY, ID, ZONE, FILTER = 1, 2, 12, 18, 25
TUPLE_IP, TUPLE_PROTO = 1, 2
PROTO_NUM, PROTO_SRC_PORT, PROTO_DST_PORT = 1, 2, 3
FILTER_ORIG_FLAGS, FILTER_REPLY_FLAGS = 1, 2
F_PROTO_NUM, F_SRC_PORT, F_DST_PORT = 1 << 3, 1 << 4, 1 << 5
MANY = 8
"""Ports of a family and protocol up to which each is looked for in a dump of its own."""
FAMILIES = {Family.IPV4: socket.AF_INET, Family.IPV6: socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Flow:
    """Tracked connections to one address and port, as they were asked for."""

    family: Family
    protocol: int
    """The number of the protocol, as in an IP header."""
    address: Address | None
    """The destination before translation; None: any of this namespace's own addresses (a node port)."""
    port: int
    endpoint: tuple[Address, int] | None
    """Only those that were translated to this endpoint; None: only untranslated ones."""
    anyone: bool = False
    """Translated or not, to whatever endpoint."""


def forget(flows: Iterable[Flow]) -> int:
    """Delete the tracked connections of the flows in this thread's network namespace; how many there were.

    Raises OSError when the kernel refuses. Needs CAP_NET_ADMIN.
    """
    count, flows = 0, list(flows)
    own = own_addresses() if any(flow.address is None for flow in flows) else frozenset()
    with _open() as netlink:
        for ports, members in _dumps(flows).items():
            of_port: dict[int, list[Flow]] = {}
            for flow in members:
                of_port.setdefault(flow.port, []).append(flow)
            for entry in list(_dump(netlink, ports)):
                asked = _place(_sides(entry[TUPLE_ORIG])[1])
                if any(_is_of(entry, flow, own) for flow in of_port.get(asked[1], ())):
                    count += _delete(netlink, ports.family, entry)
    return count


Place = tuple[bytes, int]
"""An address, packed, and a port."""


def forget_if(family: Family, protocol: int, judge: Callable[[Place, Place], bool]) -> int:
    """Look at every tracked connection of a family and protocol, and delete those of which `judge` says so: it is told
    who was asked, and who answers in its place. Returns how many there were. Raises OSError."""
    count = 0
    with _open() as netlink:
        for entry in list(_dump(netlink, _Ports(family, protocol, None, None))):
            asked, answering = _sides(entry[TUPLE_ORIG])[1], _sides(entry[TUPLE_REPLY])[0]
            if judge(_place(asked), _place(answering)):
                count += _delete(netlink, family, entry)
    return count


def own_addresses() -> frozenset[bytes]:
    """This thread's namespace's addresses, packed."""
    with Netlink() as node:
        return frozenset(found.interface.ip.packed for found in node.addresses())


def _open() -> socket.socket:
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
    netlink.bind((0, 0))
    return netlink


def _place(side: tuple[bytes, bytes]) -> Place:
    return side[0], int.from_bytes(side[1])


@dataclass(frozen=True, slots=True)
class _Ports:
    """What the kernel filters by: the port that was asked, and the one that answers; None: any port."""

    family: Family
    protocol: int
    asked: int | None
    answering: int | None


def _dumps(flows: Iterable[Flow]) -> dict[_Ports, list[Flow]]:
    """The dumps to be made, and the flows that each finds.

    For each the kernel looks through its whole table, 3 ms of work on a machine with 24 GB; so the flows of many ports
    are found by one dump of all ports.
    """
    groups: dict[_Ports, list[Flow]] = {}
    for flow in flows:
        answering = flow.endpoint[1] if flow.endpoint is not None else None
        groups.setdefault(_Ports(flow.family, flow.protocol, flow.port, answering), []).append(flow)
    counts = Counter((ports.family, ports.protocol) for ports in groups)
    found: dict[_Ports, list[Flow]] = {}
    for ports, members in groups.items():
        kind = ports.family, ports.protocol
        found.setdefault(_Ports(*kind, None, None) if counts[kind] > MANY else ports, []).extend(members)
    return found


def _dump(netlink: socket.socket, ports: _Ports) -> Iterator[dict[int, bytes]]:
    """The entries with these ports."""
    _send(netlink, CT_GET, wire.Flag.REQUEST | wire.Flag.DUMP, ports.family, _filter(ports))
    for kind, payload in _answers(netlink):
        if kind == wire.Kind.DONE:
            return
        if kind == wire.Kind.ERROR:
            _check(payload)
        yield wire.attributes(payload, 4)


def _is_of(entry: dict[int, bytes], flow: Flow, own: frozenset[bytes]) -> bool:
    """Whether the entry's addresses are the flow's."""
    _, asked = _sides(entry[TUPLE_ORIG])
    if asked[0] not in own if flow.address is None else asked[0] != flow.address.packed:
        return False
    if flow.anyone:
        return True
    answering, _ = _sides(entry[TUPLE_REPLY])
    if flow.endpoint is None:
        return answering == asked
    return _place(answering) == (flow.endpoint[0].packed, flow.endpoint[1])


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
    asked = [(PROTO_DST_PORT, ports.asked)] if ports.asked is not None else []
    parts, flags, reply_flags = [_tuple(TUPLE_ORIG, ports.protocol, *asked)], F_PROTO_NUM, 0
    if ports.asked is not None:
        flags |= F_DST_PORT
    if ports.answering is not None:
        reply_flags = F_PROTO_NUM | F_SRC_PORT
        parts.append(_tuple(TUPLE_REPLY, ports.protocol, (PROTO_SRC_PORT, ports.answering)))
    masks = wire.attribute(FILTER_ORIG_FLAGS, flags), wire.attribute(FILTER_REPLY_FLAGS, reply_flags)
    return wire.nested(FILTER, *masks) + b"".join(parts)


def _tuple(kind: int, protocol: int, *ports: tuple[int, int]) -> bytes:
    numbers = [wire.attribute(side, struct.pack("!H", port)) for side, port in ports]
    return wire.nested(kind, wire.nested(TUPLE_PROTO, wire.attribute(PROTO_NUM, bytes([protocol])), *numbers))


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
