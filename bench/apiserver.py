"""The API server beside kube-apiserver and etcd: the same requests to both, in turns.

    sudo .venv/bin/python bench/apiserver.py [--rounds 5] [--many 10000] [--most 100000] [--alone]

Dual-stack Services over TLS and kept connections, HTTP/1.1. A `…_ratio` is kube-apiserver's cost over ours: above 1 we
are ahead. Growth, the last table, is ours alone. Prints tables, then one line of JSON.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
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


class Figures:
    """What was measured: figure → peer → one value a round; all are costs."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, name: str, peer: Peer, value: float) -> None:
        """Note one."""
        self._values[name][peer.name].append(value)

    def print(self) -> dict[str, float]:
        """The table; the figures by name, and the ratios."""
        result: dict[str, float] = {}
        print(f"{'':34}{'kube46':>12}{'worst':>12}{'upstream':>12}{'worst':>12}{'ratio':>8}")
        for name, by_peer in self._values.items():
            medians = {peer: statistics.median(values) for peer, values in by_peer.items()}
            cells = "".join(f"{medians[p]:12.3f}{max(by_peer[p]):12.3f}" if p in medians else f"{'':24}" for p in PEERS)
            result |= {f"{name}_{peer}": value for peer, value in medians.items()}
            ratio = ""
            if len(medians) == 2:
                result[f"{name}_ratio"] = medians["upstream"] / max(medians["kube46"], 1e-6)
                ratio = f"{result[f'{name}_ratio']:8.2f}"
            print(f"{name:34}{cells}{ratio}")
        return result


PEERS = ("kube46", "upstream")
Step = Callable[[Peer, Figures], None]


def creates(peer: Peer, figures: Figures) -> None:
    """A thousand Services, the first 200 by one client."""
    one, rest = peer.create(0, 200, 1), peer.create(200, FEW - 200)
    for clients, found in ((1, one), (32, rest)):
        figures.add(f"create_{clients}_ms", peer, found["each"])
        figures.add(f"create_{clients}_cpu_ms", peer, found["cpu"])
    figures.add("create_32_p99_ms", peer, rest["p99"])


def gets(peer: Peer, figures: Figures) -> None:
    """One Service after the other."""
    for clients in (1, 32):
        found = peer.requests(f"{SERVICES}/service-NUMBER", FEW, clients, seconds=1.5)
        for name in ("p50", "p99"):
            figures.add(f"get_{clients}_{name}_ms", peer, found[name])
        figures.add(f"get_{clients}_each_ms", peer, found["each"])
        figures.add(f"get_{clients}_cpu_ms", peer, found["cpu"])
        figures.add(f"get_{clients}_client_cpu_ms", peer, found["client"])


def lists(count: int, times: int) -> Step:
    """Lists of so many."""
    forms: dict[str, tuple[str, Json]] = {
        "json": ("", {}),
        "gzip": ("", {"accept-encoding": "gzip"}),
        "protobuf": ("", {"accept": PROTOBUF}),
        "table": ("", {"accept": TABLE}),
        "page_500": ("?limit=500", {}),
        "selector_all": ("?labelSelector=even%3Dyes", {}),
        "selector_one": ("?labelSelector=app%3Dapp-7", {}),
    }

    def step(peer: Peer, figures: Figures) -> None:
        for form, (query, headers) in forms.items():
            found = peer.requests(f"{SERVICES}{query}", times, headers=headers)
            figures.add(f"list_{count}_{form}_ms", peer, found["p50"])
            figures.add(f"list_{count}_{form}_cpu_ms", peer, found["cpu"])

    return step


def changes(peer: Peer, figures: Figures) -> None:
    """Updates, patches, applies and deletes by 32 clients, then those of one."""
    path = f"{SERVICES}/service-NUMBER"
    patch = '{"metadata":{"annotations":{"bench/note":"%s"}}}'
    for clients, first, count in ((1, 0, 100), (32, 100, 400)):
        for name, method, headers, body in (
            ("update", "PUT", JSON, service(81)),
            ("patch", "PATCH", MERGE, patch % f"{time.time()}"),
            ("apply", "PATCH", APPLY, service(81, annotations={"bench/applied": "yes"})),
            ("delete", "DELETE", JSON, ""),
        ):
            query = "?fieldManager=bench&force=true" if name == "apply" else ""
            found = peer.requests(path + query, count, clients, first=first, method=method, headers=headers, body=body)
            figures.add(f"{name}_{clients}_ms", peer, found["each"])
            figures.add(f"{name}_{clients}_cpu_ms", peer, found["cpu"])
    peer.requests(path, FEW - 500, 32, first=500, method="DELETE")


def watches(peer: Peer, figures: Figures) -> None:
    """A thousand watches while one Service changes fifty times a second."""
    reader, count, updates = peer.loads[1], 1000, 150
    reader.do("watch", path=f"{WATCHED}?watch=1&resourceVersion=0", count=count)
    body = '{"metadata":{"annotations":{"bench/sent":"0000000000.000000"}}}'
    found = peer.requests(f"{WATCHED}/service-0", updates, 1, method="PATCH", headers=MERGE, body=body, interval=0.02)
    time.sleep(1)
    seen = reader.do("watched")
    figures.add("watch_1000_p50_ms", peer, seen["p50"])
    figures.add("watch_1000_p99_ms", peer, seen["p99"])
    figures.add("watch_1000_cpu_us", peer, found["cpu"] * 1000 / count)
    figures.add("watch_1000_missing", peer, count * updates - seen["count"])


