"""Tracked UDP connections in real packets: which go on, which are forgotten, and whose are not touched."""

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from kernel.proxy.cluster import CLIENT, PODS, add_address, ask_udp, datagrams, family, in_namespace, ip, talk
from kernel.proxy.test_packets import CLIENT_IPS, PORTS, TCP, UDP, both, serve, tracked
from kube46.api.objects import Endpoint
from patience import patient
from unit.proxy.samples import CLUSTER_IPS, VIEW, pods, service, slices

if TYPE_CHECKING:
    from kernel.proxy.conftest import Node

pytestmark = pytest.mark.root
EXTERNAL = ("198.51.100.7", "2001:db8:e::7")


def hold(node: "Node", ends: list[Endpoint]) -> None:
    """One Service of two ports with these endpoints, in the next transaction."""
    node.hold(service(ports=(TCP, UDP)), slices(ends, ports=PORTS))


def outside(address: str, port: int) -> socket.socket:
    """A server beyond the node."""

    def work() -> socket.socket:
        made = socket.socket(family(address), socket.SOCK_DGRAM)
        made.settimeout(patient(2))
        made.bind((address, port))
        return made

    return in_namespace(CLIENT, work)


def is_answered(flow: socket.socket, server: socket.socket) -> bool:
    """Whether a datagram reaches the server and its answer the client."""
    flow.send(b"?")
    _, peer = server.recvfrom(100)
    server.sendto(b"!", peer)
    return flow.recv(100) == b"!"


@both
def test_a_flow_goes_on_until_its_endpoint_is_done(node: "Node", index: int) -> None:
    """An endpoint that terminates while others are ready keeps its clients until it stops serving; new ones go to
    others at once."""
    serve(node, 2)
    with datagrams(PODS[3], CLUSTER_IPS[index], 53) as flow:
        assert talk(flow)[0] == "pod2"
        for serving, answers in ((True, "pod2"), (False, "pod3")):
            hold(node, pods(3) + pods(2, ready=False, serving=serving, terminating=True))
            node.apply()
            assert ask_udp(PODS[3], CLUSTER_IPS[index], 53)[0] == "pod3"
            assert talk(flow)[0] == answers


@both
def test_a_proxy_that_was_killed_before_it_forgot(node: "Node", index: int) -> None:
    """The table is right already, so nothing changes: its successor looks at all flows and finds the one that went."""
    serve(node, 2)
    with datagrams(PODS[3], CLUSTER_IPS[index], 53) as flow:
        assert talk(flow)[0] == "pod2"
        hold(node, pods(3))
        asyncio.run(node.table.apply(node.changes, node.claims, VIEW))
        assert talk(flow)[0] == "pod2"
        node.restart()
        hold(node, pods(3))
        assert node.apply() == 0
        assert talk(flow)[0] == "pod3"


@both
def test_datagrams_to_an_external_address_before_its_service(node: "Node", index: int) -> None:
    """They passed untranslated to whoever had the address; from the Service on the same flow reaches the Service."""
    serve(node)
    add_address(CLIENT, EXTERNAL[index])
    server = outside(EXTERNAL[index], 53)
    try:
        with datagrams(PODS[3], EXTERNAL[index], 53) as flow:
            assert is_answered(flow, server)
            serve(node, 2, external_ips=EXTERNAL)
            assert talk(flow)[0] == "pod2"
    finally:
        server.close()
        ip(CLIENT, f"addr del {EXTERNAL[index]} dev lo")


@both
def test_a_strangers_flow_to_the_number_of_a_node_port(node: "Node", index: int) -> None:
    """A pod talks to a server outside whose port has a node port's number: neither the Service's coming, its
    endpoints' going, nor a restart forgets that flow."""
    serve(node)
    server = outside(CLIENT_IPS[index], 30053)
    try:
        with datagrams(PODS[3], CLIENT_IPS[index], 30053) as flow:
            assert is_answered(flow, server)
            (before,) = tracked(CLIENT_IPS[index])
            for numbers in ((2,), (), (3,)):
                serve(node, *numbers, type="NodePort")
            node.restart()
            serve(node, 2, type="NodePort")
            assert tracked(CLIENT_IPS[index]) == [before]
    finally:
        server.close()
