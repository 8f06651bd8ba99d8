"""Pods whose network is the reference's `bridge` or `ptp`: kube46's proxy and DNS serve them, and lead to them."""

import json
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import Cluster, echo_deployment, echo_service, eventually
from kube46.lab.paths import Paths

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

REFERENCE = Path("/usr/lib/cni")
SUBNETS = ("10.77.46.0/24", "fd00:77:46::/64")
NODES = {"10.77.46.0/24": "10.46.0.11", "fd00:77:46::/64": "fd46::11"}
NAME = "05-third-party.conflist"  # before kube46's own


def configuration(plugin: str) -> str:
    """A network of the reference's plugins alone."""
    ipam = {
        "type": "reference-host-local",
        "ranges": [[{"subnet": subnet}] for subnet in SUBNETS],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
    }
    made: dict[str, Any] = {"type": f"reference-{plugin}", "ipam": ipam}
    if plugin == "bridge":
        made |= {"bridge": "third0", "isGateway": True, "hairpinMode": True}
    return json.dumps({"cniVersion": "1.0.0", "name": f"third-{plugin}", "plugins": [made]})


@pytest.fixture(params=["bridge", "ptp"])
def third(dual: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster whose first node has a network of the reference's; the other one has a route to it."""
    paths = Paths(dual.name)
    for plugin in ("bridge", "ptp", "host-local"):
        link = paths.plugins / f"reference-{plugin}"
        if not link.exists():
            link.symlink_to(REFERENCE / plugin)
    for subnet, node in NODES.items():
        dual.at("node2", "ip", "route", "replace", subnet, "via", node)
    conflist = paths.node_state("node1") / "net.d" / NAME
    conflist.write_text(configuration(request.param))
    dual.apply(echo_deployment("third", 2, node="node1"), echo_service("third", "third"))
    try:
        dual.kubectl("rollout", "status", "deployment/third", "--timeout=90s", timeout=100)
        yield dual
    finally:
        dual.kubectl("delete", "deployment/third", "service/third", "--wait=false")
        eventually(lambda: not dual.get("pods", "-l", "app=third")["items"], 60)
        conflist.unlink()
        for subnet in SUBNETS:
            dual.at("node2", "ip", "route", "del", subnet)
        dual.at("node1", "ip", "link", "del", "third0", check=False)


def test_pods_of_other_plugins(third: Cluster) -> None:
    """The pods have the reference's addresses; both nodes and the pods themselves reach them by cluster addresses of
    both families, TCP and UDP; they look up names in the cluster's DNS and reach the API server by its Service.
    """
    pods = third.get("pods", "-l", "app=third")["items"]
    names = {pod["metadata"]["name"] for pod in pods}
    for pod in pods:
        for entry, subnet in zip(pod["status"]["podIPs"], SUBNETS, strict=True):
            assert ip_address(entry["ip"]) in ip_network(subnet)
    cluster_ips = third.get("service", "third")["spec"]["clusterIPs"]
    assert len(cluster_ips) == 2
    process = third.process_of(pods[0]["metadata"]["name"])
    for address in cluster_ips:
        for kind in ("tcp", "udp"):
            for place in ("node1", "node2"):
                eventually(lambda: third.ask(place, kind, address, 80)[0] in names)  # noqa: B023 – called at once
            eventually(lambda: third.ask_from_pod(process, kind, address, 80)[0] in names)  # noqa: B023

    inside = ("exec", pods[0]["metadata"]["name"], "--", "/usr/bin/python3", "-IS", "-c")
    looked_up = "import socket; print(*sorted({i[4][0] for i in socket.getaddrinfo('third', 80)}))"
    assert set(third.kubectl(*inside, looked_up).split()) == set(cluster_ips)
    reach = "import socket; print(socket.create_connection(('kubernetes.default', 443), 10).getpeername()[0])"
    assert third.kubectl(*inside, reach).strip() in third.get("service", "kubernetes")["spec"]["clusterIPs"]
