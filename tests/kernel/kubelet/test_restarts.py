"""The kubelet may die at any moment: pods live on, and what happened meanwhile is known afterwards."""

import os
import signal
import time

import pytest

from kernel.kubelet.conftest import NODE, Node, container, wait

pytestmark = pytest.mark.root


def main(pod):
    """The status of the pod's first container."""
    return pod.get("status", {}).get("containerStatuses", [{"state": {}, "restartCount": 0, "ready": False}])[0]


def running(pod):
    """A condition for `until`: the first container runs."""
    return "running" in pod.get("status", {}).get("containerStatuses", [{}])[0].get("state", {})


def kill_kubelet(node: Node) -> None:
    """kill -9 of the kubelet alone; returns once it is gone."""
    os.kill(node.pid("kubelet"), signal.SIGKILL)
    node.processes["kubelet"].wait(60)


@pytest.fixture
def restarted(node):
    """Leaves a kubelet running, whatever the test did to it."""
    yield node
    if node.processes["kubelet"].poll() is not None:
        node.start_kubelet()


def test_kill_restarts_no_pod(restarted):
    """kill -9: the process, its address, its readiness and its log go on; not a line is lost."""
    node = restarted
    count = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done"
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1}
    node.apply("e-lives", containers=[container("main", "sh", "-c", count, readinessProbe=probe)])
    before = node.until("e-lives", lambda p: running(p) and main(p)["ready"])
    kill_kubelet(node)
    time.sleep(0.5)
    node.start_kubelet()
    wait(
        lambda: node.kubectl("exec", "e-lives", "--", "true", check=False).returncode == 0 or None,
        "the kubelet's return",
    )
    time.sleep(0.5)
    after = node.pod("e-lives")
    lines = node.kubectl("logs", "e-lives").stdout.splitlines()

    assert main(after)["containerID"] == main(before)["containerID"]
    assert main(after)["restartCount"] == 0
    assert after["status"]["podIPs"] == before["status"]["podIPs"]
    assert [c["lastTransitionTime"] for c in after["status"]["conditions"]] == [
        c["lastTransitionTime"] for c in before["status"]["conditions"]
    ]
    assert lines == [f"line {number}" for number in range(1, len(lines) + 1)]
    assert len(lines) > 50
    node.kubectl("delete", "pod", "e-lives", "--wait=false")


def test_ends_while_there_is_no_kubelet(restarted):
    """A container that ends meanwhile keeps its exit code and last words; a deleted pod is cleared; no shim stays."""
    node = restarted
    command = ("sh", "-c", "sleep 0.7; echo last words; exit 5")
    node.apply("e-ends", restartPolicy="Never", containers=[container("main", *command)])
    node.apply("e-orphan")
    node.until("e-ends", running)
    uid = node.until("e-orphan", running)["metadata"]["uid"]
    kill_kubelet(node)
    node.kubectl("delete", "pod", "e-orphan", "--force", "--grace-period=0")
    time.sleep(1)
    node.start_kubelet()
    ended = main(node.until("e-ends", lambda p: p["status"]["phase"] == "Failed"))["state"]["terminated"]
    wait(lambda: not (node.root / "pods" / uid).exists() or None, "the orphan to be cleared")

    assert (ended["exitCode"], ended["reason"]) == (5, "Error")
    assert node.kubectl("logs", "e-ends").stdout == "last words\n"
    assert uid not in node.run("ip", "netns").stdout
    assert f"DEL {uid}" in (node.cni / "state/calls").read_text()
    assert uid not in node.run("cat", "/proc/mounts").stdout
    processes = node.run("ps", "-eo", "stat,args").stdout
    assert not [line for line in processes.splitlines() if uid in line and not line.startswith("Z")]


