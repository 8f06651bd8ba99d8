"""Whatever is killed heals within seconds, and packets do not notice; stop, reboot and `up` bring everything back."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import Cluster, echo_deployment, echo_service, eventually, program_of
from kube46.lab import hierarchies, mounts, processes, topology
from kube46.lab.kubelet import cgroupfs
from kube46.lab.paths import Paths
from patience import patient

pytestmark = [pytest.mark.root, pytest.mark.alone, pytest.mark.timeout(90)]

HEALS = 15.0  # seconds; two cores are shared with the whole suite
AGAIN = 2.0  # seconds until there is another process in the place of one that was killed
LONGEST_ROUND = 2.0  # seconds: one lost packet is sent again within a quarter of one
VERSIONS = (4, 6)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster to be ill-treated, with three echo pods behind a node port."""
    cluster = Cluster(f"rlife-{os.getpid()}", ("ipv4", "ipv6"), tmp_path_factory.mktemp("home"))
    try:
        cluster.up()
        cluster.apply(echo_deployment("echo", 3), echo_service("echo", "echo", type="NodePort"))
        cluster.apply(*diary())
        cluster.kubectl("wait", "--for=condition=Available", "deployment/echo", "--timeout=30s")
        cluster.kubectl("wait", "--for=condition=Ready", "pod/diary", "--timeout=30s")
        yield cluster
    finally:
        cluster.down()
    assert not any((mount / Paths(cluster.name).cgroup).exists() for mount in hierarchies.mounted())


def diary() -> tuple[dict[str, Any], dict[str, Any]]:
    """A claim of the default class, and a pod that writes a line to it each time it starts."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    script = "echo started >>/data/diary; cat /data/diary; exec sleep 10000"
    mounts = [{"name": "data", "mountPath": "/data"}]
    container = {"name": "c", "image": "host", "command": ["sh", "-c", script], "volumeMounts": mounts}
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "diary"}}]
    pod = {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 1}
    meta = {"name": "diary"}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}
    return claim, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod}


def family(address: str) -> int:
    """4 or 6."""
    return 6 if ":" in address else 4


def pods(cluster: Cluster, app: str = "echo") -> dict[str, Any]:
    """What must not change: each pod's identity, addresses, container and number of restarts."""
    return {
        pod["metadata"]["name"]: (
            pod["metadata"]["uid"],
            pod["spec"]["nodeName"],
            pod["status"]["podIPs"],
            [(entry["containerID"], entry["restartCount"]) for entry in pod["status"]["containerStatuses"]],
        )
        for pod in cluster.get("pods", "-l", f"app={app}")["items"]
    }


def promises(cluster: Cluster) -> dict[str, Any]:
    """What a stopped cluster keeps: node ranges, cluster addresses, node ports."""
    kept: dict[str, Any] = {n["metadata"]["name"]: n["spec"]["podCIDRs"] for n in cluster.get("nodes")["items"]}
    for service in cluster.get("services", "-A")["items"]:
        spec, meta = service["spec"], service["metadata"]
        if meta["namespace"].startswith("kube46-check-"):  # of a matrix before, going away
            continue
        ports = [port.get("nodePort") for port in spec["ports"]]
        kept[f"{meta['namespace']}/{meta['name']}"] = (meta["uid"], spec["clusterIPs"], ports)
    return kept