def beside(peer: Peer, figures: Figures) -> None:
    """Gets of one client while others list everything, and while others write."""
    one, other = f"{SERVICES}/service-NUMBER", peer.loads[1]
    for name, headers in (("json", {}), ("protobuf", {"accept": PROTOBUF}), ("table", {"accept": TABLE})):
        other.begin("requests", path=SERVICES, count=1, clients=2, seconds=3, headers=headers)
        found = peer.requests(one, 100, 1, seconds=3)
        figures.add(f"get_beside_lists_{name}_p50_ms", peer, found["p50"])
        figures.add(f"get_beside_lists_{name}_p99_ms", peer, found["p99"])
        other.end()
    body = '{"metadata":{"annotations":{"bench/sent":"0000000000.000000"}}}'
    other.begin("requests", path=one, count=500, clients=32, seconds=3, method="PATCH", headers=MERGE, body=body)
    figures.add("get_beside_patches_p99_ms", peer, peer.requests(one, 100, 1, seconds=3)["p99"])
    other.end()


def idle(peer: Peer, figures: Figures) -> None:
    """CPU of five idle seconds, per cent of a core."""
    cpu = peer.cpu()
    time.sleep(5)
    figures.add("idle_cpu_percent", peer, (peer.cpu() - cpu) * 20)


def memory(name: str) -> Step:
    """Memory now."""

    def step(peer: Peer, figures: Figures) -> None:
        figures.add(f"memory_{name}_mb", peer, peer.memory())

    return step


def restart(peer: Peer, figures: Figures) -> None:
    """Stop and start with what is stored."""
    peer.stop()
    peer.start()
    figures.add("start_many_s", peer, peer.start_seconds)


def prepare(peer: Peer, figures: Figures) -> None:
    """What the watches watch."""
    figures.add("start_empty_s", peer, peer.start_seconds)
    body = '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"watched"}}'
    peer.requests("/api/v1/namespaces", 1, method="POST", body=body, headers=JSON)
    peer.requests(WATCHED, 1, method="POST", body=service(), headers=JSON)


def run(peers: list[Peer], options: argparse.Namespace) -> Figures:
    """All but growth."""
    figures = Figures()

    def both(step: Step) -> None:
        peers.reverse()
        for peer in peers:
            begun = time.monotonic()
            step(peer, figures)
            print(f"{step.__name__} {peer.name}: {time.monotonic() - begun:.1f} s", file=sys.stderr)

    both(prepare)
    both(memory("idle"))
    both(idle)
    for number in range(options.rounds):
        both(creates)
        if not number:
            both(memory("1000"))
        for step in (gets, lists(FEW, 10), changes, watches):
            both(step)
    if options.many:
        both(lambda peer, figures: figures.add("create_many_ms", peer, peer.create(0, options.many)["each"]))
        both(memory(f"{options.many}"))
        for _ in range(options.rounds):
            both(lists(options.many, 3))
            both(beside)
        both(memory(f"{options.many}_after_lists"))
        both(restart)
        both(memory(f"{options.many}_after_start"))
    return figures


def growth(peer: Peer, most: int) -> list[dict[str, float]]:
    """What each request costs the server, in ms of CPU, with more and more Services."""
    rows, have, one = [], 0, f"{SERVICES}/service-NUMBER"
    while have < most:
        want = 10 if not have else have * 10 if have > 10 else 1000
        peer.create(have, want - have)
        have = want
        row = {"objects": float(have)}
        row["create"] = peer.create(10**6, 100)["cpu"]
        for name, method, headers, body in (
            ("get", "GET", {}, ""), ("update", "PUT", JSON, service(81)), ("apply", "PATCH", APPLY, service(81, annotations={"bench/applied": "yes"})),
            ("delete", "DELETE", {}, ""),
        ):  # fmt: skip
            path = one + ("?fieldManager=bench&force=true" if name == "apply" else "")
            row[name] = peer.requests(path, 100, 32, first=10**6, method=method, headers=headers, body=body)["cpu"]
        row["list"] = peer.requests(SERVICES, 3)["cpu"]
        row["page of 10"] = peer.requests(f"{SERVICES}?limit=10", 20)["cpu"]
        row["memory, MB"] = peer.memory()
        rows.append(row)
    peer.stop()
    peer.start()
    rows[-1]["start, s"] = peer.start_seconds
    return rows


def main() -> None:
    """Prints tables and, last, one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--most", type=int, default=100_000)
    parser.add_argument("--alone", action="store_true", help="without kube-apiserver")
    options = parser.parse_args()
    os.environ["NO_PROXY"] = "*"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leave no servers behind
    with tempfile.TemporaryDirectory() as directory:
        places = [Path(directory, name) for name in (*PEERS, "growth")]
        for place in places:
            place.mkdir()
        wide = ("--service-cluster-ip-range", RANGES)
        peers = [Peer("kube46", Server(places[0], flags=wide)), Peer("upstream", Upstream(places[1], ranges=RANGES))]
        alone = Peer("kube46", Server(places[2], flags=wide))
        if options.alone:
            peers.pop()
        started = list(peers)
        try:
            for peer in started:
                peer.start()
            figures = run(peers, options)
            for peer in started:
                peer.stop()
            alone.start()
            rows = growth(alone, options.most) if options.most else []
        finally:
            for peer in (*started, alone):
                peer.stop()
    result: Json = {"bench": "apiserver", **{k: round(v, 3) for k, v in figures.print().items()}}
    for row in rows:
        print("  ".join(f"{name} {value:.3f}" for name, value in row.items()))
    print(json.dumps({**result, "growth": [{k: round(v, 3) for k, v in row.items()} for row in rows]}))


if __name__ == "__main__":
    main()
