"""The API server beside kube-apiserver and etcd: the same requests to both, in turns.

    sudo .venv/bin/python bench/apiserver.py [--rounds 3] [--many 10000] [--most 0] [--alone]

Dual-stack Services over TLS and kept connections, HTTP/1.1. A `…_ratio` is kube-apiserver's cost over ours: above 1 we
are ahead. Growth, the last table, is ours alone. Prints tables, then one line of JSON.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from apiserver_peers import FEW, RANGES, SERVICES, Json, Peer, Server, Upstream
from apiserver_steps import (
    ONE,
    PEERS,
    WRITES,
    Figures,
    Step,
    beside,
    changes,
    creates,
    fill,
    gets,
    idle,
    lists,
    memory,
    prepare,
    restart,
    watches,
)  # fmt: skip


def run(peers: list[Peer], options: argparse.Namespace) -> Figures:
    """All but growth."""
    figures = Figures()

    def both(step: Step) -> None:
        peers.reverse()
        for peer in peers:
            begun = time.monotonic()
            step(peer, figures)
            print(
                f"{step.__qualname__.partition('.')[0]} {peer.name}: {time.monotonic() - begun:.1f} s", file=sys.stderr
            )

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
        both(fill(options.many))
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
    rows: list[dict[str, float]] = []
    have = 0
    while have < most:
        want = 10 if not have else have * 10 if have > 10 else 1000
        peer.create(have, want - have)
        have = want
        row = {"objects": float(have)}
        row["create"] = peer.create(10**6, 100)["cpu"]
        row["get"] = peer.requests(ONE, 100, 32, first=10**6, seconds=0.5)["cpu"]
        for name, (method, path, headers, body) in WRITES.items():
            found = peer.requests(path, 100, 32, first=10**6, method=method, headers=headers, body=body)
            row[name] = found["cpu"]
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
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--most", type=int, default=0)
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
