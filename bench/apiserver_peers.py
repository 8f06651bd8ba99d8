"""The two servers of bench/apiserver.py, each with processes of clients, and what is asked of them."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from cluster.upstream import Upstream
from server.running import Server

RANGES = "10.96.0.0/12,fd00:10:96::/108"  # room for 100,000
FEW = 1000
TICKS = os.sysconf("SC_CLK_TCK")
SERVICES = "/api/v1/namespaces/default/services"
WATCHED = "/api/v1/namespaces/watched/services"
PROTOBUF = "application/vnd.kubernetes.protobuf"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
JSON = {"content-type": "application/json"}
MERGE = {"content-type": "application/merge-patch+json"}
APPLY = {"content-type": "application/apply-patch+yaml"}
Json = dict[str, Any]


def service(port: int = 80, **metadata: Any) -> str:
    """A dual-stack Service as people write them; NUMBER is replaced."""
    labels = {"app": "app-NUMBER", "even": "yes"}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "service-NUMBER", "labels": labels, **metadata},
            "spec": {
                "ipFamilyPolicy": "PreferDualStack",
                "selector": {"app": "app-NUMBER"},
                "ports": [{"name": "http", "port": port, "targetPort": 8080}],
            },
        }
    )


class Load:
    """A process of clients of one server (apiserver_load.py)."""

    def __init__(self, server: Server) -> None:
        command = [sys.executable, str(Path(__file__).with_name("apiserver_load.py")), "127.0.0.1", str(server.port)]
        command += [str(server.directory / "ca.crt"), "admintoken"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self, do: str, **job: Any) -> None:
        """Start a job."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **job}) + "\n")
        self._process.stdin.flush()

    def end(self) -> Json:
        """Wait for it."""
        assert self._process.stdout is not None
        answer: Json = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise SystemExit(f"bench: {answer['error']}")
        return answer

    def do(self, do: str, **job: Any) -> Json:
        """A whole job."""
        self.begin(do, **job)
        return self.end()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


class Peer:
    """One of the servers and its clients."""

    def __init__(self, name: str, server: Server) -> None:
        self.name, self.server = name, server
        self.start_seconds = 0.0
        self.loads: list[Load] = []

    def start(self) -> None:
        """Serve, and note how long that took."""
        begun = time.monotonic()
        self.server.start()
        self.start_seconds = time.monotonic() - begun
        self.loads = [Load(self.server), Load(self.server)]

    def stop(self) -> None:
        """End what was started."""
        for load in self.loads:
            load.close()
        if self.server.process is not None and self.server.process.poll() is None:
            self.server.stop()

    def _processes(self) -> list[int]:
        etcd = self.server.etcd if isinstance(self.server, Upstream) else None
        return [self.server.pid, *([etcd.pid] if etcd is not None else [])]

    def memory(self) -> float:
        """Proportional memory of its processes, MB."""
        texts = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self._processes())
        return sum(int(text.partition("\nPss:")[2].split()[0]) for text in texts) / 1000

    def cpu(self) -> float:
        """CPU time of its processes so far, seconds."""
        stats = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self._processes())
        return sum(int(fields[11]) + int(fields[12]) for fields in stats) / TICKS

    def requests(self, path: str, count: int, clients: int = 1, **job: Any) -> Json:
        """Requests of one kind: milliseconds each, p50 and p99, CPU of server and clients (ms each)."""
        cpu = self.cpu()
        found = self.loads[0].do("requests", path=path, count=count, clients=clients, **job)
        count = found["count"]
        return {
            **found, "each": found["seconds"] * 1000 / count, "cpu": (self.cpu() - cpu) * 1000 / count,
            "client": found["client_cpu"] * 1000 / count, "client_share": found["client_cpu"] / found["seconds"],
        }  # fmt: skip

    def create(self, first: int, count: int, clients: int = 32) -> Json:
        """Creates of so many Services."""
        return self.requests(SERVICES, count, clients, method="POST", first=first, body=service(), headers=JSON)
