"""A whole check: makes the responders, probes from every place, judges, and takes the responders away."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from kube46.addresses.families import Family, by_family, family_of
from kube46.api import objects
from kube46.api.resources import ENDPOINT_SLICES, NAMESPACES, NODES, PODS, SERVICES
from kube46.check import rules, workload
from kube46.check.matrix import Report
from kube46.check.model import Layout, Node, Place, Probe, Responder, Result
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import KubernetesError, NotFound


class CheckError(Exception):
    """The check could not be made; the message says what is missing."""


class Prober(Protocol):
    """Reaches the places of a cluster: by namespaces in a stand-alone one, by exec in others."""

    @property
    def outside(self) -> bool:
        """Whether there is a place outside the cluster to probe from."""

    async def probe(self, place: Place, namespace: str, probes: Sequence[Probe]) -> list[Result]:
        """Runs the probes at a place, all at once. Raises CheckError when the place cannot be entered."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What to check: all families of the cluster when none is named; `timeout` is for the responders, seconds.

    A cross is looked at again for `settle` seconds before it counts: rules reach nodes a moment after the API has them.
    """

    families: tuple[Family, ...] = ()
    domain: str = "cluster.local"
    dns_service: tuple[str, str] = ("kube-system", "kube-dns")
    timeout: float = 60.0
    settle: float = 3.0


async def check(
    client: Client, prober: Prober, settings: Settings, progress: Callable[[str], None] = lambda _: None
) -> Report:
    """The matrix of this cluster, now. Raises CheckError and KubernetesError."""
    namespace = f"kube46-check-{secrets.token_hex(3)}"
    dns = await dns_service(client, settings)
    async with _responders(client, namespace, progress) as (nodes, left_out):
        layout = await describe(client, namespace, nodes, settings, dns, prober.outside, progress)
        probes = rules.probes(layout, lambda: secrets.token_hex(8))
        progress(f"Sending {len(probes)} probes from {len(rules.places(layout))} places")
        start = time.monotonic()
        results = await settled(prober, namespace, probes, settings.settle)
        report_cells = tuple(rules.cells(probes, results))
        seconds = round(time.monotonic() - start, 3)
        return Report(tuple(map(str, layout.families)), report_cells, seconds, left_out)


async def dns_service(client: Client, settings: Settings) -> objects.Service:
    """The cluster's DNS Service, which has all its families. Refuses others before anything is made."""
    namespace, name = settings.dns_service
    try:
        dns = await client.get(SERVICES, name, namespace)
    except NotFound:
        raise CheckError(
            f"there is no DNS Service {namespace}/{name}: see kubectl get services -n {namespace}"
        ) from None
    if missing := [family for family in settings.families if family not in _families(dns)]:
        raise CheckError(f"--families: this cluster has no {missing[0]} Services, only {', '.join(_families(dns))}")
    return dns


def _families(service: objects.Service) -> tuple[Family, ...]:
    """A Service's families; of its addresses where the API server keeps none, with the gate IPv6DualStack off."""
    named = tuple(Family(name) for name in service.spec.ip_families)
    return named or tuple(family_of(address) for address in service.spec.cluster_ips if address != "None")


@contextlib.asynccontextmanager
async def _responders(
    client: Client, namespace: str, progress: Callable[[str], None]
) -> AsyncIterator[tuple[list[objects.Node], tuple[str, ...]]]:
    """The nodes that have responders now, and the names of those that are not Ready."""
    ready, left_out = await ready_nodes(client)
    await client.create(NAMESPACES, workload.namespace(namespace))
    try:
        await start_responders(client, namespace, ready, workload.Program(), progress)
        yield ready, left_out
    finally:
        # The answer is not waited for: whoever asked for the matrix need not watch the pods end.
        with contextlib.suppress(KubernetesError):
            await client.delete(NAMESPACES, namespace)


async def ready_nodes(client: Client) -> tuple[list[objects.Node], tuple[str, ...]]:
    """The nodes that are Ready, and the names of the others. Raises CheckError when there is none."""
    nodes = sorted((await client.list(NODES)).items, key=lambda node: node.metadata.name)
    ready = [node for node in nodes if any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)]
    if not ready:
        raise CheckError("no node is Ready: see kubectl get nodes")
    return ready, tuple(node.metadata.name for node in nodes if node not in ready)


