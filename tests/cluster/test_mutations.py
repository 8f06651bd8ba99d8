"""Damaged objects of many kinds: both servers give the same answer, in all but a counted few cases."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from cluster.mutations import SAMPLES, damaged
from cluster.test_discovery import ours

if TYPE_CHECKING:
    import httpx2
    import pytest

    from cluster.upstream import Upstream
    from server.running import Server

__all__ = ["ours"]
NAMESPACE, SEED, MANY = "mutations", 1370, 30
MADE_BY_SERVERS = ("uid", "resourceVersion", "creationTimestamp", "managedFields")
RANDOM = re.compile(r"kube-api-access-[a-z0-9]{5}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
# kind → answers of the 30 that must be the same, where that is less than 29: what is missing is in api-rules.md
FLOORS = {"persistentvolumes": 28}


def said(client: httpx2.Client, path: str, body: Any) -> tuple[int, str]:
    """Status and content of a dry run's answer, without what differs from server to server."""
    answer = client.post(f"{path}?dryRun=All", json=body)
    content = answer.json()
    for name in MADE_BY_SERVERS:
        content.get("metadata", {}).pop(name, None)
    return answer.status_code, TIME.sub("T", RANDOM.sub("R", json.dumps(content, sort_keys=True)))


def test_mutations(ours: Server, upstream: Upstream, pytestconfig: pytest.Config) -> None:
    """As many answers are the same, kind by kind, as the table says at least."""
    count, same, differing = pytestconfig.getoption("--mutations"), Counter[str](), []
    for server in (ours, upstream):
        server.kubectl("create", "namespace", NAMESPACE)
        server.kubectl("create", "serviceaccount", "default", "-n", NAMESPACE)
    with ours.client() as one, upstream.client() as other, ThreadPoolExecutor(2) as pool:
        for place, sample in SAMPLES.items():
            kind, path = place.rpartition("/")[2], place.replace("NS", NAMESPACE)
            for number in range(count):
                chance = random.Random(f"{SEED} {kind} {number}")
                body = {"metadata": {"name": "x"}, **(damaged(sample, chance) if number else sample)}
                body = json.loads(json.dumps(body).replace('"NS"', f'"{NAMESPACE}"'))
                answers = list(pool.map(lambda client, path=path, body=body: said(client, path, body), (one, other)))
                if answers[0] == answers[1]:
                    same[kind] += 1
                else:
                    differing.append((kind, body, answers))
    for kind, body, answers in differing if pytestconfig.getoption("verbose") > 1 else ():
        print(kind, json.dumps(body), *answers, "", sep="\n")
    floors = {place.rpartition("/")[2]: FLOORS.get(place.rpartition("/")[2], 29) for place in SAMPLES}
    short = {kind: same[kind] for kind, floor in floors.items() if same[kind] < floor and count == MANY}
    assert short == {}, dict(same)
