"""A real API server and real controllers in processes of their own, and a stand-in for the nodes' kubelets.

The kubelets are a thread that makes bound pods run, with an address of each family, and ends those that are deleted.
"""

import contextlib
import http.client
import itertools
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar

from kube46.lab.controllers import names
from patience import patient
from server.running import KUBECTL, Server, free_port

T = TypeVar("T")
Json = dict[str, Any]
KUBE46 = KUBECTL.parent / "kube46"
ALL = ",".join(names.ALL)


class Refused(Exception):
    """The API server said no."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{status} {body.get('message')}")
        self.status, self.body = status, body


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
    end = time.monotonic() + patient(seconds)
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
    end = time.monotonic() + patient(seconds)
    while time.monotonic() < end:
        assert what()
        time.sleep(0.1)


class Cluster(Server):
    """A context manager: an API server, and what the tests of controllers say to it."""

    def __enter__(self) -> Self:
        self._local = threading.local()
        self.start()
        self.grant()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.hang_up()
        return super().stop(number)

    def hang_up(self) -> None:
        """Closes this thread's connection."""
        if hasattr(self._local, "connection"):
            self._local.connection.close()

    @contextlib.contextmanager
    def controllers(self, names: str, *more: object) -> Iterator[subprocess.Popen[bytes]]:
        """Runs controllers inside the block; SIGTERM must end them with status 0, unless the test killed them."""
        port, path = free_port(), self.directory / "controllers.log"
        flags = [*self._flags(names), "--bind-address", f"127.0.0.1:{port}", *more]
        with path.open("ab") as log:
            process = subprocess.Popen([KUBE46, "controllers", *map(str, flags)], stdout=log, stderr=log)
        try:
            eventually(lambda: probe(port, "/readyz") == 200)
            yield process
        finally:
            killed = process.poll() is not None
            process.send_signal(signal.SIGTERM)
            status = process.wait(60)
        assert killed or status == 0, path.read_text()[-2000:]

    def call(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Json:
        """One request as administrator."""
        connection = self._connection()
        data = json.dumps(body) if body is not None else None
        headers = {"Authorization": "Bearer admintoken", "Content-Type": kind}
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
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls(), timeout=10)
            self._local.connection = connection
        found: http.client.HTTPSConnection = self._local.connection
        return found

    def _flags(self, names: str) -> list[object]:
        return [
            *("--kubeconfig", self.kubeconfig("loopstoken"), "--controllers", names),
            *("--cluster-cidr", "10.244.0.0/16,fd00:10:244::/56", "--node-monitor-grace-period", "600"),
            *("--root-ca-file", self.directory / "ca.crt"),
        ]

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
    """Makes bound pods run, and ends those being deleted, inside the block. `ready` may hold pods back.

    A pod with the label `ends` runs and then is in the phase that the label names.
    """

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
        if status.get("phase") in ("Succeeded", "Failed"):
            return
        if (end := meta.get("labels", {}).get("ends")) and status.get("phase") == "Running":
            unready = {"type": "Ready", "status": "False", "lastTransitionTime": stamps()["lastTransitionTime"]}
            ended = {"metadata": {"uid": meta["uid"]}, "status": {"phase": end, "conditions": [unready]}}
            self._cluster.patch(f"{path}/status", ended, "strategic-merge")
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
