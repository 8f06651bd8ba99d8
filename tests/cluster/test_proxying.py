"""What is proxied beside kube-apiserver: the same program asked through both, in a network of their own."""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from cluster import aggregated
from cluster.backends import Backend, serving
from cluster.upstream import Upstream
from kube46.apiserver.certificates import Authority
from kube46.netlink import namespaces
from patience import patient
from server.running import Server, connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx2

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]
OWN = ("192.0.2.46", "2001:db8:46::1")
OTHER = "192.0.2.47"  # of the same machine, nothing listens there
PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
# chance, framing, and what only one of two servers has to say about itself
VOLATILE = {"audit-id", "date", "content-length", "transfer-encoding", "connection", "cache-control", "vary"}
HOST = "proxy.example"


@dataclass
class Both:
    """Two servers before the same programs."""

    ours: Server
    upstream: Upstream
    seen: list[Any]  # by the programs

    @property
    def servers(self) -> tuple[Server, Server]:
        return self.ours, self.upstream


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """In a network namespace whose addresses are those of the pods and of the node."""
    name, directory = f"k46t-proxying-{os.getpid()}", tmp_path_factory.mktemp("proxying")
    namespaces.create(name)
    try:
        # an IPv6 address without nodad can be bound a moment later only
        lines = ["link set lo up", *(f"address add {a} dev lo{' nodad' * (':' in a)}" for a in (*OWN, OTHER))]
        subprocess.run(["ip", "-netns", name, "-batch", "-"], input="\n".join(lines), text=True, check=True)
        with namespaces.entered(name):
            yield from _started(directory)
    finally:
        namespaces.delete(name)


def _started(directory: Path) -> Iterator[Both]:
    for part in ("ours", "upstream"):
        (directory / part).mkdir()
    seen: list[Any] = []
    tls = _context(directory)
    backends = [Backend(host, 8080, seen) for host in OWN] + [Backend(host, 8443, seen, tls) for host in OWN]
    backends.append(Backend(OWN[0], aggregated.PORT, seen, aggregated.context(directory)))
    with serving(backends):
        front = aggregated.front(directory)
        flags = (*front, *aggregated.OF_UPSTREAM)
        both = Both(
            Server(directory / "ours", flags=front).start(), Upstream(directory / "upstream", flags=flags).start(), seen
        )
        try:
            for server in both.servers:
                with server.client() as api:
                    _fill(api)
                    aggregated.fill(api, directory)
            for server in both.servers:
                with server.client() as api:
                    aggregated.await_looked_at(api)
            yield both
        finally:
            statuses = [server.stop() for server in both.servers]
    assert statuses == [0, 0]


def _context(directory: Path) -> ssl.SSLContext:
    certificate, key = Authority.load_or_create(directory).issue("nobody", dns_names=("nobody.example",), server=True)
    (directory / "tls.pem").write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "tls.pem")
    return context


