"""What bench/apiserver.py measures of a server, step by step, and the figures' table."""

import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable

from apiserver_peers import (
    APPLY,
    FEW,
    JSON,
    MERGE,
    PROTOBUF,
    SERVICES,
    TABLE,
    WATCHED,
    Json,
    Peer,
    service,
)  # fmt: skip

PEERS = ("kube46", "upstream")
ONE = f"{SERVICES}/service-NUMBER"
NOTE = '{"metadata":{"annotations":{"bench/sent":"0000000000.000000"}}}'  # stamped by the client
APPLIED = f"{ONE}?fieldManager=bench&force=true"
WRITES = {  # method, path, headers, body
    "update": ("PUT", ONE, JSON, service(81)),
    "patch": ("PATCH", ONE, MERGE, NOTE),
    "apply": ("PATCH", APPLIED, APPLY, service(81, annotations={"bench/applied": "yes"})),
    "delete": ("DELETE", ONE, {}, ""),
}


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
            if len(medians) == 2 and medians["kube46"]:  # a cost below the clock's step has no ratio
                result[f"{name}_ratio"] = medians["upstream"] / medians["kube46"]
                ratio = f"{result[f'{name}_ratio']:8.2f}"
            print(f"{name:34}{cells}{ratio}")
        return result


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
        found = peer.requests(ONE, FEW, clients, seconds=1.5)
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
    """Updates, patches, applies and deletes by one client, then those of 32."""
    for clients, first, count in ((1, 0, 100), (32, 100, 400)):
        for name, (method, path, headers, body) in WRITES.items():
            found = peer.requests(path, count, clients, first=first, method=method, headers=headers, body=body)
            figures.add(f"{name}_{clients}_ms", peer, found["each"])
            figures.add(f"{name}_{clients}_cpu_ms", peer, found["cpu"])
    peer.requests(ONE, FEW - 500, 32, first=500, method="DELETE")


def watches(peer: Peer, figures: Figures) -> None:
    """A thousand watches while one Service changes fifty times a second."""
    reader, count, updates = peer.loads[1], 1000, 150
    reader.do("watch", path=f"{WATCHED}?watch=1&resourceVersion=0", count=count)
    found = peer.requests(f"{WATCHED}/service-0", updates, 1, method="PATCH", headers=MERGE, body=NOTE, interval=0.02)
    time.sleep(1)
    seen = reader.do("watched")
    figures.add("watch_1000_p50_ms", peer, seen["p50"])
    figures.add("watch_1000_p99_ms", peer, seen["p99"])
    figures.add("watch_1000_cpu_us", peer, found["cpu"] * 1000 / count)
    if (missing := count * updates - seen["count"]) > 0:  # each begins with the object as it is
        sys.exit(f"{peer.name}: {missing} of {count * updates} events did not come")


def beside(peer: Peer, figures: Figures) -> None:
    """Gets of one client while others list everything, and while others write."""
    other = peer.loads[1]
    for name, headers in (("json", {}), ("protobuf", {"accept": PROTOBUF}), ("table", {"accept": TABLE})):
        other.begin("requests", path=SERVICES, count=1, clients=2, seconds=3, headers=headers)
        found = peer.requests(ONE, 100, 1, seconds=3)
        figures.add(f"get_beside_lists_{name}_p50_ms", peer, found["p50"])
        figures.add(f"get_beside_lists_{name}_p99_ms", peer, found["p99"])
        other.end()
    other.begin("requests", path=ONE, count=500, clients=32, seconds=3, method="PATCH", headers=MERGE, body=NOTE)
    figures.add("get_beside_patches_p99_ms", peer, peer.requests(ONE, 100, 1, seconds=3)["p99"])
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


def fill(count: int) -> Step:
    """So many Services more, by 32 clients."""

    def step(peer: Peer, figures: Figures) -> None:
        figures.add("create_many_ms", peer, peer.create(0, count)["each"])

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
