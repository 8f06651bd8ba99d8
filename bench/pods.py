"""Pods from create to Ready, many pods at once, many ConfigMaps, and what the parts of a cluster cost.

50 pods one after the other on two nodes: from before the create request until the API shows the pod Ready (a watch).
500 pods of one Deployment on four nodes: until all are Ready, and until all are gone again. Then 10,000 ConfigMaps.
CPU when idle is that of all parts over 30 s, after everything has settled; memory is PSS, parts share pages.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from kube46.api.objects import Deployment, Pod
from kube46.api.resources import CONFIG_MAPS, DEPLOYMENTS, PODS
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig
from kube46.lab.paths import Paths

KUBE46 = str(Path(sys.executable).parent / "kube46")
TICKS = os.sysconf("SC_CLK_TCK")
ONE_BY_ONE, TOGETHER, MAPS = 50, 500, 10_000
IDLE_SECONDS = 30
SPEC: dict[str, Any] = {
    "terminationGracePeriodSeconds": 1,
    "containers": [{"name": "c", "image": "host", "command": ["sleep", "100000"]}],
}


class Cluster:
    """A stand-alone cluster of so many nodes, for the time of a `with`."""

    def __init__(self, nodes: int) -> None:
        self.name, self._nodes = f"bench-{os.getpid()}", nodes

    def __enter__(self) -> "Cluster":
        subprocess.run([KUBE46, "up", "--name", self.name, "--nodes", str(self._nodes), "--no-check"], check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([KUBE46, "down", "--name", self.name], check=True, stdout=subprocess.DEVNULL)

    def client(self) -> Client:
        """An administrator's."""
        return Client(ClusterConfig.load(Paths(self.name).kubeconfig("admin")), component="bench")

    def parts(self) -> dict[str, int]:
        """Part → pid, the supervisor among them."""
        return {part["name"]: part["pid"] for part in json.loads(Paths(self.name).parts.read_text())["parts"]}

    def cpu(self) -> float:
        """CPU time so far of all parts, seconds."""
        return sum(_cpu(pid) for pid in self.parts().values())

    def memory(self) -> dict[str, float]:
        """Kind of part → PSS in MB, of the largest of its kind."""
        found: dict[str, float] = {}
        for name, pid in self.parts().items():
            kind = name.split("-")[0]
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            found[kind] = max(found.get(kind, 0.0), int(text.split("Pss:")[1].split()[0]) / 1000)
        return found


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def one_by_one(client: Client) -> dict[str, float]:
    """Milliseconds from create to Ready, each pod alone."""
    found = []
    for number in range(ONE_BY_ONE):
        name = f"one-{number}"
        start = time.perf_counter()
        made = await client.create(PODS, {"metadata": {"name": name}, "spec": SPEC}, "default")
        version = made.metadata.resource_version
        async for event in client.watch(PODS, "default", resource_version=version, fields=f"metadata.name={name}"):
            if isinstance(event.object, Pod) and event.object.status.ready:
                break
        found.append((time.perf_counter() - start) * 1000)
    return {"ready_p50_ms": statistics.median(found), "ready_p99_ms": statistics.quantiles(found, n=100)[98]}


async def together(client: Client) -> dict[str, float]:
    """Seconds until so many pods of one Deployment are Ready, and until they are gone."""
    labels = {"app": "many"}
    template = {"metadata": {"labels": labels}, "spec": SPEC}
    spec = {"replicas": TOGETHER, "selector": {"matchLabels": labels}, "template": template}
    start = time.perf_counter()
    made = await client.create(DEPLOYMENTS, {"metadata": {"name": "many"}, "spec": spec}, "default")
    async for event in client.watch(DEPLOYMENTS, "default", resource_version=made.metadata.resource_version):
        if isinstance(event.object, Deployment) and event.object.status.ready_replicas == TOGETHER:
            break
    ready = time.perf_counter() - start
    start = time.perf_counter()
    listing = await client.list(PODS, "default", labels="app=many")
    await client.delete(DEPLOYMENTS, "many", "default")
    left = len(listing.items)
    async for gone in client.watch(PODS, "default", resource_version=listing.resource_version, labels="app=many"):
        left -= gone.type == "DELETED"
        if not left:
            break
    return {"all_ready_seconds": ready, "all_gone_seconds": time.perf_counter() - start}


async def maps(client: Client) -> dict[str, float]:
    """So many ConfigMaps: creates a second by eight clients, and the time of a whole list."""
    numbers = iter(range(MAPS))

    async def work() -> None:
        for number in numbers:
            await client.create(
                CONFIG_MAPS, {"metadata": {"name": f"map-{number}"}, "data": {"key": "x" * 200}}, "default"
            )

    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(work())
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    await client.request("GET", CONFIG_MAPS.path("default"))
    return {"maps_per_second": MAPS / seconds, "list_10000_ms": (time.perf_counter() - start) * 1000}


async def idle(cluster: Cluster) -> float:
    """CPU of all parts, % of a core."""
    await asyncio.sleep(5)
    before = cluster.cpu()
    await asyncio.sleep(IDLE_SECONDS)
    return (cluster.cpu() - before) / IDLE_SECONDS * 100


async def measure() -> dict[str, float]:
    """All figures."""
    result: dict[str, float] = {}
    with Cluster(2) as cluster:
        async with cluster.client() as client:
            result["idle_percent"] = await idle(cluster)
            result |= {f"{kind}_mb": size for kind, size in cluster.memory().items()}
            result |= await one_by_one(client)
            result["idle_50_pods_percent"] = await idle(cluster)
            result |= await maps(client)
            result |= {f"{kind}_10000_maps_mb": size for kind, size in cluster.memory().items()}
    with Cluster(4) as cluster:
        async with cluster.client() as client:
            result |= await together(client)
            result |= {f"{kind}_500_pods_mb": size for kind, size in cluster.memory().items()}
    return result


def main() -> None:
    """Prints a table and, last, one line of JSON."""
    result = asyncio.run(measure())
    for key, value in result.items():
        print(f"{key:32}{value:10.2f}")
    print(json.dumps({"bench": "pods", **{key: round(value, 2) for key, value in result.items()}}))


if __name__ == "__main__":
    main()
