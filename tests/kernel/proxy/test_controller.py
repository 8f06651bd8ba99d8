"""The whole part as a process on a node: a real API server, `kube46 agent --parts proxy`, real packets."""

import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from kernel.proxy.cluster import CLIENT, FURTHER, NODE, PODS, ask, change_another_table, connect, in_namespace, talk
from kube46.api.objects import ServiceCIDR
from kube46.api.resources import ENDPOINT_SLICES, NODES, SERVICE_CIDRS, SERVICES, Resource
from kube46.kubernetes.caches import Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig, ConfigError
from kube46.kubernetes.errors import KubernetesError
from kube46.nftables import Nft
from kube46.proxy import controller
from kube46.proxy.nftables import clean
from kube46.proxy.settings import Settings
from patience import patient

pytestmark = pytest.mark.root
T = TypeVar("T")
KUBE46 = str(Path(sys.executable).with_name("kube46"))
NODE_IPS = ("192.0.2.1", "2001:db8:c::1")
POD_IPS = {"IPv4": "10.244.0.", "IPv6": "fd00:10:244::"}


class Api:
    """An API server in the node's namespace, and the agent beside it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "tokens").write_text('secret,admin,1,"system:masters"\n')
        self.kubeconfig = directory / "kubeconfig"
        self.kubeconfig.write_text(
            json.dumps(
                {
                    "current-context": "t",
                    "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t"}}],
                    "clusters": [
                        {
                            "name": "t",
                            "cluster": {
                                "server": "https://127.0.0.1:6443",
                                "certificate-authority": str(directory / "certs" / "ca.crt"),
                            },
                        }
                    ],
                    "users": [{"name": "t", "user": {"token": "secret"}}],
                }
            )
        )
        self._processes: list[subprocess.Popen[bytes]] = []
        self.start(
            "apiserver",
            *("--data", str(directory / "data.db"), "--cert-dir", str(directory / "certs")),
            *("--bind-address", "127.0.0.1", "--advertise-address", NODE_IPS[0]),
            *("--service-cluster-ip-range", "10.96.0.0/16,fd00:10:96::/112"),
            *("--token-auth-file", str(directory / "tokens")),
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A process of kube46 in the node's namespace."""
        log = (self.directory / f"{arguments[0]}.log").open("ab")
        process = subprocess.Popen(["ip", "netns", "exec", NODE, KUBE46, *arguments], stdout=log, stderr=log)
        self._processes.append(process)
        return process

    def start_agent(self) -> subprocess.Popen[bytes]:
        return self.start("agent", "--kubeconfig", str(self.kubeconfig), "--node-name", "node1", "--parts", "proxy")

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            process.wait(60)

    def do(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """Something with a client in the node's namespace."""

        async def session() -> T:
            async with Client(ClusterConfig.load(self.kubeconfig), component="test") as client:
                return await work(client)

        return in_namespace(NODE, lambda: asyncio.run(session()))

    def log(self) -> str:
        return "\n".join(path.read_text() for path in self.directory.glob("*.log"))


@pytest.fixture
def api(topology: None, tmp_path: Path) -> Iterator[Api]:
    """A server that answers."""
    made = Api(tmp_path)
    try:
        eventually(lambda: made.do(lambda client: client.list(NODES)), made)
        yield made
    finally:
        made.stop()
        with Nft(NODE) as nft:
            asyncio.run(clean(nft))


def eventually(work: Callable[[], T], api: Api, seconds: float = 20.0) -> T:
    """The result of the first try that raises nothing."""
    end = time.monotonic() + patient(seconds)
    while True:
        try:
            return work()
        except (OSError, KubernetesError, ConfigError, AssertionError) as error:
            if time.monotonic() > end:
                raise AssertionError(f"{error}\n{api.log()}") from error
            time.sleep(0.01)


def outcome(netns: str, address: str, port: int) -> str:
    """Which pod answered, or the name of the error."""
    try:
        return ask(netns, address, port, 0.2)[0]
    except OSError as error:
        return type(error).__name__


def slice_of(family: str, number: int) -> dict[str, Any]:
    """The slice of one pod."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"web-{family.lower()}", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": family,
        "endpoints": [{"addresses": [f"{POD_IPS[family]}{number}"], "nodeName": "node1"}],
        "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
    }


async def create_objects(client: Client) -> tuple[str, ...]:
    """A node, a dual-stack NodePort Service and its slices; the Service's cluster addresses."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}}
    node["spec"] = {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24", "fd00:10:244::/64"]}  # type: ignore[assignment]
    await client.create(NODES, node)
    addresses = [{"type": "InternalIP", "address": address} for address in NODE_IPS]
    await client.patch(NODES, "node1", {"status": {"addresses": addresses}}, subresource="status")
    spec = {
        "type": "NodePort",
        "ipFamilyPolicy": "RequireDualStack",
        "ports": [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080}],
    }
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
    made = await client.create(SERVICES, service, "default")
    for family in POD_IPS:
        await client.create(ENDPOINT_SLICES, slice_of(family, 2), "default")
    return made.spec.cluster_ips


async def create_range(client: Client) -> None:
    """A further ServiceCIDR."""
    spec = {"cidrs": ["10.97.0.0/16", "fd00:10:97::/112"]}
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "further"}, "spec": spec}
    await client.create(SERVICE_CIDRS, body)


