"""The client and its caches against a real API server."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated

import msgspec
import pytest

from kube46.api.objects import ConfigMap, Object, Service
from kube46.api.resources import CONFIG_MAPS, EVENTS, ROUTED_SERVICES, SERVICES
from kube46.kubernetes.caches import Cache, Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig
from kube46.kubernetes.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Unauthorized,
    Unreachable,
)
from kube46.kubernetes.events import EventRecorder
from patience import patient
from server.running import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An API server of this module's own, which forgets old events soon."""
    short = ("--default-watch-cache-size", "20")
    running = Server(tmp_path_factory.mktemp("server"), flags=short).start()
    yield running
    running.stop()


@asynccontextmanager
async def client_of(server: Server, token: str = "admintoken") -> AsyncIterator[Client]:
    """A client with a token."""
    async with Client(server.config(token), component="test") as client:
        yield client


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Returns when the condition holds."""
    deadline = time.monotonic() + patient(seconds)
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.01)


class Done(Exception):
    """Ends a scenario's tasks."""


def with_cache(server: Server, scenario: Callable[[Client, Cache[ConfigMap]], Awaitable[None]]) -> None:
    """Runs a scenario with a synced cache of the ConfigMaps of namespace `default`."""

    async def run() -> None:
        async with client_of(server) as client, asyncio.TaskGroup() as group:
            caches = Caches(client, group)
            cache = caches.of(CONFIG_MAPS, "default")
            assert caches.of(CONFIG_MAPS, "default") is cache
            await caches.synced()
            await scenario(client, cache)
            raise Done

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(run())
    assert caught.group_contains(Done)


def test_every_verb(server: Server) -> None:
    """create, get, list in pages, patch, replace, delete: each does what it says, each refusal has its own class."""

    async def scenario() -> None:
        async with client_of(server) as client:
            for number in range(3):
                await client.create(
                    CONFIG_MAPS, {"metadata": {"name": f"verb-{number}", "labels": {"x": "y"}}}, "default"
                )
            assert [item.metadata.name for item in (await client.list(CONFIG_MAPS, labels="x=y")).items] == [
                "verb-0", "verb-1", "verb-2",
            ]  # fmt: skip
            with pytest.raises(AlreadyExists):
                await client.create(CONFIG_MAPS, {"metadata": {"name": "verb-0"}}, "default")
            patched = await client.patch(CONFIG_MAPS, "verb-0", {"data": {"a": "1"}}, "default")
            assert patched.data == {"a": "1"}
            whole = await client.get(CONFIG_MAPS.raw(), "verb-0", "default")
            await client.patch(CONFIG_MAPS, "verb-0", {"data": {"a": "2"}}, "default")
            with pytest.raises(Conflict):
                await client.replace(CONFIG_MAPS, "verb-0", whole, "default")
            with pytest.raises(Conflict):
                await client.delete(CONFIG_MAPS, "verb-0", "default", uid="another")
            await client.delete(CONFIG_MAPS, "verb-0", "default", uid=whole["metadata"]["uid"])
            with pytest.raises(NotFound):
                await client.get(CONFIG_MAPS, "verb-0", "default")
            with pytest.raises(Invalid) as refused:
                await client.create(SERVICES, {"metadata": {"name": "a"}, "spec": {}}, "default")
            assert refused.value.details["causes"][0]["field"] == "spec.ports"

    asyncio.run(scenario())


@pytest.mark.parametrize(("token", "error"), [("nonsense", Unauthorized), ("strangertoken", Forbidden)])
def test_who_may_not_is_told_apart(server: Server, token: str, error: type[Exception]) -> None:
    """An unknown token and a known one without rights are different errors."""

    async def scenario() -> None:
        async with client_of(server, token) as client:
            with pytest.raises(error):
                await client.create(CONFIG_MAPS, {"metadata": {"name": "no"}}, "default")

    asyncio.run(scenario())


