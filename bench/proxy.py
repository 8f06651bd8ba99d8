"""kube46's Service proxy beside the real kube-proxy 1.37.2 in nftables mode: same API objects, same configuration file.

    sudo .venv/bin/python bench/proxy.py [--sizes 100x2,…] [--alone 2000x50] [--changes 300] [--only kube46]

Both read one API server (kube46's), each on a node in a network namespace of its own, and in turns: while one is
measured the other is stopped by SIGSTOP. For each size: from nothing to the kernel (both families), one endpoint
replaced in both families again and again, 1,000 endpoints replaced at once, memory; at the largest size also the first
packet of connections and throughput. `--alone` sizes are kube46's only: what kube-proxy needs an hour for. Prints
tables, then one line of JSON, whose ratios are those of 10000x2 if it is among the sizes, else of the last.
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
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from proxy_peers import API, NODE, PREFIX, Events, Peer, create_api

from kube46.api.resources import ENDPOINT_SLICES, NODES, SERVICES
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig
from kube46.netlink import namespaces
from server.running import Server

RANGES = "10.96.0.0/12,fd00:10:96::/108"
FAMILIES = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}
AT_ONCE = 16
BLOCKS = 2
"""Turns of each with its changes."""
QUIET = 1.5
"""Seconds."""
LARGEST = "10000x2"
"""The size that the ratios are of."""
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
        self.next_pod = services * endpoints
        self.writing = [asyncio.Lock() for _ in range(services)]  # of two writes at once the older must not be the last
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

    async def replace_one(self, number: int) -> float:
        """Replace an endpoint of a Service in both families by `next_pod`; when the API server had answered."""
        async with self.writing[number]:
            pod, self.next_pod = self.next_pod, self.next_pod + 1
            self.pods[number][random.randrange(self.endpoints)] = pod
            await asyncio.gather(*(self._write(number, family) for family in FAMILIES))
        return time.monotonic()

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
    """Returns when a proxy has had nothing to do for a while."""
    before, since = peer.cpu(), time.monotonic()
    while time.monotonic() - since < QUIET:
        await asyncio.sleep(0.2)
        if peer.cpu() - before > 0.03:
            before, since = peer.cpu(), time.monotonic()


async def measure(peers: list[Peer], cluster: Cluster, events: Events, changes: int) -> dict[str, Json]:
    """Everything for one size."""
    found: dict[str, Json] = {peer.name: {} for peer in peers}
    for peer in peers:
        with alone(peer, peers):
            peer.clean()
            peer.start()
            full, cold = await asyncio.to_thread(peer.await_first_sync)
            await settled(peer)
            found[peer.name] |= {"full_s": full, "cold_s": cold, "cold_cpu_s": peer.cpu()}
            found[peer.name]["memory_mb"], found[peer.name]["memory_peak_mb"] = peer.memory()
    times: dict[str, list[Change]] = {peer.name: [] for peer in peers}
    costs: dict[str, float] = {peer.name: 0.0 for peer in peers}
    for _ in range(BLOCKS):
        for peer in peers:
            with alone(peer, peers):
                await settled(peer)
                before = peer.cpu()
                # kube-proxy needs a second for a change: its p50 is known after a tenth of the changes
                for _ in range(max(5, changes // BLOCKS // (1 if peer.name == "kube46" else 10))):
                    times[peer.name].append(await one_change(peer, cluster, events))
                costs[peer.name] += peer.cpu() - before
    for peer in peers:
        found[peer.name] |= summary(times[peer.name], costs[peer.name])
    for peer in peers:
        with alone(peer, peers):
            await settled(peer)
            found[peer.name] |= await roll(peer, cluster)
            found[peer.name]["memory_after_mb"] = peer.memory()[0]
    return found


@contextlib.contextmanager
def alone(peer: Peer, peers: list[Peer]) -> Iterator[None]:
    """The others are stopped inside the block."""
    others = [other for other in peers if other is not peer]
    for other in others:
        other.freeze()
    try:
        yield
    finally:
        for other in others:
            other.thaw()


@dataclass(frozen=True, slots=True)
class Change:
    """Milliseconds to the kernel: from the API server's answer, and from the watch event of a client beside."""

    from_answer: float
    from_event: float


async def one_change(peer: Peer, cluster: Cluster, events: Events) -> Change:
    """Replace an endpoint of some Service in both families."""
    peer.forget_changes()
    number, pod = random.randrange(cluster.services), cluster.next_pod
    events.expect({address(family, pod) for family in FAMILIES})
    answered = await cluster.replace_one(number)
    seen = await asyncio.to_thread(peer.await_changes, packed([pod]))
    heard = await asyncio.to_thread(events.at)
    await asyncio.sleep(0.05)
    return Change(*(max(0.0, seen - since) * 1000 for since in (answered, heard)))


