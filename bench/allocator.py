"""Service addresses: what a create costs with 10, 1,000 and more Services present, and to the end of a range.

kube46's API server and the real one with etcd hear the same requests in turn, one client each over one kept connection.
Services are planted past the servers, so that the real one need not make each by a request. Before that, the search
alone: a free address of a /112, a /16 and a /64 with 10, 1,000 and 100,000 taken, and with one left.
"""

import argparse
import http.client
import json
import os
import ssl
import statistics
import sys
import tempfile
import time
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from cluster.pairs import Configuration, Pair
from kube46.api.allocation import AddressRange, NumberSet
from kube46.api.ipaddresses import of_service
from server.running import Server, resident

PATH = "/api/v1/namespaces/default/services"
TICKS = os.sysconf("SC_CLK_TCK")
WIDE, SMALL = "10.96.0.0/12,fd00:10:96::/108", "10.96.0.0/24,fd00:10:96::/120"
MADE = "2020-01-01T00:00:00Z"
BATCH = 50  # creates in a row on one server, then on the other
Json = dict[str, Any]


def search(cidr: str, taken: int, times: int = 2000) -> float:
    """Microseconds to find and take a free address and give it back, with so many taken."""
    found, numbers = AddressRange(ip_network(cidr)), NumberSet()
    for number in range(found.first, found.first + min(taken, found.size - 1)):
        numbers.add(number)
    began = time.process_time()
    for _ in range(times):
        address = found.pick(numbers)
        assert address is not None
        numbers.add(int(address))
        numbers.discard(int(address))
    return (time.process_time() - began) / times * 1e6


