"""Measures containers and the node: by control groups, and by /proc where these don't count.

A node of a stand-alone cluster has no machine of its own: it takes what its pods take, and its daemons, which are the
processes in the kubelet's mount namespace.
"""

import asyncio
import os
import time
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kube46.lab.kubelet.cgrouprules import Usage
from kube46.lab.kubelet.cgroups import Cgroups
from kube46.lab.kubelet.manifests import PAUSE
from kube46.lab.kubelet.podstate import PodState
from kube46.lab.kubelet.runs import Tended
from kube46.lab.kubelet.usage import Measure, PodMeasure, Sample, measured

INTERVAL = 15.0  # seconds between samples, as metrics-server's
KEPT = 2  # samples of each: a rate is over 15 to 30 seconds
TICK, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
NODE = ""


class Meter:
    """Keeps a few samples of what runs; `look` takes another and compares."""

    def __init__(self, cgroups: Cgroups, every: Callable[[], list[PodState]]) -> None:
        self._cgroups, self._every = cgroups, every
        self._samples: dict[str, deque[Sample]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._began = time.time()

    async def run(self) -> None:
        """Takes samples; never returns."""
        while True:
            _, pods = await asyncio.to_thread(self._look, self._every(), keep=True)
            running = {NODE, *(id for ids, _ in pods for id in ids)}
            for id in set(self._samples) - running:
                del self._samples[id]
            await asyncio.sleep(INTERVAL)

    async def look(self) -> tuple[Measure, list[PodMeasure]]:
        """What the node and each of its pods take now."""
        own, pods = await asyncio.to_thread(self._look, self._every(), keep=False)
        return own, [pod for _, pod in pods]

    def _look(self, states: list[PodState], *, keep: bool) -> tuple[Measure, list[tuple[list[str], PodMeasure]]]:
        processes = Processes()
        pods = [(list(ids), pod) for ids, pod in (self._pod(state, processes, keep) for state in states) if ids]
        in_pods = self._cgroups.whole() or sum((pod.used for _, pod in pods), Usage())
        now = Sample(time.time(), in_pods + processes.beside_us())
        return self._measure(NODE, now, self._began, keep), pods

    def _pod(self, state: PodState, processes: "Processes", keep: bool) -> tuple[list[str], PodMeasure]:
        uid, found, ids = state.object.metadata.uid, [], []
        for name, tended in list(state.tended.items()):
            if tended.run.running and name != PAUSE.name:
                used = self._cgroups.usage(uid, tended.run.id) or processes.of(tended)
                now, began = Sample(time.time(), used), tended.run.started or tended.run.created
                found.append((name, self._measure(tended.run.id, now, began, keep)))
                ids.append(tended.run.id)
        meta = state.object.metadata
        return ids, PodMeasure(meta.name, meta.namespace, uid, state.start_time, tuple(found))

    def _measure(self, id: str, now: Sample, started: float, keep: bool) -> Measure:
        kept = self._samples[id]
        found = measured(kept, now, started)
        if keep:
            kept.append(now)
        return found


class Processes:
    """The machine's processes by their namespaces, looked at once and only when somebody asks."""

    def __init__(self) -> None:
        self._known: dict[str, dict[int, list[str]]] = {}  # kind of namespace → its inode → process numbers

    def beside_us(self) -> Usage:
        """What the processes in our mount namespace take: the node's daemons, and the kubelet itself."""
        return self._in("mnt", "self")

    def of(self, tended: Tended) -> Usage:
        """What the processes in a container's PID namespace take; those that have ended meanwhile are not counted."""
        return self._in("pid", str(tended.process.pid))

    def _in(self, kind: str, process: str) -> Usage:
        if kind not in self._known:
            self._known[kind] = _by_namespace(kind)
        with suppress(OSError):
            numbers = self._known[kind].get(_namespace(process, kind), ())
            return sum((_taken(number) for number in numbers), Usage())
        return Usage()


def _by_namespace(kind: str) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for number in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 – names are all that is wanted
        with suppress(OSError):  # it ended meanwhile
            found[_namespace(number, kind)].append(number)
    return found


def _namespace(process: str, kind: str) -> int:
    return os.stat(f"/proc/{process}/ns/{kind}").st_ino  # noqa: PTH116 – thousands of times


def _taken(process: str) -> Usage:
    with suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return Usage((int(fields[11]) + int(fields[12])) / TICK, int(fields[21]) * PAGE)
    return Usage()
