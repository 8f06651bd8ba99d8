"""Ports that a pod's containers give twice: warned of, not refused (k8s.io/kubernetes pkg/api/pod/warnings.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api.errors import go_quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Object = dict[str, Any]


def warnings(containers: Sequence[tuple[str, Object]]) -> Iterator[str]:
    """The warnings about all ports, then those about their names; containers come with their paths."""
    ports = [
        (f"{place}.ports[{n}]", port)
        for place, container in containers
        for n, port in enumerate(container.get("ports") or ())
    ]
    for index, (at, port) in enumerate(ports):
        if port.get("hostIP") and not port.get("hostPort"):
            yield f"{at}: hostIP set without hostPort: {_go(port)}"
        for other_at, other in ports[:index]:
            if _same(port, other) and (how := _clash(port, other)):
                yield f"{at}: {how} port definition with {other_at}"
    named: dict[str, str] = {}
    for at, port in ports:
        if name := port.get("name"):
            first = named.setdefault(name, at)
            if first != at:
                use = f"services and probes that select ports by name will use {first}"
                yield f"{at}: duplicate port name {go_quote(name)} with {first}, {use}"


def _same(port: Object, other: Object) -> bool:
    return all(port.get(name) == other.get(name) for name in ("containerPort", "protocol"))


def _clash(port: Object, other: Object) -> str:
    ours, theirs = ((one.get("hostIP") or "", one.get("hostPort") or 0) for one in (port, other))
    if ours == theirs:
        return "duplicate"
    if not ours[1] or not theirs[1]:
        return "overlapping"
    return "dangerously ambiguous" if ours[1] == theirs[1] and (not ours[0] or not theirs[0]) else ""


def _go(port: Object) -> str:
    """A port as Go prints its struct."""
    fields = {"Name": "name", "HostPort": "hostPort", "ContainerPort": "containerPort", "Protocol": "protocol"}
    fields["HostIP"] = "hostIP"
    shown = (f"{name}:{port.get(field) or (0 if 'Port' in name else '')}" for name, field in fields.items())
    return "{" + " ".join(shown) + "}"
