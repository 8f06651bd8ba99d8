"""What happens at the edges: slow clients, kills, full disks, sync before answer, the end of the server."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from patience import patient
from server.running import Server, connect, resident

MAPS = "/api/v1/namespaces/default/configmaps"


def test_slow_header(server_factory: Callable[..., Server]) -> None:
    """A client that does not finish its header, or sends nothing, is dropped; others are served meanwhile."""
    server = server_factory(prelude="from kube46.apiserver import connections; connections.HEADER_SECONDS = 0.5")
    for beginning in (b"", b"GET /version HTTP/1.1\r\nhost: x\r\n"):
        with connect(server) as slow:
            slow.sendall(beginning)
            with server.client() as api:
                assert api.get("/readyz").status_code == 200
            assert slow.recv(100) == b""


def test_slow_body(server_factory: Callable[..., Server]) -> None:
    """A body that does not arrive is answered with 408."""
    server = server_factory(prelude="from kube46.apiserver import requests; requests.BODY_SECONDS = 0.5")
    with connect(server) as slow:
        head = f"POST {MAPS} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer admintoken\r\ncontent-length: 100\r\n\r\n"
        slow.sendall(head.encode() + b'{"meta')
        answer = b""
        while part := slow.recv(4096):
            answer += part
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"reason":"Timeout"' in answer


def test_too_many_at_once(server_factory: Callable[..., Server]) -> None:
    """Requests beyond the seats wait, then get 429 and Retry-After; masters, watches and health are never refused."""
    server = server_factory(
        prelude="from kube46.apiserver import inflight as i; i.SEATS, i.QUEUE, i.WAIT_SECONDS = 1, 1, 0.5"
    )
    nodes = "/api/v1/nodes"
    with connect(server) as slow, server.client("controllertoken") as api, server.client() as master:
        review = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        head = f"POST {review} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer controllertoken\r\ncontent-length: 9\r\n"
        slow.sendall(f"{head}\r\n".encode())
        deadline = time.monotonic() + 60
        while (answer := api.get(nodes)).status_code != 429 and time.monotonic() < deadline:
            pass
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert answer.text == "Too many requests, please try again later.\n"
        assert master.get(nodes).status_code == api.get("/readyz").status_code == 200
        assert api.get(f"{nodes}?watch=1&timeoutSeconds=1").status_code == 200
        slow.sendall(b"{}       ")
        assert slow.recv(4096).startswith(b"HTTP/1.1 ")
        assert api.get(nodes).status_code == 200


def test_endless_header(server: Server) -> None:
    """A header of more than 1 MiB is refused."""
    with connect(server) as greedy:
        greedy.sendall(b"GET /version HTTP/1.1\r\nhost: x\r\n")
        answer = b""
        try:
            for number in range(80):
                greedy.sendall(b"x-%d: " % number + b"y" * 16384 + b"\r\n")
            answer = greedy.recv(4096)
        except (ConnectionError, ssl.SSLError):  # it was closed while we were writing
            return
    assert answer.startswith(b"HTTP/1.1 431 ") or not answer


@pytest.mark.parametrize(
    "garbage", [b"\x00\xff" * 50 + b"\r\n\r\n", b"GET\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
)
def test_garbage(server: Server, garbage: bytes) -> None:
    """What is not HTTP is refused and harms nobody; plain text on the TLS port, too."""
    with connect(server) as odd:
        odd.sendall(garbage)
        assert odd.recv(4096).startswith(b"HTTP/1.1 400 ")
    with socket.create_connection(("127.0.0.1", server.port)) as plain:
        plain.sendall(garbage)
        with contextlib.suppress(ConnectionError):
            assert b"HTTP/1.1 200" not in plain.recv(4096)
    with server.client() as api:
        assert api.get("/readyz").status_code == 200


def test_reader_that_stops(server_factory: Callable[..., Server]) -> None:
    """A client that reads no more is dropped, and the server's memory does not grow with what it should have read."""
    server = server_factory(prelude="from kube46.apiserver import answers; answers.SEND_SECONDS = 1")
    with server.client() as api, connect(server) as stuck:
        made = api.post(MAPS, json={"metadata": {"name": "big"}, "data": {"x": "y" * 900_000}}).json()
        head = f"GET {MAPS}?watch=true HTTP/1.1\r\nhost: x\r\nauthorization: Bearer admintoken\r\n\r\n"
        stuck.sendall(head.encode())
        before = resident(server.pid)
        for number in range(40):
            made["data"]["n"] = str(number)
            made["metadata"].pop("resourceVersion", None)
            assert api.put(f"{MAPS}/big", json=made).status_code == 200
        assert resident(server.pid) < before + (60 << 20)
        gauge = 'apiserver_longrunning_requests{resource="configmaps",verb="WATCH"} 0.0'
        deadline = time.monotonic() + 60
        while gauge not in api.get("/metrics").text and time.monotonic() < deadline:
            time.sleep(0.1)
        assert gauge in api.get("/metrics").text
    assert "Traceback" not in (server.directory / "log").read_text()


