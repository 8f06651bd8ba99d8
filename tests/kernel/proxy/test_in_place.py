"""In kube-proxy's place on a node of a real cluster: kube-apiserver 1.37 with etcd, deploy/proxy.yaml, real packets."""

import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from cluster.upstream import Upstream
from kernel.proxy.cluster import CLIENT, NODE, PODS, ask, connect, in_namespace, talk
from kernel.proxy.test_controller import KUBE46, NODE_IPS, POD_IPS, slice_of
from kube46.nftables import Nft
from kube46.proxy import controller
from patience import patient

pytestmark = pytest.mark.root
T = TypeVar("T")
MANIFEST = Path(__file__).parents[3] / "deploy/proxy.yaml"
AUDIT = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}
BRIDGE = dict(zip(NODE_IPS, ("10.244.0.1", "fd00:10:244::1"), strict=True))
"""What a pod sees of a masqueraded client, by the address that was asked."""
USER = "system:serviceaccount:kube-system:kube46-proxy"
LEAST = ("setpriv", "--bounding-set=-all,+net_admin")
"""What the DaemonSet's container may."""


class Real:
    """The real API server on the node, and the proxy with its own ServiceAccount."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.log = directory, directory / "proxy.log"
        (directory / "audit.yaml").write_text(json.dumps(AUDIT))
        flags = (f"--audit-policy-file={directory}/audit.yaml", f"--audit-log-path={directory}/audit.log",
                 "--allow-privileged")  # fmt: skip
        self.server = Upstream(directory, wrapper=("ip", "netns", "exec", NODE), flags=flags)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.kubeconfig = directory / "kubeconfig.conf"

    def request(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """As an administrator."""

        def work() -> Any:
            with self.server.client() as client:
                answer = client.request(method, path, content=json.dumps(body) if body else None,
                                        headers={"content-type": kind})  # fmt: skip
                assert answer.is_success, answer.text
                return answer.json()

        return in_namespace(NODE, work)

    def apply(self, manifest: Path) -> None:
        """As `kubectl apply --server-side` does."""
        for body in yaml.safe_load_all(manifest.read_text()):
            meta, group = body["metadata"], body["apiVersion"]
            place = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
            root = "/api/" if group == "v1" else "/apis/"
            path = f"{root}{group}{place}/{body['kind'].lower()}s/{meta['name']}?fieldManager=t&fieldValidation=Strict"
            self.request("PATCH", path, body, "application/apply-patch+yaml")

    def configure(self) -> Path:
        """The two files of the ConfigMap, with this server and a token as the kubelet would project it."""
        data = next(body for body in yaml.safe_load_all(MANIFEST.read_text()) if body["kind"] == "ConfigMap")["data"]
        path = "/api/v1/namespaces/kube-system/serviceaccounts/kube46-proxy/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        (self.directory / "token").write_text(self.request("POST", path, asked)["status"]["token"])
        access = data["kubeconfig.conf"].replace("https://192.0.2.1:6443", self.server.url)
        access = access.replace("/var/run/secrets/kubernetes.io/serviceaccount", str(self.directory))
        self.kubeconfig.write_text(access)
        config = self.directory / "config.conf"
        config.write_text(data["config.conf"].replace("/etc/kube46", str(self.directory)))
        return config

    def start(self, *flags: str, least: bool = True) -> subprocess.Popen[bytes]:
        command = ["ip", "netns", "exec", NODE, *(LEAST if least else ()), KUBE46, "proxy"]
        command += ["--config", str(self.directory / "config.conf"), "--hostname-override", "Node1", *flags]
        with self.log.open("ab") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        return self.processes[-1]

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
            process.wait(60)

    def asked(self) -> set[tuple[str, str, str]]:
        """(verb, group, resource) of all that the proxy asked of the server."""
        found = set()
        for line in (self.directory / "audit.log").read_text().splitlines():
            event = json.loads(line)
            if event["user"]["username"] == USER:
                about = event.get("objectRef", {})
                found.add((event["verb"], about.get("apiGroup", ""), about.get("resource", event["requestURI"])))
        return found

    def eventually(self, work: Callable[[], T]) -> T:
        """The result of the first try that raises nothing."""
        end = time.monotonic() + patient(20)
        while True:
            try:
                return work()
            except (OSError, AssertionError) as error:
                if time.monotonic() > end:
                    raise AssertionError(f"{error}\n{self.log.read_text()}") from error
                time.sleep(0.02)


@pytest.fixture
def real(topology: None, tmp_path: Path) -> Iterator[Real]:
    """The server with a node, and the proxy's objects."""
    made = Real(tmp_path)
    try:
        in_namespace(NODE, made.server.start)
        made.apply(MANIFEST)
        create_node(made)
        set_addresses(made)
        yield made
    finally:
        made.stop()
        in_namespace(NODE, made.server.stop)
        with Nft(NODE) as nft:
            nft.run("add table inet kube46-proxy\ndelete table inet kube46-proxy\n")


