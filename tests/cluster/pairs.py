"""kube46's API server and the real one side by side: the same requests, the same restarts, and what differs."""

from __future__ import annotations

import asyncio
import copy
import json
import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from itertools import islice
from typing import TYPE_CHECKING, Any

from cluster.upstream import Upstream
from kube46.apiserver.storage import Store
from server.running import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import httpx2

MADE_BY_SERVERS = {"uid", "resourceVersion", "creationTimestamp", "managedFields", "deletionTimestamp", "generation"}
TIMES = {"firstTimestamp", "lastTimestamp", "eventTime", "lastObservedTime", "lastTransitionTime"}
ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+|(?<![\w:])[0-9a-f]{1,4}:[0-9a-f:]*[0-9a-f:]")
PORT = re.compile(r"(?<![\d.])[3-6]\d{4}(?![\d.])")
MERGE = "application/merge-patch+json"
Body = dict[str, Any] | list[Any] | None


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the flags of both servers say."""

    ranges: str
    advertised: str = ""
    ports: str = "30000-32767"

    @property
    def address(self) -> str:
        """The advertised address, of the primary family unless it was given."""
        version = ip_network(self.ranges.split(",")[0]).version
        return self.advertised or ("192.0.2.1" if version == 4 else "2001:db8::1")


@dataclass
class Names:
    """Addresses that a server chose, as `<v4#1>` in the order in which they appeared, and node ports as `<port>`.

    Node ports have no number: of 2,682 a server now and then draws one again that was given back.

    Those in `fixed` were chosen by the test and are shown as they are; `secure` is the server's own port.
    """

    fixed: Callable[[str], bool]
    secure: str = ""
    seen: dict[str, str] = field(default_factory=dict)

    def hide(self, text: str) -> str:
        """A text without what was chosen at random."""
        return PORT.sub(lambda found: self._port(found[0]), ADDRESS.sub(lambda found: self._address(found[0]), text))

    def _address(self, text: str) -> str:
        try:
            address = ip_address(text)
        except ValueError:
            return text
        return text if self.fixed(text) else self._token(text, f"v{address.version}")

    def _port(self, text: str) -> str:
        if text == self.secure:
            return "<secure>"
        return text if self.fixed(text) or int(text) > 32767 else "<port>"

    def _token(self, text: str, kind: str) -> str:
        if text not in self.seen:
            number = 1 + sum(token.startswith(f"<{kind}#") for token in self.seen.values())
            self.seen[text] = f"<{kind}#{number}>"
        return self.seen[text]

    def normal(self, value: Any) -> Any:
        """JSON without what servers make up; keys in order, so that tokens are given in the same order."""
        if isinstance(value, dict):
            kept = {key: value[key] for key in sorted(value) if key not in MADE_BY_SERVERS | TIMES}
            return {self.hide(key): self.normal(one) for key, one in kept.items()}
        if isinstance(value, list):
            return [self.normal(one) for one in value]
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, int) and not isinstance(value, bool) and 30000 <= value < 65536:
            return self.hide(str(value)) if str(value) == self.secure or value < 32768 else value
        return value


@dataclass(frozen=True, slots=True)
class Difference:
    """One request and both answers."""

    where: str
    request: str
    ours: str
    real: str

    def __str__(self) -> str:
        return f"[{self.where}] {self.request}\n   " + "\n   ".join(self.parts())

    def parts(self) -> list[str]:
        """The places in which the answers differ, at most ten."""
        return list(islice(_parts("", json.loads(self.ours), json.loads(self.real)), 10))


def _parts(path: str, ours: Any, real: Any) -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(real, dict):
        for key in sorted(ours.keys() | real.keys()):
            yield from _parts(f"{path}.{key}", ours.get(key), real.get(key))
    elif isinstance(ours, list) and isinstance(real, list) and len(ours) == len(real):
        for index, (a, b) in enumerate(zip(ours, real, strict=True)):
            yield from _parts(f"{path}[{index}]", a, b)
    elif ours != real:
        yield f"{path}: ours {json.dumps(ours)}, real {json.dumps(real)}"


class Pair:
    """Two servers that hear the same; `differences` collects where they answered differently."""

    def __init__(
        self, directory: Path, fixed: Callable[[str], bool] = lambda text: False, flags: tuple[str, ...] = ()
    ) -> None:
        self.differences: list[Difference] = []
        self.where = ""
        self.asked = 0
        self._flags = flags
        for name in ("ours", "real"):
            (directory / name).mkdir()
        self.ours, self.real = Server(directory / "ours"), Upstream(directory / "real")
        self.names = (Names(fixed, str(self.ours.port)), Names(fixed, str(self.real.port)))
        self._clients: list[httpx2.Client] = []
        self._pool = ThreadPoolExecutor(2)

    @contextmanager
    def running(self, configuration: Configuration) -> Iterator[None]:
        """Both servers with these ranges, on the data they had before."""
        flags = ("--service-cluster-ip-range", configuration.ranges, "--advertise-address", configuration.address)
        both = (*self._flags, "--service-node-port-range", configuration.ports)
        self.ours.flags = (*flags, *both)
        self.real.ranges, self.real.advertised = configuration.ranges, configuration.address
        self.real.flags = both
        servers: Sequence[Server] = (self.ours, self.real)
        try:
            list(self._pool.map(lambda server: server.start(), servers))
            self._clients = [server.client() for server in servers]
            yield
        finally:
            for client in self._clients:
                client.close()
            list(self._pool.map(lambda server: server.process and server.stop(), servers))

    def plant(self, kind: str, objects: list[dict[str, Any]]) -> None:
        """Put objects of a kind (`services`, `ipaddresses`) into both stores past all rules, while they are stopped."""
        version = "v1" if kind == "services" else "networking.k8s.io/v1"
        name = {"services": "Service", "ipaddresses": "IPAddress"}[kind]
        prefix = {"services": "services/specs", "ipaddresses": "ipaddresses"}[kind]
        stamped = [_stamped(obj) for obj in objects]
        keys = ["/".join([prefix, *_key(obj)]) for obj in stamped]
        self.real.plant(
            {key: {"apiVersion": version, "kind": name, **obj} for key, obj in zip(keys, stamped, strict=True)}
        )

        async def put() -> None:
            store = Store(self.ours.directory / "data.db")
            store.start()
            with store.begin() as txn:
                for obj in stamped:
                    txn.update(kind, copy.deepcopy(obj))
            await store.commit(txn)
            await asyncio.to_thread(store.close)

        asyncio.run(put())

    def ask(self, method: str, path: str, body: Body = None, type: str = "application/json") -> tuple[Any, Any]:
        """Both raw answers to a request; what differs between them is noted."""
        return self.ask_each(method, path, (body, body), type)

    def ask_each(
        self, method: str, path: str, bodies: tuple[Body, Body], type: str = "application/json"
    ) -> tuple[Any, Any]:
        """The same with a body for each, made from what each answered before."""
        self.asked += 1
        both = zip(self._clients, bodies, strict=True)
        answers = list(self._pool.map(lambda one: _send(one[0], method, path, one[1], type), both))
        shown = [
            (code, names.normal(answer), sorted(names.hide(text) for text in warnings))
            for names, (code, answer, warnings) in zip(self.names, answers, strict=True)
        ]
        if shown[0] != shown[1]:
            request = f"{method} {path} {json.dumps(bodies[0])}"
            texts = [json.dumps(one) for one in shown]
            self.differences.append(Difference(self.where, request, *texts))
        return answers[0][1], answers[1][1]

    def compare(
        self,
        what: str,
        read: Callable[[httpx2.Client], Any],
        seconds: float = 0.0,
        until: Callable[[Any], bool] = lambda shown: True,
    ) -> None:
        """Something read from both that must be alike at the latest after so many seconds, and as `until` says."""
        deadline = time.monotonic() + seconds
        while True:
            shown = [names.normal(read(one)) for names, one in zip(self.names, self._clients, strict=True)]
            if shown[0] == shown[1] and until(shown[0]):
                return
            if time.monotonic() > deadline:
                texts = [json.dumps(one) for one in shown]
                self.differences.append(Difference(self.where, what, *texts))
                return
            time.sleep(0.1)


def _send(client: httpx2.Client, method: str, path: str, body: Body, type: str) -> tuple[int, Any, list[str]]:
    content = None if body is None else json.dumps(body).encode()
    answer = client.request(method, path, content=content, headers={"content-type": type} if content else {})
    return answer.status_code, answer.json(), answer.headers.get_list("warning")


def _key(obj: dict[str, Any]) -> list[str]:
    meta = obj["metadata"]
    return [meta[part] for part in ("namespace", "name") if part in meta]


def _stamped(obj: dict[str, Any]) -> dict[str, Any]:
    made = {"uid": str(uuid.uuid4()), "creationTimestamp": "2020-01-01T00:00:00Z"}
    return {**obj, "metadata": {**made, **obj["metadata"]}}
