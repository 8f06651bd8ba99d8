"""A whole run: discovers the cluster, runs every check of a level side by side, and takes away what it made."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kube46.addresses.families import Family
from kube46.api import objects
from kube46.conformance import addressing, catalog, discovery, rules, workspace
from kube46.conformance.model import Facts, Level, Outcome, Promise
from kube46.conformance.report import Report
from kube46.conformance.talking import converse
from kube46.kubernetes.client import Client

PARALLEL = 8  # conversations at once: enough to be quick, too few to trouble an API server


@dataclass(frozen=True, slots=True)
class Settings:
    """What to run. `families`: what the cluster must have; none: what it says it has. `only`: names; none: all.

    `patience`: how long the end of our namespace is waited for, seconds.
    """

    level: Level = Level.GA
    families: tuple[Family, ...] = ()
    only: frozenset[str] = frozenset()
    patience: float = 60.0


async def run(client: Client, settings: Settings, progress: Callable[[str], None] = lambda _: None) -> Report:
    """The gate's report of this cluster. Raises KubernetesError when the API gives no answer or refuses us.

    With a `Careful` client it may be cancelled at any instant and leaves nothing.
    """
    start = time.monotonic()
    async with workspace.namespace(client, settings.patience, progress) as namespace:
        facts, nodes = await discovery.discover(client, namespace)
        if settings.families:
            facts = Facts(facts.version, settings.families, facts.nodes)
        outcomes = [
            *await _conversations(client, namespace, facts, settings, progress),
            *_nodes(facts, nodes, settings),
        ]
    order = {promise.name: number for number, promise in enumerate(catalog.promises(Level.GA))}
    outcomes.sort(key=lambda item: order[item.name])
    return Report(settings.level, facts.version, facts.families, facts.nodes, tuple(outcomes), time.monotonic() - start)


def _wanted(promise: Promise, settings: Settings) -> bool:
    return promise.level in settings.level.included and (not settings.only or promise.name in settings.only)


async def _conversations(
    client: Client, namespace: str, facts: Facts, settings: Settings, progress: Callable[[str], None]
) -> list[Outcome]:
    checks = [check for check in catalog.CONVERSATIONS if _wanted(check.promise, settings)]
    progress(f"Having {len(checks)} conversations with the API")
    places = asyncio.Semaphore(PARALLEL)

    async def one(number: int) -> Outcome:
        async with places:
            return await converse(client, namespace, checks[number], facts)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number)) for number in range(len(checks))]
    return [task.result() for task in tasks]


def _nodes(facts: Facts, nodes: Sequence[objects.Node], settings: Settings) -> list[Outcome]:
    """What the nodes show by themselves."""
    have_ranges = any(node.spec.pod_cidrs for node in nodes)
    cases = (
        (addressing.NODE_ADDRESSES, addressing.node_addresses, "" if nodes else "there are no nodes"),
        (addressing.NODE_RANGES, addressing.node_ranges, "" if have_ranges else "no node has pod ranges of the API's"),
    )
    return [
        rules.skipped(promise, why) if why else rules.outcome(promise, judge(nodes, facts.families), 0.0)
        for promise, judge, why in cases
        if _wanted(promise, settings)
    ]
