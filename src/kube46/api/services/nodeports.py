"""Which node ports a Service takes and gives back on create and update (semantics 1.7)."""

from __future__ import annotations

from typing import Protocol

from kube46.api.allocation import PORT_TAKEN, RANGE_FULL, NodePorts
from kube46.api.errors import FieldError, invalid
from kube46.api.services.traits import (
    LOAD_BALANCER,
    NODE_PORT,
    Spec,
    allocates_node_ports,
    is_type,
    needs_health_port,
    node_ports,
    ports,
)


class InternalError(Exception):
    """The answer is 500 `Internal error occurred: …`."""


class PlainError(Exception):
    """The answer is 500 with the bare text and no reason."""


class InvalidPort(Exception):
    """The answer is 422 with this error alone."""

    def __init__(self, error: FieldError) -> None:
        super().__init__(error.text)
        self.error = error


class Operation(Protocol):
    """One request's dealings with the pool; releases count only when it succeeds."""

    def reserve(self, port: int) -> str:
        """Take this port; the complaint, "" if none."""

    def allocate(self) -> int | None:
        """Take any port; None when there is none."""

    def release(self, port: int) -> None:
        """Give a port back at the end."""


class Rehearsal:
    """A dry run: asks the pool, changes nothing, and makes up numbers above the range (N-9)."""

    def __init__(self, pool: NodePorts) -> None:
        self._pool, self._mine = pool, [32768]

    def reserve(self, port: int) -> str:
        """Only whether the port is taken; the range is not checked."""
        if port in self._mine[1:] or port in self._pool.taken:
            return PORT_TAKEN
        self._mine.append(port)
        return ""

    def allocate(self) -> int:
        """One more than the largest number of this request."""
        port = max(self._mine[1:], default=self._mine[0]) + 1
        self._mine.append(port)
        return port

    def release(self, port: int) -> None:
        """Nothing is held."""


def create(spec: Spec, pool: Operation) -> None:
    """Node ports and health check port of a new Service; changes `spec`."""
    if is_type(spec, NODE_PORT, LOAD_BALANCER):
        _create_ports(spec, pool)
    if needs_health_port(spec):
        _health_port(spec, pool)


def _create_ports(spec: Spec, pool: Operation) -> None:
    """Entries with the same `port` number share a node port, whatever their protocol (N-1)."""
    shared: dict[int, int] = {}
    for index, port in enumerate(ports(spec)):
        if not port.get("nodePort") and not allocates_node_ports(spec):
            continue
        before = shared.get(port["port"])
        if before is None:
            asked = next((p["nodePort"] for p in ports(spec) if p["port"] == port["port"] and p.get("nodePort")), 0)
            port["nodePort"] = _reserve(pool, index, asked) if asked else _allocate(pool)
            shared[port["port"]] = port["nodePort"]
        elif not port.get("nodePort"):
            port["nodePort"] = before
        elif port["nodePort"] != before:
            _reserve(pool, index, port["nodePort"])


def _reserve(pool: Operation, index: int, number: int) -> int:
    if complaint := pool.reserve(number):
        raise InvalidPort(invalid(f"spec.ports[{index}].nodePort", number, complaint))
    return number


def _allocate(pool: Operation) -> int:
    number = pool.allocate()
    if number is None:
        raise InternalError(f"failed to allocate a nodePort: {RANGE_FULL}")
    return number


def _health_port(spec: Spec, pool: Operation) -> None:
    asked = spec.get("healthCheckNodePort", 0)
    if asked:
        if complaint := pool.reserve(asked):
            raise InternalError(f"failed to allocate requested HealthCheck NodePort {asked}: {complaint}")
        return
    number = pool.allocate()
    if number is None:
        raise InternalError(f"failed to allocate a HealthCheck NodePort 0: {RANGE_FULL}")
    spec["healthCheckNodePort"] = number


def update(spec: Spec, old: Spec, pool: Operation) -> None:
    """Take new ports, then give back what is no longer used; changes `spec`."""
    given_back: list[int] = []
    if is_type(spec, NODE_PORT, LOAD_BALANCER):
        _update_ports(spec, old, pool)
        given_back += [number for number in node_ports(old) if number not in node_ports(spec)]
    elif is_type(old, NODE_PORT, LOAD_BALANCER):
        given_back += node_ports(old)
    if needs_health_port(spec) and not needs_health_port(old):
        _health_port(spec, pool)
    elif needs_health_port(old) and not needs_health_port(spec) and old.get("healthCheckNodePort"):
        given_back.append(old["healthCheckNodePort"])
    for number in given_back:
        pool.release(number)


def _update_ports(spec: Spec, old: Spec, pool: Operation) -> None:
    """Each port for itself; nothing is shared by port number, unlike on create (N-2)."""
    held, taken = set(node_ports(old)), set[int]()
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports(spec)):
        if not port.get("nodePort") and not allocates_node_ports(spec):
            continue
        if not port.get("nodePort"):
            port["nodePort"] = _allocate(pool)
        elif port["nodePort"] not in held | taken:
            taken.add(_reserve(pool, index, port["nodePort"]))
        key = (port["protocol"], port["nodePort"])
        if key in seen:
            raise PlainError(f"duplicate nodePort: {{{key[0]} {key[1]}}}")
        seen.add(key)


def held(spec: Spec) -> list[int]:
    """Every port number that a stored Service holds, the health check port included; each once."""
    health = [spec["healthCheckNodePort"]] if needs_health_port(spec) and spec.get("healthCheckNodePort") else []
    return list(dict.fromkeys(node_ports(spec) + health))


def misplaced(spec: Spec, ports: range, seen: set[int], before: range) -> list[tuple[str, str]]:
    """Reason and note of an Event for each port that is outside the range, or in `seen` (to which others are added), or
    was not counted as taken in the range `before`.

    A number that stands there with several protocols is one port (collectServiceNodePorts of the repair loop).
    """
    found: list[tuple[str, str]] = []
    for port in _counted(spec):
        if port not in ports:
            valid = f"{ports.start}-{ports.stop - 1}"
            note = f"Port {port} is not within the port range {valid}; please recreate service"
            found.append(("PortOutOfRange", note))
        elif port in seen:
            note = f"Port {port} was assigned to multiple services; please recreate service"
            found.append(("PortAlreadyAllocated", note))
        elif port not in before:
            found.append(("PortNotAllocated", f"Port {port} is not allocated; repairing"))
        seen.add(port)
    return found


def _counted(spec: Spec) -> list[int]:
    protocols: dict[int, set[str]] = {}
    found: list[int] = []
    for port in ports(spec):
        number, protocol = port.get("nodePort", 0), port["protocol"]
        if number and (number not in protocols or protocol in protocols[number]):
            found.append(number)
        protocols.setdefault(number, set()).add(protocol)
    health = spec.get("healthCheckNodePort", 0)
    if health and "TCP" in protocols.get(health, {"TCP"}):
        found.append(health)
    return found
