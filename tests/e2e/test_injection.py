"""The matrix is proven by injection: each fault turns exactly the expected cells red.

A fault is made after the responders are ready and before the first probe, with the agents stopped (SIGSTOP) so that
they do not heal it, and undone afterwards.
"""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import Cluster
from kube46.check.model import Place, Probe, Result
from kube46.check.model import Target as T
from kube46.check.runner import Settings, check
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig
from kube46.lab.paths import Paths
from kube46.lab.prober import LabProber

pytestmark = [pytest.mark.root, pytest.mark.alone, pytest.mark.timeout(120)]

N1, N2, P1, P2, OUT = "node1", "node2", "pod on node1", "pod on node2", "outside"
V4, V6 = "IPv4", "IPv6"
Cells = set[tuple[str, str, str]]


def cells(places: Iterable[str], targets: Iterable[T], families: Iterable[str]) -> Cells:
    """Every combination."""
    return {(place, str(target), family) for place, target, family in product(places, targets, families)}


@dataclass
class Bench:
    """What a fault works with: the cluster, the check's namespace, and what is to be undone."""

    cluster: Cluster
    namespace: str
    undo: ExitStack = field(default_factory=ExitStack)

    def at(self, place: str, *command: str) -> str:
        """Runs a command in a place's network namespace; for nft, one script."""
        name = Paths(self.cluster.name).namespace(place)
        done = subprocess.run(["ip", "netns", "exec", name, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def rules(self, place: str, chain: str, *rules: str) -> None:
        """Puts rules into a chain of a table of the fault's own."""
        body = "".join(f"add rule inet k46fault c {rule}\n" for rule in rules)
        self.at(place, "nft", f"add table inet k46fault\nadd chain inet k46fault c {{ {chain} }}\n{body}")
        self.undo.callback(self.at, place, "nft", "delete table inet k46fault")

    def service(self, name: str) -> dict[str, Any]:
        """The spec of one of the check's Services."""
        return dict(self.cluster.get("-n", self.namespace, "service", name)["spec"])

    def vip(self, name: str, family: str) -> str:
        """A Service's ClusterIP of a family."""
        return str(next(ip for ip in self.service(name)["clusterIPs"] if (":" in ip) == (family == V6)))

    def pod_ip(self, name: str, family: str) -> str:
        """A pod's address of a family."""
        ips = self.cluster.get("-n", self.namespace, "pod", name)["status"]["podIPs"]
        return str(next(entry["ip"] for entry in ips if (":" in entry["ip"]) == (family == V6)))

    def pods(self, node: str, family: str) -> str:
        """A node's pod CIDR of a family."""
        cidrs = self.cluster.get("node", node)["spec"]["podCIDRs"]
        return str(next(cidr for cidr in cidrs if (":" in cidr) == (family == V6)))

    def named(self, node: str) -> int:
        """The pid of a node's DNS server."""
        name = Paths(self.cluster.name).namespace(node)
        pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=True).stdout.split()
        return next(int(pid) for pid in pids if Path(f"/proc/{pid}/comm").read_text().strip() == "named")


def endpoint_element_deleted(bench: Bench) -> None:
    """node1 no longer knows where one Service leads over IPv4 and TCP."""
    bench.at(
        "node1",
        "nft",
        f"delete element inet kube46-proxy service-backend-tcp4 {{ {bench.vip('b-node2', V4)} . 8080 . 0 }}",
    )


def node_port_element_deleted(bench: Bench) -> None:
    """node2 no longer knows where one node port leads over IPv4."""
    port = next(port["nodePort"] for port in bench.service("b-node1")["ports"] if port["protocol"] == "TCP")
    bench.at("node2", "nft", f"delete element inet kube46-proxy nodeport-backend-tcp4 {{ {port} . 0 }}")


def route_removed(bench: Bench) -> None:
    """node1 has no IPv6 route to node2's pods."""
    cidr = bench.pods("node2", V6)
    route = bench.at("node1", "ip", "-6", "route", "show", cidr).split()
    bench.at("node1", "ip", "-6", "route", "del", cidr)
    bench.undo.callback(
        bench.at, "node1", "ip", "-6", "route", "add", *[w for w in route if w not in ("pref", "medium")]
    )


def too_big_dropped(bench: Bench) -> None:
    """The router tells nobody that a packet was too big."""
    bench.rules(
        "edge",
        "type filter hook output priority 0;",
        "icmp type destination-unreachable icmp code 4 drop",
        "icmpv6 type packet-too-big drop",
    )


def dns_stopped(bench: Bench) -> None:
    """No DNS server answers."""
    for node in ("node1", "node2"):
        pid = bench.named(node)
        os.kill(pid, signal.SIGSTOP)
        bench.undo.callback(os.kill, pid, signal.SIGCONT)


def dns_over_ipv6_dropped(bench: Bench) -> None:
    """The DNS Service's IPv6 address does not answer."""
    spec = bench.cluster.get("-n", "kube-system", "service", "kube-dns")["spec"]
    address = next(ip for ip in spec["clusterIPs"] if ":" in ip)
    for node in ("node1", "node2"):
        rule = f"ip6 daddr {address} udp dport 53 drop"
        at = "add table inet k46fault\n"
        for hook in ("prerouting", "output"):
            at += f"add chain inet k46fault {hook} {{ type filter hook {hook} priority -300; }}\n"
            at += f"add rule inet k46fault {hook} {rule}\n"
        bench.at(node, "nft", at)
        bench.undo.callback(bench.at, node, "nft", "delete table inet k46fault")


def node_ports_closed(bench: Bench) -> None:
    """node2 drops TCP to node ports that comes from elsewhere."""
    names = ("a-node1", "b-node1", "a-node2", "b-node2")
    ports = [port["nodePort"] for name in names for port in bench.service(name)["ports"] if port["protocol"] == "TCP"]
    rule = f"iifname != lo tcp dport {{ {', '.join(map(str, ports))} }} drop"
    bench.rules("node2", "type filter hook prerouting priority -300;", rule)


def udp_dropped(bench: Bench) -> None:
    """node1 takes no UDP over IPv4 for its pods from the other node."""
    rule = "iifname eth0 meta nfproto ipv4 udp dport 8080 drop"
    bench.rules("node1", "type filter hook prerouting priority -300;", rule)


def pod_address_removed(bench: Bench) -> None:
    """A pod on node2 has lost its IPv6 address."""
    wanted = {b"POD_NAME=a-node2", f"POD_NAMESPACE={bench.namespace}".encode()}
    for directory in Path("/proc").iterdir():
        try:
            if not directory.name.isdigit() or not wanted <= set((directory / "environ").read_bytes().split(b"\0")):
                continue
        except OSError:
            continue
        command = [
            "nsenter",
            "-t",
            directory.name,
            "-n",
            "ip",
            "-6",
            "address",
            "flush",
            "dev",
            "eth0",
            "scope",
            "global",
        ]
        subprocess.run(command, check=True)
        return
    raise AssertionError("the pod has no process")


def hairpin_not_masqueraded(bench: Bench) -> None:
    """node1 no longer stands between a pod and itself over IPv4."""
    bench.at("node1", "nft", "flush set inet kube46-proxy hairpin4")


def wrong_pod(bench: Bench) -> None:
    """node1 leads an IPv6 Service to another pod."""
    key = f"{bench.vip('b-node2', V6)} . 8080 . 0"
    table = "inet kube46-proxy service-backend-tcp6"
    wrong = bench.pod_ip("a-node2", V6)
    bench.at("node1", "nft", f"delete element {table} {{ {key} }}\nadd element {table} {{ {key} : {wrong} . 8080 }}")


def client_hidden(bench: Bench) -> None:
    """node1 masquerades its pods to the other node's pods over IPv4."""
    rule = f"ip saddr {bench.pods('node1', V4)} ip daddr {bench.pods('node2', V4)} masquerade"
    bench.rules("node1", "type nat hook postrouting priority 90;", rule)


def ipv4_not_forwarded(bench: Bench) -> None:
    """The router forwards no IPv4."""
    bench.rules("edge", "type filter hook forward priority 0;", "meta nfproto ipv4 drop")


INSIDE = (T.CLUSTER_IP, T.NAME, T.HEADLESS, T.UDP, T.LARGE, T.NODE_PORT)
FAULTS: list[tuple[Callable[[Bench], None], Cells, str]] = [
    (endpoint_element_deleted, cells((N1, P1), (T.CLUSTER_IP, T.NAME, T.LARGE), (V4,)), "no answer"),
    (node_port_element_deleted, cells((N1, N2, P1, P2, OUT), (T.NODE_PORT,), (V4,)) | cells((OUT,), (T.LARGE,), (V4,)), "no answer"),
    (
        route_removed,
        cells((N1, P1, P2), (T.POD_THERE, *INSIDE), (V6,))
        | cells((N2,), (T.NODE_PORT,), (V6,))
        | cells((OUT,), (T.NODE_PORT, T.UDP, T.LARGE), (V6,)),
        "",
    ),
    (too_big_dropped, cells((OUT,), (T.LARGE,), (V4, V6)), "no answer"),
    (dns_stopped, cells((N1, N2, P1, P2), (T.NAME, T.HEADLESS), (V4, V6)), ""),
    (dns_over_ipv6_dropped, cells((N1, N2, P1, P2), (T.HEADLESS,), (V6,)) | cells((N1, N2), (T.NAME,), (V6,)), "DNS server fd00:10:96::a"),
    (node_ports_closed, cells((N1, P1, P2, OUT), (T.NODE_PORT,), (V4, V6)) | cells((OUT,), (T.LARGE,), (V4, V6)), "no answer"),
    (udp_dropped, cells((N2, P2, OUT), (T.UDP, T.LARGE), (V4,)), "no answer"),
    (
        pod_address_removed,
        cells((P2,), T, (V6,))
        | cells((N2,), (T.POD_HERE, T.CLUSTER_IP, T.NODE_PORT, T.NAME, T.HEADLESS, T.UDP), (V6,))
        | cells((N1, P1), (T.POD_THERE, *INSIDE), (V6,))
        | cells((OUT,), (T.NODE_PORT, T.UDP, T.LARGE), (V6,)),
        "",
    ),
    (hairpin_not_masqueraded, cells((P1,), (T.HAIRPIN,), (V4,)), "no answer"),
    (wrong_pod, cells((N1, P1), (T.CLUSTER_IP, T.NAME, T.LARGE), (V6,)), "answered by a-node2, not by b-node2"),
    (client_hidden, cells((P1,), (T.POD_THERE, T.CLUSTER_IP, T.NAME, T.HEADLESS, T.UDP, T.LARGE), (V4,)), "client seen as"),
    (ipv4_not_forwarded, cells((OUT,), (T.NODE_PORT, T.UDP, T.LARGE), (V4,)), "no answer"),
]  # fmt: skip


@contextmanager
def stopped_agents(cluster: Cluster) -> Iterator[None]:
    """The agents do nothing meanwhile."""
    report = json.loads(Paths(cluster.name).parts.read_text())
    pids = [part["pid"] for part in report["parts"] if part["name"].startswith("agent-")]
    assert len(pids) == 2
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


class FaultyProber:
    """Makes the fault before the first probe."""

    outside = True

    def __init__(self, cluster: Cluster, fault: Callable[[Bench], None]) -> None:
        self._cluster, self._fault = cluster, fault
        self._real = LabProber(Paths(cluster.name))
        self._bench: Bench | None = None
        self._first = asyncio.Lock()
        self.stack = ExitStack()

    async def probe(self, place: Place, namespace: str, probes: Sequence[Probe]) -> list[Result]:
        """Probes the broken cluster."""
        async with self._first:
            if self._bench is None:
                # Every rule of the responders must be in place before the agents are stopped. The first place is a
                # node: nothing learns the path MTU to the outside from its probes.
                assert place.label == N1
                await self._real.probe(place, namespace, probes)
                await asyncio.sleep(0.5)
                self.stack.enter_context(stopped_agents(self._cluster))
                self._bench = Bench(self._cluster, namespace, self.stack)
                self._fault(self._bench)
        return await self._real.probe(place, namespace, probes)


@pytest.mark.parametrize(("fault", "expected", "reason"), FAULTS, ids=[fault.__name__ for fault, _, _ in FAULTS])
def test_a_fault_turns_exactly_its_cells_red(
    dual: Cluster, fault: Callable[[Bench], None], expected: Cells, reason: str
) -> None:
    """No cell too many, no cell too few, and the reason is told."""
    prober = FaultyProber(dual, fault)

    async def run() -> Any:
        config = ClusterConfig.load(Paths(dual.name).kubeconfig("admin"))
        async with Client(config, component="test") as client:
            # What is broken stays broken: crosses need no second look.
            return await check(client, prober, Settings(settle=0))

    with prober.stack:
        report = asyncio.run(run())
    red = {(cell.place, cell.target, cell.family) for cell in report.cells if cell.failures}
    assert red == expected
    assert all(reason in failure for cell in report.cells for failure in cell.failures)
