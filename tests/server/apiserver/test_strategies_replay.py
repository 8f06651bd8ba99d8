"""Recorded conversations with a real kube-apiserver 1.37, replayed: answers must be the same, byte for byte.

`FLOORS` is a ratchet: raise a number when more scenarios are the same, never lower one.
"""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from beside import oracle

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

V4, V6 = "10.96.0.0/16", "fd00:10:96::/112"
CLUSTERS = {
    "v4": (V4, "192.0.2.1"),
    "v6": (V6, "2001:db8::1"),
    "dual46": (f"{V4},{V6}", "192.0.2.1"),
    "dual64": (f"{V6},{V4}", "2001:db8::1"),
}
LAST_PORT = "32767"  # the tool hides node ports chosen at random, but for this one, which also stands in texts
FLOORS = {  # scenarios that are the same, of how many
    "endpoints": (36, 36),
    "endpointslice": (96, 96),
    "ingress": (66, 66),
    "ipaddress": (36, 36),
    "node-cidrs": (84, 84),
    "pod-ips": (96, 96),
    "service-apply": (72, 72),
    "service-create": (720, 720),
    "service-fields": (420, 420),
    "service-update": (780, 780),
    "service-verbs": (96, 96),
    "servicecidr": (48, 48),
}


def tool() -> ModuleType:
    """The replay tool, as a module."""
    spec = importlib.util.spec_from_file_location("replay", oracle("replay.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def scenarios() -> list[tuple[int, dict[str, Any]]]:
    """All recorded scenarios with their number, which picks the addresses and ports that they may name."""
    with oracle("kubernetes-1.37.jsonl").open() as file:
        return [(number, json.loads(line)) for number, line in enumerate(file)]


@pytest.mark.timeout(300)
def test_answers_are_those_of_kubernetes(server_factory: Callable[..., Any]) -> None:
    """At least as many scenarios of each group as the ratchet says get the recorded answers, warnings included."""
    replay, recorded = tool(), scenarios()
    assert {group: total for group, (_, total) in FLOORS.items()} == Counter(s["group"] for _, s in recorded)

    servers = {
        cluster: server_factory(flags=("--service-cluster-ip-range", ranges, "--advertise-address", address))
        for cluster, (ranges, address) in CLUSTERS.items()
    }

    def play(cluster: str) -> tuple[Counter[str], list[str]]:
        api = replay.Api(servers[cluster].url, "admintoken")
        same: Counter[str] = Counter()
        differing = []
        for slot, scenario in recorded:
            if scenario["cluster"] != cluster:
                continue
            wanted = [{k: step[k] for k in ("code", "answer", "warnings") if k in step} for step in scenario["steps"]]
            got = replay.run(scenario, api, slot)
            if LAST_PORT in str(got) and LAST_PORT not in str(wanted):
                got = replay.run(scenario, api, slot + len(recorded))
            same[scenario["group"]] += got == wanted
            differing += [
                f"{scenario['id']} step {number}: wanted {want}, got {have}"
                for number, (want, have) in enumerate(zip(wanted, got, strict=True))
                if want != have
            ]
        return same, differing

    total: Counter[str] = Counter()
    differing: list[str] = []
    with ThreadPoolExecutor(len(CLUSTERS)) as pool:
        for same, others in pool.map(play, CLUSTERS):
            total += same
            differing += others
    short = {group: (total[group], floor) for group, (floor, _) in FLOORS.items() if total[group] < floor}
    assert not short, "\n".join(text for text in differing if text.startswith(tuple(short)))
