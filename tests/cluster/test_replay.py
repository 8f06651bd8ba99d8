"""Conversations with kube46's API server and the real one in one run: recorded ones, and random ones."""

from __future__ import annotations

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from beside import oracle
from cluster.conversations.pairs import SETTINGS, Pair, differences
from cluster.conversations.topics import ALL
from server.apiserver.test_strategies_replay import LAST_PORT, tool

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE = 60  # every so manieth recording is replayed, unless --recordings=all
CONVERSATIONS = 12  # with each pair, others in each run; `make differential` holds thousands
SEEDS = 1 << 31


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Pair]]:
    """Two servers of each setting of --service-cluster-ip-range."""
    directory = tmp_path_factory.mktemp("pairs")
    made = [Pair(setting, directory) for setting in SETTINGS]
    with ThreadPoolExecutor(len(made)) as pool:
        try:
            list(pool.map(Pair.start, made))
            yield made
        finally:
            list(pool.map(Pair.stop, made))


def recorded(setting: str, every: int) -> list[tuple[int, dict[str, Any]]]:
    """The recordings of a setting, each with its number, which picks the addresses and ports that it may name."""
    with oracle("kubernetes-1.37.jsonl").open() as file:
        numbered = [(number, json.loads(line)) for number, line in enumerate(file)]
    return [(number, one) for number, one in numbered if one["cluster"] == setting][::every]


def replayed(pair: Pair, every: int) -> list[str]:
    """Where the answers of one of a pair are not those recorded."""
    replay, differing = tool(), list[str]()
    assert pair.servers is not None
    apis = [replay.Api(server.url, "admintoken") for server in pair.servers]
    for slot, scenario in recorded(pair.setting, every):
        wanted = [{k: step[k] for k in ("code", "answer", "warnings") if k in step} for step in scenario["steps"]]
        for name, api in zip(("real", "kube46"), apis, strict=True):
            got = replay.run(scenario, api, slot)
            if LAST_PORT in str(got) and LAST_PORT not in str(wanted):  # a random port that the tool takes for a text
                got = replay.run(scenario, api, slot + 10000)
            if got != wanted:
                differing.append(f"{scenario['id']}: {name} answers {got}\nnot {wanted}")
    return differing


@pytest.mark.timeout(1800)
def test_both_servers_answer_as_recorded(pairs: list[Pair], request: pytest.FixtureRequest) -> None:
    """kube46, the real server and the recording give the same answers, warnings included."""
    every = 1 if request.config.getoption("--recordings") == "all" else SAMPLE
    with ThreadPoolExecutor(len(pairs)) as pool:
        differing = [text for found in pool.map(lambda pair: replayed(pair, every), pairs) for text in found]
    assert not differing, "\n".join(differing[:5])


def test_nobody_can_tell_them_apart(pairs: list[Pair]) -> None:
    """Random conversations get the same answers from both servers; the seed that a failure shows repeats them."""
    seed = secrets.randbelow(SEEDS)

    def held(pair: Pair) -> list[str]:
        found = differences(pair, ALL, CONVERSATIONS, seed, machinery=False)
        return [str(pair.shrink(difference)) for _, difference in found if difference is not None]

    with ThreadPoolExecutor(len(pairs)) as pool:
        differing = [text for found in pool.map(held, pairs) for text in found]
    repeat = f"python -m cluster.conversations --own --count {CONVERSATIONS * len(pairs)} --seed {seed}"
    assert not differing, "\n\n".join([repeat, *differing])
