"""The API server under load: creates, gets and lists of Services, and its memory with 1,000 of them.

Requests go over TLS and kept connections, from processes of their own. A later run puts kube-apiserver beside it.
"""

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from kube46.api.resources import SERVICES
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig
from kube46.kubernetes.errors import KubernetesError

KUBE46 = str(Path(sys.executable).parent / "kube46")
COUNT = 1000
CLIENTS = (1, 16)
TICKS = os.sysconf("SC_CLK_TCK")


def service(number: int) -> dict[str, Any]:
    """A dual-stack Service as people write them."""
    return {
        "metadata": {"name": f"service-{number}", "labels": {"app": f"app-{number}"}},
        "spec": {
            "ipFamilyPolicy": "PreferDualStack",
            "selector": {"app": f"app-{number}"},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
        },
    }


class Server:
    """`kube46 apiserver` with data of its own."""

    def __init__(self, directory: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.directory = directory
        (directory / "tokens.csv").write_text('bench,bench,1,"system:masters"\n')
        self.process = subprocess.Popen(
            [
                KUBE46, "apiserver", "--data", str(directory / "data.db"), "--cert-dir", str(directory),
                "--bind-address", "127.0.0.1", "--secure-port", str(self.port), "--advertise-address", "192.0.2.1",
                "--service-cluster-ip-range", "10.96.0.0/16,fd00:10:96::/112",
                "--token-auth-file", str(directory / "tokens.csv"),
            ],
            stderr=(directory / "log").open("w"),
        )  # fmt: skip

    async def ready(self) -> ClusterConfig:
        """How to reach it, once it serves."""
        for _ in range(500):
            authority = self.directory / "ca.crt"
            if authority.exists():
                config = ClusterConfig(f"https://127.0.0.1:{self.port}", authority.read_text(), "bench")
                try:
                    async with Client(config, component="bench") as client:
                        await client.request("GET", "/readyz")
                    return config
                except KubernetesError:
                    pass
            await asyncio.sleep(0.02)
        raise SystemExit((self.directory / "log").read_text())

    def memory(self) -> float:
        """Resident memory, MB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def cpu(self) -> float:
        """CPU time so far, seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


async def creates(config: ClusterConfig, clients: int, first: int) -> float:
    """Creates COUNT Services with so many clients at once; seconds."""
    numbers = iter(range(first, first + COUNT))

    async def work() -> None:
        async with Client(config, component="bench") as client:
            for number in numbers:
                await client.create(SERVICES, service(number), "default")

    start = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(work())
    return time.monotonic() - start


async def timed(times: int, action: Any) -> list[float]:
    """Milliseconds of each call."""
    found = []
    for number in range(times):
        start = time.perf_counter()
        await action(number)
        found.append((time.perf_counter() - start) * 1000)
    return found


async def measure(server: Server) -> dict[str, float]:
    """All figures."""
    config = await server.ready()
    result: dict[str, float] = {"rss_empty_mb": server.memory()}
    for index, clients in enumerate(CLIENTS):
        cpu = server.cpu()
        seconds = await creates(config, clients, index * COUNT)
        result[f"creates_per_second_{clients}"] = COUNT / seconds
        result[f"create_cpu_ms_{clients}"] = (server.cpu() - cpu) * 1000 / COUNT
        if not index:
            result["rss_1000_services_mb"] = server.memory()
    async with Client(config, component="bench") as client:
        path = SERVICES.path("default")
        gets = await timed(1000, lambda n: client.request("GET", f"{path}/service-{n % COUNT}"))
        lists = await timed(30, lambda _: client.request("GET", path, params={"limit": str(COUNT)}))
    result["get_p50_ms"], result["get_p99_ms"] = statistics.median(gets), statistics.quantiles(gets, n=100)[98]
    result["list_1000_p50_ms"] = statistics.median(lists)
    result["rss_2000_services_mb"] = server.memory()
    return result


def main() -> None:
    """Prints a table and, last, one line of JSON."""
    with tempfile.TemporaryDirectory() as directory:
        server = Server(Path(directory))
        try:
            result = asyncio.run(measure(server))
        finally:
            server.process.terminate()
            server.process.wait()
    for key, value in result.items():
        print(f"{key:28}{value:10.2f}")
    print(json.dumps({"bench": "apiserver", **{key: round(value, 3) for key, value in result.items()}}))


if __name__ == "__main__":
    main()
