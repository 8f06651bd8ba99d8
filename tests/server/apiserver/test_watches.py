"""Watches over real connections: what is told, in which order, and when they end."""

import json
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from server.running import Server

MERGE = {"content-type": "application/merge-patch+json"}


@contextmanager
def watching(api: httpx2.Client, path: str, **query: object) -> Iterator[Iterator[dict[str, Any]]]:
    """The events of a watch."""
    with api.stream("GET", path, params={"watch": "true", **query}) as answer:
        if answer.status_code != 200:
            answer.read()
            raise AssertionError(answer.text)
        yield (json.loads(line) for line in answer.iter_lines())


@pytest.fixture
def maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def make(api: httpx2.Client, maps: str, name: str, **labels: str) -> dict[str, Any]:
    made = api.post(maps, json={"metadata": {"name": name, "labels": labels}})
    assert made.status_code == 201
    result: dict[str, Any] = made.json()
    return result


def brief(event: dict[str, Any]) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"]["name"]


def test_changes_in_order(api: httpx2.Client, maps: str) -> None:
    """A watch from a revision tells every later change once, with its revision; a deletion shows the last state."""
    start = make(api, maps, "before")["metadata"]["resourceVersion"]
    with watching(api, maps, resourceVersion=start) as events:
        made = make(api, maps, "a")
        api.patch(f"{maps}/a", json={"data": {"x": "y"}}, headers=MERGE)
        api.delete(f"{maps}/a")
        added, modified, deleted = (next(events) for _ in range(3))
    assert added == {"type": "ADDED", "object": made}
    assert brief(modified) == ("MODIFIED", "a")
    assert brief(deleted) == ("DELETED", "a")
    assert deleted["object"]["data"] == {"x": "y"}
    revisions = [int(e["object"]["metadata"]["resourceVersion"]) for e in (added, modified, deleted)]
    assert revisions == sorted(set(revisions))


@pytest.mark.parametrize("version", ["", "0"])
def test_present_state_first(api: httpx2.Client, maps: str, version: str) -> None:
    """Without a revision the present objects come first, as additions."""
    make(api, maps, "a")
    make(api, maps, "b")
    with watching(api, maps, resourceVersion=version, timeoutSeconds=1) as events:
        assert [brief(e) for e in events] == [("ADDED", "a"), ("ADDED", "b")]


def test_watch_list(api: httpx2.Client, maps: str) -> None:
    """sendInitialEvents: the present objects, then a bookmark that says so (KEP-3157)."""
    make(api, maps, "a")
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    with watching(api, maps, **query) as events:
        assert brief(next(events)) == ("ADDED", "a")
        mark = next(events)
        assert mark["type"] == "BOOKMARK"
        assert mark["object"]["kind"] == "ConfigMap"
        assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert int(mark["object"]["metadata"]["resourceVersion"]) >= 1
        make(api, maps, "b")
        assert brief(next(events)) == ("ADDED", "b")
    answer = api.get(f"{maps}?watch=true&sendInitialEvents=true")
    assert answer.status_code == 422
    assert "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan" in answer.json()["message"]


def test_selection_changes(api: httpx2.Client, maps: str) -> None:
    """An object that comes to match is added, one that ceases to match is deleted, with its old content."""
    start = make(api, maps, "a", tier="back")["metadata"]["resourceVersion"]
    with watching(api, maps, resourceVersion=start, labelSelector="tier=front") as events:
        for tier in ("front", "front", "back"):
            api.patch(f"{maps}/a", json={"metadata": {"labels": {"tier": tier}}, "data": {"t": tier}}, headers=MERGE)
        api.patch(f"{maps}/a", json={"data": {"unseen": ""}}, headers=MERGE)
        make(api, maps, "end", tier="front")
        seen = [next(events) for _ in range(3)]
    assert [brief(e) for e in seen] == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "end")]
    assert seen[1]["object"]["metadata"]["labels"] == {"tier": "front"}
    assert int(seen[1]["object"]["metadata"]["resourceVersion"]) > int(seen[0]["object"]["metadata"]["resourceVersion"])


def test_other_namespaces_are_not_told(api: httpx2.Client, maps: str) -> None:
    """A watch of a namespace sees that namespace only; a watch by name that object only."""
    start = make(api, maps, "zero")["metadata"]["resourceVersion"]
    with (
        watching(api, maps, resourceVersion=start) as here,
        watching(api, maps, resourceVersion=start, fieldSelector="metadata.name=b") as one,
        watching(api, "/api/v1/configmaps", resourceVersion=start) as everywhere,
    ):
        make(api, "/api/v1/namespaces/default/configmaps", f"elsewhere-{start}")
        make(api, maps, "a")
        make(api, maps, "b")
        assert [brief(next(here))[1] for _ in range(2)] == ["a", "b"]
        assert brief(next(one))[1] == "b"
        assert [brief(next(everywhere))[1] for _ in range(3)] == [f"elsewhere-{start}", "a", "b"]