def test_from_the_api_to_packets_and_over_a_kill(api: Api) -> None:
    """Objects become packets in both families, as do another range of Services and a changed endpoint; a killed agent's
    successor adopts the table while a connection lives on, and adds a chain to it after another program's change; a
    deleted Service is gone; no transaction is refused."""
    agent = api.start_agent()
    addresses = api.do(create_objects)
    assert len(addresses) == 2
    for address, node_address in zip(addresses, NODE_IPS, strict=True):
        assert eventually(lambda a=address: ask(PODS[3], a, 80), api)[0] == "pod2"
        assert eventually(lambda a=node_address: ask(CLIENT, a, 30080), api)[0] == "pod2"

    def further(expected: str) -> None:
        assert {outcome(PODS[3], address, 80) for address in FURTHER} == {expected}

    eventually(lambda: further("ConnectionRefusedError"), api)
    api.do(create_range)
    eventually(lambda: further("TimeoutError"), api)
    connection = connect(CLIENT, NODE_IPS[1], 30080)
    assert talk(connection)[0] == "pod2"
    agent.kill()
    agent.wait()

    async def move(client: Client) -> None:
        for family in POD_IPS:
            body = {"endpoints": slice_of(family, 3)["endpoints"]}
            await client.patch(ENDPOINT_SLICES, f"web-{family.lower()}", body, "default")

    api.do(move)
    assert ask(PODS[3], addresses[0], 80)[0] == "pod2", "nobody works, nothing changes"
    agent = api.start_agent()

    def moved() -> None:
        for address in addresses:
            assert ask(PODS[2], address, 80)[0] == "pod3"

    eventually(moved, api)
    change_another_table()

    async def grow(client: Client) -> None:
        for family in POD_IPS:
            ends = [*slice_of(family, 2)["endpoints"], *slice_of(family, 3)["endpoints"]]
            await client.patch(ENDPOINT_SLICES, f"web-{family.lower()}", {"endpoints": ends}, "default")

    def grown() -> None:
        for address in addresses:
            assert {ask(PODS[2], address, 80)[0] for _ in range(20)} == {"pod2", "pod3"}

    api.do(grow)
    eventually(grown, api)
    assert talk(connection)[0] == "pod2"
    connection.close()

    api.do(lambda client: client.delete(SERVICES, "web", "default"))

    def gone() -> None:
        assert outcome(PODS[2], addresses[0], 80) == "TimeoutError"
        assert outcome(CLIENT, NODE_IPS[0], 30080) == "ConnectionRefusedError"

    eventually(gone, api)
    assert not re.search(r"Traceback|refused", (api.directory / "agent.log").read_text()), api.log()


class EnoughSeen(Exception):
    """Ends a part that would run for ever."""


