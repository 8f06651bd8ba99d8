"""What the Service proxy costs: first load, one changed endpoint, a restart, memory.

    sudo .venv/bin/python bench/proxy_inside.py [--services 5000] [--endpoints 2] [--changes 300]

Runs in a network namespace of its own. Objects are made in memory, so the figures are those of rules, diff, libnftables
and kernel together, from objects that have arrived to the kernel's answer; dual-stack: each Service counts twice in the
kernel. Prints a table, then one line of JSON.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import REGISTRY

from kube46.api.objects import (
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
    Meta,
    Node,
    NodeAddress,
    NodeSpec,
    NodeStatus,
    Service,
    ServiceCIDR,
    ServiceCIDRSpec,
    ServicePort,
    ServiceSpec,
)
from kube46.nftables import Nft
from kube46.proxy.claims import NOBODY, Changes, Claims, merge
from kube46.proxy.flows import Flows, live
from kube46.proxy.nftables import ProxyTable
from kube46.proxy.rules import service_elements, static_elements
from kube46.proxy.settings import Settings, node_view

SETTINGS = Settings("node1")
NODE = Node(
    metadata=Meta(name="node1"),
    spec=NodeSpec(pod_cidrs=("10.244.0.0/24", "fd00:10:244::/64")),
    status=NodeStatus(addresses=(NodeAddress("InternalIP", "192.0.2.1"), NodeAddress("InternalIP", "2001:db8::1"))),
)
VIEW = node_view(NODE, SETTINGS)
CIDRS = [ServiceCIDR(spec=ServiceCIDRSpec(("10.96.0.0/12", "fd00:10:96::/108")))]
PORTS = (EndpointPort("http", "TCP", 8080),)


def service(number: int) -> Service:
    """The `number`-th dual-stack Service."""
    ips = (
        f"10.{96 + number // 62500}.{number % 62500 // 250}.{number % 250 + 1}",
        f"fd00:10:96::{number >> 16:x}:{number & 0xFFFF:x}",
    )
    return Service(
        metadata=Meta(name=f"service-{number}", namespace="bench"),
        spec=ServiceSpec(
            cluster_ip=ips[0],
            cluster_ips=ips,
            ip_families=("IPv4", "IPv6"),
            ports=(ServicePort("http", "TCP", None, 80, 8080),),
        ),
    )


def slices(number: int, ends: list[int]) -> list[EndpointSlice]:
    """A slice a family of the `number`-th Service; an endpoint is the number of a pod somewhere in the cluster."""

    def made(address: str) -> Endpoint:
        return Endpoint((address,), EndpointConditions(ready=True), node_name="node2")

    meta = Meta(name=f"service-{number}", namespace="bench", labels={"kubernetes.io/service-name": f"service-{number}"})
    four = tuple(made(f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}") for n in ends)
    six = tuple(made(f"fd00:10:244::{n >> 16:x}:{n & 0xFFFF:x}") for n in ends)
    return [
        EndpointSlice(metadata=meta, address_type="IPv4", endpoints=four, ports=PORTS),
        EndpointSlice(metadata=meta, address_type="IPv6", endpoints=six, ports=PORTS),
    ]


class Proxy:
    """The part without the API: claims and table."""

    def __init__(self, nft: Nft) -> None:
        self.claims, self.table, self.flows = Claims(), ProxyTable(nft, SETTINGS), Flows()
        self.changes: Changes = self.claims.replace(NOBODY, static_elements(VIEW, CIDRS))

    def take(self, made: Service, parts: list[EndpointSlice]) -> None:
        """A Service that arrived or changed."""
        elements = service_elements(made, parts, VIEW, self.claims.of(made.key))
        changes = self.claims.replace(made.key, elements)
        if self.table.is_trusted:
            merge(self.changes, changes)
        self.flows.replace(made.key, live(made, parts, VIEW))

    async def commit(self) -> int:
        """All that was taken, as one transaction."""
        done = await self.table.apply(self.changes, self.claims, VIEW)
        self.changes = {}
        self.flows.stale.clear()
        return done


@dataclass(frozen=True)
class Figures:
    """Seconds, milliseconds and MB."""

    services: int
    endpoints: int
    elements: int
    load_s: float
    load_cpu_s: float
    decide_s: float
    change_p50_ms: float
    change_p99_ms: float
    grow_p50_ms: float
    grow_p99_ms: float
    repairs: int
    adopt_s: float
    rss_mb: float
    rss_start_mb: float
    rss_after_changes_mb: float


def rss() -> float:
    """Resident memory now, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