def _fill(api: httpx2.Client) -> None:
    """Pods with addresses of all sorts, Services before them, a node without a kubelet."""
    _made(api, "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}}, 201, 409)
    addresses = {
        "dual": OWN, "six": OWN[::-1], "deaf": (OTHER,), "none": (), "loop": ("127.0.0.1",), "loop6": ("::1",),
        "link": ("169.254.169.254",), "link6": ("fe80::1",),
    }  # fmt: skip
    for name, ips in addresses.items():
        ports = [{"containerPort": 8080}] if name != "deaf" else []
        spec = {"containers": [{"name": "a", "image": "host", "ports": ports}], "automountServiceAccountToken": False}
        _made(api, PODS, {"metadata": {"name": name}, "spec": spec}, 201)
        status = {"status": {"podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips]}} if ips else {"status": {}}
        headers = {"content-type": "application/merge-patch+json"}
        answer = api.patch(f"{PODS}/{name}/status", json=status, headers=headers)
        assert answer.status_code == 200, answer.text
    for name in ("web", "empty", "foreign", "unready"):
        ports = [{"name": "plain", "port": 80}, {"name": "tls", "port": 443}, {"name": "other", "port": 81}]
        ports.append({"name": "api", "port": 444})
        _made(api, SERVICES, {"metadata": {"name": name}, "spec": {"ports": ports}}, 201)
    _made(api, SERVICES, {"metadata": {"name": "single"}, "spec": {"ports": [{"port": 80}]}}, 201)
    _made(api, SERVICES, {"metadata": {"name": "six"}, "spec": {"ports": [{"port": 80}]}}, 201)
    _slice(api, "web", "dual", {"plain": 8080, "tls": 8443, "api": aggregated.PORT}, OWN[0])
    _slice(api, "web", "dual", {"plain": 8080, "tls": 8443}, OWN[1])
    _slice(api, "single", "dual", {"": 8080}, OWN[0])
    _slice(api, "six", "six", {"": 8080}, OWN[1])
    _slice(api, "foreign", "deaf", {"plain": 8080}, OWN[0])  # another pod's address
    _slice(api, "unready", "dual", {"plain": 8080}, OWN[0], ready=False)
    status = {"addresses": [{"type": "InternalIP", "address": OWN[0]}]}
    for name, node in (
        ("n", status),
        ("nowhere", {}),
        ("self", {"addresses": [{**status["addresses"][0], "address": "127.0.0.1"}]}),
    ):
        _made(api, "/api/v1/nodes", {"metadata": {"name": name}, "status": node}, 201)


def _slice(
    api: httpx2.Client, service: str, pod: str, ports: dict[str, int], address: str, *, ready: bool = True
) -> None:
    family = "IPv6" if ":" in address else "IPv4"
    reference = {"kind": "Pod", "namespace": "default", "name": pod}
    body = {
        "metadata": {"name": f"{service}-{family.lower()}", "labels": {"kubernetes.io/service-name": service}},
        "addressType": family,
        "endpoints": [{"addresses": [address], "conditions": {"ready": ready}, "targetRef": reference}],
        "ports": [{"name": name, "port": port} for name, port in ports.items()],
    }
    _made(api, SLICES, body, 201)


def _made(api: httpx2.Client, path: str, body: dict[str, Any], *codes: int) -> None:
    answer = api.post(path, json=body)
    assert answer.status_code in codes, answer.text


POD, SERVICE, NODE = f"{PODS}/dual:8080/proxy", f"{SERVICES}/web:plain/proxy", "/api/v1/nodes/n:8080/proxy"
WHAT = """page packed redirect redirectown redirectother cors teapot empty unchanged nothing chunks untilend early"""
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
# behind `proxy`
PATHS = """/ ?a=b&c=d%20e /a%2Fb/c%20d/%C3%A9?x=%2F /a//b/ /a/../b /a/./b/.. /!*'()[] /%3Fq //"""
# before it
POD_NAMES = """dual http:dual:8080 https:dual:8443 https:dual: :dual:8080 six six:8080 deaf deaf:81 none loop loop6
    link link6 absent absent:1 dual:0 dual:99999 ftp:dual:80 a:b:c:d http::80 https:dual:8080"""
SERVICE_NAMES = """web web:80 web:plain https:web:443 https:web:tls http:web:plain web:other web:81 web:82
    web:nonsense web:-1 single single:80 single: six six:80 empty:80 foreign:plain unready:80 absent absent:80 absent:x
    ftp:web:80 web: kubernetes:https"""
NODE_NAMES = """n n:10250 n:8080 https:n:8443 http:n:8080 n:81 nowhere self self:8080 absent x:n:1"""
REQUESTS: list[tuple[str, str]] = [
    *(("GET", f"{base}/x/{what}") for base in (POD, SERVICE, NODE) for what in WHAT.split()),
    *((method, f"{PODS}/dual/proxy/some/path/with/{method}") for method in METHODS),
    *((method, f"{SERVICES}/single/proxy?method={method}") for method in METHODS),
    *(("GET", POD + rest) for rest in ("", *PATHS.split())),
    *(("GET", f"{PODS}/{name}/proxy/") for name in POD_NAMES.split()),
    *(("GET", f"{SERVICES}/{name}/proxy/") for name in SERVICE_NAMES.split()),
    *(("GET", f"/api/v1/nodes/{name}/proxy/") for name in NODE_NAMES.split()),
    ("GET", f"{POD}/x?dryRun=All"), ("TRACE", f"{POD}/x"), ("POST", f"{PODS}/dual/proxy/packed"),
    ("HEAD", f"{POD}/page"), ("HEAD", f"{PODS}/dual/proxy"), ("GET", f"{PODS}/dual/proxie/x"),
    ("GET", "/api/v1/namespaces/default/configmaps/x/proxy/"),
    *aggregated.REQUESTS,
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_the_same_answer(both: Both, method: str, path: str) -> None:
    """Status, headers, body, and what the program behind was asked: all as through kube-apiserver."""
    found, wanted = (_asked(both, server, method, path) for server in both.servers)
    assert found == wanted


def _asked(both: Both, server: Server, method: str, path: str) -> Any:
    both.seen.clear()
    hops = {"te": "trailers", "connection": "x-hop", "x-hop": "1"}
    headers = {"host": HOST, "x-own": "a", "x-forwarded-for": "198.51.100.1", **hops}
    body = b"12345" if method in ("POST", "PUT", "PATCH") else None
    with server.client() as api:
        request = api.build_request(method, server.url + path, headers=headers, content=body)
        request.url = request.url.copy_with(raw_path=path.encode())
        answer = api.send(request)
    kept = {n: value for n, value in answer.headers.items() if n not in VOLATILE and not n.startswith("x-kubernetes")}
    text = re.sub(r":\d{5}->", ":PORT->", answer.text)
    if answer.headers.get("content-type") == "application/json" and text:
        text = json.loads(text)
    seen = [one for one in both.seen if not aggregated.by_itself(one)]
    left = ("connection", "audit-id")
    asked = {(m, p, *(h for h in hs if h[0] not in left)) for m, p, hs in seen}  # Go may ask twice
    return answer.status_code, kept, text, asked


BASES = (POD, SERVICE, NODE, f"{PODS}/deaf:81/proxy")
UPGRADES = [
    f"{PODS}/dual/proxy",
    f"{aggregated.BASE}/x?a=b",
    *(f"{base}/{what}" for base in BASES for what in ("x?a=b", "refused", "ignored")),
]


@pytest.mark.parametrize("path", UPGRADES)
def test_upgrades(both: Both, path: str) -> None:
    """Who asks to leave HTTP gets the program's own bytes, or its refusal; one side's end is the other's."""
    found, wanted = (_upgraded(both, server, path) for server in both.servers)
    assert found == wanted


def _upgraded(both: Both, server: Server, path: str) -> Any:
    both.seen.clear()
    lines = [f"GET {path} HTTP/1.1", f"Host: {HOST}", "Authorization: Bearer admintoken", "Upgrade: websocket"]
    lines += ["Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "User-Agent: x", "", ""]
    with connect(server) as client:
        client.sendall("\r\n".join(lines).encode())
        head, rest = _head(client)
        if b" 101 " in head:
            client.sendall(b"x" * 100_000 + b"bye")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        while (not length or len(rest) < int(length[1])) and (more := client.recv(65536)):
            rest += more
    status, *headers = head.decode().splitlines()
    names = sorted(line.partition(":")[0].lower() for line in headers)
    kept = [name for name in names if name not in VOLATILE and not name.startswith("x-kubernetes")]
    seen = [one for one in both.seen if not aggregated.by_itself(one)]
    asked = [(m, p, [h for h in hs if h[0] != "audit-id"]) for m, p, hs in seen]
    return status, kept, rest.strip(), asked


def _head(client: ssl.SSLSocket) -> tuple[bytes, bytes]:
    said = b""
    while b"\r\n\r\n" not in said:
        more = client.recv(65536)
        assert more, said
        said += more
    head, _, rest = said.partition(b"\r\n\r\n")
    return head, rest


def test_whether_those_behind_are_available(both: Both) -> None:
    """The condition says why an API server behind can't be used, in the same words where they name no address."""
    deadline = time.monotonic() + patient(60)
    while True:  # kube-apiserver may have looked before it knew of the Services
        found, wanted = (aggregated.conditions(server) for server in both.servers)
        if found == wanted or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert found == wanted
    assert {reason for _, reason, _ in found.values()} == aggregated.REASONS


def test_who_may_be_believed_is_published(both: Both) -> None:
    """API servers behind are told whose certificate may name users to them, and whose may be users."""
    path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    data = []
    for server in both.servers:
        with server.client() as api:
            data.append(api.get(path).json()["data"])
    assert data[0].keys() == data[1].keys() - {"client-ca-file"}  # ours was given none here
    assert all(data[1][key] == value for key, value in data[0].items())


def test_rights(both: Both) -> None:
    """Each method is a verb of its own on the subresource; OPTIONS is none that a role could name."""
    role = {"metadata": {"name": "prober"}, "rules": [
        {"apiGroups": [""], "resources": ["pods/proxy"], "resourceNames": ["dual:8080"], "verbs": ["get", "create"]},
        {"apiGroups": [""], "resources": ["services/proxy"], "verbs": ["*"]},
    ]}  # fmt: skip
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "stranger"}
    binding = {
        "metadata": {"name": "prober"},
        "subjects": [subject],
        "roleRef": {**subject, "kind": "Role", "name": "prober"},
    }
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    asked = [(m, f"{base}/x") for m in METHODS for base in (POD, SERVICE, NODE)] + [("GET", f"{PODS}/dual/proxy/x")]
    answers = []
    for server in both.servers:
        with server.client() as api, server.client("strangertoken") as stranger:
            _made(api, f"{rbac}/roles", role, 201)
            _made(api, f"{rbac}/rolebindings", binding, 201)
            deadline = time.monotonic() + 60  # until kube-apiserver's caches know of the rights
            while stranger.get(f"{POD}/x").status_code != 200:
                assert time.monotonic() < deadline
            said = [stranger.request(method, path) for method, path in asked]
            answers.append([(a.status_code, a.json() if a.status_code == 403 and a.text else "") for a in said])
    assert answers[0] == answers[1]
