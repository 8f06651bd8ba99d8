"""A whole run: discovers the cluster, runs every check of a level side by side, and takes away what it made."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kube46.addresses.families import Family
from kube46.api import objects
from kube46.check import runner as check
from kube46.check.workload import Program
from kube46.conformance import addressing, catalog, datapath, discovery, rules, workspace
from kube46.conformance.model import Facts, Level, Outcome, Promise
from kube46.conformance.report import Report
from kube46.conformance.talking import converse
from kube46.kubernetes.client import Client

PYTHON = "docker.io/library/python:3-slim"
PARALLEL = 8  # conversations at once: enough to be quick, too few to trouble an API server


@dataclass(frozen=True, slots=True)
class Settings:
    """What to run. `families`: what the cluster must have; none: what it says it has. `only`: names; none: all.

    `patience`: how long the end of our namespace is waited for, seconds. `image`: one with python3 for our pods; "":
    the machine itself on a stand-alone cluster, Docker Hub's python on others. `pods`: whether to start any.
    `settle`: how long what is wrong is looked at again, seconds: rules reach nodes a moment after the API has them.
    `disruptive`: a command that restarts or upgrades parts of the cluster; none: what must endure it is not asked.
    """

    level: Level = Level.GA
    families: tuple[Family, ...] = ()
    only: frozenset[str] = frozenset()
    patience: float = 60.0
    image: str = ""
    domain: str = "cluster.local"
    pods: bool = True
    settle: float = 15.0
    disruptive: tuple[str, ...] = ()


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
            *await _pods(client, namespace, facts, nodes, settings, progress),
        ]
    order = {promise.name: number for number, promise in enumerate(catalog.promises(Level.GA))}
    outcomes.sort(key=lambda item: order[item.name])
    return Report(settings.level, facts.version, facts.families, facts.nodes, tuple(outcomes), time.monotonic() - start)


def _wanted(promise: Promise, settings: Settings) -> bool:
    return promise.level in settings.level.included and (not settings.only or promise.name in settings.only)


async def _conversations(
    client: Client, namespace: str, facts: Facts, settings: Settings, progress: Callable[[str], None]
) -> list[Outcome]:
    checks = [item for item in catalog.CONVERSATIONS if _wanted(item.promise, settings)]
    if checks:
        progress(f"Having {len(checks)} conversations with the API")
    places = asyncio.Semaphore(PARALLEL)

    async def one(number: int) -> Outcome:
        async with places:
            return await converse(client, namespace, checks[number], facts)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number)) for number in range(len(checks))]
    return [task.result() for task in tasks]


async def _pods(
    client: Client,
    namespace: str,
    facts: Facts,
    nodes: Sequence[objects.Node],
    settings: Settings,
    progress: Callable[[str], None],
) -> list[Outcome]:
    """What only running pods show."""
    wanted = [promise for promise in catalog.PODS if _wanted(promise, settings)]
    if not wanted:
        return []
    if not nodes:
        return [rules.skipped(promise, "there are no nodes") for promise in wanted]
    if not settings.pods:
        return [rules.not_run(promise, "leave out --no-pods") for promise in wanted]
    how = check.Settings(families=facts.families, domain=settings.domain, settle=settings.settle)
    return await datapath.run(
        client, namespace, facts, _program(nodes, settings), how, wanted, settings.disruptive, progress
    )


def _program(nodes: Sequence[objects.Node], settings: Settings) -> Program:
    own = all("kube46" in node.status.node_info.kubelet_version for node in nodes)
    return Program() if own and not settings.image else Program(settings.image or PYTHON, "python3")


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