def test_a_server_that_is_not_there_is_unreachable() -> None:
    """No answer at all is an error of its own, naming the server."""

    async def scenario() -> None:
        async with Client(ClusterConfig("http://127.0.0.1:1"), component="test") as client:
            with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
                await client.get(CONFIG_MAPS, "a", "default")

    asyncio.run(scenario())


def test_a_revision_too_old_is_gone(server: Server) -> None:
    """A watch from before the kept window says so, so that a cache lists again."""

    async def scenario() -> None:
        async with client_of(server) as client:
            first = await client.create(CONFIG_MAPS, {"metadata": {"name": "old"}}, "default")
            for number in range(60):
                await client.patch(CONFIG_MAPS, "old", {"data": {"n": str(number)}}, "default")
            with pytest.raises(Gone):
                async for _ in client.watch(CONFIG_MAPS, resource_version=first.metadata.resource_version):
                    pass

    asyncio.run(scenario())


def test_a_cache_follows_changes_and_tells_its_listeners(server: Server) -> None:
    """Additions, changes and deletions arrive as (old, new)."""
    heard: list[tuple[str | None, str | None]] = []

    async def scenario(client: Client, cache: Cache[ConfigMap]) -> None:
        cache.listen(
            lambda old, new: (
                heard.append((old and old.data.get("v"), new and new.data.get("v")))
                if (old or new).metadata.name == "followed"  # type: ignore[union-attr]
                else None
            )
        )
        await client.create(CONFIG_MAPS, {"metadata": {"name": "followed"}, "data": {"v": "1"}}, "default")
        await client.patch(CONFIG_MAPS, "followed", {"data": {"v": "2"}}, "default")
        await client.delete(CONFIG_MAPS, "followed", "default")
        await until(lambda: len(heard) == 3)
        assert ("default", "followed") not in cache

    with_cache(server, scenario)
    assert heard == [(None, "1"), ("1", "2"), ("2", None)]


def test_a_cache_survives_the_servers_death(server: Server) -> None:
    """After kill -9 and a restart the cache goes on, with what happened meanwhile, and nothing twice."""
    heard: list[str] = []

    async def scenario(client: Client, cache: Cache[ConfigMap]) -> None:
        cache.listen(lambda _, new: heard.append(new.metadata.name) if new and "life" in new.metadata.name else None)
        await client.create(CONFIG_MAPS, {"metadata": {"name": "life-1"}}, "default")
        await until(lambda: "life-1" in heard)
        server.stop(signal.SIGKILL)
        await asyncio.to_thread(server.start)
        async with client_of(server) as other:
            await other.create(CONFIG_MAPS, {"metadata": {"name": "life-2"}}, "default")
        await until(lambda: "life-2" in heard)

    with_cache(server, scenario)
    assert heard == ["life-1", "life-2"]


class Numbers(Object, frozen=True):
    """A ConfigMap that must hold numbers only."""

    data: dict[str, Annotated[str, msgspec.Meta(pattern="^[0-9]$")]] = msgspec.field(default_factory=dict)


