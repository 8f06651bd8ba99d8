"""What the checks of running clusters stand on: responders on some nodes, their Services, and who asks."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kube46.api import objects
from kube46.api.resources import PODS, SERVICES
from kube46.check import runner as check
from kube46.check.model import Layout, Probe, Result
from kube46.check.workload import Program
from kube46.conformance import traffic
from kube46.conformance.model import Facts
from kube46.conformance.places import PodProber
from kube46.kubernetes.client import Client

MOST_NODES = 3  # on larger clusters: probes grow with their square
POLL = 0.2
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ground:
    """The responders, described; `lacks`: who of them has no address of a family."""

    client: Client
    prober: PodProber
    facts: Facts
    layout: Layout
    services: Mapping[str, objects.Service]
    pods: Sequence[Mapping[str, Any]]
    settings: check.Settings
    lacks: Sequence[str]

    async def ask(self, probes: Sequence[Probe]) -> dict[str, Result]:
        """The results, crosses asked again until they settle."""
        return await check.settled(self.prober, self.layout.namespace, list(probes), self.settings.settle)

    async def in_time(self, judge: Callable[[], Awaitable[list[str]]]) -> list[str]:
        """What is wrong still when the cluster had time to mend it."""
        deadline = time.monotonic() + self.settings.settle
        while True:
            found = await judge()
            if not found or time.monotonic() > deadline:
                return found
            await asyncio.sleep(POLL)


async def standing(
    client: Client, namespace: str, facts: Facts, program: Program, settings: check.Settings, progress: Progress
) -> Ground:
    """Starts the pods and waits for them. Raises CheckError and KubernetesError."""
    dns = await check.dns_service(client, replace(settings, families=()))  # it may have one family of two
    ready, _ = await check.ready_nodes(client)
    nodes = sorted(ready, key=lambda node: node.spec.unschedulable)[:MOST_NODES]
    await check.start_responders(client, namespace, nodes, program, progress)
    prober = PodProber(client, program)
    whole = await check.describe(client, namespace, nodes, settings, dns, prober.outside, progress)
    layout, lacks = traffic.possible(whole)
    for body in traffic.services(layout):
        await client.create(SERVICES, body, namespace)
    services = {item.metadata.name: item for item in (await client.list(SERVICES, namespace)).items}
    names = {responder.pod for responder in layout.responders}
    pods = [pod for pod in (await client.list(PODS.raw(), namespace)).items if pod["metadata"]["name"] in names]
    return Ground(client, prober, facts, layout, services, pods, settings, lacks)