def test_deletion_goes_on_after_a_kill(restarted):
    """A pod that is being ended when the kubelet dies is ended by the next one, within its grace."""
    node = restarted
    node.apply(
        "e-dying",
        terminationGracePeriodSeconds=3,
        containers=[container("main", "sh", "-c", "trap '' TERM; sleep 100")],
    )
    node.until("e-dying", running)
    node.kubectl("delete", "pod", "e-dying", "--wait=false")
    time.sleep(0.5)
    kill_kubelet(node)
    node.start_kubelet()
    began = time.monotonic()
    node.gone("e-dying", 6)

    assert time.monotonic() - began > 1


def test_force_deletion(node):
    """A pod deleted with grace 0 is gone from the API at once, and soon from the node."""
    node.apply("e-forced", containers=[container("main", "sh", "-c", "trap '' TERM; sleep 100")])
    uid = node.until("e-forced", running)["metadata"]["uid"]
    node.kubectl("delete", "pod", "e-forced", "--force", "--grace-period=0")

    assert node.pod("e-forced") == {}
    wait(lambda: not (node.root / "pods" / uid).exists() or None, "the pod's directory to go", 5)


def test_lost_namespaces(restarted):
    """After a reboot (no processes, no namespaces) pods start anew, counted as a restart, in a new sandbox."""
    node = restarted
    node.apply("e-reboot")
    before = node.until("e-reboot", running)
    uid = before["metadata"]["uid"]
    kill_kubelet(node)
    shims = node.run("pgrep", "-f", f"kube46-shim.*{uid}").stdout.split()
    crun = [child for shim in shims for child in node.run("pgrep", "-P", shim).stdout.split()]
    inits = [child for one in crun for child in node.run("pgrep", "-P", one).stdout.split()]
    node.run("kill", "-9", *shims, *crun, *inits)
    for path in node.run("sh", "-c", f"grep -o '/[^ ]*{uid}[^ ]*' /proc/mounts").stdout.split():
        node.run("umount", "-l", path)
    node.run("rm", "-f", f"/run/netns/pod-{uid}")
    node.start_kubelet()
    after = node.until("e-reboot", lambda p: running(p) and main(p)["restartCount"] == 1)

    assert main(after)["lastState"]["terminated"]["exitCode"] == 137
    assert after["status"]["podIPs"] != before["status"]["podIPs"]
    assert len(after["status"]["podIPs"]) == 2
    node.kubectl("delete", "pod", "e-reboot", "--wait=false")
    node.gone("e-reboot")


def test_node_readiness_follows_the_network(node):
    """The node is NotReady without a network configuration, and Ready again once there is one."""

    def ready() -> str:
        return node.kubectl("get", "node", NODE, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')]}").stdout

    file = node.cni / "conf/10-e.conflist"
    text = file.read_text()
    file.unlink()
    wait(lambda: '"status":"False"' in ready() or None, "the node to be NotReady", 10)

    assert "NetworkPluginNotReady" in ready()
    file.write_text(text)
    wait(lambda: '"status":"True"' in ready() or None, "the node to be Ready", 3)


def test_token_is_renewed_in_a_running_pod(restarted):
    """A kubelet that knows no token of a running pod gets a new one; the pod's file changes while the pod runs on."""
    node = restarted
    source = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}
    volumes = [{"name": "t", "projected": {"sources": [source]}}]
    node.kubectl("create", "serviceaccount", "r-account")
    one = container(volumeMounts=[{"name": "t", "mountPath": "/t"}])
    node.apply("r-token", serviceAccountName="r-account", volumes=volumes, containers=[one])
    node.until("r-token", running)

    def token() -> str:
        return node.kubectl("exec", "r-token", "--", "cat", "/t/token", check=False).stdout

    before = token()
    time.sleep(1.1)  # a token made in the same second may be the same
    kill_kubelet(node)
    node.start_kubelet()
    wait(lambda: token() not in ("", before) or None, "another token")

    assert main(node.pod("r-token"))["restartCount"] == 0
    node.kubectl("delete", "pod", "r-token", "--wait=false")
