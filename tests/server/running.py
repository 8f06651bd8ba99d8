"""A real API server in a process of its own, and clients for it."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

import httpx2

from kube46.kubernetes.config import ClusterConfig
from kube46.lab import access
from kube46.lab.controllers import names
from patience import patient

TOKENS = """admintoken,admin,admin,"system:masters"
nodetoken,system:node:node1,node1,"system:nodes"
agenttoken,kube46:agent:node1,node1,"kube46:agents"
controllertoken,system:kube-controller-manager,controllers
loopstoken,kube46:controllers,loops
strangertoken,stranger,stranger
"""
KUBECTL = Path(sys.executable).parent / "kubectl"
DUAL = "10.96.0.0/16,fd00:10:96::/112"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Process(Protocol):
    """What is asked of a running server's process; as `Popen` has it."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float = ...) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def kill(self) -> None: ...


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
    process: Process | None = None

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

    def write_tokens(self) -> Self:
        """The file of `--token-auth-file`."""
        (self.directory / "tokens.csv").write_text(TOKENS)
        return self

    def launch(self) -> Process:
        """Start without waiting for it."""
        self.write_tokens()
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, pass_fds=self.inherited)
        return self.process

    def start(self) -> Self:
        process = self.launch()
        deadline = time.monotonic() + 60
        while True:
            try:
                with self.client() as client:
                    if client.get("/readyz").status_code == 200:
                        return self
            except (OSError, httpx2.TransportError, ssl.SSLError):
                pass
            if time.monotonic() > deadline or process.poll() is not None:
                raise AssertionError((self.directory / "log").read_text())
            time.sleep(0.02)

    def grant(self) -> None:
        """Give kube46's own programs their rights, as `kube46 up` does."""
        with self.client() as client:
            for body in access.objects(names.ALL):
                meta = body["metadata"]
                place = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
                path = f"/apis/{body['apiVersion']}{place}/{body['kind'].lower()}s/{meta['name']}?fieldManager=kube46"
                headers = {"content-type": "application/apply-patch+yaml"}
                assert client.patch(path, json=body, headers=headers).status_code in (200, 201)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit status; a server that does not end by itself is killed, and the test told."""
        assert self.process is not None
        self.process.send_signal(number)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def tls(self) -> ssl.SSLContext | bool:
        authority = self.directory / "ca.crt"
        return ssl.create_default_context(cafile=authority) if authority.exists() else False

    def client(self, token: str = "admintoken") -> httpx2.Client:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx2.Client(base_url=self.url, headers=headers, verify=self.tls(), timeout=20, trust_env=False)

    def config(self, token: str = "admintoken") -> ClusterConfig:
        """How kube46's own client reaches the server."""
        return ClusterConfig(self.url, (self.directory / "ca.crt").read_text(), token)

    def kubeconfig(self, token: str = "admintoken") -> Path:
        """A file for kubectl and kube46's commands, written once: others may be reading it."""
        path = self.directory / f"kubeconfig-{token}"
        cluster = {"server": self.url, "certificate-authority": str(self.directory / "ca.crt")}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        text = json.dumps(config)
        if path.exists() and path.read_text() == text:
            return path
        draft = path.with_name(f"{path.name}.{uuid.uuid4()}")
        draft.write_text(text)
        return draft.rename(path)

    def kubectl(self, *arguments: str, stdin: str = "", code: int = 0, **variables: str) -> str:
        """What real kubectl prints; fails with all it says when it ends with another status than `code`."""
        done = self.try_kubectl(*arguments, stdin=stdin, **variables)
        assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def try_kubectl(self, *arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """kubectl as an administrator with a home of its own; `variables` are added to its environment."""
        home = {"KUBECONFIG": str(self.kubeconfig()), "HOME": str(self.directory / "home"), "PATH": os.environ["PATH"]}
        return subprocess.run(
            [str(KUBECTL), *arguments],
            input=stdin, env={**home, **variables}, capture_output=True, text=True, timeout=patient(30), check=False,
        )  # fmt: skip


def connect(server: Server) -> ssl.SSLSocket:
    """A bare connection."""
    context = server.tls()
    assert isinstance(context, ssl.SSLContext)
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    return context.wrap_socket(raw, server_hostname="localhost")


def resident(pid: int) -> int:
    """Resident memory, bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
