"""A real API server and real controllers in processes of their own, and a stand-in for the nodes' kubelets.

The kubelets are a thread that makes bound pods run, with an address of each family, and ends those that are deleted.
"""

import base64
import contextlib
import http.client
import itertools
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

T = TypeVar("T")
Json = dict[str, Any]
KUBE46 = Path(sys.executable).parent / "kube46"
TOKENS = 'admin,admin,1,"system:masters"\ncontrollers,system:kube-controller-manager,2\n'
ALL = "*,scheduler,replicaset,deployment,garbage-collector,namespace,serviceaccount,node-lifecycle"


class Refused(Exception):
    """The API server said no."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{status} {body.get('message')}")
        self.status, self.body = status, body


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def probe(port: int, path: str) -> int:
    """The status of an answer over plain HTTP; 0 when nobody listens."""
    try:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            connection.request("GET", path)
            return connection.getresponse().status
    except OSError:
        return 0


def eventually(what: Callable[[], T], seconds: float = 15.0) -> T:
    """The first true value of `what`; its last error or value is told when there is none in time."""
    end = time.monotonic() + seconds
    while True:
        problem: object
        try:
            problem = value = what()
            if value:
                return value
        except (AssertionError, Refused, KeyError, IndexError) as error:
            problem = error
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {problem!r}")
        time.sleep(0.05)


def for_a_while(what: Callable[[], bool], seconds: float = 1.5) -> None:
    """Asserts that `what` stays true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert what()
        time.sleep(0.1)


