"""A Service's life as packets and names see it: endpoints come and go, families are added and taken, it is deleted."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e2e.conftest import Cluster, echo_deployment, echo_pod, echo_service, eventually
from patience import patient

pytestmark = [pytest.mark.root, pytest.mark.timeout(90)]
KINDS = ("tcp", "udp")
AT_ONCE = 0.5  # seconds: a refusal, not a timeout


@pytest.fixture(scope="module")
def client(dual: Cluster) -> Iterator[tuple[str, int]]:
    """A pod on node1 to ask from, by a process of it."""
    pod = {"apiVersion": "v1", "kind": "Pod", **echo_pod({"app": "client"}, node="node1")}
    pod["metadata"]["name"] = "client"
    dual.apply(pod)
    dual.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=30s")
    yield "client", dual.process_of("client")
    dual.kubectl("delete", "pod", "client", "--wait=false")


def _frontends(cluster: Cluster, service: str, process: int) -> dict[str, Callable[[str], tuple[str, str, float]]]:
    """Every way to a Service, over each family: from a pod and a node by ClusterIP, from outside by node port."""
    spec = cluster.get("service", service)["spec"]
    node_port = spec["ports"][0]["nodePort"]
    ways: dict[str, Callable[[str], tuple[str, str, float]]] = {}
    for address in spec["clusterIPs"]:
        ways[f"pod → {address}"] = lambda kind, address=address: cluster.ask_from_pod(process, kind, address, 80)
        ways[f"node2 → {address}"] = lambda kind, address=address: cluster.ask("node2", kind, address, 80)
    for address in ("10.46.0.11", "fd46::11"):
        ways[f"outside → {address}"] = lambda kind, address=address: cluster.ask("outside", kind, address, node_port)
    return ways


def _service(name: str, **spec: Any) -> dict[str, Any]:
    """An echo Service whose TCP and UDP node ports are the same."""
    port = {"port": 80, "targetPort": 8080, "nodePort": 31999}
    ports = [{"name": kind, "protocol": kind.upper(), **port} for kind in KINDS]
    return echo_service(name, name, type="NodePort", ports=ports, **spec)


def test_endpoints_come_and_go(dual: Cluster, client: tuple[str, int]) -> None:
    """Scaled 0 → 3 → 0: refused at once without endpoints (RST, ICMP), answered with them, and deleted: no answer."""
    dual.apply(echo_deployment("life", 0), _service("life"))
    ways = _frontends(dual, "life", client[1])

    def refused(kind: str, way: str) -> bool:
        answer, _, took = ways[way](kind)
        # The kernel lets a local sender of a datagram know of a refusal on its way out by EPERM, before any ICMP.
        local = {"EPERM"} if (kind, way[:4]) == ("udp", "node") else set()
        return answer in {"ECONNREFUSED", *local} and took < AT_ONCE

    def all_refused() -> None:
        for kind in KINDS:
            for way in ways:
                eventually(lambda kind=kind, way=way: refused(kind, way), 5)

    all_refused()
    dual.kubectl("scale", "deployment/life", "--replicas=3")
    dual.kubectl("rollout", "status", "deployment/life", "--timeout=30s")
    names = {pod["metadata"]["name"] for pod in dual.get("pods", "-l", "app=life")["items"]}
    for kind in KINDS:
        for way, ask in ways.items():
            assert eventually(lambda ask=ask, kind=kind: ask(kind)[0] in names, 5), way
    heard = {ways["node2 → " + dual.get("service", "life")["spec"]["clusterIP"]]("tcp")[0] for _ in range(30)}
    assert heard == names
    dual.kubectl("scale", "deployment/life", "--replicas=0")
    eventually(lambda: not dual.get("pods", "-l", "app=life")["items"])
    all_refused()
    dual.kubectl("scale", "deployment/life", "--replicas=1")
    dual.kubectl("rollout", "status", "deployment/life", "--timeout=30s")
    dual.kubectl("delete", "service", "life")
    for kind in KINDS:
        for way, ask in ways.items():
            if not way.startswith("outside"):
                # An address of the Service range that nobody has is dropped or refused, never led to the pod.
                assert eventually(lambda ask=ask, kind=kind: ask(kind)[1] == "-", 3), way
            else:
                assert eventually(lambda kind=kind, way=way: refused(kind, way), 3), way
    dual.kubectl("delete", "deployment", "life", "--wait=false")


def _patch(cluster: Cluster, service: str, spec: str) -> float:
    """Patches a Service's spec; when that was done."""
    cluster.kubectl("patch", "service", service, "-p", f'{{"spec":{spec}}}')
    return time.monotonic()


