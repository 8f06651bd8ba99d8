"""Recorded conversations, replayed against kube46's API server and the real one in one run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from beside import oracle
from cluster.conversations.pairs import SETTINGS, Pair
from server.apiserver.test_strategies_replay import LAST_PORT, tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAMPLE = 40  # every so manieth recording is replayed, unless --recordings=all


@pytest.fixture(params=SETTINGS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """Two servers of each setting of --service-cluster-ip-range."""
    started = Pair(request.param, tmp_path).start()
    yield started
    started.stop()


def recorded(setting: str, every: int) -> list[tuple[int, dict[str, Any]]]:
    """The recordings of a setting, each with its number, which picks the addresses and ports that it may name."""
    with oracle("kubernetes-1.37.jsonl").open() as file:
        numbered = [(number, json.loads(line)) for number, line in enumerate(file)]
    return [(number, one) for number, one in numbered if one["cluster"] == setting][::every]


@pytest.mark.timeout(900)
def test_both_servers_answer_as_recorded(pair: Pair, request: pytest.FixtureRequest) -> None:
    """kube46, the real server and the recording give the same answers, warnings included."""
    replay = tool()
    every = 1 if request.config.getoption("--recordings") == "all" else SAMPLE
    assert pair.servers is not None
    real, own = (replay.Api(server.url, "admintoken") for server in pair.servers)
    differing = []
    for slot, scenario in recorded(pair.setting, every):
        wanted = [{k: step[k] for k in ("code", "answer", "warnings") if k in step} for step in scenario["steps"]]
        for name, api in (("real", real), ("kube46", own)):
            got = replay.run(scenario, api, slot)
            if LAST_PORT in str(got) and LAST_PORT not in str(wanted):  # a random port that the tool takes for a text
                got = replay.run(scenario, api, slot + 10000)
            if got != wanted:
                differing.append(f"{scenario['id']}: {name} answers {got}\nnot {wanted}")
    assert not differing, "\n".join(differing[:5])
