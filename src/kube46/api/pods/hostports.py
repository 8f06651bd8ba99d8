"""The ports of its node that a pod takes, and which of them can't be two pods'. Pure.

Source: kubernetes/pkg/scheduler/framework/plugins/nodeports, pkg/scheduler/framework/types.go (`HostPortInfo`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kube46.api.objects import PodSpec

HostPort = tuple[str, int, str]  # protocol, port, address
# The unspecified address of either family takes the port on every address: a dual-stack socket on :: takes both.
ANY_ADDRESS = ("", "0.0.0.0", "::")
TAKEN = "node(s) didn't have free ports for the requested pod ports"


def of(spec: PodSpec) -> list[HostPort]:
    """The ports of the node that the pod takes."""
    sidecars = [one for one in spec.init_containers if one.restart_policy == "Always"]
    ports = [port for container in (*spec.containers, *sidecars) for port in container.ports]
    if spec.host_network:
        return [(p.protocol, p.host_port or p.container_port, p.host_ip) for p in ports]
    return [(p.protocol, p.host_port, p.host_ip) for p in ports if p.host_port]


def clash(wanted: Iterable[HostPort], others: Iterable[HostPort]) -> bool:
    """Whether one of the wanted ports is one of the others', for an address that is theirs too."""
    taken = list(others)
    return any(_same(port, other) for port in wanted for other in taken)


def _same(one: HostPort, other: HostPort) -> bool:
    same_address = one[2] == other[2] or one[2] in ANY_ADDRESS or other[2] in ANY_ADDRESS
    return one[:2] == other[:2] and same_address