def test_a_service_gains_and_loses_a_family(dual: Cluster, client: tuple[str, int]) -> None:
    """SingleStack → RequireDualStack → SingleStack: names and proxy follow within a second."""
    name = "grows"
    dual.apply(echo_deployment(name, 1), echo_service(name, name, ipFamilyPolicy="SingleStack", ipFamilies=["IPv4"]))
    dual.kubectl("rollout", "status", f"deployment/{name}", "--timeout=30s")
    first = dual.get("service", name)["spec"]["clusterIP"]

    def quad() -> str:
        query = ("dig", "+short", "+time=1", "+tries=1", "@10.96.0.10", f"{name}.default.svc.cluster.local", "AAAA")
        return dual.at("node2", *query).strip()

    assert quad() == ""
    since = _patch(dual, name, '{"ipFamilyPolicy":"RequireDualStack"}')
    second = dual.get("service", name)["spec"]["clusterIPs"][1]
    eventually(lambda: quad() == second, 2)
    eventually(lambda: dual.ask_from_pod(client[1], "tcp", second, 80)[1] != "-", 2)
    took = time.monotonic() - since
    assert dual.get("service", name)["spec"]["clusterIPs"] == [first, second]
    since = _patch(dual, name, f'{{"ipFamilyPolicy":"SingleStack","ipFamilies":["IPv4"],"clusterIPs":["{first}"]}}')
    eventually(lambda: quad() == "", 2)
    took = max(took, time.monotonic() - since)
    eventually(lambda: dual.ask_from_pod(client[1], "tcp", second, 80)[1] == "-", 3)
    assert dual.ask_from_pod(client[1], "tcp", first, 80)[1] != "-"
    assert took < patient(2)
    dual.kubectl("delete", "service,deployment", name, "--wait=false")


@pytest.fixture(scope="module")
def names(dual: Cluster, client: tuple[str, int]) -> Cluster:
    """A headless Service with two pods of a StatefulSet's kind of names, and an ExternalName."""
    pods = []
    for number in range(2):
        pod = {"apiVersion": "v1", "kind": "Pod", **echo_pod({"app": "db"})}
        pod["metadata"]["name"] = f"db-{number}"
        pod["spec"] |= {"hostname": f"db-{number}", "subdomain": "db"}
        pods.append(pod)
    headless = echo_service("db", "db", clusterIP="None")
    outside = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "far"},
        "spec": {"type": "ExternalName", "externalName": "dual.outside.test"},
    }
    dual.apply(*pods, headless, outside)
    dual.kubectl("wait", "--for=condition=Ready", "pod/db-0", "pod/db-1", "--timeout=30s")
    return dual


RESOLVERS = ("10.96.0.10", "fd00:10:96::a")
ZONE = "default.svc.cluster.local"


def _dig(cluster: Cluster, server: str, *question: str) -> list[str]:
    """The answers, sorted; asked in the client pod."""
    said = cluster.kubectl("exec", "client", "--", "dig", "+short", "+time=1", "+tries=2", f"@{server}", *question)
    return sorted(said.split("\n")[:-1])


@pytest.mark.parametrize("server", RESOLVERS)
def test_headless_names(names: Cluster, server: str) -> None:
    """Addresses of both families, a name for each pod, SRV for each named port, PTR back to the pod's name."""
    addresses = {
        pod["metadata"]["name"]: [entry["ip"] for entry in pod["status"]["podIPs"]]
        for pod in names.get("pods", "-l", "app=db")["items"]
    }
    for index, kind in enumerate(("A", "AAAA")):
        wanted = sorted(ips[index] for ips in addresses.values())
        assert eventually(lambda kind=kind, wanted=wanted: _dig(names, server, f"db.{ZONE}", kind) == wanted, 5)
        assert _dig(names, server, f"db-1.db.{ZONE}", kind) == [addresses["db-1"][index]]
        assert _dig(names, server, "-x", addresses["db-0"][index]) == [f"db-0.db.{ZONE}."]
    services = [line.split()[2:] for line in _dig(names, server, f"_tcp._tcp.db.{ZONE}", "SRV")]
    assert services == [["8080", f"db-{number}.db.{ZONE}."] for number in range(2)]


@pytest.mark.parametrize("server", RESOLVERS)
def test_names_of_services_and_of_the_outside(names: Cluster, server: str) -> None:
    """ClusterIPs with SRV and PTR, ExternalName's CNAME, forwarded names, names that are not there."""
    spec = names.get("-n", "kube-system", "service", "kube-dns")["spec"]
    zone = "kube-dns.kube-system.svc.cluster.local"
    for address, kind in zip(spec["clusterIPs"], ("A", "AAAA"), strict=True):
        assert _dig(names, server, zone, kind) == [address]
        assert _dig(names, server, "-x", address) == [f"{zone}."]
    assert _dig(names, server, f"_dns._udp.{zone}", "SRV") == [f"0 100 53 {zone}."]
    assert _dig(names, server, f"far.{ZONE}", "AAAA") == ["2001:db8:46::10", "dual.outside.test."]
    assert _dig(names, server, "dual.outside.test", "A") == ["203.0.113.10"]
    assert _dig(names, server, "only4.outside.test", "AAAA") == []
    assert len(_dig(names, server, "large.outside.test", "TXT")) == 40
    gone = names.kubectl("exec", "client", "--", "dig", "+time=1", f"@{server}", f"nobody.{ZONE}", "AAAA")
    assert "status: NXDOMAIN" in gone
    assert "flags: qr aa" in gone


def test_names_by_the_pods_own_resolver(names: Cluster) -> None:
    """getent in a pod: short names, names with a namespace, and names outside, over both families."""

    def ask(name: str, database: str) -> str:
        return names.kubectl("exec", "client", "--", "getent", database, name).split()[0]

    addresses = names.get("pod", "db-0")["status"]["podIPs"]
    for database, index in (("ahostsv4", 0), ("ahostsv6", 1)):
        assert ask("db-0.db", database) == addresses[index]["ip"]
        kubernetes = names.get("-n", "kube-system", "service", "kube-dns")["spec"]["clusterIPs"][index]
        assert ask("kube-dns.kube-system", database) == kubernetes
        assert ask("dual.outside.test", database) == ("203.0.113.10", "2001:db8:46::10")[index]
