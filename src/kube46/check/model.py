"""What is checked: places, targets, probes and their results."""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from kube46.addresses.families import Family


class Kind(StrEnum):
    """What a place is."""

    NODE = "node"
    POD = "pod"
    OUTSIDE = "outside"


class Target(StrEnum):
    """A column of the matrix: what is reached, and how."""

    POD_HERE = "pod here"
    POD_THERE = "pod there"
    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    NAME = "name"
    HEADLESS = "headless"
    HAIRPIN = "hairpin"
    UDP = "UDP"
    LARGE = "large"


MEANING = {
    Target.POD_HERE: "a pod's address, on the same node",
    Target.POD_THERE: "a pod's address, on another node",
    Target.CLUSTER_IP: "a Service's ClusterIP, endpoints on each node",
    Target.NODE_PORT: "a Service's node port, on each node",
    Target.NAME: "a Service by name, by the cluster's DNS",
    Target.HEADLESS: "a headless Service by name",
    Target.HAIRPIN: "a pod reaching itself through its Service",
    Target.UDP: "a Service over UDP",
    Target.LARGE: "64 KiB each way, fragments, and path MTU discovery",
}


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where probes start: a node, the check's pod on a node, or outside. `node` is "" for outside."""

    kind: Kind
    node: str = ""

    @property
    def label(self) -> str:
        """The row's heading."""
        return {Kind.NODE: self.node, Kind.POD: f"pod on {self.node}", Kind.OUTSIDE: "outside"}[self.kind]


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its name, addresses and pod ranges by family."""

    name: str
    addresses: dict[Family, str]
    pod_cidrs: dict[Family, str]


@dataclass(frozen=True, slots=True)
class Responder:
    """A responding pod on a node, and the Service with it as its only endpoint. `asks`: probes start there, too."""

    pod: str
    node: str
    addresses: dict[Family, str]
    service: str
    cluster_ips: dict[Family, str]
    node_port: int
    asks: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """All that probes are made from."""

    namespace: str
    domain: str
    families: tuple[Family, ...]
    nodes: tuple[Node, ...]
    responders: tuple[Responder, ...]
    headless: str
    dns: dict[Family, str]
    port: int
    outside: bool


ANYONE = ("anyone",)


class Probe(msgspec.Struct, frozen=True):
    """One request. `client`: the addresses the responder may see; empty: the sender's own; ANYONE: whichever."""

    id: str
    place: Place
    target: Target
    family: int
    host: str
    port: int
    pods: tuple[str, ...]
    nonce: str
    client: tuple[str, ...] = ()
    protocol: str = "TCP"
    size: int = 128
    reply: int = 128
    dns_server: str = ""
    timeout: float = 1.5
    attempts: int = 1


class Result(msgspec.Struct, frozen=True):
    """What came back; `error` is empty when an answer came, whatever it says."""

    id: str
    error: str = ""
    address: str = ""
    local: str = ""
    size: int = 0
    pod: str = ""
    nonce: str = ""
    family: int = 0
    client: str = ""


class Cell(msgspec.Struct, frozen=True):
    """A cell of the matrix: how many probes it stands for, and why some failed."""

    place: str
    target: str
    family: str
    probes: int
    failures: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether every probe passed."""
        return not self.failures
