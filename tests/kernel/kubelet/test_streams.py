"""Logs and streams under strain: rotation, restarts, large outputs, many clients, clients that vanish, files copied."""

import hashlib
import os
import re
import subprocess
import time
from itertools import pairwise

import pytest

from kernel.kubelet.conftest import Node, container, wait
from kernel.kubelet.test_crowds import descriptors, memory
from kernel.kubelet.test_pods import main, output, ready

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def target(node: Node) -> str:
    """A pod to run commands in."""
    node.apply("s-target", containers=[container()])
    node.until("s-target", ready)
    return "s-target"


def test_logs_over_a_restart(node):
    """--previous is the run before; -f ends with the run it follows; --since and --timestamps hold for both."""
    count = "n=$(cat /v/n 2>/dev/null || echo 0); n=$((n+1)); echo $n >/v/n"
    script = f"{count}; echo run $n; sleep 1; echo end $n; [ $n = 3 ] && sleep 1000; exit 1"
    mounts = [{"name": "v", "mountPath": "/v"}]
    one = container("main", "sh", "-c", script, volumeMounts=mounts)
    node.apply("s-again", volumes=[{"name": "v", "emptyDir": {}}], containers=[one])
    wait(lambda: "run 1" in node.kubectl("logs", "s-again", check=False).stdout or None, "the first run")
    followed = node.kubectl("logs", "-f", "--timestamps", "s-again").stdout
    node.until("s-again", lambda p: main(p)["restartCount"] == 1 and "running" in main(p)["state"])

    assert re.fullmatch(r"\S+Z run 1\n\S+Z end 1\n", followed)
    assert output(node, "s-again", "--previous") == "run 1\nend 1\n"
    assert output(node, "s-again", "--previous", "--tail=1", "--since=1h") == "end 1\n"
    assert output(node, "s-again").startswith("run 2\n")
    node.kubectl("delete", "pod", "s-again", "--wait=false")


def test_logs_over_rotations(node):
    """A log beyond 50 MiB keeps its end in five files; a follower gets every line, in order, over the rotations."""
    program = 'BEGIN { for (i = 1; i <= 700000; i++) printf "line %07d %080d\\n", i, 0; system("sleep 1000") }'
    script = f"sleep 1.5; exec awk '{program}'"
    node.apply("s-flood", containers=[container("main", "sh", "-c", script)])
    uid = node.until("s-flood", lambda p: "running" in main(p)["state"])["metadata"]["uid"]
    before = memory(node)
    command = node.inside(*node.kubectl_line("logs", "-f", "s-flood"))
    numbers, began = [], time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        for line in follower.stdout:
            numbers.append(int(line.split()[1]))
            if numbers[-1] == 700000:
                break
        follower.kill()
    took = time.monotonic() - began
    tail = output(node, "s-flood", "--tail=150000").splitlines()
    sizes = [p.stat().st_size for p in (node.root / "pods" / uid / "logs").rglob("*.log*")]
    print(f"\nlog: {700000 * 93 / took / 1e6:.0f} MB/s followed; kubelet {before:.0f} → {memory(node):.0f} MB")

    gaps = [(a, b) for a, b in pairwise(numbers) if b != a + 1]
    assert gaps == []
    assert [int(line.split()[1]) for line in tail] == list(range(550001, 700001))
    assert sum(sizes) < 51 * 1024 * 1024
    assert memory(node) - before < 20
    node.kubectl("delete", "pod", "s-flood", "--wait=false")


def test_large_output_and_input(node, target):
    """100 MB come out of a command and 30 MB go in, whole, and the kubelet's memory stays as it was."""
    before = memory(node)
    out = node.inside(*node.kubectl_line("exec", target, "--", "head", "-c", "100000000", "/dev/zero"))
    began = time.monotonic()
    with subprocess.Popen(out, stdout=subprocess.PIPE) as program:
        total = 0
        while data := program.stdout.read(1 << 20):
            total += len(data)
    took = time.monotonic() - began
    data = os.urandom(1 << 20) * 30
    into = node.inside(*node.kubectl_line("exec", "-i", target, "--", "sha256sum"))
    done = subprocess.run(into, input=data, capture_output=True, timeout=60, check=True)
    print(f"\nexec: {total / took / 1e6:.0f} MB/s out; kubelet {before:.0f} → {memory(node):.0f} MB")

    assert total == 100_000_000
    assert done.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()
    assert memory(node) - before < 10


