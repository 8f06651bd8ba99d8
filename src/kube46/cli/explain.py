"""kube46 explain svc: where a node sends packets for a Service, and why."""

import asyncio
from ipaddress import ip_address
from pathlib import Path

import click

from kube46.addresses import prefixes
from kube46.addresses.families import family_of
from kube46.api.resources import ENDPOINT_SLICES, NODES, PODS, SERVICES
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig, ConfigError
from kube46.kubernetes.errors import KubernetesError, NotFound
from kube46.proxy.endpoints import DIRECTED
from kube46.proxy.explanations import Source, explain
from kube46.proxy.settings import Settings, node_view

OUTSIDE = Source("a client outside")


async def lines(client: Client, name: str, namespace: str, pod: str, node: str, cidrs: tuple[str, ...]) -> list[str]:
    """The explanation from the cluster's objects. Raises KubernetesError."""
    service = await client.get(SERVICES, name, namespace)
    found = await client.list(ENDPOINT_SLICES, namespace, labels=DIRECTED.format(name))
    source = OUTSIDE
    if pod:
        place, _, pod_name = pod.rpartition("/")
        if "/" in place or not pod_name:
            raise click.UsageError(f"--from {pod}: give POD, or NAMESPACE/POD")
        try:
            where = await client.get(PODS, pod_name, place or namespace)
        except NotFound as error:
            raise click.UsageError(f"--from {pod}: there is no such pod in namespace {place or namespace}") from error
        addresses = {family_of(ip): ip for ip in map(ip_address, (entry.ip for entry in where.status.pod_ips))}
        node = node or where.spec.node_name
        source = Source(f"pod {place or namespace}/{pod_name}", addresses, "node" if where.spec.host_network else "pod")
        if not node:
            raise click.UsageError(f"--from {pod}: the pod is on no node yet")
    if not node:
        names = sorted(item.metadata.name for item in (await client.list(NODES)).items)
        if not names:
            raise click.UsageError("the cluster has no node")
        node = names[0]
    settings = Settings(node, cluster_cidrs=tuple(map(prefixes.parse, cidrs)))
    shown = await client.get(NODES, node)
    return [*explain(service, found.items, node_view(shown, settings), source)]


@click.group()
def command() -> None:
    """Say where packets go, and why."""


@command.command()
@click.argument("name")
@click.option("-n", "--namespace", default="default", show_default=True, help="The Service's namespace.")
@click.option("--from", "pod", default="", metavar="POD", help="A pod that asks, or NAMESPACE/POD; default: outside.")
@click.option("--node", default="", help="The node whose proxy is asked; default: the pod's, else the first by name.")
@click.option("--cluster-cidr", default="", help="As the proxy's; default: the node's podCIDRs.")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Default: KUBECONFIG, ~/.kube/config, in-cluster.")
def svc(name: str, namespace: str, pod: str, node: str, cluster_cidr: str, kubeconfig: Path | None) -> None:
    """Where the Service NAME sends packets."""

    async def ask() -> list[str]:
        async with Client(ClusterConfig.load(kubeconfig), component="explain") as client:
            cidrs = tuple(part.strip() for part in cluster_cidr.split(",") if part.strip())
            return await lines(client, name, namespace, pod, node, cidrs)

    try:
        click.echo("\n".join(asyncio.run(ask())))
    except (ConfigError, KubernetesError, ValueError) as error:
        raise click.UsageError(str(error)) from error
