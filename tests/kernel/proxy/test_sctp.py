"""SCTP through the table by raw packets: this kernel has no SCTP sockets, but tracks and translates it (RFC 9260)."""

import socket
import struct
from typing import TYPE_CHECKING

import pytest

from kernel.proxy.cluster import CLIENT, PODS, family, in_namespace
from kube46.api.objects import EndpointPort, ServicePort
from unit.proxy.samples import CLUSTER_IPS, pods, service, slices

if TYPE_CHECKING:
    from kernel.proxy.conftest import Node

pytestmark = pytest.mark.root
both = pytest.mark.parametrize("index", [0, 1], ids=["IPv4", "IPv6"])
NODE_IPS = ("192.0.2.1", "2001:db8:c::1")
SCTP = 132
PORT = ServicePort("signal", "SCTP", None, 2905, 8080, 30290)


def checksum(data: bytes) -> int:
    """CRC32c (RFC 9260, appendix A)."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def init(source: int, destination: int) -> bytes:
    """A packet with an INIT chunk."""
    chunk = struct.pack("!BBHIIHHI", 1, 0, 20, 0x1234, 65536, 1, 1, 1)
    header = struct.pack("!HHI", source, destination, 0)
    return header + struct.pack("<I", checksum(header + bytes(4) + chunk)) + chunk


def raw(netns: str, address: str, *, connected: bool = False) -> socket.socket:
    """A raw socket of the address's family, that hears SCTP."""

    def work() -> socket.socket:
        made = socket.socket(family(address), socket.SOCK_RAW, SCTP)
        made.settimeout(5)
        if connected:
            made.connect((address, 0))
        return made

    return in_namespace(netns, work)


def ports(packet: bytes, address: str) -> tuple[int, int]:
    """Source and destination; a raw IPv4 socket gives the IP header too."""
    body = packet if ":" in address else packet[(packet[0] & 15) * 4 :]
    return struct.unpack_from("!HH", body)


def serve(node: "Node", *numbers: int, **spec: str) -> None:
    """A Service over SCTP."""
    made = service(ports=(PORT,), **spec)
    node.hold(made, slices(pods(*numbers), ports=[EndpointPort("signal", "SCTP", 8080)]))
    node.apply()


@both
@pytest.mark.parametrize("scope", ["cluster address", "node port"])
def test_an_association_reaches_its_endpoint(node: "Node", index: int, scope: str) -> None:
    """Translated to the endpoint's address and port, with a checksum that the pod's kernel takes."""
    serve(node, 2, type="NodePort", session_affinity="ClientIP")
    address, port = (CLUSTER_IPS[index], 2905) if scope == "cluster address" else (NODE_IPS[index], 30290)
    with raw(PODS[2], address) as pod, raw(CLIENT, address, connected=True) as client:
        client.send(init(40000, port))
        packet = pod.recv(2048)
        assert ports(packet, address)[1] == 8080
        body = packet if index else packet[(packet[0] & 15) * 4 :]
        assert struct.unpack_from("<I", body, 8)[0] == checksum(body[:8] + bytes(4) + body[12:])


@both
def test_no_endpoints_is_refused(node: "Node", index: int) -> None:
    """By an ICMP error of the family, which the sender's socket tells."""
    serve(node)
    with raw(CLIENT, CLUSTER_IPS[index], connected=True) as client:
        client.send(init(40001, 2905))
        with pytest.raises(ConnectionRefusedError):
            client.recv(2048)


@both
def test_an_association_of_an_endpoint_that_went_begins_anew(node: "Node", index: int) -> None:
    """From the same port, at another endpoint: its tracked connection went with the first."""
    address = CLUSTER_IPS[index]
    serve(node, 2)
    with (
        raw(PODS[2], address) as first,
        raw(PODS[3], address) as second,
        raw(CLIENT, address, connected=True) as client,
    ):
        client.send(init(40002, 2905))
        assert ports(first.recv(2048), address)[1] == 8080
        serve(node, 3)
        client.send(init(40002, 2905))
        assert ports(second.recv(2048), address)[1] == 8080