def test_an_api_without_service_ranges_holds_nothing_up(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Before Kubernetes 1.33 there are no ServiceCIDRs: it is said once and Services work, although a cache that
    another part asked for is never synced."""
    absent = Resource("networking.k8s.io", "v1", "absentcidrs", "AbsentCIDR", False, ServiceCIDR)
    monkeypatch.setattr(controller, "SERVICE_CIDRS", absent)
    addresses = api.do(create_objects)

    async def watch(client: Client) -> None:
        async with asyncio.TaskGroup() as group:
            caches = Caches(client, group)
            caches.of(absent)
            group.create_task(controller.run(Settings("node1"), client, caches))
            for address in addresses:
                answer = await asyncio.to_thread(eventually, lambda a=address: ask(PODS[3], a, 80), api)
                assert answer[0] == "pod2"
            raise EnoughSeen

    try:
        api.do(watch)
    except* EnoughSeen:
        pass
    assert [record.message for record in caplog.records].count(controller.NO_RANGES) == 1


def test_in_kube_proxys_place(api: Api) -> None:
    """Started as kube-proxy is, with its file and --hostname-override, packets flow in both families, /healthz, /livez
    and /metrics are as kube-proxy's, the table outlives the process, and --cleanup removes it."""
    config = api.directory / "config.conf"
    document = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(api.kubeconfig)},
        "clusterCIDR": "10.244.0.0/16,fd00:10:244::/56",
        "healthzBindAddress": "[::]:10256",
        "nftables": {"minSyncPeriod": "1ms"},
    }
    config.write_text(json.dumps(document))
    addresses = api.do(create_objects)
    proxy = api.start("proxy", "--config", str(config), "--hostname-override", "node1")
    for address in addresses:
        assert eventually(lambda a=address: ask(PODS[3], a, 80), api)[0] == "pod2"
    for host in ("127.0.0.1", "[::1]"):
        health = eventually(lambda h=host: fetch(f"http://{h}:10256/healthz"), api)
        assert json.loads(health)["nodeEligible"] is True
        assert json.loads(health)["status"].keys() == {"IPv4", "IPv6"}
    assert json.loads(fetch("http://127.0.0.1:10256/livez"))["healthy"] is True
    assert fetch("http://127.0.0.1:10249/proxyMode") == "nftables"
    explain = ["ip", "netns", "exec", NODE, KUBE46, "explain", "svc", "web", "--kubeconfig", str(api.kubeconfig)]
    said = subprocess.run(explain, capture_output=True, text=True, check=True).stdout
    for pod, words in (("absent", "no such pod in namespace default"), ("a/b/c", "give POD, or NAMESPACE/POD")):
        done = subprocess.run([*explain, "--from", pod], capture_output=True, text=True, check=False)
        assert (done.returncode, f"--from {pod}: " in done.stderr, words in done.stderr) == (2, True, True)
    for address, backend in zip(addresses, ("10.244.0.2:8080", "[fd00:10:244::2]:8080"), strict=True):
        assert re.search(
            rf"cluster address \[?{address}\]?:80/TCP → its only endpoint\n    → {re.escape(backend)}\n", said
        )
    metrics = fetch("http://127.0.0.1:10249/metrics")
    for name in KUBE_PROXYS:
        assert f"# TYPE kubeproxy_{name} " in metrics
    proxy.terminate()
    assert proxy.wait(20) == 0
    assert ask(PODS[3], addresses[1], 80)[0] == "pod2"
    powerless = ["ip", "netns", "exec", NODE, "setpriv", "--bounding-set=-all", KUBE46, "proxy", "--cleanup"]
    done = subprocess.run(powerless, capture_output=True, text=True, check=False)
    assert (done.returncode, "which root may" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    assert api.start("proxy", "--cleanup").wait(20) == 0
    with Nft(NODE) as nft:
        assert "kube46-proxy" not in {entry["table"]["name"] for entry in nft.list_json("list tables")}


KUBE_PROXYS = (
    "network_programming_duration_seconds", "sync_proxy_rules_duration_seconds",
    "sync_full_proxy_rules_duration_seconds", "sync_partial_proxy_rules_duration_seconds",
    "sync_proxy_rules_last_timestamp_seconds", "sync_proxy_rules_last_queued_timestamp_seconds",
    "sync_proxy_rules_service_changes_total", "sync_proxy_rules_service_changes_pending",
    "sync_proxy_rules_endpoint_changes_total", "sync_proxy_rules_endpoint_changes_pending",
    "proxy_healthz_total", "proxy_livez_total",
)  # fmt: skip


def fetch(url: str) -> str:
    """A page, asked for on the node."""

    def work() -> str:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())

    return in_namespace(NODE, work)
