"""The driver of what needs pods: starts them, asks from every place, and judges pods, endpoints, packets and names."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec

from kube46.api.resources import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from kube46.check import rules as matrix
from kube46.check import runner as check
from kube46.check.model import Kind, Place
from kube46.check.workload import HEADLESS, Program
from kube46.conformance import disruption, enduring, rules, running, traffic
from kube46.conformance.ground import Ground, standing
from kube46.conformance.model import Facts, Outcome, Promise
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import ApiError

MOST_NODES = 3  # on larger clusters: probes grow with their square
POLL = 0.2
Progress = Callable[[str], None]


async def run(
    client: Client,
    namespace: str,
    facts: Facts,
    program: Program,
    settings: check.Settings,
    wanted: Iterable[Promise],
    command: Sequence[str],
    progress: Progress,
) -> list[Outcome]:
    """The outcomes of the wanted promises; the disruptive `command` is run after all others. Raises KubernetesError."""
    todo = {promise.name: promise for promise in wanted}
    try:
        ground = await standing(client, namespace, facts, program, settings, progress)
    except check.CheckError as error:
        first, *rest = todo.values()
        why = "not asked: the pods to ask did not start"
        return [rules.outcome(first, [str(error)], 0.0), *(rules.not_run(promise, why) for promise in rest)]
    checks: list[tuple[tuple[Promise, ...], Callable[[Ground], Awaitable[dict[str, list[str] | str]]]]] = [
        ((running.POD_ADDRESSES,), _addresses),
        ((running.POD_ENVIRONMENT,), _environment),
        ((running.SLICES,), _slices),
        ((running.ENDPOINTS,), _endpoints),
        (tuple(traffic.COLUMNS.values()), _matrix),
        ((traffic.RECORDS,), _records),
        ((traffic.AFFINITY,), _affinity),
        ((traffic.ONE_FAMILY,), _one_family),
        ((traffic.ENDPOINTS,), _moving),
    ]

    async def one(
        promises: Sequence[Promise], judge: Callable[[Ground], Awaitable[dict[str, list[str] | str]]]
    ) -> list[Outcome]:
        if not (asked := [promise for promise in promises if promise.name in todo]):
            return []
        start = time.monotonic()
        found = await judge(ground)
        took = time.monotonic() - start
        return [_outcome(promise, found[promise.name], took) for promise in asked]

    progress("Asking from pods and nodes")
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(promises, judge)) for promises, judge in checks]
    outcomes = [item for task in tasks for item in task.result()]
    late = [promise for promise in enduring.PROMISES if promise.name in todo]
    if not command or not late:
        return outcomes + [rules.not_run(promise, enduring.HOW) for promise in late]
    return outcomes + [item for item in await disruption.run(ground, command, progress) if item.name in todo]


def _outcome(promise: Promise, found: list[str] | str, took: float) -> Outcome:
    return rules.skipped(promise, found) if isinstance(found, str) else rules.outcome(promise, found, took)


async def _addresses(ground: Ground) -> dict[str, list[str] | str]:
    return {running.POD_ADDRESSES.name: running.pod_addresses(ground.pods, ground.facts.families)}


async def _environment(ground: Ground) -> dict[str, list[str] | str]:
    place = Place(Kind.POD, ground.layout.nodes[0].name)
    pod = next(pod for pod in ground.pods if pod["metadata"]["name"] == ground.layout.responders[0].pod)
    try:
        shown = msgspec.json.decode(await ground.prober.run(place, ground.layout.namespace, running.SHOW, {}))
        reasons = running.environment(shown, pod)
    except check.CheckError as error:
        reasons = [str(error)]
    return {running.POD_ENVIRONMENT.name: reasons}


async def _slices(ground: Ground) -> dict[str, list[str] | str]:
    own = {responder.service: responder.pod for responder in ground.layout.responders}

    async def now() -> list[str]:
        pieces = (await ground.client.list(ENDPOINT_SLICES, ground.layout.namespace)).items
        found = []
        for name, service in ground.services.items():
            if name in own or name == HEADLESS:
                pods = [pod for pod in ground.pods if own.get(name, pod["metadata"]["name"]) == pod["metadata"]["name"]]
                found += running.slices(service, pieces, pods)
        return found

    return {running.SLICES.name: await ground.in_time(now)}


async def _endpoints(ground: Ground) -> dict[str, list[str] | str]:
    async def now() -> list[str]:
        raw = await ground.client.get(ENDPOINTS.raw(), HEADLESS, ground.layout.namespace)
        return running.endpoints(ground.services[HEADLESS], raw, ground.pods)

    try:
        return {running.ENDPOINTS.name: await ground.in_time(now)}
    except ApiError:
        return {running.ENDPOINTS.name: "nobody here makes Endpoints, which are deprecated"}


async def _matrix(ground: Ground) -> dict[str, list[str] | str]:
    probes = traffic.of_any_network(matrix.probes(ground.layout, lambda: secrets.token_hex(8)), ground.layout)
    cells = matrix.cells(probes, await ground.ask(probes))
    columns = {promise.name: traffic.column(cells, target) for target, promise in traffic.COLUMNS.items()}
    # A family that somebody lacks was not asked over: no promise of both is kept.
    return {name: "there is one node" if found is None else [*ground.lacks, *found] for name, found in columns.items()}


async def _records(ground: Ground) -> dict[str, list[str] | str]:
    asked = traffic.questions(ground.layout, ground.services)

    async def now() -> list[str]:
        results = await ground.prober.probe(asked[0][0].place, ground.layout.namespace, [probe for probe, _ in asked])
        return traffic.wrong_records(asked, {result.id: result for result in results})

    try:
        return {traffic.RECORDS.name: await ground.in_time(now)}
    except check.CheckError as error:
        return {traffic.RECORDS.name: [str(error)]}


async def _affinity(ground: Ground) -> dict[str, list[str] | str]:
    pods = [responder.pod for responder in ground.layout.responders]
    addresses = ground.services[traffic.STICKY].spec.cluster_ips
    first = traffic.asked(ground.layout, traffic.STICKY, addresses, pods)
    reasons = traffic.failures(first, await ground.ask(first))
    if reasons:
        return {traffic.AFFINITY.name: reasons}
    again = traffic.asked(ground.layout, traffic.STICKY, addresses, pods, repeats=traffic.REPEATS)
    results = await ground.ask(again)
    return {traffic.AFFINITY.name: [*traffic.failures(again, results), *traffic.strays(again, results)]}


async def _one_family(ground: Ground) -> dict[str, list[str] | str]:
    pod = ground.layout.responders[0].pod
    names = [traffic.only(family) for family in ground.layout.families]
    probes = [
        probe
        for name in names
        for probe in traffic.asked(ground.layout, name, ground.services[name].spec.cluster_ips, [pod])
    ]
    return {traffic.ONE_FAMILY.name: traffic.failures(probes, await ground.ask(probes))}


async def _moving(ground: Ground) -> dict[str, list[str] | str]:
    """First one pod answers; then the Service selects another, and it answers."""
    addresses = ground.services[traffic.MOVING].spec.cluster_ips
    for number in (0, 1):
        pod = ground.layout.responders[number].pod
        change = {"spec": {"selector": {"kube46.dev/check": pod}}}
        await ground.client.patch(SERVICES, traffic.MOVING, change, ground.layout.namespace)
        probes = traffic.asked(ground.layout, traffic.MOVING, addresses, [pod])
        if reasons := traffic.failures(probes, await ground.ask(probes)):
            return {traffic.ENDPOINTS.name: reasons}
    return {traffic.ENDPOINTS.name: []}
