"""A cluster in normal operation complains of nothing, and costs next to nothing while nothing happens."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.conftest import Cluster, echo_deployment, echo_service, eventually
from kube46.lab import processes, topology
from kube46.lab.paths import Paths

pytestmark = [pytest.mark.root, pytest.mark.alone, pytest.mark.timeout(90)]
TROUBLE = re.compile(r"WARNING|ERROR|CRITICAL|Traceback|Exception")
IDLE_SECONDS = 4.0
MOST_CPU = 0.03  # of one processor, all processes of the cluster together
MOST_MEMORY = 400  # MB, proportional set sizes, all processes together
TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that has lived a little: its matrix was made, an application came and went with its namespace."""
    cluster = Cluster(f"rquiet-{os.getpid()}", ("ipv4", "ipv6"), tmp_path_factory.mktemp("home"))
    try:
        cluster.up(check=True)
        cluster.kubectl("create", "namespace", "app")
        cluster.apply(echo_deployment("web", 2), echo_service("web", "web", type="NodePort"), namespace="app")
        cluster.kubectl("-n", "app", "rollout", "status", "deployment/web", "--timeout=30s")
        cluster.kubectl("-n", "app", "scale", "deployment/web", "--replicas=4")
        cluster.kubectl("-n", "app", "rollout", "status", "deployment/web", "--timeout=30s")
        cluster.kubectl("-n", "app", "delete", "service", "web")
        cluster.kubectl("delete", "namespace", "app", "--timeout=30s")
        eventually(lambda: "app" not in cluster.kubectl("get", "namespaces", "-o", "name"))
        yield cluster
    finally:
        cluster.down()


def test_no_part_complains(fresh: Cluster) -> None:
    """No warning, error or traceback in any log, the supervisor's and named's too; no part was started twice."""
    said = [
        f"{log.name}: {line}"
        for log in Paths(fresh.name).run.rglob("*.log")
        for line in log.read_text(errors="replace").splitlines()
        if TROUBLE.search(line)
    ]
    assert "\n".join(said) == ""
    started = (Paths(fresh.name).run / "cp/supervisor.log").read_text().splitlines()
    assert len([line for line in started if "Part started" in line]) == len(fresh.parts())


def spent(pids: set[int]) -> dict[int, float]:
    """CPU seconds of processes."""
    found = {}
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        found[pid] = (int(fields[11]) + int(fields[12])) / TICKS
    return found


def test_an_idle_cluster_costs_little(fresh: Cluster) -> None:
    """All processes together: a few percent of one processor at most, and bounded memory."""
    pids = set(processes.members(fresh.name, topology.inodes(Paths(fresh.name))))
    assert len(pids) >= 10
    before = spent(pids)
    time.sleep(IDLE_SECONDS)
    after = spent(pids)
    shares = {processes.comm(pid): (after[pid] - before[pid]) / IDLE_SECONDS for pid in pids}
    assert sum((after[pid] - before[pid]) / IDLE_SECONDS for pid in pids) < MOST_CPU, shares
    sizes = [re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M) for pid in pids]
    assert sum(int(size[1]) for size in sizes if size) / 1024 < MOST_MEMORY
