"""The agent of a node, from top to bottom: a client, its caches, then one line a part."""

import asyncio
from dataclasses import dataclass

from kube46.addresses import prefixes
from kube46.kubernetes.caches import Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig

PARTS = ("cni", "proxy", "dns")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the agent's parts are told; `cluster_cidrs` and `forwarders` are texts that have been checked."""

    node_name: str
    parts: tuple[str, ...] = PARTS
    cluster_cidrs: tuple[str, ...] = ()
    domain: str = "cluster.local"
    dns_service: tuple[str, str] = ("kube-system", "kube-dns")
    forwarders: tuple[str, ...] = ()


async def run(settings: Settings, config: ClusterConfig) -> None:
    """Runs the parts until cancelled; the end of one is the end of all, so that a supervisor starts them anew."""
    async with Client(config, component="agent") as client, asyncio.TaskGroup() as group:
        caches = Caches(client, group)
        if "cni" in settings.parts:
            from kube46.cni import controller as cni

            group.create_task(cni.run(cni.Settings(settings.node_name), client, caches))
        if "proxy" in settings.parts:
            from kube46.proxy import controller as proxy

            services = proxy.Settings(
                settings.node_name,
                cluster_cidrs=tuple(map(prefixes.parse, settings.cluster_cidrs)),
                bridged_pods="cni" not in settings.parts,
            )
            group.create_task(proxy.run(services, client, caches))
        if "dns" in settings.parts:
            from kube46.dns import controller as dns

            names = dns.Settings(
                settings.node_name, settings.domain, settings.cluster_cidrs, settings.forwarders, settings.dns_service
            )
            group.create_task(dns.run(names, client, caches))
