"""Stand-alone nodes under Kubernetes' own control plane: kube-apiserver, etcd, kube-controller-manager 1.37.

`--families` chooses the clusters' families; `make test` tries ipv4,ipv6.
"""

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.upstream import programs
from e2e.conftest import Cluster, echo_deployment, echo_service, eventually
from kube46.lab.controllers import names
from kube46.lab.paths import Paths

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]
OURS = ("agent-", "controllers", "kubelet-")
REAL = ("etcd", "kube-apiserver", "kube-controller-manager")
HEALED = 60  # seconds; kube-apiserver alone takes some, more where the machine is busy


def _started(name: str, families: str, home: Path, *flags: str) -> Iterator[Cluster]:
    """A cluster whose matrix was green at its start; nothing of it is left afterwards."""
    cluster = Cluster(f"{name}-{os.getpid()}", tuple(families.split(",")), home)
    try:
        cluster.up("--kubernetes", str(programs()), *flags, check=True)
        yield cluster
    finally:
        cluster.down()
    assert _left_of(cluster) == []


def _left_of(cluster: Cluster) -> list[str]:
    """Files, network namespaces and processes of a cluster."""
    paths = Paths(cluster.name)
    mark = f"KUBE46_CLUSTER={cluster.name}".encode()
    found = [str(path) for path in (paths.state, paths.run) if path.exists()]
    found += [path.name for path in Path("/run/netns").iterdir() if path.name.startswith(paths.namespace(""))]
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the kubeconfig."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def beside(home: Path, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """kube46's loops run; kube-controller-manager runs those that kube46 does not have."""
    yield from _started("cb", request.config.getoption("--families", default="ipv4,ipv6"), home)


@pytest.fixture(scope="module")
def theirs(home: Path, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """kube-controller-manager runs all of its loops; of kube46's only the scheduler runs."""
    families = request.config.getoption("--families", default="ipv4,ipv6")
    yield from _started("ct", families, home, "--controllers", "scheduler")


def _deploy(cluster: Cluster) -> None:
    """A Deployment with its Service, rolled out; a test's second try has a cluster without those of earlier tests."""
    cluster.apply(echo_deployment("web", 2), echo_service("web", "web"))
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s", timeout=70)


def _roll_out(cluster: Cluster) -> dict[str, Any]:
    """That Deployment rolled over; its EndpointSlices by address type."""
    _deploy(cluster)
    cluster.kubectl("set", "env", "deployment/web", "STEP=2")
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s", timeout=70)

    def slices() -> dict[str, Any]:
        found = cluster.get("endpointslices", "-l", "kubernetes.io/service-name=web", "--show-managed-fields")["items"]
        full = {one["addressType"]: one for one in found if len(one["endpoints"] or ()) == 2}
        assert sorted(full) == sorted("IPv4" if name == "ipv4" else "IPv6" for name in cluster.families)
        return full

    return dict(eventually(slices, 30))


def _answers(cluster: Cluster) -> None:
    """The Service of the Deployment answers from a node, over each family."""
    for address in cluster.get("service", "web")["spec"]["clusterIPs"]:
        assert cluster.ask("node1", "tcp", address, 80)[0].startswith("web-")


def test_our_loops_run_beside_the_real_ones(beside: Cluster) -> None:
    """kube46's loops work unchanged on the real server: a Deployment is rolled out, its slices are our controller's."""
    for one in _roll_out(beside).values():
        (manager,) = {field["manager"] for field in one["metadata"]["managedFields"]}
        assert manager.startswith("kube46-controllers")
    _answers(beside)

    log = Paths(beside.name).log("cp", "kube-controller-manager").read_text()
    for name in names.ALL:
        for double in names.doubles(name):
            assert f'"Warning: controller is disabled" controller="{double}"' in log
    assert 'disabled" controller="horizontal-pod-autoscaler-controller"' not in log


def test_rights_suffice(beside: Cluster) -> None:
    """Nothing that kube46's programs wrote was refused; only lists were, before `up` had given them their rights."""
    logs = Path(Paths(beside.name).run).glob("*/*.log")
    lines = (line for log in logs if log.name.startswith(OURS) for line in log.read_text().splitlines())
    assert [
        line for line in lines if "forbidden" in line and not re.search(r"cannot (list|watch|get path)", line)
    ] == []


def test_the_real_loops_serve_our_nodes(theirs: Cluster) -> None:
    """With kube46's doubles off, blocks, slices and pods are the real controllers' and kube46's nodes follow them."""
    for one in _roll_out(theirs).values():
        assert {field["manager"] for field in one["metadata"]["managedFields"]} == {"kube-controller-manager"}
    _answers(theirs)
    nodes = theirs.get("nodes", "--show-managed-fields")["items"]
    assert [len(node["spec"]["podCIDRs"]) for node in nodes] == [len(theirs.families)] * 2
    owners = {field["manager"] for node in nodes for field in node["metadata"]["managedFields"] if _blocks(field)}
    assert owners == {"kube-controller-manager"}


def test_killed_programs_are_healed(beside: Cluster) -> None:
    """Server, etcd, controllers and relay, killed at once, come back with all objects, and the matrix is green."""
    _deploy(beside)
    before = beside.get("service", "web")
    pids = beside.parts()
    for name in (*REAL, "relay"):
        os.kill(pids[name], signal.SIGKILL)

    eventually(lambda: _all_new(beside, pids), HEALED)
    eventually(lambda: beside.kubectl("get", "--raw", "/readyz") == "ok", HEALED)
    assert beside.get("service", "web") == before
    beside.kubectl("scale", "deployment/web", "--replicas=3")
    beside.kubectl("rollout", "status", "deployment/web", "--timeout=60s", timeout=70)
    eventually(beside.matrix_is_green, HEALED)


def test_settings_and_objects_are_kept(theirs: Cluster) -> None:
    """`stop`, even of what nobody supervises, and `up` keep programs, objects and addresses; others are refused."""
    _deploy(theirs)
    before = theirs.get("service", "web")["spec"]
    said = theirs.run("kube46", "up", "--name", theirs.name, "--api-server", "kube46", check=False)
    assert f"exists with --api-server real --kubernetes {programs()} --controllers scheduler" in said
    os.kill(json.loads(Paths(theirs.name).parts.read_text())["pid"], signal.SIGKILL)
    theirs.run("kube46", "stop", "--name", theirs.name)
    theirs.up()

    assert set(REAL) < set(theirs.parts())
    assert str(programs()) in theirs.run("kube46", "status", "--name", theirs.name)
    assert theirs.run("kube46", "logs", "--name", theirs.name, "etcd")
    assert theirs.get("service", "web")["spec"] == before
    eventually(lambda: _answers(theirs) is None, 30)


def _all_new(cluster: Cluster, before: dict[str, int]) -> bool:
    now = cluster.parts()
    return all(now[name] not in (0, before[name]) for name in (*REAL, "relay"))


def _blocks(field: dict[str, Any]) -> bool:
    return "f:podCIDRs" in field.get("fieldsV1", {}).get("f:spec", {})
