"""kube46 controllers: the cluster-wide loops, in one process."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import click

from kube46.addresses.families import Family
from kube46.cli.daemon import serve
from kube46.controllers import health
from kube46.controllers.endpointslices.settings import Settings as SliceSettings
from kube46.controllers.nodeipam import settings as ipam
from kube46.kubernetes.caches import Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig, ConfigError
from kube46.kubernetes.leases import Election, lead
from kube46.lab.controllers.names import ALL, NETWORK, STAND_ALONE

Loop = Callable[[Client, Caches], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the loops are told; `node_ipam` is None when that loop is not chosen."""

    chosen: tuple[str, ...]
    node_ipam: ipam.Settings | None = None
    slices: SliceSettings = field(default_factory=SliceSettings)
    root_ca: str = ""
    node_grace_seconds: float = 40.0
    bind_address: str = ""
    election: Election | None = None


async def run(settings: Settings, config: ClusterConfig) -> None:
    """Runs the loops until cancelled; the end of one is the end of all, so that a supervisor starts them anew."""
    is_ready = asyncio.Event()
    with health.served(settings.bind_address, is_ready.is_set):
        async with Client(config, component="controllers") as client, asyncio.TaskGroup() as group:
            caches = Caches(client, group)

            async def work() -> None:
                async with asyncio.TaskGroup() as loops:
                    for loop in loops_of(settings):
                        loops.create_task(_run(loop, client, caches))
                    await asyncio.sleep(0)  # each has now asked for its caches
                    await caches.synced()
                    is_ready.set()

            if settings.election:
                is_ready.set()  # who waits to lead is well
                await lead(client, settings.election, work)
            else:
                await work()


async def _run(loop: Loop, client: Client, caches: Caches) -> None:
    await loop(client, caches)


def loops_of(settings: Settings) -> list[Loop]:
    """The chosen loops; only their modules are imported."""
    loops: list[Loop] = []
    if "node-ipam" in settings.chosen and settings.node_ipam:
        from kube46.controllers.nodeipam import controller as node_ipam

        blocks = settings.node_ipam
        loops.append(lambda client, caches: node_ipam.run(blocks, client, caches))
    if "endpointslice" in settings.chosen:
        from kube46.controllers.endpointslices import controller as slices

        loops.append(lambda client, caches: slices.run(settings.slices, client, caches))
    if "endpoint" in settings.chosen:
        from kube46.controllers.endpoints import controller as endpoints

        loops.append(endpoints.run)
    if "endpointslicemirroring" in settings.chosen:
        from kube46.controllers.mirroring import controller as mirroring

        loops.append(mirroring.run)
    if any(name in settings.chosen for name in STAND_ALONE):
        loops += _stand_alone(settings)
    return loops


def _stand_alone(settings: Settings) -> list[Loop]:
    from kube46.lab.controllers.cronjobs import controller as cron_jobs
    from kube46.lab.controllers.daemonsets import controller as daemon_sets
    from kube46.lab.controllers.deployments import controller as deployments
    from kube46.lab.controllers.disruption import controller as budgets
    from kube46.lab.controllers.ephemeralvolumes import controller as ephemeral
    from kube46.lab.controllers.garbage import controller as garbage
    from kube46.lab.controllers.jobs import controller as jobs
    from kube46.lab.controllers.namespaces import controller as namespaces
    from kube46.lab.controllers.nodelifecycle import controller as nodes
    from kube46.lab.controllers.persistentvolumes import controller as binder
    from kube46.lab.controllers.replicasets import controller as replica_sets
    from kube46.lab.controllers.scheduler import controller as scheduler
    from kube46.lab.controllers.serviceaccounts import controller as accounts
    from kube46.lab.controllers.statefulsets import controller as stateful_sets
    from kube46.lab.controllers.volumeprotection import controller as protection

    grace, ca = nodes.Settings(settings.node_grace_seconds), accounts.Settings(settings.root_ca)
    every: dict[str, Loop] = {
        "scheduler": scheduler.run,
        "replicaset": replica_sets.run,
        "deployment": deployments.run,
        "daemonset": daemon_sets.run,
        "statefulset": stateful_sets.run,
        "job": jobs.run,
        "cronjob": cron_jobs.run,
        "disruption": budgets.run,
        "garbage-collector": garbage.run,
        "namespace": namespaces.run,
        "serviceaccount": lambda client, caches: accounts.run(ca, client, caches),
        "node-lifecycle": lambda client, caches: nodes.run(grace, client, caches),
        "persistentvolume-binder": binder.run,
        "ephemeral-volume": ephemeral.run,
        "storage-protection": protection.run,
    }
    return [loop for name, loop in every.items() if name in settings.chosen]