def test_twenty_at_once(node, target):
    """Twenty commands at a time each get their own output and exit code; no descriptor stays open."""
    files = descriptors(node)
    running = [
        subprocess.Popen(
            node.inside(*node.kubectl_line("exec", "-i", target, "--", "sh", "-c", f"cat; echo {n}; exit {n}")),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for n in range(20)
    ]  # fmt: skip
    answers = [(p.communicate(f"hello {n}\n", timeout=60)[0], p.returncode) for n, p in enumerate(running)]

    assert answers == [(f"hello {n}\n{n}\n", n) for n in range(20)]
    wait(lambda: len(descriptors(node)) <= len(files) + 2 or None, "files to close", 20, lambda: str(descriptors(node)))


def commands(node: Node, text: str) -> list[str]:
    """The processes in the node whose command line has that text."""
    lines = node.run("ps", "-eo", "stat,args").stdout.splitlines()
    return [line for line in lines if text in line and "kubectl" not in line and not line.startswith("Z")]


@pytest.mark.parametrize("options", [[], ["-i"], ["-it"]], ids=["output", "input", "terminal"])
def test_client_that_vanishes(node, target, options):
    """When kubectl is killed its command ends too."""
    number = 4242 + len("".join(options))
    line = node.inside(*node.kubectl_line("exec", *options, target, "--", "sleep", str(number)))
    client = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait(lambda: commands(node, f"sleep {number}"), "the command to run")
    kubectl = node.run("pgrep", "-f", f"kubectl.*sleep {number}").stdout.split()
    node.run("kill", "-9", *kubectl, check=False)
    client.wait(60)
    wait(lambda: not commands(node, f"sleep {number}") or None, "the command to end", 10)


def test_commands_while_the_container_restarts(node):
    """A command in a container that is restarted ends with an error at once, and the next run takes commands."""
    one = container("main", "sh", "-c", "trap 'exit 1' TERM; sleep 1000 & wait")
    node.apply("s-restart", containers=[one])
    node.until("s-restart", ready)
    line = node.inside(*node.kubectl_line("exec", "s-restart", "--", "sh", "-c", "echo in; sleep 1000"))
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
        assert client.stdout.readline() == "in\n"
        node.kubectl("exec", "s-restart", "--", "kill", "1", check=False)  # may be killed itself
        client.wait(60)
    codes = []
    end = time.monotonic() + 60
    while time.monotonic() < end and 0 not in codes:
        codes.append(node.kubectl("exec", "s-restart", "--", "true", check=False).returncode)

    assert client.returncode == 137
    assert codes[-1] == 0
    node.kubectl("delete", "pod", "s-restart", "--wait=false")


def test_attach(node):
    """attach -i feeds the container's input and shows what it writes from then on."""
    one = container(
        "main", "sh", "-c", "echo before; while read x; do echo got $x; [ $x = end ] && exit 5; done", stdin=True
    )
    node.apply("s-attach", restartPolicy="Never", containers=[one])
    node.until("s-attach", ready)
    line = node.inside(*node.kubectl_line("attach", "-i", "s-attach"))
    done = subprocess.run(line, input="one\nend\n", capture_output=True, text=True, timeout=20, check=False)

    assert "got one\ngot end\n" in done.stdout
    assert "before" not in done.stdout
    node.kubectl("delete", "pod", "s-attach", "--wait=false")


def test_copy(node, target):
    """kubectl cp copies a directory in and out again, 20 MB without a difference (tar at both ends)."""
    here = node.directory / "copy"
    (here / "deep/er").mkdir(parents=True)
    (here / "deep/er/big").write_bytes(os.urandom(20_000_000))
    (here / "small").write_text("small")
    node.kubectl("cp", str(here), f"{target}:/tmp/copy")
    node.kubectl("cp", f"{target}:/tmp/copy", str(node.directory / "back"))

    assert node.run("diff", "-r", str(here), str(node.directory / "back")).stdout == ""
