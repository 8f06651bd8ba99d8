"""Node ports of a Service on create, update and in a dry run (semantics 1.7)."""

from __future__ import annotations

from typing import Any

import pytest

from kube46.api.allocation import NodePorts
from kube46.api.services import nodeports
from kube46.api.services.defaults import default

POOL = range(30000, 32768)


def spec(kind: str, *ports: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A defaulted spec."""
    service: dict[str, Any] = {"spec": {"type": kind, "ports": [dict(port) for port in ports], **more}}
    default(service)
    found: dict[str, Any] = service["spec"]
    return found


def numbers(body: dict[str, Any]) -> list[int]:
    """The node ports, 0 where there is none."""
    return [port.get("nodePort", 0) for port in body["ports"]]


def test_same_port_number_shares_a_node_port() -> None:
    """53/UDP and 53/TCP get one node port, whichever names it (N-1)."""
    body = spec("NodePort", {"name": "a", "port": 53}, {"name": "b", "port": 53, "protocol": "UDP"})
    nodeports.create(body, NodePorts(POOL))
    assert len(set(numbers(body))) == 1
    named = spec("NodePort", {"name": "a", "port": 53}, {"name": "b", "port": 53, "protocol": "UDP", "nodePort": 30053})
    nodeports.create(named, NodePorts(POOL))
    assert numbers(named) == [30053, 30053]


def test_update_does_not_share() -> None:
    """On update each port gets its own node port (N-2)."""
    old = spec("ClusterIP", {"name": "a", "port": 53}, {"name": "b", "port": 53, "protocol": "UDP"})
    body = spec("NodePort", {"name": "a", "port": 53}, {"name": "b", "port": 53, "protocol": "UDP"})
    nodeports.update(body, old, NodePorts(POOL))
    assert len(set(numbers(body))) == 2


def test_duplicate_on_update_is_a_plain_error() -> None:
    """Two ports of one protocol with one node port: a bare 500 text (N-2)."""
    old = spec("ClusterIP", {"name": "a", "port": 1}, {"name": "b", "port": 2})
    body = spec("NodePort", {"name": "a", "port": 1, "nodePort": 30080}, {"name": "b", "port": 2, "nodePort": 30080})
    with pytest.raises(nodeports.PlainError, match=r"^duplicate nodePort: \{TCP 30080\}$"):
        nodeports.update(body, old, NodePorts(POOL))


def test_two_numbers_one_node_port_is_refused_on_create() -> None:
    """The second asker for a port is told at its index (N-3, N-4)."""
    body = spec("NodePort", {"name": "a", "port": 1, "nodePort": 30080}, {"name": "b", "port": 2, "nodePort": 30080})
    with pytest.raises(nodeports.InvalidPort) as refused:
        nodeports.create(body, NodePorts(POOL))
    assert refused.value.error.text == (
        "spec.ports[1].nodePort: Invalid value: 30080: provided port is already allocated"
    )


def test_load_balancer_without_node_ports() -> None:
    """`allocateLoadBalancerNodePorts: false` gives none, but keeps those asked for."""
    body = spec("LoadBalancer", {"port": 1}, allocateLoadBalancerNodePorts=False)
    nodeports.create(body, NodePorts(POOL))
    assert numbers(body) == [0]


def test_health_check_port() -> None:
    """LoadBalancer with Local gets one from the same pool and gives it back when it ceases to be that (N-6)."""
    pool = NodePorts(POOL)
    body = spec("LoadBalancer", {"port": 1}, externalTrafficPolicy="Local")
    nodeports.create(body, pool)
    assert body["healthCheckNodePort"] in pool.taken
    after = spec("ClusterIP", {"port": 1})
    nodeports.update(after, body, pool)
    assert not [port for port in nodeports.held(body) if port in pool.taken]


def test_health_check_port_that_is_taken_is_an_internal_error() -> None:
    """It is refused with 500, not 422."""
    pool = NodePorts(POOL)
    pool.reserve(31000)
    body = spec("LoadBalancer", {"port": 1}, externalTrafficPolicy="Local", healthCheckNodePort=31000)
    text = "failed to allocate requested HealthCheck NodePort 31000: provided port is already allocated"
    with pytest.raises(nodeports.InternalError, match=text):
        nodeports.create(body, pool)


def test_exhausted() -> None:
    """A full range is an internal error (N-5)."""
    pool = NodePorts(range(30000, 30001))
    pool.allocate()
    with pytest.raises(nodeports.InternalError, match="failed to allocate a nodePort: range is full"):
        nodeports.create(spec("NodePort", {"port": 1}), pool)


def test_dry_run() -> None:
    """A dry run shows 32769 and up, refuses what is taken, and takes nothing (N-9)."""
    pool = NodePorts(POOL)
    pool.reserve(30080)
    body = spec("NodePort", {"name": "a", "port": 1}, {"name": "b", "port": 2})
    nodeports.create(body, nodeports.Rehearsal(pool))
    assert numbers(body) == [32769, 32770]
    out_of_range = spec("NodePort", {"port": 1, "nodePort": 80})
    nodeports.create(out_of_range, nodeports.Rehearsal(pool))
    taken = spec("NodePort", {"port": 1, "nodePort": 30080})
    with pytest.raises(nodeports.InvalidPort):
        nodeports.create(taken, nodeports.Rehearsal(pool))
    assert [port for port in POOL if port in pool.taken] == [30080]


def test_unused_ports_are_given_back() -> None:
    """NodePort to ClusterIP gives back all; removing a port gives back its own (N-8)."""
    pool = NodePorts(POOL)
    body = spec("NodePort", {"name": "a", "port": 1}, {"name": "b", "port": 2})
    nodeports.create(body, pool)
    first, second = numbers(body)
    less = spec("NodePort", {"name": "a", "port": 1, "nodePort": first})
    nodeports.update(less, body, pool)
    assert first in pool.taken
    assert second not in pool.taken
    nodeports.update(spec("ClusterIP", {"port": 1}), less, pool)
    assert first not in pool.taken


def _entry(node_port: int, protocol: str = "TCP") -> dict[str, Any]:
    return {"port": 80, "protocol": protocol, "nodePort": node_port}


MISPLACED = [
    ({"ports": [_entry(30001), _entry(30002)]}, []),
    ({"ports": [_entry(30001), _entry(30001, "UDP")]}, []),
    ({"ports": [_entry(30001), _entry(30001)]}, ["PortAlreadyAllocated"]),
    ({"ports": [_entry(30000)]}, ["PortAlreadyAllocated"]),
    ({"ports": [_entry(0), _entry(29999)]}, ["PortOutOfRange"]),
    ({"ports": [_entry(30001)], "healthCheckNodePort": 30001}, ["PortAlreadyAllocated"]),
    ({"ports": [_entry(30001, "UDP")], "healthCheckNodePort": 30001}, []),
    ({"ports": [_entry(31500)]}, ["PortNotAllocated"]),
]


@pytest.mark.parametrize(("spec", "reasons"), MISPLACED)
def test_misplaced_ports_are_told(spec: dict[str, Any], reasons: list[str]) -> None:
    """Ports that are held twice, out of range, or were out of the range before get upstream's reasons."""
    found = nodeports.misplaced(spec, range(30000, 32768), {30000}, range(30000, 31001))
    assert [reason for reason, _ in found] == reasons