def choose(text: str) -> tuple[str, ...]:
    """The loops that `--controllers` names: `*` is those of a real cluster, `-NAME` leaves one out."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word != "*" and word.removeprefix("-") not in ALL:
            raise click.BadParameter(f"{word!r} is no controller: choose from *, {', '.join(ALL)}")
    wanted = {name for word in words for name in (NETWORK if word == "*" else (word,))}
    return tuple(name for name in ALL if name in wanted and f"-{name}" not in words)


def _choice(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    return choose(value)


MASK = click.IntRange(1, 128)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Default: KUBECONFIG, ~/.kube/config, in-cluster.")
@click.option("--controllers", "chosen", default="*", show_default=True, callback=_choice, help="The loops to run.")
@click.option("--cluster-cidr", default="", help="The pods' ranges, one a family; needed by node-ipam.")
@click.option("--service-cluster-ip-range", default="", help="The Services' ranges: no node gets a block in them.")
@click.option("--node-cidr-mask-size", type=MASK, help="Prefix length of a node's block; one-family clusters only.")
@click.option("--node-cidr-mask-size-ipv4", type=MASK, help="Default: 24.")
@click.option("--node-cidr-mask-size-ipv6", type=MASK, help="Default: 64.")
@click.option(
    "--max-endpoints-per-slice", type=click.IntRange(1, 1000), default=100, show_default=True, help="Of EndpointSlices."
)
@click.option("--root-ca-file", type=FILE, help="Published in each namespace as the ConfigMap kube-root-ca.crt.")
@click.option("--node-monitor-grace-period", type=float, default=40.0, show_default=True, help="Seconds of silence.")
@click.option("--bind-address", default="127.0.0.1:10257", show_default=True, help="Of /metrics, /readyz; 0: none.")
@click.option("--leader-elect", is_flag=True, help="Work only while holding the Lease of --leader-elect-resource-name.")
@click.option("--leader-elect-resource-name", default="kube46-controllers", show_default=True, help="The Lease's name.")
@click.option("--leader-elect-resource-namespace", default="kube-system", show_default=True, help="And its namespace.")
def command(
    kubeconfig: Path | None,
    chosen: tuple[str, ...],
    cluster_cidr: str,
    service_cluster_ip_range: str,
    node_cidr_mask_size: int | None,
    node_cidr_mask_size_ipv4: int | None,
    node_cidr_mask_size_ipv6: int | None,
    max_endpoints_per_slice: int,
    root_ca_file: Path | None,
    node_monitor_grace_period: float,
    bind_address: str,
    leader_elect: bool,
    leader_elect_resource_name: str,
    leader_elect_resource_namespace: str,
) -> None:
    """Run the cluster-wide loops: node CIDRs, EndpointSlices, and what only a stand-alone cluster needs."""
    lengths = {Family.IPV4: node_cidr_mask_size_ipv4, Family.IPV6: node_cidr_mask_size_ipv6}
    try:
        config = ClusterConfig.load(kubeconfig)
        if bind_address != "0":
            health.parse(bind_address)
        blocks = None
        if "node-ipam" in chosen:
            blocks = ipam.settings(
                cluster_cidr, lengths, any_length=node_cidr_mask_size, service_ranges=service_cluster_ip_range
            )
    except ConfigError as error:
        raise click.UsageError(f"--kubeconfig: {error}") from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    names = leader_elect_resource_name, leader_elect_resource_namespace
    settings = Settings(
        chosen,
        blocks,
        SliceSettings(max_endpoints_per_slice),
        root_ca_file.read_text() if root_ca_file else "",
        node_monitor_grace_period,
        bind_address,
        Election(*names) if leader_elect else None,
    )
    serve(run(settings, config))
