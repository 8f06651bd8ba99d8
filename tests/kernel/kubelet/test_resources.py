"""Limits are enforced by control groups, their breach is told, and nothing is left of them."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from kernel.kubelet.conftest import PROCESSES, Node, container, wait
from kernel.kubelet.test_pods import main, phase
from kernel.kubelet.test_restarts import restarted as restarted  # a fixture
from kube46.lab import hierarchies, syscalls
from kube46.lab.kubelet import cgroupfs
from kube46.lab.kubelet.cgroupfs import Hierarchy, cpu_seconds
from kube46.lab.kubelet.cgrouprules import LIMITING, V2, Kind, Limits, numbers
from kube46.lab.kubelet.cgroups import Cgroups

pytestmark = pytest.mark.root

GREEDY = ("python3", "-c", "import time, sys; time.sleep(float(sys.argv[1])); x = bytearray(200 << 20); time.sleep(60)")


def groups(node: Node, pod: str) -> list[Path]:
    """The groups of a pod, in all hierarchies."""
    uid = node.pod(pod)["metadata"]["uid"]
    return [path for mount in hierarchies.mounted() for path in (mount / node.directory.name).glob(f"pod{uid}")]


def test_memory(node: Node) -> None:
    """Who takes more than its limit is ended: 137, OOMKilled, an Event; its neighbour in the pod is not."""
    node.apply(
        "r-memory", restartPolicy="Never",
        containers=[
            container("greedy", *GREEDY, "0", resources={"limits": {"memory": "32Mi"}}),
            container("modest", "sh", "-c", "sleep 2", resources={"limits": {"memory": "32Mi"}}),
        ],
    )  # fmt: skip
    pod = node.until("r-memory", phase("Failed"))
    ended = {s["name"]: s["state"]["terminated"] for s in pod["status"]["containerStatuses"]}
    assert (ended["greedy"]["reason"], ended["greedy"]["exitCode"]) == ("OOMKilled", 137)
    assert (ended["modest"]["reason"], ended["modest"]["exitCode"]) == ("Completed", 0)
    text = "Container greedy was killed: its memory reached the limit of 32Mi"
    wait(lambda: ("OOMKilling", text) in node.events("r-memory"), "the Event")
    node.kubectl("delete", "pod", "r-memory", "--wait=false")


def test_memory_while_nobody_looks(restarted: Node) -> None:
    """A container that reaches its limit while there is no kubelet is known as OOMKilled, and runs again."""
    node = restarted
    node.apply("r-unseen", containers=[container("main", *GREEDY, "1", resources={"limits": {"memory": "32Mi"}})])
    node.until("r-unseen", lambda p: "running" in main(p)["state"])
    shim = groups(node, "r-unseen")
    os.kill(node.pid("kubelet"), signal.SIGKILL)
    node.processes["kubelet"].wait(60)
    wait(lambda: not any(path.read_text() for group in shim for path in group.glob("*/cgroup.procs")), "its end")
    node.start_kubelet()
    pod = node.until("r-unseen", lambda p: main(p)["restartCount"] >= 1)
    assert main(pod)["lastState"]["terminated"]["reason"] == "OOMKilled"
    node.kubectl("delete", "pod", "r-unseen", "--wait=false")


def test_cpu(node: Node) -> None:
    """The quota throttles a container, and what `exec` starts in it is bound by it too."""
    busy = container("main", "sh", "-c", "while :; do :; done", resources={"limits": {"cpu": "100m"}})
    node.apply("r-cpu", terminationGracePeriodSeconds=0, containers=[busy])
    node.until("r-cpu", lambda p: "running" in main(p)["state"])

    def throttled() -> bool:
        files = [file for group in groups(node, "r-cpu") for file in group.glob("*/cpu.stat")]
        return any(numbers(file.read_text()).get("nr_throttled", 0) > 2 for file in files)

    wait(throttled, "the quota to be felt")
    own = node.kubectl("exec", "r-cpu", "--", "cat", "/proc/self/cgroup").stdout
    assert own.count(f"pod{node.pod('r-cpu')['metadata']['uid']}/") >= len(LIMITING)
    node.kubectl("delete", "pod", "r-cpu", "--wait=false")


def test_processes(node: Node) -> None:
    """A fork bomb ends at its pod's number of processes, root's too, whom the kernel exempts from RLIMIT_NPROC."""
    script = f"i=0; while [ $i -lt {PROCESSES + 20} ]; do sleep 60 & i=$((i+1)); done"
    bomb = container("main", "sh", "-c", script, securityContext={"runAsUser": 0})
    node.apply("r-bomb", restartPolicy="Never", containers=[bomb])
    pod = node.until("r-bomb", phase("Failed"))
    assert main(pod)["state"]["terminated"]["exitCode"] == 2
    assert "Cannot fork" in node.kubectl("logs", "r-bomb").stdout
    node.kubectl("delete", "pod", "r-bomb", "--wait=false")


def test_version_2(tmp_path: Path) -> None:
    """Groups of version 2 are made, entered, counted and removed (without controllers, where version 1 has them)."""
    name = f"k46t-{os.getpid()}"
    syscalls.mount("cgroup2", tmp_path, "cgroup2")
    try:
        hierarchy = Hierarchy(Kind(V2, ()), tmp_path, name)
        hierarchy.prepare(2)
        every = Cgroups([hierarchy])
        entrances = every.make("u", Limits(processes=9), "run", Limits(memory=1 << 20, quota=1000))
        script = f"echo 0 > {entrances[0]}; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; cat /proc/self/cgroup"
        said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
        assert f"0::/{name}/podu/run\n" in said
        assert (cpu_seconds(hierarchy, tmp_path / name / "podu/run") or 0) > 0
        assert every.pods() == {"u"}
        every.remove("u")
        assert every.pods() == set()
    finally:
        cgroupfs.remove_all(name, [tmp_path])
        assert not (tmp_path / name).exists()
        syscalls.detach(tmp_path)


def test_nothing_is_left(node: Node) -> None:
    """A pod's groups go with it."""
    node.apply("r-gone")
    pod = node.until("r-gone", lambda p: "running" in main(p)["state"])
    assert groups(node, "r-gone")
    node.kubectl("delete", "pod", "r-gone")
    uid = pod["metadata"]["uid"]
    left = [p for mount in hierarchies.mounted() for p in (mount / node.directory.name).glob(f"pod{uid}")]
    assert left == []
