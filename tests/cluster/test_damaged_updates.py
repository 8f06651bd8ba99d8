"""Updates by damaged objects of many kinds, sent as PUT and as patches: both servers give the same answer."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx2

from cluster.machinery_player import OURS, QUOTED
from cluster.mutations import SAMPLES, damaged
from cluster.test_discovery import ours
from cluster.test_mutations import MADE_BY_SERVERS, RANDOM, TIME

if TYPE_CHECKING:
    import re

    import pytest

    from cluster.upstream import Upstream
    from server.running import Server

__all__ = ["ours"]
NAMESPACE = NAME = "damaged-updates"  # no other test's: what has a finalizer would stand in its way
SEED, MANY, ATTEMPTS = 7, 6, 3  # Go's maps have no order
CALLED = "validatingwebhookconfigurations"  # would be, by the shared server
WAYS = ("application/json", "application/merge-patch+json", "application/strategic-merge-patch+json")
# what differs is in api-rules.md: templates of Jobs and claims are quoted by other names
KNOWN = ("jobs", "statefulsets")
CHANGES = "pod updates may not change fields other than"  # upstream adds Go's diff of the rest
Said = tuple[int, Any, list[str]]


def _shown(node: Any) -> Any:
    """An answer without what differs from server to server, and what it quotes with its keys in order."""
    if isinstance(node, dict):
        return {key: _shown(inner) for key, inner in node.items() if key not in MADE_BY_SERVERS}
    if isinstance(node, list):
        return [_shown(inner) for inner in node]
    if not isinstance(node, str):
        return node
    head, found, _ = node.partition(CHANGES)
    return TIME.sub("T", RANDOM.sub("R", QUOTED.sub(_quoted, head + found)))


def _quoted(text: re.Match[str]) -> str:
    try:
        return json.dumps(_shown(json.loads(json.loads(text[0]))), sort_keys=True)
    except ValueError:
        return text[0]


def said(client: httpx2.Client, path: str, way: str, body: Any) -> Said | None:
    """Status, content and warnings of a dry run's answer; None where the server breaks the connection (Go's panics)."""
    revision = client.get(path).json()["metadata"]["resourceVersion"]
    meta = body["metadata"] | ({"resourceVersion": revision} if way == WAYS[0] else {})
    method, content = "PUT" if way == WAYS[0] else "PATCH", json.dumps(body | {"metadata": meta})
    try:
        answer = client.request(method, f"{path}?dryRun=All", content=content, headers={"content-type": way})
    except httpx2.TransportError:
        return None
    warnings = [text for text in answer.headers.get_list("warning") if OURS not in text]
    return answer.status_code, _shown(answer.json()), warnings


def test_damaged_updates(ours: Server, upstream: Upstream, pytestconfig: pytest.Config) -> None:
    """A good object of each kind is stored; every damaged update of it is answered alike, but for what is known."""
    count = MANY if (asked := pytestconfig.getoption("--mutations")) == 30 else asked
    for server in (ours, upstream):
        server.kubectl("create", "namespace", NAMESPACE)
        server.kubectl("create", "serviceaccount", "default", "-n", NAMESPACE)
    total, differing = 0, []
    with ours.client() as one, upstream.client() as other, ThreadPoolExecutor(2) as pool:
        for place, sample in SAMPLES.items():
            kind, path = place.rpartition("/")[2], place.replace("NS", NAMESPACE)
            if kind == CALLED:
                continue
            good = _named(sample)
            for client in (one, other):
                assert client.post(path, json=good).status_code == 201, kind
            for number in range(count):
                body = _named(damaged(sample, random.Random(f"{SEED} {kind} {number}")))
                way, at = WAYS[number % len(WAYS)], f"{path}/{NAME}"
                for _ in range(ATTEMPTS):
                    mine, theirs = pool.map(lambda c, a=at, w=way, b=body: said(c, a, w, b), (one, other))
                    if theirs is None or mine == theirs:
                        break
                else:
                    differing.append((kind, way, body, mine, theirs))
                total += 1
            for client in (one, other):
                client.delete(f"{path}/{NAME}", params={"gracePeriodSeconds": 0})
                freed = {"metadata": {"finalizers": None}}
                client.patch(f"{path}/{NAME}", json=freed, headers={"content-type": WAYS[1]})
                assert client.get(f"{path}/{NAME}").status_code == 404, kind
    print(f"updates={total} differing={len(differing)}")
    new = [found for found in differing if found[0] not in KNOWN]
    assert not new, "\n".join(map(str, new))


def _named(sample: Any) -> Any:
    text = json.dumps({**sample, "metadata": {**sample.get("metadata", {}), "name": NAME}})
    return json.loads(text.replace('"NS"', f'"{NAMESPACE}"'))
