"""A real API server in a process of its own, and clients for it."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

TOKENS = """admintoken,admin,admin,"system:masters"
nodetoken,system:node:node1,node1,"system:nodes"
controllertoken,system:kube-controller-manager,controllers
strangertoken,stranger,stranger
"""
KUBECTL = Path(sys.executable).parent / "kubectl"
DUAL = "10.96.0.0/16,fd00:10:96::/112"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Server:
    """A running `kube46 apiserver`; `prelude` is Python run before its main, to shorten time limits."""

    directory: Path
    prelude: str = ""
    wrapper: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    data: Path | None = None
    inherited: tuple[int, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def command(self) -> list[str]:
        code = f"{self.prelude}\nfrom kube46.__main__ import main\nmain()"
        data = self.data or self.directory / "data.db"
        return [
            *self.wrapper, sys.executable, "-c", code, "apiserver", "--data", str(data),
            "--service-cluster-ip-range", DUAL, "--bind-address", "127.0.0.1", "--secure-port", str(self.port),
            "--cert-dir", str(self.directory), "--token-auth-file", str(self.directory / "tokens.csv"),
            "--advertise-address", "192.0.2.1", *self.flags,
        ]  # fmt: skip

    def start(self) -> "Server":
        (self.directory / "tokens.csv").write_text(TOKENS)
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, pass_fds=self.inherited)
        deadline = time.monotonic() + 20
        while True:
            try:
                with self.client() as client:
                    if client.get("/readyz").status_code == 200:
                        return self
            except (OSError, httpx2.TransportError, ssl.SSLError):
                pass
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError((self.directory / "log").read_text())
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)

    def tls(self) -> ssl.SSLContext | bool:
        authority = self.directory / "ca.crt"
        return ssl.create_default_context(cafile=authority) if authority.exists() else False

    def client(self, token: str = "admintoken") -> httpx2.Client:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx2.Client(base_url=self.url, headers=headers, verify=self.tls(), timeout=20, trust_env=False)

    def kubeconfig(self) -> Path:
        path = self.directory / "kubeconfig"
        cluster = {"server": self.url, "certificate-authority": str(self.directory / "ca.crt")}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": "admintoken"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path.write_text(json.dumps(config))
        return path

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """What real kubectl prints; fails with what it says when it fails."""
        done = self.try_kubectl(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def try_kubectl(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        home = self.directory / "home"
        environment = {"KUBECONFIG": str(self.kubeconfig()), "HOME": str(home), "PATH": os.environ["PATH"]}
        command = [str(KUBECTL), *arguments]
        return subprocess.run(
            command, input=stdin, env=environment, capture_output=True, text=True, timeout=30, check=False
        )


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that don't restart it; each test uses names of its own."""
    running = Server(tmp_path_factory.mktemp("apiserver")).start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def api(server: Server) -> Iterator[httpx2.Client]:
    """An administrator's client."""
    with server.client() as client:
        yield client


@pytest.fixture
def namespace(api: httpx2.Client, request: pytest.FixtureRequest) -> str:
    """A new namespace of the test's own."""
    made = api.post("/api/v1/namespaces", json={"metadata": {"generateName": "t-"}})
    assert made.status_code == 201, made.text
    return str(made.json()["metadata"]["name"])


@pytest.fixture
def server_factory(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers of a test's own; all are ended after it."""
    running: list[Server] = []

    def start(**options: Any) -> Server:
        directory = tmp_path / f"server{len(running)}"
        directory.mkdir()
        running.append(Server(directory, **options).start())
        return running[-1]

    yield start
    for server in running:
        if server.process is not None and server.process.poll() is None:
            server.process.kill()
            server.process.wait(10)
