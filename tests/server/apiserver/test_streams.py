"""Logs, exec and port-forward through the server to a kubelet that records what it is asked."""

import asyncio
import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kube46.apiserver.certificates import Authority
from server.running import Server, connect

if TYPE_CHECKING:
    import httpx2


@dataclass
class Kubelet:
    """An HTTPS server: logs are three chunks; upgrades are echoed in upper case until `bye`."""

    context: ssl.SSLContext
    requests: list[str] = field(default_factory=list)
    clients: list[object] = field(default_factory=list)
    port: int = 0
    _started: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.requests.append(head)
        self.clients.append(writer.get_extra_info("peercert"))
        if "/missing/" in head:
            writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 11\r\n\r\nno such pod")
        elif "upgrade:" in head.lower():
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: SPDY/3.1\r\nconnection: Upgrade\r\n\r\n")
            while (data := await reader.read(65536)) and b"bye" not in data:
                writer.write(data.upper())
                await writer.drain()
        elif "follow=true" in head:
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            await writer.drain()
            assert await reader.read(1) == b""  # until the server goes away
            self.requests.append("gone")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
        await writer.drain()
        writer.close()


@pytest.fixture
def kubelet(tmp_path: Path) -> Iterator[Kubelet]:
    authority = Authority.load_or_create(tmp_path / "pki")
    for name, addresses in (("kubelet", ["127.0.0.1"]), ("client", [])):
        certificate, key = authority.issue(name, ip_addresses=addresses, server=True, client=True)
        (tmp_path / f"{name}.crt").write_bytes(certificate)
        (tmp_path / f"{name}.key").write_bytes(key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "pki" / "ca.crt")
    context.load_cert_chain(tmp_path / "kubelet.crt", tmp_path / "kubelet.key")
    context.verify_mode = ssl.CERT_REQUIRED
    running = Kubelet(context)
    thread = threading.Thread(target=running.run)
    thread.start()
    running._started.wait()
    yield running
    running.stop()
    thread.join()


@pytest.fixture
def node(server_factory: Callable[..., Server], kubelet: Kubelet, tmp_path: Path) -> Server:
    """A server whose only node is that kubelet, running pod `p` with two containers."""
    pki = {"certificate-authority": "pki/ca.crt", "client-certificate": "client.crt", "client-key": "client.key"}
    flags = [text for flag, file in pki.items() for text in (f"--kubelet-{flag}", str(tmp_path / file))]
    server = server_factory(flags=tuple(flags))
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.port}},
    }
    with server.client() as api:
        assert api.post("/api/v1/nodes", json={"metadata": {"name": "n"}, "status": status}).status_code == 201
        for name, containers, bound in (("p", "ab", "n"), ("missing", "a", "n"), ("waiting", "a", "")):
            spec = {"nodeName": bound, "containers": [{"name": c, "image": "host"} for c in containers]}
            made = api.post("/api/v1/namespaces/default/pods", json={"metadata": {"name": name}, "spec": spec})
            assert made.status_code == 201, made.text
    return server


PODS = "/api/v1/namespaces/default/pods"


def test_logs(node: Server, kubelet: Kubelet) -> None:
    """Logs come from the kubelet of the pod's node; the query is passed on, the server shows its certificate."""
    with node.client() as api:
        answer = api.get(f"{PODS}/p/log?container=b&tailLines=5&timestamps=true")
        assert (answer.status_code, answer.text) == (200, "onetwo")
        assert kubelet.requests[0].startswith("GET /containerLogs/default/p/b?tailLines=5&timestamps=true HTTP/1.1")
        assert kubelet.clients[0]
        several = api.get(f"{PODS}/p/log")
        assert (several.status_code, several.json()["reason"]) == (400, "BadRequest")
        assert several.json()["message"] == "a container name must be specified for pod p, choose one of: [a b]"
        assert api.get(f"{PODS}/p/log?container=z").json()["message"] == "container z is not valid for pod p"
        missing = api.get(f"{PODS}/missing/log")
        assert (missing.status_code, missing.json()["message"]) == (404, "no such pod")
        assert api.get(f"{PODS}/waiting/log").text == ""  # nothing has been said yet
        assert api.get(f"{PODS}/none/log").status_code == 404
        assert api.get(f"{PODS}/p/exec?container=a&command=sh").json()["message"] == "Upgrade request required"


