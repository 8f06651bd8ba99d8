"""kube46's Service proxy beside the real kube-proxy 1.37.2 in nftables mode: same API objects, interleaved.

    sudo .venv/bin/python bench/proxy.py [--sizes 100x2,1000x2,10000x2,1000x50] [--changes 100]

Both read one API server (kube46's), each on a node in a network namespace of its own. For each size: from nothing to
the kernel (both families), one endpoint replaced in both families again and again, 1,000 endpoints replaced at once,
memory; at the last size also the first packet of connections and throughput. Prints tables, then one line of JSON.
"""

import argparse
import asyncio
import contextlib
import json
import random
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from proxy_peers import API, NODE, PREFIX, Peer, create_api

from kube46.api.resources import ENDPOINT_SLICES, NODES, SERVICES
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig
from kube46.netlink import namespaces
from server.running import Server

RANGES = "10.96.0.0/12,fd00:10:96::/108"
FAMILIES = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}
AT_ONCE = 16
Json = dict[str, Any]


def address(family: str, number: int) -> str:
    """The address of the `number`-th pod."""
    if family == "IPv4":
        return str(ip_address("10.128.0.16") + number)
    return str(ip_address("fd00:10:245::10") + number)


def packed(numbers: Iterable[int]) -> set[bytes]:
    """Both addresses of pods."""
    return {socket.inet_pton(kind, address(family, n)) for n in numbers for family, kind in FAMILIES.items()}