def summary(times: list[Change], cpu: float) -> Json:
    """Medians and 99th percentiles."""
    found: Json = {"change_cpu_ms": cpu * 1000 / len(times)}
    for name, values in (
        ("change", [change.from_answer for change in times]),
        ("event", [change.from_event for change in times]),
    ):
        found[f"{name}_p50_ms"] = statistics.median(values)
        found[f"{name}_p99_ms"] = statistics.quantiles(values, n=100, method="inclusive")[98]
    return found


async def roll(peer: Peer, cluster: Cluster) -> Json:
    """1,000 endpoints (fewer in a small cluster) replaced as fast as the API server takes it."""
    peer.forget_changes()
    before, begin, first = peer.cpu(), time.monotonic(), cluster.next_pod
    count = min(1000, cluster.services * cluster.endpoints)

    async def one(number: int) -> None:
        await cluster.replace_one(number % cluster.services)

    await in_parallel(one, random.sample(range(max(count, cluster.services)), count))
    living = {pod for pods in cluster.pods.values() for pod in pods if pod >= first}
    at = await asyncio.to_thread(peer.await_changes, packed(living), 600)
    await settled(peer)
    return {"rolling_s": at - begin, "rolling_cpu_s": peer.cpu() - before}


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
    "event_p50_ms": "one endpoint, watch event to kernel, p50 ms",
    "event_p99_ms": "  p99 ms",
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
    print(f"\n{size:<46}" + "".join(f"{name:>11}" for name in figures) + (f"{'ratio':>8}" if len(figures) > 1 else ""))
    for key, label in LABELS.items():
        values = [rows[key] for rows in figures.values() if key in rows]
        if values:
            ratio = f"{values[1] / values[0]:>8.1f}" if len(values) > 1 and values[0] else ""
            print(f"{label:<46}" + "".join(f"{value:>11.2f}" for value in values) + ratio, flush=True)


async def one_size(size: str, names: list[str], changes: int, directory: Path, *, forward: bool) -> dict[str, Json]:
    """One cluster, from an empty API server on; `forward`: also packets."""
    services, endpoints = map(int, size.split("x"))
    flags = ("--bind-address", "0.0.0.0", "--advertise-address", "192.0.2.1", "--service-cluster-ip-range", RANGES)
    server = Server(directory, flags=flags).start()
    peers: list[Peer] = []
    events: Events | None = None
    try:
        for number, name in enumerate(names, 2):
            peers.append(Peer(name, number, directory, server))
        config = ClusterConfig(server.url, (directory / "ca.crt").read_text(), "admintoken")
        async with Client(config, component="bench") as client:
            cluster = Cluster(client, services, endpoints)
            await cluster.fill()
            events = Events(server)
            found = await measure(peers, cluster, events, changes)
            if forward:
                more = await asyncio.to_thread(packets, peers, cluster.echo)
                found = {name: {**found[name], **more[name]} for name in found}
        show(size, found)
        return found
    finally:
        if events is not None:
            events.close()
        for peer in peers:
            peer.close()
        server.stop()


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description="The Service proxy beside the real kube-proxy")
    parser.add_argument("--sizes", default="100x2,1000x2,1000x50,10000x2")
    parser.add_argument("--alone", default="2000x50", help="sizes for kube46 only; '' for none")
    parser.add_argument("--changes", type=int, default=300, help="of kube46; kube-proxy has a tenth")
    parser.add_argument("--only", default="", choices=["", "kube46"], help="leave kube-proxy out")
    options = parser.parse_args()
    both = ["kube46"] if options.only else ["kube46", "upstream"]
    runs = [(size, ["kube46"]) for size in filter(None, options.alone.split(","))]
    runs += [(size, both) for size in filter(None, options.sizes.split(","))]
    main_size = LARGEST if LARGEST in options.sizes.split(",") else runs[-1][0]
    create_api()
    figures = {}
    try:
        with namespaces.entered(API):  # what is started from here is beside the API server
            for size, names in runs:
                with tempfile.TemporaryDirectory(prefix=PREFIX) as directory:
                    made = one_size(size, names, options.changes, Path(directory), forward=size == main_size)
                    figures[size] = asyncio.run(made)
    finally:
        with contextlib.suppress(OSError):
            subprocess.run(["ip", "netns", "del", API], check=False)
    print(json.dumps({"bench": "proxy", **ratios(figures[main_size]), "sizes": rounded(figures)}))


def ratios(figures: dict[str, Json]) -> dict[str, float]:
    """kube-proxy's cost over ours."""
    keys = {
        "full_sync_ratio": "full_s",
        "one_change_ratio": "event_p50_ms",
        "memory_ratio": "memory_mb",
        "first_packet_ratio": "first_packet_p50_us",
    }
    if "upstream" not in figures:
        return {}
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