def test_time_out_with_bookmark(api: httpx2.Client, maps: str) -> None:
    """A watch ends at its time-out; who takes bookmarks gets one at the end, to resume from."""
    start = make(api, maps, "a")["metadata"]["resourceVersion"]
    newest = make(api, "/api/v1/namespaces/default/configmaps", f"later-{start}")["metadata"]["resourceVersion"]
    query = {"resourceVersion": start, "timeoutSeconds": 1, "allowWatchBookmarks": "true"}
    with watching(api, maps, **query) as events:
        (mark,) = events
    assert mark["type"] == "BOOKMARK"
    assert int(mark["object"]["metadata"]["resourceVersion"]) >= int(newest)


def test_tables(api: httpx2.Client, maps: str) -> None:
    """A watch of Tables (kubectl get -w) brings the columns once."""
    make(api, maps, "a")
    accept = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    with api.stream("GET", f"{maps}?watch=true&timeoutSeconds=1", headers=accept) as answer:
        make(api, maps, "b")
        first, second = (json.loads(line)["object"] for line in answer.iter_lines())
    assert first["columnDefinitions"]
    assert not second.get("columnDefinitions")
    assert [t["rows"][0]["cells"][0] for t in (first, second)] == ["a", "b"]


def test_a_watch_rebuilds_the_list(server: Server, api: httpx2.Client, maps: str) -> None:
    """Whoever applies all events of a watch, broken off and resumed at random, has what a list shows."""
    seed = random.Random(46)
    start = make(api, maps, "first")["metadata"]["resourceVersion"]

    def write(number: int) -> None:
        with server.client() as own:
            for turn in range(40):
                path = f"{maps}/{'abcd'[(number + turn) % 4]}"
                match turn % 3:
                    case 0:
                        own.post(maps, json={"metadata": {"name": path[-1]}})
                    case 1:
                        own.patch(path, json={"data": {"n": f"{number}-{turn}"}}, headers=MERGE)
                    case _:
                        own.delete(path)

    with ThreadPoolExecutor() as pool:
        writers = [pool.submit(write, number) for number in range(4)]
        known, revision = {"first": ""}, int(start)
        while True:
            done = all(writer.done() for writer in writers)
            with watching(api, maps, resourceVersion=revision, timeoutSeconds=1) as events:
                for event, _ in zip(events, range(10**6 if done else seed.randint(1, 20)), strict=False):
                    meta = event["object"]["metadata"]
                    assert int(meta["resourceVersion"]) > revision
                    revision = int(meta["resourceVersion"])
                    assert (event["type"] == "ADDED") is (meta["name"] not in known)
                    known[meta["name"]] = (event["object"].get("data") or {}).get("n", "")
                    if event["type"] == "DELETED":
                        del known[meta["name"]]
            if done:
                break
    listing = api.get(maps).json()["items"]
    assert known == {i["metadata"]["name"]: (i.get("data") or {}).get("n", "") for i in listing}


def test_too_old(server_factory: Callable[..., Server]) -> None:
    """A revision that the log no longer holds is refused with 410, as is listing it; also after a restart."""
    server = server_factory(flags=("--default-watch-cache-size", "20"))
    leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    with server.client() as api:
        made = api.post(leases, json={"metadata": {"name": "l"}}).json()
        for number in range(60):
            made["metadata"]["annotations"] = {"n": str(number)}
            made = api.put(f"{leases}/l", json=made).json()
    for _ in range(2):
        with server.client() as api:
            answer = api.get(f"{leases}?watch=true&resourceVersion=2")
            assert (answer.status_code, answer.json()["type"]) == (200, "ERROR")
            status = answer.json()["object"]
            assert (status["code"], status["reason"]) == (410, "Expired")
            assert status["message"].startswith("too old resource version: 2 (")
            answer = api.get(f"{leases}?resourceVersion=2&resourceVersionMatch=Exact")
            assert (answer.status_code, answer.json()["reason"]) == (410, "Expired")
            newest = made["metadata"]["resourceVersion"]
            with watching(api, leases, resourceVersion=newest, timeoutSeconds=1) as events:
                assert list(events) == []
            with watching(api, leases, resourceVersion=int(newest) - 2) as events:
                assert [next(events)["object"]["metadata"]["annotations"]["n"] for _ in range(2)] == ["58", "59"]
        server.stop()
        server.start()
