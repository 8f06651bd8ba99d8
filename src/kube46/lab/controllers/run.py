"""The chosen loops in one process, from top to bottom: a client, its caches, then one line a loop."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from kube46.controllers import health
from kube46.controllers.endpointslices.settings import Settings as SliceSettings
from kube46.controllers.nodeipam import settings as ipam
from kube46.kubernetes.caches import Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig
from kube46.kubernetes.leases import Election, lead
from kube46.lab.controllers.names import STAND_ALONE

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
    from kube46.lab.controllers.policystatus import controller as policies
    from kube46.lab.controllers.replicasets import controller as replica_sets
    from kube46.lab.controllers.resourcequotas import controller as quotas
    from kube46.lab.controllers.scheduler import controller as scheduler
    from kube46.lab.controllers.serviceaccounts import controller as accounts
    from kube46.lab.controllers.servicecidrs import controller as service_cidrs
    from kube46.lab.controllers.statefulsets import controller as stateful_sets
    from kube46.lab.controllers.volumeprotection import controller as protection

    grace, ca = nodes.Settings(settings.node_grace_seconds), accounts.Settings(settings.root_ca)
    every: dict[str, Loop] = {
        "scheduler": scheduler.run,
        "replicaset": replica_sets.run,
        "replicationcontroller": replica_sets.run_old,
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
        "service-cidr": service_cidrs.run,
        "resourcequota": quotas.run,
        "validatingadmissionpolicy-status": policies.run,
    }
    return [loop for name, loop in every.items() if name in settings.chosen]
