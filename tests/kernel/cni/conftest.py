"""Nodes, pods and plugins for the CNI tests, all in network namespaces of their own."""

import itertools
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kube46.cni.masquerading import Masquerading
from kube46.cni.plugin import answer
from kube46.netlink import Netlink, namespaces

REFERENCE = Path("/usr/lib/cni")
_numbers = itertools.count()


@dataclass
class Node:
    """A namespace that stands for a node, with plugins' data of its own."""

    name: str
    data: Path
    subnets: list[str]
    pods: list[str] = field(default_factory=list)
    masquerading: Masquerading | None = None

    def pod(self) -> str:
        """Make an empty pod namespace and return its name, which is also its container's id."""
        name = f"{self.name}-p{next(_numbers)}"
        namespaces.create(name)
        self.pods.append(name)
        return name

    def configuration(self, **changes: Any) -> dict[str, Any]:
        """A bridge with gateways and host-local."""
        ranges = [[{"subnet": subnet}] for subnet in self.subnets]
        return {
            "cniVersion": "1.1.0",
            "name": "net",
            "type": "bridge",
            "bridge": "cni0",
            "isDefaultGateway": True,
            "hairpinMode": True,
            "ipMasq": True,
            "ipam": {"type": "host-local", "dataDir": str(self.data), "ranges": ranges},
        } | changes

    def environment(self, verb: str, pod: str, **changes: str) -> dict[str, str]:
        """What a runtime sets."""
        return {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": pod,
            "CNI_NETNS": f"/run/netns/{pod}",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(REFERENCE),
        } | changes

    def call(self, verb: str, pod: str, *, env: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
        """A request to our plugin in this process; a refusal is an object with a code."""
        if self.masquerading is None:
            self.masquerading = self.inside(_opened)
        plugin = changes.get("type", "bridge")
        stdin = json.dumps(self.configuration(**changes)).encode()
        environment = self.environment(verb, pod, **(env or {}))
        masquerading = self.masquerading
        found = self.inside(lambda: answer(plugin, environment, stdin, masquerading))
        document: dict[str, Any] = json.loads(found.output or b"{}")
        assert bool(found.status) == ("code" in document)
        return document

    def execute(
        self, program: Path, verb: str, pod: str, *, env: dict[str, str] | None = None, **changes: Any
    ) -> dict[str, Any]:
        """A request to an executable in the node's namespace."""
        done = subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.name}", program],
            input=json.dumps(self.configuration(**changes)).encode(),
            env=self.environment(verb, pod, **(env or {})),
            capture_output=True,
            check=False,
        )
        document: dict[str, Any] = json.loads(done.stdout or b"{}")
        assert bool(done.returncode) == ("code" in document), done
        return document

    def inside(self, function: Callable[[], Any]) -> Any:
        """Call a function in the node's namespace."""
        return namespaces.open_sockets_in(self.name, function)

    def addresses(self) -> set[str]:
        """The addresses that are assigned on disk."""
        directory = self.data / "net"
        return {name for name in os.listdir(directory) if name[0] in "1f"} if directory.exists() else set()

    def masqueraded(self) -> set[str]:
        """The pods in the masquerading table."""
        assert self.masquerading
        return set(map(str, self.masquerading.owners()))

    def links(self) -> set[str]:
        """The names of the node's links."""
        with Netlink(self.name) as node:
            return {link.name for link in node.links()}


def _opened() -> Masquerading:
    """One whose handle stands in the calling thread's namespace."""
    masquerading = Masquerading()
    masquerading.owners()
    return masquerading


@pytest.fixture
def make_node(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Makes nodes with the given pod subnets."""
    nodes: list[Node] = []

    def make(*subnets: str) -> Node:
        name = f"k46t-f-{os.getpid()}-n{next(_numbers)}"
        namespaces.create(name)
        nodes.append(Node(name, tmp_path / name, list(subnets)))
        with Netlink(name) as node:
            node.set_up("lo")
        return nodes[-1]

    yield make
    for node in nodes:
        if node.masquerading:
            node.masquerading.close()
        for name in [*node.pods, node.name]:
            namespaces.delete(name)


@pytest.fixture
def node(make_node: Callable[..., Node]) -> Node:
    """A dual-stack node."""
    return make_node("10.244.1.0/24", "fd00:10:244:1::/64")


def underlay(*nodes: Node) -> None:
    """Join two nodes by a link with 10.46.0.11, .12 and fd46::11, ::12."""
    first, second = nodes
    with Netlink(first.name) as one, Netlink(second.name) as two:
        one.veth("uplink", "uplink", second.name)
        for number, end in enumerate((one, two), 11):
            # A router asks for neighbours from its link-local address, which must not wait for duplicate detection.
            end.sysctl("net/ipv6/conf/uplink/accept_dad", 0)
            end.set_up("uplink")
            end.add_address("uplink", f"10.46.0.{number}/24")
            end.add_address("uplink", f"fd46::{number}/64")


def ping(namespace: str, target: str) -> bool:
    """Whether an echo request is answered within two seconds."""
    command = ["ip", "netns", "exec", namespace, "ping", "-n", "-c1", "-W2", target]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
