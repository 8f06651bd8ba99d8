"""Conversations about the generic machinery, played on the real kube-apiserver and on kube46: the same answers.

Random ones are drawn from the tables' requests; `make conversations` draws 10,000.
"""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from cluster import (
    machinery_applies,
    machinery_autoscaling,
    machinery_certificates,
    machinery_deletes,
    machinery_events,
    machinery_kinds,
    machinery_patches,
    machinery_reads,
    machinery_requests,
    machinery_resizes,
    machinery_warnings,
)
from cluster.machinery_known import KNOWN
from cluster.machinery_patches import MAPS
from cluster.machinery_player import REFERENCE, Step, differences, play
from server.running import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import httpx2

    from cluster.upstream import Upstream

TABLES = (
    machinery_patches,
    machinery_requests,
    machinery_reads,
    machinery_deletes,
    machinery_applies,
    machinery_autoscaling,
    machinery_certificates,
    machinery_events,
    machinery_kinds,
    machinery_resizes,
    machinery_warnings,
)
CONVERSATIONS = {title: steps for table in TABLES for title, steps in table.CONVERSATIONS.items()}
WATCHES = {title: steps for title, steps in CONVERSATIONS.items() if title.startswith("watch")}
OTHERS = {title: steps for title, steps in CONVERSATIONS.items() if title not in WATCHES}
SAMPLE = ("watch: resourceVersion=0", "watch: sendInitialEvents=true", "watch: labelSelector=even%3Dtrue")
LONG = os.environ.get("KUBE46_CONVERSATIONS")  # how many random ones; the tables' watches are played, too
SEED = int(os.environ.get("KUBE46_SEED", "1"))  # of the random ones
ATTEMPTS = 3  # a second that ends, and Go's maps, which have no order, may make a difference once
# requests about the one ConfigMap m, which can follow each other in any order
POOL = [
    step
    for title, steps in OTHERS.items()
    for number, step in enumerate(steps)
    if step.path.startswith(f"{MAPS}/m") and not REFERENCE.search(f"{step.path}{step.body}")
    and step.path.removeprefix(f"{MAPS}/m")[:1] in ("", "?") and number not in KNOWN.get(title, ())
]  # fmt: skip
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Pair:
    """The real server and kube46."""

    real: httpx2.Client
    own: httpx2.Client

    def compare(self, title: str, steps: Sequence[Step]) -> list[str]:
        """What kube46 answers otherwise than the real server, beside what is known."""
        known = KNOWN.get(title, ())
        found: list[str] = []
        for _ in range(ATTEMPTS):
            namespace = f"w{os.getpid()}-{next(_numbers)}"
            theirs, ours = (play(client, steps, namespace) for client in (self.real, self.own))
            found = [text for number, text in differences(steps, theirs, ours).items() if number not in known]
            if not found:
                return []
        return [f"{title}: {text}" for text in found]


@pytest.fixture(scope="module")
def pair(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Clients of both servers."""
    own = Server(tmp_path_factory.mktemp("own")).start()
    with upstream.client() as real, own.client() as mine:
        yield Pair(real, mine)
    assert own.stop() == 0


@pytest.mark.timeout(300)
def test_tables(pair: Pair) -> None:
    """Every answer of every conversation is the real server's: status, body, headers that clients rely on."""
    found = [text for title, steps in OTHERS.items() for text in pair.compare(title, steps)]
    assert not found, "\n".join(found)


@pytest.mark.timeout(600)
def test_watches(pair: Pair) -> None:
    """Watches begin, go on and end as the real server's."""
    played = {title: steps for title, steps in WATCHES.items() if LONG or title in SAMPLE}
    with ThreadPoolExecutor(8) as pool:  # they wait
        found = [text for texts in pool.map(pair.compare, played, played.values()) for text in texts]
    assert not found, "\n".join(found)


@pytest.mark.timeout(0)
def test_random(pair: Pair) -> None:
    """Requests about one object in any order are answered as the real server does."""

    @seed(SEED)
    @settings(max_examples=int(LONG or 20), database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.sampled_from(POOL), min_size=2, max_size=6))
    def same(steps: list[Step]) -> None:
        first = Step("POST", MAPS, machinery_patches.config_map("m", {"a": "1", "b": "2"}, labels={"l": "1"}))
        found = pair.compare("random", [first, *steps])
        assert not found, "\n".join(found)

    same()