async def measure(netns: str, services: int, endpoints: int, changes: int) -> Figures:
    """Load, change one endpoint of a random Service again and again, restart."""
    ends = {number: [0x10000 + number * endpoints + i for i in range(endpoints)] for number in range(services)}
    objects = {number: (service(number), slices(number, ends[number])) for number in range(services)}
    start_rss = rss()
    with Nft(netns) as nft:
        proxy = Proxy(nft)
        begin, cpu = time.perf_counter(), time.process_time()
        for made, parts in objects.values():
            proxy.take(made, parts)
        decided = time.perf_counter() - begin
        await proxy.commit()
        load, load_cpu = time.perf_counter() - begin, time.process_time() - cpu
        loaded_rss = rss()
        times = []
        for turn in range(changes):
            number = random.randrange(services)
            ends[number][turn % endpoints] = 0x900000 + turn
            parts = slices(number, ends[number])
            begin = time.perf_counter()
            proxy.take(objects[number][0], parts)
            done = await proxy.commit()
            times.append((time.perf_counter() - begin) * 1000)
            assert done == 2, done
        changed_rss = rss()
        grown = await grow(netns, proxy, objects[0][0], ends[0])
        again = Proxy(nft)
        for number, (made, _) in objects.items():
            again.take(made, slices(number, ends[number]))
        begin = time.perf_counter()
        adopted = await again.commit()
        adopt = time.perf_counter() - begin
    assert adopted <= changes * endpoints * 4
    return Figures(
        services,
        endpoints,
        len(proxy.claims),
        round(load, 3),
        round(load_cpu, 3),
        round(decided, 3),
        round(statistics.median(times), 2),
        round(statistics.quantiles(times, n=100)[98], 2),
        round(statistics.median(grown), 2),
        round(statistics.quantiles(grown, n=100)[98], 2),
        int(REGISTRY.get_sample_value("kube46_proxy_repairs_total") or 0),
        round(adopt, 3),
        round(loaded_rss, 1),
        round(start_rss, 1),
        round(changed_rss, 1),
    )


async def grow(netns: str, proxy: Proxy, made: Service, ends: list[int]) -> list[float]:
    """Milliseconds of changes each of which needs a new chain, after another program changed nftables: the handle has
    to read the kernel's rules anew each time."""
    times = []
    with Nft(netns) as other:
        for turn in range(60):
            other.run("add table ip another\ndelete table ip another")
            ends.append(0xA00000 + turn)
            parts = slices(0, ends)
            begin = time.perf_counter()
            proxy.take(made, parts)
            await proxy.commit()
            times.append((time.perf_counter() - begin) * 1000)
    return times


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description="What the Service proxy costs")
    parser.add_argument("--services", type=int, default=5000)
    parser.add_argument("--endpoints", type=int, default=2)
    parser.add_argument("--changes", type=int, default=300)
    options = parser.parse_args()
    netns = f"k46t-g-{os.getpid()}-bench"
    subprocess.run(["ip", "netns", "add", netns], check=True)
    try:
        figures = asyncio.run(measure(netns, options.services, options.endpoints, options.changes))
    finally:
        subprocess.run(["ip", "netns", "del", netns], check=True)
    names = {
        "services": "dual-stack Services",
        "endpoints": "endpoints of each",
        "elements": "elements in the kernel",
        "load_s": "first load, s",
        "load_cpu_s": "  CPU (user and system), s",
        "decide_s": "  of it rules and diff, s",
        "change_p50_ms": "one changed endpoint, both families, p50 ms",
        "change_p99_ms": "  p99 ms",
        "grow_p50_ms": "one endpoint more, new chain, foreign change before, p50 ms",
        "grow_p99_ms": "  p99 ms",
        "repairs": "transactions refused",
        "adopt_s": "restart: table read and adopted, s",
        "rss_mb": "memory after the load, objects included, MB",
        "rss_after_changes_mb": "  after the changes, MB",
        "rss_start_mb": "  of it before the load (interpreter, objects), MB",
    }
    for field, label in names.items():
        print(f"{label:<65} {getattr(figures, field):>10}")
    print(json.dumps({"bench": "proxy_inside", **{field: getattr(figures, field) for field in names}}))


if __name__ == "__main__":
    main()
