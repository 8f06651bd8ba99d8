"""Clients that write at once, each object one client's, and note what they were told and when."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from server.running import Server

MAPS = "/api/v1/namespaces/default/configmaps"
SERVICES = "/api/v1/namespaces/default/services"
MERGE = {"content-type": "application/merge-patch+json"}
APPLY = {"content-type": "application/apply-patch+yaml"}


@dataclass(frozen=True)
class Told:
    """An answer to a write; `revision` is of the object, 0 for a deletion (whose answer names none)."""

    when: float  # seconds since the epoch
    path: str
    deleted: bool
    revision: int
    uid: str


@dataclass
class Writer:
    """One client with a few names of its own; it goes on through the server's deaths."""

    server: Server
    number: int
    size: int = 200  # bytes of data in an object, at most
    told: list[Told] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unknown: int = 0  # requests that were not answered

    def __post_init__(self) -> None:
        self._chance = random.Random(self.number)

    def run(self, stop: threading.Event, most: int = 1 << 30) -> None:
        """Write until told to stop."""
        while not stop.is_set() and most > 0:
            try:
                with self.server.client() as api:
                    while not stop.is_set() and most > 0:
                        most -= 1
                        self._once(api)
            except httpx2.ConnectError:
                time.sleep(0.05)
            except (httpx2.TransportError, OSError):
                self.unknown += 1

    def _once(self, api: httpx2.Client) -> None:
        name = f"w{self.number}-{self._chance.randrange(4)}"
        service = self._chance.random() < 0.4
        where = SERVICES if service else MAPS
        method, path, headers, body = self._request(name, where, service=service)
        answer = api.request(method, path, headers=headers, json=body)
        when = time.time()
        if answer.status_code >= 500:
            self.refused.append(answer.text)
        if answer.status_code not in (200, 201):
            return
        said = answer.json()
        gone = method == "DELETE"
        uid = said["details"]["uid"] if said["kind"] == "Status" else said["metadata"]["uid"]
        revision = 0 if gone else int(said["metadata"]["resourceVersion"])
        self.told.append(Told(when, f"{where}/{name}", gone, revision, uid))

    def _request(self, name: str, where: str, *, service: bool) -> tuple[str, str, dict[str, str], Any]:
        note = "x" * self._chance.randrange(self.size) + str(self._chance.random())
        kind = "Service" if service else "ConfigMap"
        body: dict[str, Any] = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}
        body["metadata"]["annotations"] = {"note": note}
        if service:
            body["spec"] = {"ports": [{"port": 80}], "ipFamilyPolicy": "PreferDualStack"}
            body["spec"]["type"] = self._chance.choice(["ClusterIP", "NodePort"])
        one = f"{where}/{name}"
        match self._chance.choice(["create", "create", "apply", "patch", "put", "delete"]):
            case "create":
                return "POST", where, {}, body
            case "apply":
                return "PATCH", f"{one}?fieldManager=w&force=true", APPLY, body
            case "patch":
                return "PATCH", one, MERGE, {"metadata": {"annotations": {"note": note}}}
            case "put" if not service:
                return "PUT", one, {}, body
            case "put":
                return "PATCH", one, MERGE, {"spec": {"type": "NodePort"}}
            case _:
                return "DELETE", one, {}, None


@contextmanager
def writing(server: Server, count: int, size: int = 200) -> Iterator[list[Writer]]:
    """So many writers, each on a thread, while the block runs."""
    stop = threading.Event()
    writers = [Writer(server, number, size) for number in range(count)]
    threads = [threading.Thread(target=writer.run, args=(stop,)) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        yield writers
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
