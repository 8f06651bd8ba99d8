"""Holds thousands of random conversations: `python -m cluster.conversations --count 10000 --seed 1`.

Each is held with one of four pairs of servers, which differ in --service-cluster-ip-range. Differences are shrunk,
those that look alike counted together, and printed as conversations. Exit status 1 when there are any.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.conversations.pairs import SETTINGS, Pair, differences
from cluster.conversations.topics import TOPICS

if TYPE_CHECKING:
    from cluster.conversations.comparing import Difference

MEMORY = 200  # different differences that one run keeps


@dataclass
class Found:
    """What one pair of servers was found to differ in."""

    setting: str
    held: int = 0
    requests: int = 0
    unsteady: int = 0
    panics: int = 0  # of the real server: what follows one is not compared
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Difference] = field(default_factory=dict)


def run(setting: str, count: int, seed: int, topics: list[str], budget: float, machinery: bool) -> Found:
    """Hold `count` conversations with one pair of servers, in a directory of its own."""
    found, began = Found(setting), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="conversations-") as directory:
        pair = Pair(setting, Path(directory)).start()
        try:
            chosen = [TOPICS[name] for name in topics]
            for conversation, difference in differences(pair, chosen, count, seed, machinery=machinery):
                found.held += 1
                found.requests += 2 * len(conversation.steps)
                if difference is not None:
                    keep(found, pair, difference)
                if time.monotonic() - began > budget:
                    break
        finally:
            pair.stop()
    found.unsteady = pair.unsteady
    found.panics = pair.speakers[0].dropped if pair.speakers else 0
    found.seconds = time.monotonic() - began
    return found


def keep(found: Found, pair: Pair, difference: Difference) -> None:
    """Count a difference; the first of its sort is shrunk and kept."""
    found.counts[difference.signature] += 1
    if difference.signature not in found.examples and len(found.examples) < MEMORY:
        found.examples[difference.signature] = pair.shrink(difference)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10000, help="conversations in all, spread over the settings")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--setting", action="append", choices=list(SETTINGS), help="only this one (may be repeated)")
    parser.add_argument("--topic", action="append", choices=list(TOPICS), help="only this one (may be repeated)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop each pair after so long")
    parser.add_argument("--own", action="store_true", help="only about the kinds' own fields, not their metadata")
    asked = parser.parse_args()
    settings, topics = asked.setting or list(SETTINGS), asked.topic or list(TOPICS)
    share = -(-asked.count // len(settings))
    with ProcessPoolExecutor(len(settings)) as pool:
        jobs = [
            pool.submit(run, setting, share, asked.seed, topics, asked.seconds, not asked.own) for setting in settings
        ]
        results = [job.result() for job in jobs]
    return summary(results, asked.seed)


def summary(results: list[Found], seed: int) -> int:
    """Print what was found; the exit status."""
    counts: Counter[str] = Counter()
    examples: dict[str, tuple[str, Difference]] = {}
    for found in results:
        counts += found.counts
        for signature, example in found.examples.items():
            examples.setdefault(signature, (found.setting, example))
    for signature, number in counts.most_common():
        if signature in examples:
            print(f"=== {number} times, first with {examples[signature][0]}:\n{examples[signature][1]}\n")
    for found in results:
        differing = sum(found.counts.values())
        print(
            f"{found.setting}: {found.held} conversations, {found.requests} requests, {found.seconds:.0f} s,"
            f" {differing} differ, {found.unsteady} differed only once,"
            f" {found.panics} panics of the real server"
        )
    held, differing = sum(found.held for found in results), sum(counts.values())
    print(f"seed {seed}: {held} conversations held with both servers, {differing} differ in {len(counts)} ways")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
