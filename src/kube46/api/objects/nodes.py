"""Nodes: their ranges, addresses, taints and capacity."""

from typing import Any

import msgspec

from kube46.api.objects.meta import Condition, Object, Value


class Taint(Value, frozen=True):
    """spec.taints[] of a node."""

    key: str = ""
    value: str = ""
    effect: str = ""
    time_added: str | None = None


class NodeSpec(Value, frozen=True):
    """spec of a Node."""

    pod_cidr: str = ""
    pod_cidrs: tuple[str, ...] = ()
    provider_id: str = msgspec.field(default="", name="providerID")
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()


class NodeAddress(Value, frozen=True):
    """status.addresses[]: type is InternalIP, Hostname, …"""

    type: str = ""
    address: str = ""


class NodeInfo(Value, frozen=True):
    """status.nodeInfo of a node."""

    kubelet_version: str = ""


class NodeStatus(Value, frozen=True):
    """status of a Node."""

    node_info: NodeInfo = NodeInfo()
    addresses: tuple[NodeAddress, ...] = ()
    conditions: tuple[Condition, ...] = ()
    allocatable: dict[str, Any] = {}
    capacity: dict[str, Any] = {}

    @property
    def internal_ips(self) -> tuple[str, ...]:
        """The node's InternalIP addresses, primary family first."""
        return tuple(a.address for a in self.addresses if a.type == "InternalIP")


class Node(Object, frozen=True):
    """v1 Node."""

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()
