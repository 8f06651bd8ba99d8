"""The network loops against a real API server: outcomes, races, kills."""

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.controllers.cluster import Cluster, Json, Refused, eventually, for_a_while, stamps

BOTH = ["IPv4", "IPv6"]
NETWORK = "node-ipam,endpointslice"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server with one ready node."""
    with Cluster(Path(tmp_path_factory.mktemp("api"))) as cluster:
        cluster.node("node1", labels={"topology.kubernetes.io/zone": "z1"})
        yield cluster


@pytest.fixture
def cluster(server: Cluster) -> Iterator[Cluster]:
    """The server with the network loops running."""
    with server.controllers(NETWORK):
        yield server


def service(cluster: Cluster, namespace: str, **spec: Any) -> Json:
    body = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}], "ipFamilies": BOTH}
    body |= {"ipFamilyPolicy": "RequireDualStack", **spec}
    return cluster.create(f"/api/v1/namespaces/{namespace}/services", {"metadata": {"name": "web"}, "spec": body})


def pod(cluster: Cluster, namespace: str, number: int, ready: bool = True) -> str:
    """A running pod; its path."""
    spec = {"nodeName": "node1", "containers": [{"name": "c", "image": "host"}]}
    meta = {"name": f"web-{number}", "labels": {"app": "web"}}
    cluster.create(f"/api/v1/namespaces/{namespace}/pods", {"metadata": meta, "spec": spec})
    path = f"/api/v1/namespaces/{namespace}/pods/web-{number}"
    run(cluster, path, number, ready)
    return path


def run(cluster: Cluster, path: str, number: int, ready: bool) -> None:
    ips = [f"10.244.0.{number}", f"fd00:10:244::{number:x}"]
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": stamps()["lastTransitionTime"]}
    status = {"phase": "Running", "podIP": ips[0], "podIPs": [{"ip": i} for i in ips], "conditions": [condition]}
    cluster.patch(f"{path}/status", {"status": status}, "strategic-merge")


def slices(cluster: Cluster, namespace: str) -> list[Json]:
    return cluster.items(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices")


def ready(cluster: Cluster, namespace: str) -> dict[str, set[str]]:
    """Ready addresses by family."""
    found: dict[str, set[str]] = {}
    for one in slices(cluster, namespace):
        held = found.setdefault(one["addressType"], set())
        held |= {e["addresses"][0] for e in one["endpoints"] or [] if e["conditions"]["ready"]}
    return found


def both(*numbers: int) -> dict[str, set[str]]:
    return {
        "IPv4": {f"10.244.0.{n}" for n in numbers},
        "IPv6": {f"fd00:10:244::{n:x}" for n in numbers},
    }


def test_slices_of_both_families_follow_pods(cluster: Cluster, namespace: str) -> None:
    """Pods that come, get ready, unready and go are in the slices of both families, in one slice each."""
    service(cluster, namespace)
    eventually(lambda: ready(cluster, namespace) == both())
    first = pod(cluster, namespace, 1)
    second = pod(cluster, namespace, 2, ready=False)
    eventually(lambda: ready(cluster, namespace) == both(1))
    run(cluster, second, 2, ready=True)
    eventually(lambda: ready(cluster, namespace) == both(1, 2))
    cluster.delete(first, gracePeriodSeconds=0)
    eventually(lambda: ready(cluster, namespace) == both(2))
    found = slices(cluster, namespace)
    assert sorted(s["addressType"] for s in found) == BOTH
    assert all(s["metadata"]["name"].startswith("web-") for s in found)
    assert found[0]["ports"] == [{"name": "", "port": 8080, "protocol": "TCP"}]
    assert found[0]["endpoints"][0]["zone"] == "z1"


def test_killed_loop_leaves_no_trace(server: Cluster, namespace: str) -> None:
    """kill -9 among changes, and a new start: the slices are right, and their names are the same as before."""
    with server.controllers(NETWORK) as process:
        service(server, namespace)
        for number in range(1, 6):
            pod(server, namespace, number)
        eventually(lambda: ready(server, namespace) == both(1, 2, 3, 4, 5))
        names = {s["metadata"]["name"] for s in slices(server, namespace)}
        pod(server, namespace, 6)
        process.kill()
        process.wait()
    pod(server, namespace, 7)
    with server.controllers(NETWORK):
        eventually(lambda: ready(server, namespace) == both(1, 2, 3, 4, 5, 6, 7))
        assert {s["metadata"]["name"] for s in slices(server, namespace)} == names
        versions = [s["metadata"]["resourceVersion"] for s in slices(server, namespace)]
        for_a_while(lambda: [s["metadata"]["resourceVersion"] for s in slices(server, namespace)] == versions)
    with server.controllers(NETWORK):
        time.sleep(1.5)
        assert [s["metadata"]["resourceVersion"] for s in slices(server, namespace)] == versions


def test_api_server_may_die(cluster: Cluster, namespace: str) -> None:
    """kill -9 of the API server and its return: the loop goes on by itself."""
    service(cluster, namespace)
    pod(cluster, namespace, 1)
    eventually(lambda: ready(cluster, namespace) == both(1))
    cluster.stop(signal.SIGKILL)
    cluster.start()
    pod(cluster, namespace, 2)
    eventually(lambda: ready(cluster, namespace) == both(1, 2))
    assert len(slices(cluster, namespace)) == 2


def test_slices_changed_or_deleted_by_others_are_mended(cluster: Cluster, namespace: str) -> None:
    """A user who deletes or edits a slice finds it as it was."""
    service(cluster, namespace)
    pod(cluster, namespace, 1)
    eventually(lambda: ready(cluster, namespace) == both(1))
    v4, v6 = sorted(slices(cluster, namespace), key=lambda s: s["addressType"])
    root = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    cluster.patch(f"{root}/{v4['metadata']['name']}", {"endpoints": []})
    cluster.delete(f"{root}/{v6['metadata']['name']}")
    eventually(lambda: ready(cluster, namespace) == both(1) and len(slices(cluster, namespace)) == 2)


def test_lost_family_loses_its_slice(cluster: Cluster, namespace: str) -> None:
    """A Service that gives its second family up keeps the slice of the first alone."""
    service(cluster, namespace, ipFamilyPolicy="PreferDualStack")
    pod(cluster, namespace, 1)
    eventually(lambda: ready(cluster, namespace) == both(1))
    path = f"/api/v1/namespaces/{namespace}/services/web"
    cluster.patch(path, {"spec": {"ipFamilyPolicy": "SingleStack"}})
    eventually(lambda: ready(cluster, namespace) == {"IPv4": {"10.244.0.1"}})
    cluster.patch(path, {"spec": {"ipFamilyPolicy": "RequireDualStack"}})
    eventually(lambda: ready(cluster, namespace) == both(1))


def test_unselected_services_are_left_alone(cluster: Cluster, namespace: str) -> None:
    """A Service without a selector gets no slices, and the user's own stay."""
    service(cluster, namespace, selector=None)
    own = {"metadata": {"name": "mine", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv6"}
    root = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    cluster.create(root, {**own, "endpoints": [{"addresses": ["fd00::1"]}], "ports": []})
    for_a_while(lambda: [s["metadata"]["name"] for s in slices(cluster, namespace)] == ["mine"])


def test_nodes_get_blocks_of_both_families(server: Cluster) -> None:
    """Each node gets one block a family, no two the same, and keeps it over a restart of the loop."""

    def blocks() -> dict[str, list[str]]:
        return {n["metadata"]["name"]: n["spec"].get("podCIDRs", []) for n in server.items("/api/v1/nodes")}

    with server.controllers(NETWORK):
        for name in ("a", "b", "c"):
            server.node(name)
        found = eventually(lambda: all(blocks().values()) and blocks())
    assert {tuple(":" in cidr for cidr in cidrs) for cidrs in found.values()} == {(False, True)}
    assert len({cidr for cidrs in found.values() for cidr in cidrs}) == 2 * len(found)
    assert server.get("/api/v1/nodes/a")["spec"]["podCIDR"] == found["a"][0]
    with server.controllers(NETWORK):
        server.node("d")
        eventually(lambda: blocks()["d"])
    assert {name: cidrs for name, cidrs in blocks().items() if name != "d"} == found
    assert not set(blocks()["d"]) & {cidr for cidrs in found.values() for cidr in cidrs}
    for name in "abcd":
        server.delete(f"/api/v1/nodes/{name}")


def test_exhausted_range_is_told_and_healed(server: Cluster) -> None:
    """A node for which a range has no block gets none at all and an Event; when a node goes it gets one."""
    path = "/api/v1/nodes"
    for node in server.items(path):
        if node["metadata"]["name"] != "node1":
            server.delete(f"{path}/{node['metadata']['name']}")
    server.delete(f"{path}/node1")
    small = ("--cluster-cidr", "10.9.0.0/16,fd00:9::/63")
    with server.controllers(NETWORK, *small):
        for name in ("x", "y"):
            server.node(name)
            eventually(lambda name=name: server.get(f"{path}/{name}")["spec"].get("podCIDRs"))
        server.node("z")
        events = "/api/v1/namespaces/default/events?fieldSelector=reason=CIDRNotAvailable"
        told = eventually(lambda: server.items(events))
        assert "idx:1: CIDR allocation failed" in told[0]["message"]
        assert not server.get(f"{path}/z")["spec"].get("podCIDRs")
        server.delete(f"{path}/x")
        assert eventually(lambda: server.get(f"{path}/z")["spec"].get("podCIDRs"))[0] == "10.9.2.0/24"
    for name in "yz":
        server.delete(f"{path}/{name}")
    server.node("node1", labels={"topology.kubernetes.io/zone": "z1"})


def test_one_of_two_leads(server: Cluster) -> None:
    """With --leader-elect one process works; when it stops in good order the other takes over at once."""
    lease = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube46-controllers"
    with contextlib.ExitStack() as second:
        with server.controllers("endpointslice", "--leader-elect"):
            holder = eventually(lambda: server.get(lease)["spec"]["holderIdentity"])
            second.enter_context(server.controllers("endpointslice", "--leader-elect"))
            for_a_while(lambda: server.get(lease)["spec"]["holderIdentity"] == holder)
        eventually(lambda: server.get(lease)["spec"]["holderIdentity"] not in ("", holder), 5)
    assert server.get(lease)["spec"]["holderIdentity"] in ("", None)
    assert server.get(lease)["spec"]["leaseTransitions"] == 1


def test_refusals_are_not_fatal(cluster: Cluster, namespace: str) -> None:
    """Slices of a dying namespace can't be made; the loop goes on with other namespaces."""
    with pytest.raises(Refused):
        cluster.get(f"/api/v1/namespaces/{namespace}/services/none")
    cluster.delete(f"/api/v1/namespaces/{namespace}")
    with pytest.raises(Refused, match="being terminated"):
        service(cluster, namespace)