def create_node(real: Real) -> None:
    """Without an address, as some kubelets register."""
    real.request("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}})


def set_addresses(real: Real) -> None:
    """As a kubelet reports them."""
    status = {"status": {"addresses": [{"type": "InternalIP", "address": address} for address in NODE_IPS]}}
    real.request("PATCH", "/api/v1/nodes/node1/status", status, "application/strategic-merge-patch+json")


def events(real: Real) -> list[tuple[str, str, str]]:
    """Reason, type and reporter of the Node's."""
    found = real.request("GET", "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name=node1")["items"]
    return [(event["reason"], event["type"], event["reportingComponent"]) for event in found]


def create_service(real: Real) -> list[str]:
    """A dual-stack NodePort Service on one pod; its cluster addresses."""
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080}]
    body = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"type": "NodePort", "ipFamilyPolicy": "RequireDualStack", "ports": ports},
    }  # fmt: skip
    made = real.request("POST", "/api/v1/namespaces/default/services", body)
    for family in POD_IPS:
        real.request("POST", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", slice_of(family, 2))
    addresses: list[str] = made["spec"]["clusterIPs"]
    return addresses


def page(netns: str, url: str) -> tuple[int, str]:
    """Status and text of a page."""

    def work() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    return in_namespace(netns, work)


def expect(fact: bool) -> None:
    """For `eventually`."""
    assert fact


def allowed() -> set[tuple[str, str, str]]:
    """(verb, group, resource) of the manifest's ClusterRole."""
    role = next(body for body in yaml.safe_load_all(MANIFEST.read_text()) if body["kind"] == "ClusterRole")
    return {
        (verb, group, resource)
        for rule in role["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def forbid_ranges(real: Real) -> None:
    """The role has them no more, as kube-proxy's own before Kubernetes 1.33."""
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/kube46:proxy"
    rules = [rule for rule in real.request("GET", path)["rules"] if "servicecidrs" not in rule["resources"]]
    real.request("PATCH", path, {"rules": rules}, "application/merge-patch+json")


def test_as_deployed_on_a_node_of_a_real_cluster(real: Real) -> None:
    """With the manifest's rights and CAP_NET_ADMIN alone it waits for the rights, serves cluster addresses and node
    ports of both families, health and metrics where kube-proxy has them, and tells the Node. A Node that is deleted
    keeps its node ports, a killed proxy its connections. It asks for all that its role allows, and nothing else; with a
    role that has no ServiceCIDRs it works without."""
    addresses = create_service(real)
    real.configure()
    assert real.start("--init-only", least=False).wait(60) == 0
    binding = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/kube46:proxy"
    kept = real.request("GET", binding)
    real.request("DELETE", binding)
    proxy = real.start()
    real.eventually(lambda: expect("403" in real.log.read_text() or "forbidden" in real.log.read_text()))
    real.request("POST", binding.rpartition("/")[0], {**kept, "metadata": {"name": kept["metadata"]["name"]}})
    for address in addresses:
        assert real.eventually(lambda a=address: ask(PODS[3], a, 80))[0] == "pod2"
    for address in NODE_IPS:
        assert ask(CLIENT, address, 30080) == ("pod2", BRIDGE[address])
        host = f"[{address}]" if ":" in address else address
        assert page(CLIENT, f"http://{host}:10256/healthz")[0] == 200
        with pytest.raises(OSError, match="refused"):
            page(CLIENT, f"http://{host}:10249/metrics")
    metrics = page(NODE, "http://127.0.0.1:10249/metrics")[1]
    for family in POD_IPS:
        labels = f'{{ip_family="{family}",namespace="default",port="80",protocol="TCP",service="web"}}'
        (counted,) = re.findall(rf"kube46_proxy_service_connections_total{re.escape(labels)} (\S+)", metrics)
        assert float(counted) >= 2
        assert f"kube46_proxy_service_endpoints{labels} 1.0" in metrics
    real.eventually(lambda: expect(events(real) == [("Starting", "Normal", "kube-proxy")]))
    with connect(CLIENT, NODE_IPS[1], 30080) as connection:
        assert talk(connection)[0] == "pod2"
        real.request("DELETE", "/api/v1/nodes/node1")
        real.eventually(lambda: expect(page(NODE, "http://[::1]:10256/healthz")[0] == 503))
        assert page(NODE, "http://[::1]:10256/livez")[0] == 200
        for address in NODE_IPS:
            assert ask(CLIENT, address, 30080)[0] == "pod2"
        create_node(real)
        real.eventually(lambda: expect(page(NODE, "http://127.0.0.1:10256/healthz")[0] == 200))
        for address in NODE_IPS:
            assert ask(CLIENT, address, 30080)[0] == "pod2"
        set_addresses(real)
        proxy.kill()
        proxy.wait()
        assert talk(connection)[0] == "pod2"
        asked = real.asked()
        forbid_ranges(real)
        real.start()
        real.eventually(lambda: expect(page(NODE, "http://127.0.0.1:10256/healthz")[0] == 200))
        assert talk(connection)[0] == "pod2"
        assert real.eventually(lambda: ask(CLIENT, NODE_IPS[0], 30080))[0] == "pod2"
    assert controller.NO_RANGES in real.log.read_text()
    assert asked == allowed() - {("patch", "", "events")}, "a repeated Event is patched"
    assert "PermissionError" not in real.log.read_text()