@contextmanager
def held(cluster: Cluster) -> Iterator[None]:
    """Connections over both families, from a pod by ClusterIP and from outside by node port, live; new ones succeed."""
    spec = cluster.get("service", "echo")["spec"]
    port = str(next(port["nodePort"] for port in spec["ports"] if port["protocol"] == "TCP"))
    inside = [word for address in spec["clusterIPs"] for word in (address, "80")]
    node = cluster.get("node", "node1")["status"]["addresses"]
    ports = [word for entry in node if entry["type"] == "InternalIP" for word in (entry["address"], port)]
    pod = next(name for name, about in pods(cluster).items() if about[1] == "node1")
    enter_pod = ("nsenter", "-t", str(cluster.process_of(pod)), "-n")
    enter_outside = ("ip", "netns", "exec", Paths(cluster.name).namespace("outside"))
    holders = [
        subprocess.Popen(
            [*enter, *program_of("hold", *where)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for enter, where in ((enter_pod, inside), (enter_outside, ports))
    ]
    try:
        for holder in holders:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
        yield
        time.sleep(1)  # however soon it healed: the connections must live on afterwards, too
        results = [json.loads(holder.communicate(timeout=60)[0]) for holder in holders]
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()
    for result in [result for found in results for result in found]:
        assert result["error"] == ""
        assert result["rounds"] > 10
        assert result["fresh"] > 1
        assert result["longest"] < LONGEST_ROUND


@contextmanager
def unflushed(cluster: Cluster) -> Iterator[None]:
    """The nodes' tables stay the very same: nothing of the proxy's is deleted meanwhile."""
    monitors = [
        subprocess.Popen(
            ["ip", "netns", "exec", Paths(cluster.name).namespace(node), "nft", "monitor"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for node in ("node1", "node2")
    ]  # fmt: skip
    kept = {entry["ip"] for about in pods(cluster).values() for entry in about[2]}
    kept |= set(cluster.get("service", "echo")["spec"]["clusterIPs"])
    try:
        yield
    finally:
        for monitor in monitors:
            monitor.terminate()
        said = [line for monitor in monitors for line in monitor.communicate()[0].splitlines()]
    # Rules and elements may be exchanged, in one transaction; what the Service stands on may not be gone afterwards.
    lost: set[str] = set()
    for words in map(str.split, said):
        key = " ".join(words).partition(" : ")[0].partition(" ")[2].strip("{} ")
        if words[:2] == ["delete", "table"] or (words[:2] == ["delete", "element"] and kept & set(words)):
            lost.add(key)
        elif words[:1] == ["add"]:
            lost.discard(key)
    assert lost == set()


def works(cluster: Cluster, name: str) -> None:
    """All parts do their work: a new pod on node1 becomes ready, and its new Service answers by name over both."""
    cluster.apply(echo_deployment(name, 1, node="node1"), echo_service(name, name))
    eventually(lambda: cluster.kubectl("wait", "--for=condition=Available", f"deployment/{name}", "--timeout=20s"))
    pod = cluster.get("pods", "-l", f"app={name}")["items"][0]["metadata"]["name"]
    spec = cluster.get("service", name)["spec"]
    for address in spec["clusterIPs"]:
        for place in ("node1", "node2"):
            eventually(lambda address=address, place=place: cluster.ask(place, "tcp", address, 80)[0] == pod)
    dns = cluster.get("-n", "kube-system", "service", "kube-dns")["spec"]["clusterIPs"]
    for server in dns:
        for address, kind in zip(spec["clusterIPs"], ("A", "AAAA"), strict=True):
            query = ("dig", "+short", "+time=1", "+tries=2", f"@{server}", f"{name}.default.svc.cluster.local", kind)
            eventually(lambda query=query, address=address: cluster.at("node1", *query).strip() == address)
    assert cluster.kubectl("exec", pod, "--", "echo", "hi") == "hi\n"
    cluster.kubectl("delete", "--wait=false", "deployment,service", name)


def kill(cluster: Cluster, part: str) -> None:
    """`kill -9`, and wait for the supervisor to have another: it starts one at once."""
    pid = cluster.parts()[part]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: cluster.parts()[part] not in (0, pid), AGAIN)


PARTS = ("apiserver", "controllers", "agent-node1", "agent-node2", "kubelet-node1", "kubelet-node2", "named-outside")


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_part_heals_and_no_packet_notices(own: Cluster, part: str) -> None:
    """kill -9: connections through ClusterIP and node port live on, pods keep address and process, tables stay."""
    before, begun = pods(own), time.monotonic()
    with held(own), unflushed(own):
        kill(own, part)
        if part == "named-outside":
            ask = ("dig", "+short", "+time=1", "+tries=1", "@127.0.0.1", "dual.outside.test", "AAAA")
            eventually(lambda: own.at("outside", *ask).strip() == "2001:db8:46::10")
        else:
            eventually(lambda: own.kubectl("get", "--raw", "/readyz"))
            works(own, f"after-{part}")
        assert time.monotonic() - begun < patient(HEALS)
    assert pods(own) == before


def test_a_killed_name_server_comes_back(own: Cluster) -> None:
    """The agent starts named again, and it knows all names."""
    namespace = Paths(own.name).namespace("node1")
    pids = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=True).stdout.split()
    named = [int(pid) for pid in pids if Path(f"/proc/{pid}/comm").read_text().strip() == "named"]
    assert len(named) == 1
    os.kill(named[0], signal.SIGKILL)
    for server in ("10.46.0.11", "fd46::11"):
        query = ("dig", "+short", "+time=1", "+tries=1", f"@{server}", "kubernetes.default.svc.cluster.local", "A")
        eventually(lambda query=query: own.at("node1", *query).strip() == "10.96.0.1", HEALS)


def parent(pid: int) -> int:
    """A process's parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("which", ["program", "crun", "shim"])
def test_a_killed_container_restarts_in_place(own: Cluster, which: str) -> None:
    """Whatever of a container is killed: it alone is run again, in the same pod, with the same addresses."""
    app = f"killed-{which}"
    own.apply(echo_deployment(app, 1), echo_service(app, app))
    own.kubectl("wait", "--for=condition=Available", f"deployment/{app}", "--timeout=20s")
    others, [(name, before)] = pods(own), pods(own, app).items()
    program = own.process_of(name)
    while processes.comm(parent(program)) != "crun":
        program = parent(program)
    crun = parent(program)
    os.kill({"program": program, "crun": crun, "shim": parent(crun)}[which], signal.SIGKILL)

    def again() -> bool:
        now = pods(own, app)[name]
        return bool(now[:3] == before[:3] and now[3][0][1] == 1)

    eventually(again, AGAIN)
    for address in own.get("service", app)["spec"]["clusterIPs"]:
        eventually(lambda address=address: own.ask("node2", "tcp", address, 80)[0] == name)
    assert pods(own) == others
    assert not Path(f"/proc/{program}").exists()
    own.kubectl("delete", "--wait=false", "deployment,service", app)


def test_a_killed_supervisor_is_followed_by_another(own: Cluster) -> None:
    """`up` starts a supervisor anew, which adopts what still runs: pods and connections live on."""
    before = pods(own)
    report = json.loads(Paths(own.name).parts.read_text())
    with held(own), unflushed(own):
        os.kill(report["pid"], signal.SIGKILL)
        own.up()
        works(own, "after-supervisor")
    assert pods(own) == before
    assert json.loads(Paths(own.name).parts.read_text())["pid"] != report["pid"]


def test_everything_of_a_node_at_once(own: Cluster) -> None:
    """A node whose every process dies and whose tables vanish has its pods, names and Services again in seconds."""
    inode = Path(f"/run/netns/{Paths(own.name).namespace('node1')}").stat().st_ino
    on_node = {name: about for name, about in pods(own).items() if about[1] == "node1"}
    victims = [own.process_of(name) for name in on_node]
    victims += [pid for pid in processes.members(own.name, {inode}) if _network(pid) == inode]
    for pid in victims:
        with suppress(ProcessLookupError):  # the end of one is the end of another
            os.kill(pid, signal.SIGKILL)
    own.shell("node1", "nft", "flush", "ruleset")

    def again() -> bool:
        now = pods(own)
        restarted = all(now[name][3][0][1] > about[3][0][1] for name, about in on_node.items())
        return restarted and all(now[name][0] == about[0] for name, about in on_node.items())

    eventually(again, 30)
    works(own, "after-node")


def _network(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return 0


def machine_stops(cluster: Cluster) -> None:
    """As a power cut: every process gone at once, and with it namespaces and all below /run."""
    paths = Paths(cluster.name)
    processes.end(lambda: processes.members(cluster.name, topology.inodes(paths)), grace=0)
    cgroupfs.remove_all(paths.cgroup, hierarchies.mounted())  # the pods' processes, wherever their namespaces are
    mounts.destroy(paths)
    topology.destroy(paths)
    shutil.rmtree(paths.run)


@pytest.mark.parametrize("how", ["stop", "reboot"])
def test_a_cluster_comes_back_as_it_was(own: Cluster, how: str) -> None:
    """Objects, cluster addresses, node ports and node ranges are kept; the pods run again, have the addresses that they
    had, have counted one restart each, and answer."""
    kept, before = promises(own), pods(own)
    lines = own.kubectl("logs", "diary").count("started")
    if how == "stop":
        own.run("kube46", "stop", "--name", own.name)
        spaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
        assert f"k46-{own.name}-" not in spaces
        assert processes.members(own.name, ()) == {}
    else:
        machine_stops(own)
    own.up()
    assert promises(own) == kept
    eventually(lambda: _all_run(own), 30)
    after = pods(own)
    assert {name: about[:3] for name, about in after.items()} == {name: about[:3] for name, about in before.items()}
    assert all(about[3][0][1] == before[name][3][0][1] + 1 for name, about in after.items())
    assert eventually(lambda: own.kubectl("logs", "diary")).count("started") == lines + 1
    own.matrix_is_green()


def _all_run(cluster: Cluster) -> bool:
    spec = cluster.get("service", "echo")["spec"]
    ready = cluster.get("deployment", "echo")["status"].get("readyReplicas", 0)
    answers = [cluster.ask("node1", "tcp", address, 80)[0] for address in spec["clusterIPs"]]
    addresses = {
        entry["ip"] for pod in cluster.get("pods", "-l", "app=echo")["items"] for entry in pod["status"]["podIPs"]
    }
    return ready == 3 and set(answers) <= set(pods(cluster)) and len(addresses) == 6
