"""Tracked connections are forgotten by family, protocol, address and port, few or many at once."""

import os
import socket
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from kube46.addresses.families import Family
from kube46.netlink import Netlink, conntrack, namespaces
from kube46.netlink.conntrack import Flow
from kube46.nftables import Nft

pytestmark = pytest.mark.root

HOME = {Family.IPV4: ip_address("127.0.0.1"), Family.IPV6: ip_address("::1")}
OTHER = {Family.IPV4: ip_address("127.0.0.2"), Family.IPV6: ip_address("fd46::1")}
PORTS = range(5000, 5030)
UDP = socket.IPPROTO_UDP


@pytest.fixture
def place() -> Iterator[str]:
    """A namespace that tracks connections, with one to each port of each address."""
    name = f"k46t-f-{os.getpid()}-track"
    namespaces.create(name)
    try:
        with Netlink(name) as links:
            links.set_up("lo")
            links.sysctl("net/netfilter/nf_conntrack_udp_timeout", 600)
        address = [f"{OTHER[Family.IPV6]}/128", "dev", "lo", "nodad"]  # without nodad it is in use a moment later only
        subprocess.run(["ip", "-n", name, "address", "add", *address], check=True)
        with Nft(name) as tables:
            tables.run(
                "add table inet t; add chain inet t c { type filter hook output priority 0; ct state new accept; }"
            )
        namespaces.open_sockets_in(name, send)
        yield name
    finally:
        namespaces.delete(name)


def send() -> None:
    """A datagram to each port of each address."""
    for family, made in ((Family.IPV4, socket.AF_INET), (Family.IPV6, socket.AF_INET6)):
        for addresses in (HOME, OTHER):
            for port in PORTS:
                with socket.socket(made, socket.SOCK_DGRAM) as client:
                    client.sendto(b"?", (str(addresses[family]), port))


@pytest.mark.parametrize("count", [1, conntrack.MANY, conntrack.MANY + 1, 25])
def test_those_that_are_asked_for(place: str, count: int) -> None:
    """However many ports are asked for, exactly theirs of one family and address go; asked again there are none."""

    def forgotten(family: Family, ports: range) -> int:
        flows = [Flow(family, UDP, HOME[family], port, None) for port in ports]
        return namespaces.open_sockets_in(place, lambda: conntrack.forget(flows))

    for family in Family:
        assert [forgotten(family, PORTS[:count]) for _ in range(2)] == [count, 0]
        assert forgotten(family, PORTS) == len(PORTS) - count
        others = [Flow(family, UDP, OTHER[family], port, None, anyone=True) for port in PORTS]
        assert namespaces.open_sockets_in(place, lambda flows=others: conntrack.forget(flows)) == len(PORTS)