async def start_responders(
    client: Client,
    namespace: str,
    nodes: Sequence[objects.Node],
    program: workload.Program,
    progress: Callable[[str], None],
) -> None:
    """Makes the Services and the pods of a check; `describe` waits for them."""
    nodes_text = f"each of {len(nodes)} nodes" if len(nodes) > 1 else "the node"
    progress(f"Starting {len(workload.COPIES)} responders on {nodes_text}")
    names = [node.metadata.name for node in nodes]
    for body in workload.services(names):
        await client.create(SERVICES, body, namespace)
    for name in names:
        for copy in workload.COPIES:
            await client.create(PODS, workload.pod(name, copy, program), namespace)


async def describe(
    client: Client,
    namespace: str,
    nodes: list[objects.Node],
    settings: Settings,
    dns: objects.Service,
    outside: bool,
    progress: Callable[[str], None],
) -> Layout:
    """Waits until every responder is an endpoint of its Services, then describes all."""
    hosts = {
        workload.pod_name(node.metadata.name, copy): node.metadata.name for node in nodes for copy in workload.COPIES
    }
    pods = await _ready_pods(client, namespace, list(hosts), settings.timeout, progress)
    services = {item.metadata.name: item for item in (await client.list(SERVICES, namespace)).items}
    families = settings.families or _families(services[workload.HEADLESS]) or _families(dns)
    return Layout(
        namespace,
        settings.domain,
        families,
        tuple(
            Node(node.metadata.name, by_family(node.status.internal_ips), by_family(node.spec.pod_cidrs))
            for node in nodes
        ),
        tuple(
            Responder(
                name,
                node,
                by_family(entry.ip for entry in pods[name].status.pod_ips),
                name,
                by_family(services[name].spec.cluster_ips),
                services[name].spec.ports[0].node_port,
                name == workload.pod_name(node),
            )
            for name, node in hosts.items()
        ),
        workload.HEADLESS,
        by_family(dns.spec.cluster_ips),
        workload.PORT,
        outside,
    )


async def _ready_pods(
    client: Client, namespace: str, names: list[str], timeout: float, progress: Callable[[str], None]
) -> dict[str, objects.Pod]:
    progress("Waiting for the responders")
    pods: dict[str, objects.Pod] = {}
    try:
        async with asyncio.timeout(timeout):
            while True:
                pods = {pod.metadata.name: pod for pod in (await client.list(PODS, namespace)).items}
                slices = (await client.list(ENDPOINT_SLICES, namespace)).items
                ready = {
                    piece.metadata.labels.get("kubernetes.io/service-name")
                    for piece in slices
                    if any(endpoint.conditions.ready is not False for endpoint in piece.endpoints or ())
                }
                if all(name in pods and pods[name].status.ready and name in ready for name in names):
                    return pods
                await asyncio.sleep(0.05)
    except TimeoutError:
        late = [name for name in names if name not in pods or not pods[name].status.ready]
        why = f"pods {', '.join(late)} are not Ready" if late else "their Services have no endpoints"
        raise CheckError(f"after {timeout:g} s {why}: see kubectl describe pods -n {namespace}") from None


async def settled(prober: Prober, namespace: str, probes: list[Probe], settle: float) -> dict[str, Result]:
    """The results, with crosses probed again until they pass or the time to settle is over."""
    results: dict[str, Result] = {}
    todo = probes
    deadline = time.monotonic() + settle
    while todo:
        results |= await _everywhere(prober, namespace, todo)
        todo = [probe for probe in todo if rules.judge(probe, results.get(probe.id))]
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.1 if todo else 0)
    return results


async def _everywhere(prober: Prober, namespace: str, probes: list[Probe]) -> dict[str, Result]:
    by_place: dict[Place, list[Probe]] = {}
    for probe in probes:
        by_place.setdefault(probe.place, []).append(probe)
    found: list[Result] = []

    async def at(place: Place, own: list[Probe]) -> None:
        try:
            found.extend(await prober.probe(place, namespace, own))
        except CheckError as error:
            found.extend(Result(probe.id, error=str(error)) for probe in own)

    async with asyncio.TaskGroup() as group:
        for place, own in by_place.items():
            group.create_task(at(place, own))
    return {result.id: result for result in found}


def encoded(probes: Sequence[Probe]) -> bytes:
    """The probes as `kube46.check.prober` reads them."""
    return msgspec.json.encode([msgspec.to_builtins(probe) for probe in probes])


def decoded(output: bytes) -> list[Result]:
    """The results as `kube46.check.prober` writes them. Raises CheckError."""
    try:
        return msgspec.json.decode(output, type=list[Result])
    except msgspec.DecodeError as error:
        raise CheckError(f"the prober's output is not JSON: {output[:200]!r}") from error
