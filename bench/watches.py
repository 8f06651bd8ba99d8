"""1,000 watches on Services while one changes every 10 ms: how long after the write each watcher has read the event.

The writer's clock goes with the object (an annotation); readers are a process of their own on the same machine, raw TLS
connections without a JSON parser, so that the figure is the server's. A delay counts from before the request is sent.
"""

import asyncio
import json
import os
import re
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import cast

import uvloop
from apiserver import Server, service

from kube46.api.resources import SERVICES
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig

WATCHES = (10, 100, 1000)
INTERVAL = 0.01  # seconds between updates
UPDATES = 500
STAMP = re.compile(rb'"bench/sent":"([0-9.]+)"')


class Reader(asyncio.Protocol):
    """A watch: asks, then notes the delay of every stamp it sees."""

    def __init__(self, request: bytes, delays: list[float], started: asyncio.Semaphore) -> None:
        self._request, self._delays, self._started = request, delays, started
        self._rest, self._open = b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        cast("asyncio.Transport", transport).write(self._request)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        """Read stamps; a piece without an end of line waits for the next one."""
        if not self._open:
            self._open = True
            self._started.release()
        now = time.time()
        whole, _, self._rest = (self._rest + data).rpartition(b"\n")
        self._delays += [now - float(stamp) for stamp in STAMP.findall(whole)]


async def read(url: str, authority: str, count: int) -> None:
    """Open the watches, say so, and print the delays as JSON when standard input ends."""
    host, port = url.removeprefix("https://").split(":")
    context = ssl.create_default_context(cafile=authority)
    request = (
        f"GET {SERVICES.path('default')}?watch=1 HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer bench\r\n\r\n"
    ).encode()
    delays: list[float] = []
    started = asyncio.Semaphore(0)
    loop = asyncio.get_running_loop()
    for _ in range(count):
        await loop.create_connection(lambda: Reader(request, delays, started), host, int(port), ssl=context)
    for _ in range(count):
        await started.acquire()
    print("open", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps(delays))


async def write(config: ClusterConfig) -> float:
    """Change a Service every INTERVAL, UPDATES times; seconds it took."""
    async with Client(config, component="bench") as client:
        start = time.monotonic()
        for number in range(UPDATES):
            await asyncio.sleep(max(0.0, start + number * INTERVAL - time.monotonic()))
            body = {"metadata": {"annotations": {"bench/sent": f"{time.time():.6f}"}}}
            await client.patch(SERVICES, "service-0", body, "default")
        return time.monotonic() - start


async def measure(server: Server, config: ClusterConfig, count: int) -> dict[str, float]:
    """One number of watches."""
    command = [sys.executable, __file__, "read", config.server, str(server.directory / "ca.crt"), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:  # noqa: ASYNC220  nothing else is to run meanwhile
        assert reader.stdin is not None
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
        cpu = server.cpu()
        seconds = await write(config)
        await asyncio.sleep(1)
        cpu = server.cpu() - cpu
        memory = server.memory()
        reader.stdin.close()
        delays = sorted(json.loads(reader.stdout.read()))
    expected = count * UPDATES
    quantiles = statistics.quantiles(delays, n=100)
    return {
        "watches": count, "delivered": len(delays) / expected, "p50_ms": quantiles[49] * 1000,
        "p99_ms": quantiles[98] * 1000, "updates_per_second": UPDATES / seconds,
        "cpu_us_per_event": cpu * 1e6 / expected, "rss_mb": memory,
    }  # fmt: skip


async def run(server: Server) -> list[dict[str, float]]:
    """All numbers of watches."""
    config = await server.ready()
    async with Client(config, component="bench") as client:
        await client.create(SERVICES, service(0), "default")
    return [await measure(server, config, count) for count in WATCHES]


def main() -> None:
    """Prints a table and, last, one line of JSON."""
    if sys.argv[1:2] == ["read"]:
        uvloop.run(read(sys.argv[2], sys.argv[3], int(sys.argv[4])))
        return
    os.environ["NO_PROXY"] = "*"
    with tempfile.TemporaryDirectory() as directory:
        server = Server(Path(directory))
        try:
            rows = asyncio.run(run(server))
        finally:
            server.process.terminate()
            server.process.wait()
    print("".join(f"{name:>20}" for name in rows[0]))
    for row in rows:
        print("".join(f"{value:20.2f}" for value in row.values()))
    print(json.dumps({"bench": "watches", "rows": [{k: round(v, 3) for k, v in row.items()} for row in rows]}))


if __name__ == "__main__":
    main()
