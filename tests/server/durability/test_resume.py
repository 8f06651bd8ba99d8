"""Writers and watchers that go on while the server dies and comes back."""

import asyncio
import json
import random
import signal
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from kube46.apiserver.database import Event
from server.durability.forked import ForkedServer
from server.durability.load import MAPS, SERVICES, Told, Writer, writing
from server.durability.truth import Past
from server.running import Server

Seen = tuple[str, int, str, str]  # type, revision, name, uid


@dataclass
class Watcher:
    """Watches from the last revision it was told, again and again, until it is shown the object `end`."""

    path: str
    start: int
    number: int
    name: str = ""  # the only object it asks for
    seen: list[Seen] = field(default_factory=list)
    watches: int = 0
    errors: list[str] = field(default_factory=list)

    async def run(self, server: Server, client: httpx2.AsyncClient) -> None:
        chance, last = random.Random(self.number), self.start
        while not (self.seen and self.seen[-1][2] == "end"):
            query = {"watch": "1", "resourceVersion": str(last), "timeoutSeconds": str(chance.randint(1, 4))}
            query |= {"allowWatchBookmarks": "true"} if self.number % 2 else {}
            query |= {"fieldSelector": f"metadata.name={self.name}"} if self.name else {}
            try:
                async with client.stream("GET", server.url + self.path, params=query) as answer:
                    self.watches += 1
                    async for line in answer.aiter_lines():
                        last = self._take(json.loads(line), last)
            except (httpx2.TransportError, OSError):
                await asyncio.sleep(0.02)

    def _take(self, event: dict[str, object], last: int) -> int:
        obj = event["object"]
        assert isinstance(obj, dict)
        if event["type"] == "ERROR":
            self.errors.append(str(obj))
            return last
        meta = obj["metadata"]
        revision = int(meta["resourceVersion"])
        if event["type"] != "BOOKMARK":
            self.seen.append((str(event["type"]), revision, meta["name"], meta["uid"]))
        return revision

    def expected(self, past: Past) -> list[Seen]:
        """What happened to what it watches since it began."""
        resource = self.path.rpartition("/")[2]
        return [
            brief(event)
            for name, event in past.changes
            if name == resource and event.revision > self.start and self._wants(event)
        ]

    def _wants(self, event: Event) -> bool:
        return event.key.startswith("default/") and (not self.name or event.key == f"default/{self.name}")


def brief(event: Event) -> Seen:
    meta = json.loads(event.value)["metadata"]
    return event.type, event.revision, meta["name"], meta["uid"]


@pytest.mark.timeout(3600)
def test_nothing_lost_nothing_twice(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Over kills in the midst of writes: what was answered happened, once; watchers are told all of it, once."""
    long = pytestconfig.getoption("long")
    deaths, watching = (60, 200) if long else (3, 16)
    server = ForkedServer(tmp_path, flags=("--default-watch-cache-size", "1000000")).start()
    watchers = asyncio.run(_live(server, deaths, watching))
    told, writers = watchers.told, watchers.writers
    assert server.stop() == 0
    past = Past.read(tmp_path / "data.db")
    past.check()
    _check_answers(past, told, sum(w.unknown for w in writers))
    assert [w.refused for w in writers if w.refused] == []
    for watcher in watchers.watchers:
        assert watcher.errors == []
        assert watcher.seen == watcher.expected(past), f"watcher {watcher.number} of {watcher.path}"
    events, resumed = sum(len(w.seen) for w in watchers.watchers), sum(w.watches for w in watchers.watchers)
    unknown = sum(w.unknown for w in writers)
    print(f"deaths={deaths} answers={len(told)} unanswered={unknown} watches={resumed} events={events}")


@dataclass
class Outcome:
    """Who took part."""

    writers: list[Writer]
    watchers: list[Watcher]

    @property
    def told(self) -> list[Told]:
        return [told for writer in self.writers for told in writer.told]


async def _live(server: Server, deaths: int, count: int) -> Outcome:
    with server.client() as api:
        start = int(api.get(MAPS).json()["metadata"]["resourceVersion"])
    paths = [MAPS, SERVICES]
    watchers = [Watcher(paths[n % 2], start, n) for n in range(count)]
    context = server.tls()
    assert isinstance(context, ssl.SSLContext)
    limits = httpx2.Limits(max_connections=None)
    headers = {"authorization": "Bearer admintoken"}
    async with (
        httpx2.AsyncClient(verify=context, headers=headers, timeout=30, limits=limits, trust_env=False) as client,
        asyncio.TaskGroup() as group,
    ):
        for watcher in watchers:
            group.create_task(watcher.run(server, client))
        writers = await asyncio.to_thread(_die, server, deaths)
    return Outcome(writers, watchers)


def _die(server: Server, deaths: int) -> list[Writer]:
    """Let the server die so often, by SIGKILL and SIGTERM, under writers; then make the last objects."""
    chance = random.Random(46)
    with writing(server, 6) as writers:
        for number in range(deaths):
            before = sum(len(w.told) for w in writers)
            deadline = time.monotonic() + 60
            while sum(len(w.told) for w in writers) < before + 20:  # it works again
                assert time.monotonic() < deadline, "nothing is answered"
                time.sleep(0.01)
            time.sleep(chance.random() * 0.1)
            server.stop(signal.SIGTERM if number % 2 == 0 else signal.SIGKILL)
            server.start()
    with server.client() as api:
        for path, spec in ((MAPS, {}), (SERVICES, {"spec": {"ports": [{"port": 80}]}})):
            assert api.post(path, json={"metadata": {"name": "end"}, **spec}).status_code == 201
    return writers


def _check_answers(past: Past, told: list[Told], unknown: int) -> None:
    happened = {event.revision: event for _, event in past.changes}
    removed = {brief(event)[3] for event in happened.values() if event.type == "DELETED"}
    for answer in told:
        if answer.deleted:
            assert answer.uid in removed
            continue
        event = happened[answer.revision]
        assert (f"default/{answer.path.rpartition('/')[2]}", answer.uid) == (event.key, brief(event)[3])
    ours = [e for name, e in past.changes if name in ("configmaps", "services") and e.key.startswith("default/w")]
    answered = {answer.revision for answer in told}
    untold = sum(e.type != "DELETED" and e.revision not in answered for e in ours)
    untold += sum(e.type == "DELETED" for e in ours) - sum(answer.deleted for answer in told)
    assert 0 <= untold <= unknown