def test_an_object_that_cannot_be_read_is_left_out(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """One object of another shape than ours stops no cache: it alone is missing, until it can be read."""
    numbers = replace(CONFIG_MAPS, type=Numbers)

    async def scenario(client: Client, cache: Cache[ConfigMap]) -> None:
        for name, value in (("shape-good", "1"), ("shape-bad", "x")):
            await client.create(CONFIG_MAPS, {"metadata": {"name": name}, "data": {"v": value}}, "default")
        await until(lambda: ("default", "shape-bad") in cache)
        assert all(item.metadata.name != "shape-bad" for item in (await client.list(numbers, "default")).items)
        strict = Cache(client, numbers, "default")
        async with asyncio.TaskGroup() as group:
            task = group.create_task(strict.run())
            await strict.synced.wait()
            assert "shape-good" in {name for _, name in strict}
            for value in ("y", "7", "z", "8"):
                await client.patch(CONFIG_MAPS, "shape-good", {"data": {"v": value}}, "default")
                await until(lambda value=value: (("default", "shape-good") in strict) is value.isdigit())  # type: ignore[misc]
            task.cancel()

    with_cache(server, scenario)
    assert "name=default/shape-bad error=Expected `str` matching regex" in caplog.text


def test_a_cache_may_keep_less_of_each_object(server: Server) -> None:
    """Listed or watched, an object of a resource with `kept` has the fields of that and no others, for listeners too;
    a change is heard with what was before."""

    async def run() -> None:
        async with client_of(server) as client, asyncio.TaskGroup() as group:
            caches = Caches(client, group)
            labels = {"service.kubernetes.io/service-proxy-name": "another", "kept": "no"}
            body = {"metadata": {"name": "kept", "labels": labels}, "spec": {"ports": [{"port": 80}]}}
            made = await client.create(SERVICES, body, "default")
            cache = caches.of(ROUTED_SERVICES)
            assert cache is not caches.of(SERVICES)
            await caches.synced()
            heard: list[tuple[Service | None, Service | None]] = []
            cache.listen(lambda old, new: heard.append((old, new)))
            heard.clear()
            shown = cache["default", "kept"]
            kept = {"service.kubernetes.io/service-proxy-name": "another"}
            assert isinstance(shown, Service)
            assert shown.metadata.labels == kept
            assert shown.metadata.uid == made.metadata.uid
            assert not shown.metadata.creation_timestamp
            assert shown.spec == made.spec
            await client.patch(SERVICES, "kept", {"spec": {"ports": [{"port": 81}]}}, "default")
            await until(lambda: cache["default", "kept"].spec.ports[0].port == 81)
            assert heard == [(shown, cache["default", "kept"])]
            await client.delete(SERVICES, "kept", "default")
            await until(lambda: ("default", "kept") not in cache)
            raise Done

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(run())
    assert caught.group_contains(Done)


def test_repeated_events_are_counted(server: Server) -> None:
    """The same thing said again is one Event with a count; those listed by name come in the order of their times."""

    async def scenario() -> None:
        async with client_of(server) as client:
            recorder = EventRecorder(client, "tester", "here")
            about = {"metadata": {"name": "thing", "namespace": "default", "uid": "u"}}
            for _ in range(2):
                await recorder.record(CONFIG_MAPS, about, "Happened", "It happened", "Warning")
            events = (await client.list(EVENTS, "default", fields="involvedObject.name=thing")).items
            assert [(event["count"], event["reason"], event["type"]) for event in events] == [
                (2, "Happened", "Warning")
            ]
            await recorder.record(CONFIG_MAPS, about, "Ended", "It ended", part="data{x}")
            later = EventRecorder(client, "tester", "here")  # as after a restart: it knows of none before
            await later.record(CONFIG_MAPS, about, "Happened", "It happened", "Warning")
            events = (await client.list(EVENTS, "default", fields="involvedObject.name=thing")).items
            assert [(event["reason"], event["count"]) for event in events] == [
                ("Happened", 2),
                ("Ended", 1),
                ("Happened", 1),
            ]
            assert events[1]["involvedObject"]["fieldPath"] == "data{x}"

    asyncio.run(scenario())


def test_a_listener_that_fails_is_told_again(server: Server) -> None:
    """A bug in one listener ends no cache: the change that it failed at is told again, and so is what follows."""
    told: list[str] = []

    async def scenario(client: Client, cache: Cache[ConfigMap]) -> None:
        failures = 2

        def listen(old: ConfigMap | None, new: ConfigMap | None) -> None:
            nonlocal failures
            name = (new or old).metadata.name  # type: ignore[union-attr]
            if name == "stumble-1" and failures:
                failures -= 1
                raise ZeroDivisionError
            told.append(name)

        cache.listen(listen)
        for number in range(3):
            await client.create(CONFIG_MAPS, {"metadata": {"name": f"stumble-{number}"}}, "default")
        await until(lambda: {"stumble-0", "stumble-1", "stumble-2"} <= set(told))
        assert ("default", "stumble-1") in cache

    with_cache(server, scenario)