def test_sync_before_answer(server_factory: Callable[..., Server], tmp_path: Path) -> None:
    """strace shows that each created object was synced to disk before its answer was written."""
    trace = tmp_path / "trace"
    strace = shutil.which("strace")
    assert strace, "strace must be installed: apt-get install strace"
    wrapper = (
        strace,
        "-f",
        "-qq",
        "-yy",
        "-s",
        "16",
        "-e",
        "trace=fsync,fdatasync,sendto,write,writev",
        "-o",
        str(trace),
    )
    server = server_factory(wrapper=wrapper)
    start = trace.stat().st_size
    with server.client() as api:
        api.get("/readyz")
        for number in range(5):
            mark = len(trace.read_bytes())
            assert api.post(MAPS, json={"metadata": {"name": f"c{number}"}}).status_code == 201
            time.sleep(0.1)
            calls = trace.read_bytes()[mark:].decode(errors="replace").splitlines()
            syncs = [i for i, call in enumerate(calls) if re.search(r"f(data)?sync\(\d+<[^>]*data\.db-wal>", call)]
            answers = [i for i, call in enumerate(calls) if re.search(r"(sendto|write|writev)\(\d+<TCP", call)]
            assert syncs, calls
            assert answers, calls
            # the first bytes to the client come after the sync has returned
            returned = next(i for i, call in enumerate(calls) if "sync" in call and "= 0" in call)
            assert max(syncs[0], returned) < answers[0], calls
    assert trace.stat().st_size > start
    assert server.process is not None
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGTERM)
    assert server.process.wait(60) == 0


def test_kill_and_restart(server_factory: Callable[..., Server]) -> None:
    """After kill -9 everything that was answered is there, revisions go on, and watches resume."""
    server = server_factory()
    with server.client() as api:
        for number in range(30):
            last = api.post(MAPS, json={"metadata": {"name": f"c{number}"}}).json()
    server.stop(signal.SIGKILL)
    server.start()
    with server.client() as api:
        listing = api.get(MAPS).json()
        assert len(listing["items"]) == 30
        assert int(listing["metadata"]["resourceVersion"]) >= int(last["metadata"]["resourceVersion"])
        revision = int(last["metadata"]["resourceVersion"]) - 3
        answer = api.get(f"{MAPS}?watch=true&timeoutSeconds=1&resourceVersion={revision}")
        names = [json.loads(line)["object"]["metadata"]["name"] for line in answer.iter_lines()]
        assert names == ["c27", "c28", "c29"]


def test_graceful_end(server_factory: Callable[..., Server]) -> None:
    """SIGTERM ends watches, finishes, and exits 0."""
    server = server_factory()
    with server.client() as api, api.stream("GET", f"{MAPS}?watch=true") as answer:
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < patient(5)
        assert list(answer.iter_lines()) == []


