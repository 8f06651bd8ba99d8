"""`kube46 conformance` on a whole cluster: passes, and finds what is broken between its parts."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from e2e.conftest import Cluster, eventually
from kube46.conformance import catalog, enduring
from kube46.conformance.model import Verdict
from kube46.conformance.report import Report
from kube46.conformance.runner import Settings, run
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig
from kube46.lab.paths import Paths
from patience import patient
from server.conformance.breaking import Break, Broken, Object

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

NAMES = {promise.name for promise in catalog.PODS}
# Those that wait for no rule of the Service proxy: a busy machine's agents take their time, which is no fault here.
PLAIN = NAMES - {"path-cluster-ip", "path-udp", "path-node-port", "path-hairpin", "path-affinity", "path-one-family"}
PLAIN -= {"path-endpoints", "dns-name", *(promise.name for promise in enduring.PROMISES)}


def gate(cluster: Cluster, only: set[str], fault: Break | None = None) -> Report:
    """Some checks of this cluster, with a fault between it and us; what is broken stays so, and is not waited for."""
    config = ClusterConfig.load(Paths(cluster.name).kubeconfig("admin"))
    client = Broken(config, fault) if fault else Client(config, component="test")

    async def whole() -> Report:
        async with client:
            return await run(client, Settings(only=frozenset(only), settle=1))

    return asyncio.run(whole())


def failed(report: Report) -> dict[str, tuple[str, ...]]:
    """The failed checks with their reasons."""
    return {item.name: item.reasons for item in report.checks if item.verdict is Verdict.FAILED}


# Before conntrack puts fragments together, and before the proxy chooses a DNS server, of which one may be here.
FAULTS = (
    ("prerouting", "exthdr frag exists drop"),
    ("prerouting", "meta nfproto ipv6 udp dport 53 drop"),
    ("output", "meta nfproto ipv6 udp dport 53 drop"),
)


@contextmanager
def faults(cluster: Cluster) -> Iterator[None]:
    """Both nodes lose IPv6's fragments and DNS questions, by rules in a table that is nobody else's."""
    chains = "".join(f"add chain inet k46gate {h} {{ type filter hook {h} priority -450; }}\n" for h, _ in FAULTS)
    added = "".join(f"add rule inet k46gate {hook} {rule}\n" for hook, rule in FAULTS)
    try:
        for node in ("node1", "node2"):
            cluster.at(node, "nft", f"add table inet k46gate\n{chains}{added}")
        yield
    finally:
        for node in ("node1", "node2"):
            cluster.at(node, "nft", "add table inet k46gate\ndelete table inet k46gate")


def test_the_whole_cluster_passes(dual: Cluster) -> None:
    """Every check at GA, by the command itself with a user's kubeconfig: also while agents and API server are killed.

    Its namespace is gone when it ends.
    """
    parts = dual.parts()
    killed = " ".join(str(parts[name]) for name in ("apiserver", "agent-node1", "agent-node2"))
    flags = ["--context", f"kube46-{dual.name}", "--families", "ipv4,ipv6", "-o", "json"]
    done = subprocess.run(
        ["kube46", "conformance", *flags, "--disruptive", f"kill -KILL {killed}"],
        env=dual.environment, capture_output=True, text=True, timeout=patient(50), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert (report["passed"], report["reached"], report["nodes"]) == (True, "ga", ["node1", "node2"])
    skipped = {check["name"] for check in report["checks"] if check["verdict"] != "passed"}
    assert skipped == {"service-absent-family", "service-prefer-alone"}
    assert all(parts[name] != dual.parts()[name] for name in ("apiserver", "agent-node1", "agent-node2"))
    names = [item["metadata"]["name"] for item in dual.get("namespaces")["items"]]
    assert [name for name in names if name.startswith("kube46-conformance-")] == []


def test_faults_of_one_family_are_found(dual: Cluster) -> None:
    """Nodes that drop fragments and DNS questions over IPv6 break these promises, named with place and family."""
    with faults(dual):
        found = failed(gate(dual, PLAIN - {"endpointslices", "endpoints"}))
    assert set(found) == {"path-large", "dns-headless", "dns-records"}, found
    assert any("node1 over IPv6: UDP [" in reason and "4000 bytes" in reason for reason in found["path-large"])
    assert any("AAAA at" in reason and "gave no answer" in reason for reason in found["dns-records"])


def _no_second_slices(said: Object) -> None:
    """EndpointSlices of IPv6 are not made."""
    items = said.get("items")
    if isinstance(items, list):
        said["items"] = [item for item in items if item.get("addressType") != "IPv6"]


def _one_pod_address(said: Object) -> None:
    """The kubelet tells one address of a pod."""
    for item in [said, *(said.get("items") or ())]:
        status = item.get("status")
        if isinstance(status, dict) and "podIPs" in status:
            status["podIPs"] = status["podIPs"][:1]


@pytest.mark.parametrize(
    ("fault", "only"),
    [
        (Break(("endpointslices",), said=_no_second_slices), {"endpointslices", "pod-addresses"}),
        (
            Break(("pod-addresses", "pod-environment", "path-pod-there"), said=_one_pod_address),
            {"pod-addresses", "pod-environment", "path-pod-there"},
        ),
    ],
    ids=["slices of one family", "pods of one family"],
)
def test_parts_of_one_family_are_found(dual: Cluster, fault: Break, only: set[str]) -> None:
    """Slices, or pods' addresses, of one family on a cluster of two: named, and nothing breaks on the way."""
    found = failed(gate(dual, only, fault))
    assert set(found) == set(fault.names), found
    eventually(lambda: "kube46-conformance-" not in dual.kubectl("get", "namespaces", "-o", "name"))


def test_lost_connections_are_found(dual: Cluster) -> None:
    """A restart that resets connections breaks that promise alone: addresses stay, and new connections are answered."""
    nft = f"ip netns exec {Paths(dual.name).namespace('node1')} nft"
    chain = "add chain inet k46gate c { type filter hook forward priority -5; }"
    rule = "add rule inet k46gate c tcp dport 8080 reject with tcp reset"
    script = f"{nft} 'add table inet k46gate; {chain}; {rule}'; sleep 1.5; {nft} delete table inet k46gate"
    config = ClusterConfig.load(Paths(dual.name).kubeconfig("admin"))
    names = frozenset(promise.name for promise in enduring.PROMISES)

    async def whole() -> Report:
        async with Client(config, component="test") as client:
            return await run(client, Settings(only=names, disruptive=("sh", "-c", script)))

    found = failed(asyncio.run(whole()))
    assert set(found) == {"restart-connections"}, found
    assert any("the connection to a pod over IPv6 was lost" in reason for reason in found["restart-connections"])