def service(name: str, ports: list[Json]) -> Json:
    """Dual-stack, without a selector."""
    spec = {"ipFamilyPolicy": "RequireDualStack", "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def endpoint_slice(name: str, family: str, addresses: list[str], ports: list[Json], node: str = "node2") -> Json:
    """A slice of one family."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-{family.lower()}", "labels": {"kubernetes.io/service-name": name}},
        "addressType": family,
        "endpoints": [{"addresses": [text], "nodeName": node, "conditions": {"ready": True}} for text in addresses],
        "ports": ports,
    }


HTTP = [{"name": "http", "protocol": "TCP", "port": 8080}]
ECHO = [{"name": "echo", "protocol": "UDP", "port": 5353}, {"name": "sink", "protocol": "TCP", "port": 8080}]


class Cluster:
    """The API server's objects: so many Services with so many endpoints each."""

    def __init__(self, client: Client, services: int, endpoints: int) -> None:
        self.client, self.services, self.endpoints = client, services, endpoints
        self.pods = {n: [n * endpoints + i for i in range(endpoints)] for n in range(services)}
        self._next = services * endpoints
        self.echo: tuple[str, ...] = ()

    async def fill(self) -> None:
        """Make them all."""
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
        await self.client.create(NODES, node)
        ends = [{"type": "InternalIP", "address": text} for text in ("192.0.2.9", "2001:db8:a::9")]
        await self.client.patch(NODES, NODE, {"status": {"addresses": ends}}, subresource="status")
        ports = [{"name": port["name"], "protocol": port["protocol"], "port": port["port"]} for port in ECHO]
        self.echo = (await self.client.create(SERVICES, service("echo", ports), "default")).spec.cluster_ips
        for family, text in (("IPv4", "10.244.0.2"), ("IPv6", "fd00:10:244::2")):
            await self.client.create(ENDPOINT_SLICES, endpoint_slice("echo", family, [text], ECHO, NODE), "default")
        await in_parallel(self._make, range(self.services))

    async def _make(self, number: int) -> None:
        name = f"service-{number}"
        await self.client.create(SERVICES, service(name, [{"name": "http", "port": 80, "targetPort": 8080}]), "default")
        for family in FAMILIES:
            texts = [address(family, pod) for pod in self.pods[number]]
            await self.client.create(ENDPOINT_SLICES, endpoint_slice(name, family, texts, HTTP), "default")

    async def replace_one(self, number: int) -> tuple[int, float]:
        """Replace an endpoint of a Service in both families; the new pod, and when the API server had answered."""
        pod, self._next = self._next, self._next + 1
        self.pods[number][random.randrange(self.endpoints)] = pod
        await asyncio.gather(*(self._write(number, family) for family in FAMILIES))
        return pod, time.monotonic()

    async def _write(self, number: int, family: str) -> None:
        texts = [address(family, pod) for pod in self.pods[number]]
        body = {"endpoints": endpoint_slice("", family, texts, HTTP)["endpoints"]}
        await self.client.patch(ENDPOINT_SLICES, f"service-{number}-{family.lower()}", body, "default")


async def in_parallel(work: Callable[[int], Awaitable[None]], numbers: Iterable[int]) -> None:
    """Some at a time."""
    waiting = iter(numbers)

    async def worker() -> None:
        for number in waiting:
            await work(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())


async def settled(peer: Peer) -> None:
    """Returns when a proxy has had nothing to do for a second."""
    before, since = peer.cpu(), time.monotonic()
    while time.monotonic() - since < 1:
        await asyncio.sleep(0.2)
        if peer.cpu() - before > 0.03:
            before, since = peer.cpu(), time.monotonic()


async def measure(peers: list[Peer], cluster: Cluster, changes: int) -> dict[str, Json]:
    """Everything for one size."""
    found: dict[str, Json] = {peer.name: {} for peer in peers}
    for peer in peers:  # one after the other: each has the machine
        peer.clean()
        peer.start()
        full, cold = await asyncio.to_thread(peer.await_first_sync)
        await settled(peer)
        found[peer.name] |= {"full_s": full, "cold_s": cold, "cold_cpu_s": peer.cpu()}
        found[peer.name]["memory_mb"], found[peer.name]["memory_peak_mb"] = peer.memory()
    times: dict[str, list[float]] = {peer.name: [] for peer in peers}
    costs = {peer.name: peer.cpu() for peer in peers}
    for _ in range(changes):
        for peer in peers:
            peer.forget_changes()
        pod, at = await cluster.replace_one(random.randrange(cluster.services))
        for peer in sorted(peers, key=lambda peer: peer.name):  # kube46 first: what it needs is what is measured in ms
            seen = await asyncio.to_thread(peer.await_changes, packed([pod]))
            times[peer.name].append(max(0.0, seen - at) * 1000)
        await asyncio.sleep(0.05)
    for peer in peers:
        values = times[peer.name]
        found[peer.name] |= {
            "change_p50_ms": statistics.median(values),
            "change_p99_ms": statistics.quantiles(values, n=100)[98],
            "change_cpu_ms": (peer.cpu() - costs[peer.name]) * 1000 / changes,
        }
    await roll(peers, cluster, found)
    for peer in peers:
        await settled(peer)
        found[peer.name]["memory_after_mb"] = peer.memory()[0]
    return found


async def roll(peers: list[Peer], cluster: Cluster, found: dict[str, Json]) -> None:
    """1,000 endpoints (fewer in a small cluster) replaced as fast as the API server takes it."""
    for peer in peers:
        peer.forget_changes()
    costs = {peer.name: peer.cpu() for peer in peers}
    pods: list[int] = []

    async def one(number: int) -> None:
        pods.append((await cluster.replace_one(number % cluster.services))[0])

    begin = time.monotonic()
    count = min(1000, cluster.services * cluster.endpoints)
    await in_parallel(one, random.sample(range(max(count, cluster.services)), count))
    last = packed({pod for pods_of in cluster.pods.values() for pod in pods_of} & set(pods))
    seen = await asyncio.gather(*(asyncio.to_thread(peer.await_changes, last, 600) for peer in peers))
    for peer, at in zip(peers, seen, strict=True):
        found[peer.name] |= {"rolling_s": at - begin}
        await settled(peer)
        found[peer.name] |= {"rolling_cpu_s": peer.cpu() - costs[peer.name]}


# packets


def first_packet(peer: Peer, target: str) -> float:
    """Milliseconds from a new socket's first datagram to its answer."""

    def work() -> socket.socket:
        return socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM)

    with namespaces.open_sockets_in(peer.client, work) as made:
        made.settimeout(5)
        begin = time.perf_counter()
        made.sendto(b"x", (target, 5353))
        made.recv(10)
        return (time.perf_counter() - begin) * 1000


def throughput(peer: Peer, target: str, seconds: float = 1.0) -> float:
    """Gbit/s of one TCP connection."""

    def work() -> socket.socket:
        return socket.create_connection((target, 8080), 5)

    chunk, count, end = bytes(1 << 18), 0, time.perf_counter() + seconds
    with namespaces.open_sockets_in(peer.client, work) as made:
        while time.perf_counter() < end:
            count += made.send(chunk)
    return count * 8 / seconds / 1e9