class Cluster:
    """A context manager: the API server with its data in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.port = directory, free_port()
        self._running: list[subprocess.Popen[bytes]] = []
        self._local = threading.local()

    def __enter__(self) -> Self:
        (self.directory / "tokens").write_text(TOKENS)
        self.start_server()
        self.kubeconfig = self._write_kubeconfig()
        return self

    def start_server(self) -> None:
        """Starts the API server, again if it was there before, and waits for its answer."""
        self.server = self.start(
            "apiserver",
            *("--data", self.directory / "data.sqlite", "--cert-dir", self.directory / "certs"),
            *("--bind-address", "127.0.0.1", "--secure-port", self.port, "--advertise-address", "10.46.0.1"),
            *("--service-cluster-ip-range", "10.96.0.0/16,fd00:10:96::/112"),
            *("--token-auth-file", self.directory / "tokens"),
        )
        eventually(self._answers, 30)

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        for process in self._running:
            process.kill()
            process.wait()

    def hang_up(self) -> None:
        """Closes this thread's connection."""
        if hasattr(self._local, "connection"):
            self._local.connection.close()

    def start(self, *arguments: object) -> subprocess.Popen[bytes]:
        """Runs a `kube46` command; its output goes to a file named after it."""
        with (self.directory / f"{arguments[0]}.log").open("ab") as log:
            process = subprocess.Popen([KUBE46, *map(str, arguments)], stdout=log, stderr=log)
        self._running.append(process)
        return process

    @contextlib.contextmanager
    def controllers(self, names: str, *more: object) -> Iterator[subprocess.Popen[bytes]]:
        """Runs controllers inside the block; SIGTERM must end them with status 0, unless the test killed them."""
        port = free_port()
        process = self.start("controllers", *self._flags(names), "--bind-address", f"127.0.0.1:{port}", *more)
        try:
            eventually(lambda: probe(port, "/readyz") == 200)
            yield process
        finally:
            killed = process.poll() is not None
            process.send_signal(signal.SIGTERM)
            status = process.wait(10)
        assert killed or status == 0, (self.directory / "controllers.log").read_text()[-2000:]

    def call(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Json:
        """One request as administrator."""
        connection = self._connection()
        data = json.dumps(body) if body is not None else None
        headers = {"Authorization": "Bearer admin", "Content-Type": kind}
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            found = json.loads(answer.read() or b"{}")
        except OSError:
            connection.close()
            raise
        if answer.status >= 400:
            raise Refused(answer.status, found)
        return found

    def get(self, path: str) -> Json:
        return self.call("GET", path)

    def items(self, path: str) -> list[Json]:
        return list(self.call("GET", path)["items"])

    def create(self, path: str, body: Json) -> Json:
        return self.call("POST", path, body)

    def patch(self, path: str, body: Json, kind: str = "merge") -> Json:
        return self.call("PATCH", path, body, f"application/{kind}-patch+json")

    def delete(self, path: str, **options: object) -> Json:
        return self.call("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", **options})

    def missing(self, path: str) -> bool:
        """Whether the object is not there."""
        try:
            self.get(path)
        except Refused as refused:
            return refused.status == 404
        return False

    def _connection(self) -> http.client.HTTPSConnection:
        if not hasattr(self._local, "connection"):
            context = ssl.create_default_context(cafile=self.directory / "certs" / "ca.crt")
            self._local.connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=10)
        connection: http.client.HTTPSConnection = self._local.connection
        return connection

    def _answers(self) -> bool:
        if self.server.poll() is not None:
            raise RuntimeError((self.directory / "apiserver.log").read_text()[-2000:])
        try:
            return bool(self.get("/api/v1/namespaces/default"))
        except (OSError, http.client.HTTPException, Refused):
            self.hang_up()
            return False

    def _flags(self, names: str) -> list[object]:
        return [
            *("--kubeconfig", self.kubeconfig, "--controllers", names),
            *("--cluster-cidr", "10.244.0.0/16,fd00:10:244::/56", "--node-monitor-grace-period", "600"),
            *("--root-ca-file", self.directory / "certs" / "ca.crt"),
        ]

    def _write_kubeconfig(self) -> Path:
        ca = base64.b64encode((self.directory / "certs" / "ca.crt").read_bytes()).decode()
        cluster = {"server": f"https://127.0.0.1:{self.port}", "certificate-authority-data": ca}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": name, "user": {"token": name}} for name in ("admin", "controllers")],
            "contexts": [
                {"name": "c", "context": {"cluster": "c", "user": "controllers"}},
                {"name": "admin", "context": {"cluster": "c", "user": "admin"}},
            ],
        }
        path = self.directory / "kubeconfig"
        path.write_text(json.dumps(config))
        return path

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """What the real kubectl prints, as administrator."""
        command = [KUBE46.parent / "kubectl", "--kubeconfig", self.kubeconfig, "--context", "admin", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def node(self, name: str, **meta: Any) -> None:
        """A ready node."""
        body = {"metadata": {"name": name, **meta}, "spec": {}}
        self.create("/api/v1/nodes", body)
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", **stamps()}
        status = {"conditions": [ready], "addresses": [{"type": "InternalIP", "address": "10.46.0.11"}]}
        self.patch(f"/api/v1/nodes/{name}/status", {"status": status}, "strategic-merge")


def stamps() -> Json:
    """Times of a condition."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"lastTransitionTime": now, "lastHeartbeatTime": now}


class Kubelets:
    """Makes bound pods run, and ends those being deleted, inside the block. `ready` may hold pods back."""

    def __init__(self, cluster: Cluster, ready: Callable[[Json], bool] = lambda _: True) -> None:
        self._cluster, self._ready = cluster, ready
        self._stop = threading.Event()
        self._numbers = itertools.count(2)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            with contextlib.suppress(Refused, OSError):
                for pod in self._cluster.items("/api/v1/pods"):
                    with contextlib.suppress(Refused):
                        self._care(pod)
        self._cluster.hang_up()

    def _care(self, pod: Json) -> None:
        meta, status = pod["metadata"], pod.get("status", {})
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        if not pod["spec"].get("nodeName"):
            return
        if meta.get("deletionTimestamp"):
            self._cluster.delete(path, gracePeriodSeconds=0, preconditions={"uid": meta["uid"]})
            return
        is_ready = "True" if self._ready(pod) else "False"
        held = {c["type"]: c["status"] for c in status.get("conditions", [])}
        if status.get("podIPs") and held.get("Ready") == is_ready:
            return
        number = next(self._numbers)
        ips = [i["ip"] for i in status.get("podIPs", [])] or [
            f"10.244.{number // 250}.{number % 250}",
            f"fd00::{number:x}",
        ]
        new = {
            "phase": "Running",
            "podIP": ips[0],
            "podIPs": [{"ip": ip} for ip in ips],
            "conditions": [{"type": "Ready", "status": is_ready, "lastTransitionTime": stamps()["lastTransitionTime"]}],
        }
        self._cluster.patch(f"{path}/status", {"metadata": {"uid": meta["uid"]}, "status": new}, "strategic-merge")
