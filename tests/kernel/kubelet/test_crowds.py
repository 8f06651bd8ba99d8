"""Many pods at once: all come, all go, nothing stays behind, also when the kubelet is killed meanwhile."""

import json
import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from kernel.kubelet.conftest import NODE, Node, wait
from kernel.kubelet.test_pods import ready
from kernel.kubelet.test_restarts import kill_kubelet, restarted  # noqa: F401 – a fixture

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]
CROWD = str(Path(__file__).parent / "crowd.py")
COUNT = 50


def left(node: Node) -> dict[str, set[str]]:
    """All that pods are made of on the node."""
    directories = ("pods", "crun", "skeletons")
    return {
        "namespaces": set(node.run("ls", "/run/netns").stdout.split()),
        "links": {line.split()[1] for line in node.run("ip", "-o", "link").stdout.splitlines()},
        "mounts": set(node.run("grep", "-o", "/[^ ]*pod[^ ]*", "/proc/mounts", check=False).stdout.split()),
        "processes": {
            line for line in node.run("ps", "-eo", "stat,args").stdout.splitlines()
            if not line.startswith("Z") and ("kube46-shim" in line or "sleep 1000" in line) and "keeper" not in line
        },
        **{name: set(node.run("ls", str(node.root / name), check=False).stdout.split()) for name in directories},
    }  # fmt: skip


def memory(node: Node) -> float:
    """The kubelet's resident memory, MB."""
    text = Path(f"/proc/{node.pid('kubelet')}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


def descriptors(node: Node) -> list[str]:
    """The files that the kubelet has open."""
    found = []
    for path in Path(f"/proc/{node.pid('kubelet')}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(str(path.readlink()))
    return sorted(found)


def crowd(node: Node) -> subprocess.Popen[str]:
    """The program that makes and deletes the pods, under way."""
    command = node.inside(sys.executable, CROWD, str(node.directory), NODE, str(COUNT))
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def answer(program: subprocess.Popen[str]) -> dict:
    """The program's next line."""
    return json.loads(program.stdout.readline() or "{}")


def test_fifty_pods(node):
    """50 pods become Ready and go; no namespace, link, mount, process, descriptor or state of theirs stays."""
    node.apply("crowdless")  # the kubelet works, its connections are open
    node.until("crowdless", ready)
    node.kubectl("delete", "pod", "crowdless")
    before, files = left(node), descriptors(node)
    small = memory(node)
    with crowd(node) as program:
        times = answer(program)["ready"]
        full = memory(node)
        program.stdin.write("\n")
        program.stdin.flush()
        gone = answer(program)["gone"]
    wait(lambda: left(node) == before or None, "all to be as before", 20, lambda: str((before, left(node))))
    wait(
        lambda: len(descriptors(node)) <= len(files) or None,
        "files to close",
        20,
        lambda: str((files, descriptors(node))),
    )
    print(
        f"\n{COUNT} pods: Ready p50 {times[COUNT // 2]:.2f} s, p99 {times[-1]:.2f} s; gone in {gone:.2f} s; "
        f"kubelet {small:.0f} → {full:.0f} → {memory(node):.0f} MB"
    )

    assert times[-1] < 30
    assert full - small < 40


@pytest.mark.parametrize("seed", range(2))
def test_kills_during_a_crowd(restarted, seed):  # noqa: F811
    """kill -9 of the kubelet at random moments: all pods become Ready, all go, and nothing stays."""
    node, chance = restarted, random.Random(seed)
    before = left(node)
    with crowd(node) as program:
        for _ in range(5):
            time.sleep(chance.uniform(0.05, 1.2))
            kill_kubelet(node)
            node.start_kubelet()
            time.sleep(chance.uniform(0.4, 1.5))
        ready = answer(program)
        program.stdin.write("\n")
        program.stdin.flush()
        for _ in range(4):
            time.sleep(chance.uniform(0.05, 0.8))
            kill_kubelet(node)
            node.start_kubelet()
            time.sleep(chance.uniform(0.4, 1.0))
        gone = answer(program)

    assert len(ready["ready"]) == COUNT
    assert gone["gone"] < 60
    wait(lambda: left(node) == before or None, "all to be as before", 20, lambda: str((before, left(node))))