def test_followed_logs_end_with_their_client(node: Server, kubelet: Kubelet) -> None:
    """When the reader of followed logs goes away, so does the connection to the kubelet."""
    with node.client() as api:
        with api.stream("GET", f"{PODS}/p/log?container=a&follow=true") as answer:
            assert next(answer.iter_bytes()) == b"first"
        deadline = 100
        while "gone" not in kubelet.requests and (deadline := deadline - 1):
            threading.Event().wait(0.05)
    assert "gone" in kubelet.requests


async def upgraded(node: Server, method: str, path: str, token: str = "admintoken") -> tuple[bytes, bytes]:
    """The head of the answer to an upgrade request and what is echoed after it."""
    context = node.tls()
    assert isinstance(context, ssl.SSLContext)
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port, ssl=context)
    lines = [f"{method} {path} HTTP/1.1", "host: x", f"authorization: Bearer {token}", "connection: Upgrade"]
    lines += ["upgrade: SPDY/3.1", "x-stream-protocol-version: v4.channel.k8s.io", "", ""]
    writer.write("\r\n".join(lines).encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 101 " not in head:
        body = await reader.read()
        writer.close()
        return head, body
    big = b"x" * 300_000
    writer.write(b"hello" + big)
    echoed = await reader.readexactly(5 + len(big))
    assert echoed[5:] == big.upper()
    writer.write(b"bye")
    rest = await reader.read()
    writer.close()
    return head, echoed[:5] + rest


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_exec_is_a_pipe(node: Server, kubelet: Kubelet, method: str) -> None:
    """An upgrade request reaches the kubelet with its headers but the credentials; then bytes flow both ways."""
    path = f"{PODS}/p/exec?container=a&command=sh&command=-c&stdin=true&stdout=true&tty=true"
    head, echoed = asyncio.run(upgraded(node, method, path))
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: SPDY/3.1")
    assert echoed == b"HELLO"
    asked = kubelet.requests[0]
    assert asked.startswith(f"{method} /exec/default/p/a?command=sh&command=-c&input=1&output=1&tty=1 HTTP/1.1\r\n")
    assert "x-stream-protocol-version: v4.channel.k8s.io\r\n" in asked
    assert "admintoken" not in asked


def test_port_forward_is_a_pipe(node: Server, kubelet: Kubelet) -> None:
    """Port-forward goes to the pod, not to a container."""
    head, echoed = asyncio.run(upgraded(node, "POST", f"{PODS}/p/portforward?ports=80"))
    assert b" 101 " in head
    assert echoed == b"HELLO"
    assert kubelet.requests[0].startswith("POST /portForward/default/p?ports=80 HTTP/1.1\r\n")


@pytest.mark.parametrize(("token", "code"), [("strangertoken", 403), ("nodetoken", 403), ("wrong", 401)])
def test_streams_are_guarded(node: Server, kubelet: Kubelet, token: str, code: int) -> None:
    """Who may not exec does not reach the kubelet."""
    head, body = asyncio.run(upgraded(node, "POST", f"{PODS}/p/exec?container=a&command=sh", token))
    assert head.startswith(b"HTTP/1.1 %d " % code)
    assert b'"status":"Failure"' in body
    assert kubelet.requests == []


def test_upgrade_elsewhere_is_ignored(node: Server) -> None:
    """An upgrade header on an ordinary request (h2c) is answered as if it were not there."""
    headers = {"connection": "Upgrade", "upgrade": "h2c"}
    with node.client() as api:
        assert api.get("/version", headers=headers).json()["major"] == "1"
        assert api.get("/version").status_code == 200


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_a_body_beside_an_upgrade_is_read(node: Server, protocol: str) -> None:
    """A write that asks for an upgrade, too, is a write; in pieces of any size, of a told length or in chunks."""
    path, lines = "/api/v1/namespaces/default/configmaps", f"connection: Upgrade\r\nupgrade: {protocol}\r\n"
    credential = "host: x\r\nauthorization: Bearer admintoken\r\ncontent-type: application/json\r\n"

    def request(name: str, *, chunked: bool) -> bytes:
        body = json.dumps({"metadata": {"name": name}, "data": {"big": "x" * 100_000}}).encode()
        length = "transfer-encoding: chunked" if chunked else f"content-length: {len(body)}"
        sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
        return f"POST {path} HTTP/1.1\r\n{credential}{lines}{length}\r\n\r\n".encode() + sent

    with connect(node) as client:
        for number, size in enumerate((1 << 20, 700, 50_000)):
            for chunked in (False, True):
                sent = request(f"{protocol}{number}{int(chunked)}", chunked=chunked)
                for start in range(0, len(sent), size):
                    client.sendall(sent[start : start + size])
                assert answered(client).startswith(b"HTTP/1.1 201 ")
        client.sendall(request(f"{protocol}-a", chunked=False) + request(f"{protocol}-b", chunked=True))  # at once
        assert [answered(client)[:13] for _ in range(2)] == [b"HTTP/1.1 201 "] * 2
    with node.client() as api:
        names = {item["metadata"]["name"] for item in api.get(path).json()["items"]}
    assert len({name for name in names if name.startswith(protocol)}) == 8


def answered(client: ssl.SSLSocket) -> bytes:
    """One answer of a told length."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = client.recv(1)
        assert part, answer
        answer += part
    left = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while left:
        part = client.recv(left)
        assert part, answer
        left -= len(part)
        answer += part
    return answer


def test_open_pipes_end_with_the_server(node: Server, kubelet: Kubelet) -> None:
    """SIGTERM does not wait for open pipes."""

    async def held() -> int:
        context = node.tls()
        assert isinstance(context, ssl.SSLContext)
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port, ssl=context)
        head = f"POST {PODS}/p/attach?container=a HTTP/1.1\r\nhost: x\r\nauthorization: Bearer admintoken\r\n"
        writer.write(f"{head}connection: Upgrade\r\nupgrade: SPDY/3.1\r\n\r\n".encode())
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        code = await asyncio.to_thread(node.stop)
        assert await reader.read() == b""
        writer.close()
        return code

    assert asyncio.run(asyncio.wait_for(held(), 60)) == 0


def test_no_kubelet(server_factory: Callable[..., Server]) -> None:
    """A kubelet that does not answer is named."""
    server = server_factory()
    with server.client() as api:
        status = {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}
        status["daemonEndpoints"] = {"kubeletEndpoint": {"Port": 1}}
        api.post("/api/v1/nodes", json={"metadata": {"name": "n"}, "status": status})
        spec = {"nodeName": "n", "containers": [{"name": "c", "image": "host"}]}
        api.post(PODS, json={"metadata": {"name": "p"}, "spec": spec})
        answer: httpx2.Response = api.get(f"{PODS}/p/log")
        assert answer.status_code == 500
        assert answer.json()["message"].startswith('Get "https://127.0.0.1:1/containerLogs/default/p/c": dial tcp')


def web_socket(
    node: Server, *protocols: str, path: str = f"{PODS}/p/exec?container=a&command=sh", extra: str = ""
) -> int:
    """The status of a WebSocket request whose subprotocols are these."""
    lines = [f"GET {path} HTTP/1.1", "host: x", "connection: Upgrade", "upgrade: websocket"]
    lines += ["sec-websocket-version: 13", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="]
    lines += [f"sec-websocket-protocol: {protocol}" for protocol in protocols]
    head = "\r\n".join([*lines, *filter(None, [extra]), "", ""])
    with connect(node) as client:
        client.sendall(head.encode())
        return int(client.recv(4096).split()[1])


def test_token_as_a_subprotocol(node: Server, kubelet: Kubelet) -> None:
    """Browsers send a bearer token among the subprotocols of a WebSocket; the kubelet gets to see the others only."""
    encoded = "base64url.bearer.authorization.k8s.io." + base64.urlsafe_b64encode(b"admintoken").decode().rstrip("=")
    other = "v5.channel.k8s.io"
    assert web_socket(node, f"{encoded}, {other}") == 101
    assert web_socket(node, other, encoded, "v4.channel.k8s.io") == 101
    seen = [
        line for head in kubelet.requests for line in head.splitlines() if line.startswith("sec-websocket-protocol")
    ]
    assert seen == [f"sec-websocket-protocol: {other}", f"sec-websocket-protocol: {other},v4.channel.k8s.io"]
    assert web_socket(node, f"{encoded}, {other}", extra="authorization: Bearer nonsense") == 101  # either will do
    assert web_socket(node, encoded) == 401  # no other one to be told
    assert web_socket(node, f"{encoded}, {encoded}, {other}") == 401
    assert web_socket(node, f"{encoded}x, {other}") == 401  # no base64
    assert web_socket(node, f"base64url.bearer.authorization.k8s.io.bm9uc2Vuc2U, {other}") == 401
    assert web_socket(node, other) == 403  # anonymous
    assert web_socket(node, f"base64url.bearer.authorization.k8s.io., {other}") == 403
    with node.client("") as api:  # no WebSocket, no token
        assert api.get(PODS, headers={"sec-websocket-protocol": f"{encoded}, {other}"}).status_code == 403