def packets(peers: list[Peer], targets: Iterable[str], rounds: int = 1500) -> dict[str, Json]:
    """First packets and throughput of both, in turns."""
    found: dict[str, Json] = {peer.name: {} for peer in peers}
    times: dict[str, list[float]] = {peer.name: [] for peer in peers}
    rates: dict[str, list[float]] = {peer.name: [] for peer in peers}
    targets = list(targets)
    for turn in range(rounds):
        for peer in peers if turn % 2 else reversed(peers):
            times[peer.name].append(first_packet(peer, targets[turn % 2]))
    for turn in range(6):
        for peer in peers if turn % 2 else reversed(peers):
            rates[peer.name].append(throughput(peer, targets[turn % 2]))
    for peer in peers:
        mine = times[peer.name]
        found[peer.name] = {
            "first_packet_p50_us": statistics.median(mine) * 1000,
            "first_packet_p99_us": statistics.quantiles(mine, n=100)[98] * 1000,
            "throughput_gbit_s": statistics.median(rates[peer.name]),
        }
    return found


LABELS = {
    "full_s": "full sync of both families, s",
    "cold_s": "process to kernel, s",
    "cold_cpu_s": "  CPU, s",
    "memory_mb": "memory, MB",
    "memory_peak_mb": "  at most until then, MB",
    "change_p50_ms": "one endpoint, answer to kernel, p50 ms",
    "change_p99_ms": "  p99 ms",
    "change_cpu_ms": "  CPU, ms",
    "rolling_s": "1,000 endpoints replaced, s",
    "rolling_cpu_s": "  CPU, s",
    "memory_after_mb": "memory afterwards, MB",
    "first_packet_p50_us": "first packet and answer, p50 us",
    "first_packet_p99_us": "  p99 us",
    "throughput_gbit_s": "one TCP connection, Gbit/s",
}


def show(size: str, figures: dict[str, Json]) -> None:
    """One table."""
    ours, theirs = figures["kube46"], figures["upstream"]
    print(f"\n{size:<42} {'kube46':>10} {'kube-proxy':>10} {'ratio':>8}")
    for key, label in LABELS.items():
        if key in ours:
            a, b = ours[key], theirs[key]
            print(f"{label:<42} {a:>10.2f} {b:>10.2f} {b / a if a else float('inf'):>8.1f}", flush=True)


async def one_size(size: str, changes: int, directory: Path, *, last: bool) -> dict[str, Json]:
    """One cluster, from an empty API server on."""
    services, endpoints = map(int, size.split("x"))
    flags = ("--bind-address", "0.0.0.0", "--advertise-address", "192.0.2.1", "--service-cluster-ip-range", RANGES)
    server = Server(directory, flags=flags).start()
    peers: list[Peer] = []
    try:
        peers += [Peer("kube46", 2, directory, server), Peer("upstream", 3, directory, server)]
        config = ClusterConfig(server.url, (directory / "ca.crt").read_text(), "admintoken")
        async with Client(config, component="bench") as client:
            cluster = Cluster(client, services, endpoints)
            await cluster.fill()
            found = await measure(peers, cluster, changes)
            if last:
                more = await asyncio.to_thread(packets, peers, cluster.echo)
                found = {name: {**found[name], **more[name]} for name in found}
        show(size, found)
        return found
    finally:
        for peer in peers:
            peer.close()
        server.stop()


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description="The Service proxy beside the real kube-proxy")
    parser.add_argument("--sizes", default="100x2,1000x2,1000x50,10000x2")
    parser.add_argument("--changes", type=int, default=100)
    options = parser.parse_args()
    sizes = options.sizes.split(",")
    create_api()
    figures = {}
    try:
        with namespaces.entered(API):  # what is started from here is beside the API server
            for size in sizes:
                with tempfile.TemporaryDirectory(prefix=PREFIX) as directory:
                    made = one_size(size, options.changes, Path(directory), last=size == sizes[-1])
                    figures[size] = asyncio.run(made)
    finally:
        with contextlib.suppress(OSError):
            subprocess.run(["ip", "netns", "del", API], check=False)
    print(json.dumps({"bench": "proxy", **ratios(figures[sizes[-1]]), "sizes": rounded(figures)}))


def ratios(figures: dict[str, Json]) -> dict[str, float]:
    """kube-proxy's cost over ours."""
    keys = {
        "full_sync_ratio": "full_s",
        "one_change_ratio": "change_p50_ms",
        "memory_ratio": "memory_mb",
        "first_packet_ratio": "first_packet_p50_us",
    }
    ours, theirs = figures["kube46"], figures["upstream"]
    return {name: round(theirs[key] / ours[key], 2) for name, key in keys.items()}


def rounded(figures: dict[str, dict[str, Json]]) -> Json:
    """To three digits."""
    return {
        size: {name: {key: float(f"{value:.3g}") for key, value in rows.items()} for name, rows in peers.items()}
        for size, peers in figures.items()
    }


if __name__ == "__main__":
    main()
