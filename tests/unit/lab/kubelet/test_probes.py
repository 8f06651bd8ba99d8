"""What a row of probe results means, and what probes send."""

import asyncio

import pytest

from kube46.lab.kubelet.directories import RunDirectory
from kube46.lab.kubelet.handlers import HandlerError, connect, get, request_bytes
from kube46.lab.kubelet.manifests import Container, HttpGet, HttpHeader, Port, Probe, TcpSocket
from kube46.lab.kubelet.probes import Kind, Track, http_success, judged, port_number, probes
from kube46.lab.kubelet.targets import Target


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ("+", True),
        ("-", None),
        ("--", None),
        ("---", False),
        ("--+", True),
        ("---+", True),
        ("+--", True),
        ("+---", False),
    ],
)
def test_verdict(results, verdict):
    """Three failures in a row or one success change the verdict (the defaults)."""
    track = Track()
    for result in results:
        track = judged(track, Probe(), result == "+")

    assert track.verdict is verdict


def test_success_threshold():
    """A higher success threshold needs as many in a row."""
    track, probe = Track(), Probe(success_threshold=2)
    verdicts = [(track := judged(track, probe, result)).verdict for result in (True, False, True, True)]

    assert verdicts == [None, None, None, True]


def test_ports_by_name():
    """A named port is the container's; an unknown one is refused."""
    ports = [Port(name="web", container_port=80)]

    assert [port_number(port, ports) for port in (8080, "8081", "web")] == [8080, 8081, 80]
    with pytest.raises(ValueError, match="no port named 'no'"):
        port_number("no", ports)


def test_kinds():
    """A container's probes by kind."""
    assert list(probes(Container(liveness_probe=Probe(), startup_probe=Probe()))) == [Kind.STARTUP, Kind.LIVENESS]


@pytest.mark.parametrize(
    ("status", "good"), [(199, False), (200, True), (302, True), (399, True), (400, False), (503, False)]
)
def test_http_success(status, good):
    """200 to 399 is good."""
    assert http_success(status) is good


def test_request():
    """The request brackets IPv6, has the pod's headers over ours, and always a path."""
    wanted = HttpGet(path="x", http_headers=(HttpHeader("host", "example"), HttpHeader("X-A", "1")))
    lines = request_bytes("fd00::1", 80, wanted, "agent").decode().split("\r\n")

    assert lines == [
        "GET /x HTTP/1.1",
        "Host: example",
        "User-Agent: agent",
        "Accept: */*",
        "X-A: 1",
        "Connection: close",
        "",
        "",
    ]
    assert b"Host: [fd00::1]:80" in request_bytes("fd00::1", 80, HttpGet(), "agent")


@pytest.mark.parametrize("path", ["/a\r\nX: y", "/a b"])
def test_requests_cant_be_smuggled(path):
    """A path with a line break or blank is refused."""
    with pytest.raises(ValueError, match="line break"):
        request_bytes("h", 80, HttpGet(path=path), "agent")


def against(answer, work, tmp_path):
    """Runs `work` against a server on loopback that answers with those bytes."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def run():
        server = await asyncio.start_server(serve, "::1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            await work(Target(tmp_path, "id", RunDirectory(tmp_path), "::1", ()), port)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.0 500 Oops\r\n\r\n", "statuscode: 500"),
        (b"SSH-2.0-x\r\n", "malformed HTTP response"),
        (b"", "0 bytes read"),
    ],
    ids=["good", "bad", "not http", "nothing"],
)
def test_http_probe(answer, text, tmp_path):
    """An HTTP probe judges by the status and says what else came."""

    async def work(target, port):
        await get(target, HttpGet(path="/", port=port), 2, "agent")

    if text:
        with pytest.raises(HandlerError, match=text):
            against(answer, work, tmp_path)
    else:
        against(answer, work, tmp_path)


def test_tcp_probe(tmp_path):
    """A TCP probe succeeds when something listens, and names address and port when nothing does."""

    async def work(target, port):
        await connect(target, TcpSocket(port=port), 2)

    async def refused():
        await connect(Target(tmp_path, "id", RunDirectory(tmp_path), "::1", ()), TcpSocket(port=1), 2)

    against(b"", work, tmp_path)
    with pytest.raises(HandlerError, match=r"dial tcp \[::1\]:1: "):
        asyncio.run(refused())