def test_passed_sockets(tmp_path: Path) -> None:
    """Sockets of a supervisor are served, one a family, and outlive a restart: no connection is refused meanwhile."""
    listening = [socket.socket(family) for family in (socket.AF_INET, socket.AF_INET6)]
    for sock, address in zip(listening, ("127.0.0.1", "::1"), strict=True):
        sock.bind((address, 0))
        sock.listen()
    numbers = [sock.fileno() for sock in listening]
    moves = "".join(f"os.dup2({number}, {100 + i}); " for i, number in enumerate(numbers))
    moves += "".join(f"os.dup2({100 + i}, {3 + i}); " for i in range(len(numbers)))
    prelude = f"import os; {moves}os.environ.update(LISTEN_FDS='2')"
    server = Server(tmp_path, prelude=prelude, inherited=tuple(numbers), port=listening[0].getsockname()[1]).start()
    for turn in range(2):
        for sock, host in zip(listening, ("127.0.0.1", "[::1]"), strict=True):
            url = f"https://{host}:{sock.getsockname()[1]}/version"
            assert httpx2.get(url, verify=server.tls(), trust_env=False, timeout=10).json()["minor"] == "37"
        assert server.stop() == 0
        if turn == 0:
            early = socket.create_connection(listening[0].getsockname())
            server.start()
            early.close()
    for sock in listening:
        sock.close()


@pytest.mark.root
def test_full_disk(tmp_path: Path) -> None:
    """A full disk refuses writes with a Status that says so; what was stored stays readable; space mends it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f'mount -t tmpfs -o size=3m tmpfs {disk} && exec "$@"'
    server = Server(tmp_path, wrapper=("unshare", "--mount", "sh", "-c", script, "sh"), data=disk / "data.db").start()
    try:
        with server.client() as api:
            stored, refusal = fill(api)
            assert stored > 0
            assert (refusal.status_code, "reason" in refusal.json()) == (500, False)
            assert refusal.json()["message"].startswith("etcdserver: mvcc: database space exceeded: ")
            assert f"the disk that holds {disk}/data.db is full" in refusal.json()["message"]
            assert api.get("/readyz").status_code == 200
            assert len(api.get(MAPS).json()["items"]) == stored
            grow = ["nsenter", "--mount", "--target", str(server.pid), "mount", "-o", "remount,size=30m", str(disk)]
            subprocess.run(grow, check=True)
            assert api.post(MAPS, json={"metadata": {"name": "later"}}).status_code == 201
            assert api.get("/readyz").status_code == 200
            assert len(api.get(MAPS).json()["items"]) == stored + 1
    finally:
        assert server.stop() == 0


def fill(api: httpx2.Client) -> tuple[int, httpx2.Response]:
    """Create until the server refuses."""
    for number in range(200):
        answer = api.post(MAPS, json={"metadata": {"name": f"c{number}"}, "data": {"x": "y" * 50_000}})
        if answer.status_code != 201:
            return number, answer
    raise AssertionError("the disk never filled")


def test_broken_loop(server_factory: Callable[..., Server]) -> None:
    """A background loop with a bug ends no server: it is tried again, logged and counted, all else goes on."""
    code = "from kube46.apiserver import expiry, portrepair; from unittest.mock import AsyncMock as M; " + (
        "expiry.sweep = M(side_effect=KeyError('a bug')); expiry.EVENT_SECONDS = 0; "
        "portrepair.look = M(side_effect=[KeyError('one bug'), None])"
    )
    server = server_factory(prelude=code)
    with server.client() as api:
        deadline = time.monotonic() + 60
        while not re.search(r'loop_failures_total\{loop="event-ttl"\} ([4-9]|\d\d)', text := api.get("/metrics").text):
            assert time.monotonic() < deadline, text
        assert 'loop_failures_total{loop="node-port-repair"} 1.0' in text
        assert api.post(MAPS, json={"metadata": {"name": "goes-on"}}).status_code == 201
        assert api.get("/readyz").status_code == 200
    log = (server.directory / "log").read_text()
    assert "A loop failed and begins anew loop=event-ttl failures=1" in log
    assert "KeyError: 'a bug'" in log
    assert server.stop() == 0


def test_backup_before_the_server_is_ready(server_factory: Callable[..., Server]) -> None:
    """SIGUSR1 while the server still starts ends nothing: the backup is written when it can be."""
    early = "import kube46.apiserver.server as s, os, signal; was = s._open; " + (
        "s._open = lambda settings: (os.kill(os.getpid(), signal.SIGUSR1), was(settings))[1]"
    )
    server = server_factory(prelude=early)
    backup = server.directory / "data.db.backup"
    deadline = time.monotonic() + 60
    while not backup.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert server.stop() == 0