class Client:
    """One connection to a server, and what the server's processes use."""

    def __init__(self, server: Server) -> None:
        context = server.tls()
        assert isinstance(context, ssl.SSLContext)
        self._connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=60)
        etcd = getattr(server, "etcd", None)
        self._pids = [server.pid, *([etcd.pid] if etcd else [])]

    def ask(self, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        """One request and its answer."""
        headers = {"authorization": "Bearer admintoken", "content-type": "application/json"}
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def cpu(self) -> float:
        """Seconds of processor that the server has used."""
        return sum(sum(map(int, _stat(pid)[13:15])) for pid in self._pids) / TICKS

    def memory(self) -> float:
        """Resident memory, MB."""
        return sum(map(resident, self._pids)) / 1e6


def _stat(pid: int) -> list[str]:
    return ["", "", *Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()]


def service(name: str) -> Json:
    """A dual-stack Service."""
    return {"metadata": {"name": name}, "spec": {"ipFamilyPolicy": "PreferDualStack", "ports": [{"port": 80}]}}


def stored(number: int) -> tuple[Json, list[Json]]:
    """A Service as it is stored, and the records of its addresses."""
    name, ranges = f"planted-{number}", (ip_network(text) for text in WIDE.split(","))
    addresses = [ip_address(int(prefix.network_address) + 1000 + number) for prefix in ranges]
    texts = list(map(str, addresses))
    spec = {
        "clusterIP": texts[0], "clusterIPs": texts, "ipFamilies": ["IPv4", "IPv6"], "type": "ClusterIP",
        "ipFamilyPolicy": "PreferDualStack", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
    }  # fmt: skip
    meta = {"name": name, "namespace": "default"}
    return (
        {"metadata": meta, "spec": spec, "status": {"loadBalancer": {}}},
        [of_service(address, "default", name, MADE) for address in addresses],
    )


def creates(clients: tuple[Client, Client], rounds: int, mark: str) -> list[Json]:
    """What a create costs on each server, in turns; what was made is deleted again."""
    figures: list[Json] = [{"times": [], "deletes": [], "cpu": 0.0} for _ in clients]
    for turn in range(rounds):
        for client, figure in zip(clients, figures, strict=True):
            before = client.cpu()
            for verb, key in (("POST", "times"), ("DELETE", "deletes")):
                for number in range(BATCH):
                    name = f"bench-{mark}-{turn}-{number}"
                    began = time.perf_counter()
                    asked = (verb, PATH, service(name)) if verb == "POST" else (verb, f"{PATH}/{name}")
                    code, answer = client.ask(*asked)
                    figure[key].append(time.perf_counter() - began)
                    assert code in (200, 201), answer
            figure["cpu"] += client.cpu() - before
    for client, figure in zip(clients, figures, strict=True):
        figure["create_ms"] = statistics.median(figure.pop("times")) * 1e3
        figure["delete_ms"] = statistics.median(figure.pop("deletes")) * 1e3
        figure["cpu_ms"] = figure.pop("cpu") / (rounds * BATCH) * 1e3
        figure["memory"] = client.memory()
    return figures


def fill(client: Client) -> Json:
    """Milliseconds for a create in the first and in the last tenth of a range that is filled to its end."""
    times: list[float] = []
    while True:
        began = time.perf_counter()
        code, answer = client.ask("POST", PATH, service(f"fill-{len(times)}"))
        if code == 500:
            assert "range is full" in answer["message"], answer
            break
        assert code == 201, answer
        times.append(time.perf_counter() - began)
    tenth = len(times) // 10
    return {
        "filled": len(times), "first_ms": statistics.median(times[:tenth]) * 1e3,
        "last_ms": statistics.median(times[-tenth:]) * 1e3, "refused_ms": (time.perf_counter() - began) * 1e3,
    }  # fmt: skip


def main() -> None:
    """Print the tables and the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--present", type=lambda text: [*map(int, text.split(","))], default=[10, 1000, 30000])
    parser.add_argument("--rounds", type=int, default=4, help=f"of {BATCH} creates and deletions on each server")
    options = parser.parse_args()
    result: Json = {}
    print("A free address, found, taken and given back (µs of processor)")
    for cidr in ("10.96.0.0/16", "fd00:10:96::/112", "fd00:10:96::/64"):
        figures = {taken: search(cidr, taken) for taken in (10, 1000, 60000 if "64" not in cidr else 100000)}
        full = search(cidr, 2**16) if "64" not in cidr else None
        shown = "  ".join(f"{taken:,} taken {value:.1f}" for taken, value in figures.items())
        print(f"  {cidr:18} {shown}" + (f"  one left {full:.1f}" if full else ""))
        result["search_us_" + cidr.rpartition("/")[2]] = round(full or figures[100000], 1)
    for present in options.present:
        with tempfile.TemporaryDirectory(prefix="k46-bench-") as directory:
            ours, real = _with_present(Path(directory), present, options.rounds)
        print(f"With {present:,} Services: create, delete, processor for both (ms), memory (MB)")
        for name, figure in (("kube46", ours), ("Kubernetes with etcd", real)):
            cells = [figure[key] for key in ("create_ms", "delete_ms", "cpu_ms", "memory")]
            print(f"  {name:22} {cells[0]:8.2f} {cells[1]:8.2f} {cells[2]:8.2f} {cells[3]:8.0f}")
        for key in ("create_ms", "delete_ms", "cpu_ms", "memory"):
            result[f"{key.removesuffix('_ms')}_{present}_ratio"] = round(real[key] / ours[key], 2)
    with tempfile.TemporaryDirectory(prefix="k46-bench-") as directory:
        pair = Pair(Path(directory))
        with pair.running(Configuration(SMALL)):
            figures_ = [fill(Client(server)) for server in (pair.ours, pair.real)]
    print("A /24 and a /120 filled to the end: create at first, at last, refused (ms)")
    for name, figure in zip(("kube46", "Kubernetes with etcd"), figures_, strict=True):
        print(f"  {name:22} {figure['first_ms']:8.2f} {figure['last_ms']:8.2f} {figure['refused_ms']:8.2f}")
    result["fill_last_ratio"] = round(figures_[1]["last_ms"] / figures_[0]["last_ms"], 2)
    print(json.dumps(result))


def _with_present(directory: Path, present: int, rounds: int) -> tuple[Json, Json]:
    pair = Pair(directory)
    with pair.running(Configuration(WIDE)):
        pass
    planted = [stored(number) for number in range(present)]
    pair.plant("services", [one for one, _ in planted])
    pair.plant("ipaddresses", [record for _, records in planted for record in records])
    with pair.running(Configuration(WIDE)):
        clients = Client(pair.ours), Client(pair.real)
        for client in clients:  # indexes and caches are built
            client.ask("POST", PATH, service("warm"))
        ours, real = creates(clients, rounds, str(present))
    return ours, real


if __name__ == "__main__":
    main()
