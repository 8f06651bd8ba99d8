"""The agent of a node, from top to bottom: a client, its caches, then one line a part."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from kube46.addresses import prefixes
from kube46.controllers import health
from kube46.kubernetes.caches import Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig

PARTS = ("cni", "proxy", "dns")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the agent's parts are told; `cluster_cidrs` and `forwarders` are texts that have been checked.

    `bind_address`: where /healthz, /readyz and /metrics are served; "" is nowhere.
    """

    node_name: str
    parts: tuple[str, ...] = PARTS
    cluster_cidrs: tuple[str, ...] = ()
    domain: str = "cluster.local"
    dns_service: tuple[str, str] = ("kube-system", "kube-dns")
    forwarders: tuple[str, ...] = ()
    bind_address: str = ""


async def run(settings: Settings, config: ClusterConfig) -> None:
    """Runs the parts until cancelled; the end of one is the end of all, so that a supervisor starts them anew."""
    ready = asyncio.Event()
    with _health(settings.bind_address, ready.is_set):
        async with Client(config, component="agent") as client, asyncio.TaskGroup() as group:
            caches = Caches(client, group)
            _start(settings, client, caches, group)
            await asyncio.sleep(0)  # each part has now asked for its caches
            await caches.synced()
            ready.set()


def _start(settings: Settings, client: Client, caches: Caches, group: asyncio.TaskGroup) -> None:
    """The parts; only the modules of those that are wanted are imported."""
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


@contextmanager
def _health(address: str, ready: Callable[[], bool]) -> Iterator[None]:
    """Health is served inside the block. A port that is taken, by a pod on the node's network say, is told but does
    not keep the node's network from being looked after: as kube-proxy without --bind-address-hard-fail."""
    with ExitStack() as stack:
        try:
            where = stack.enter_context(health.served(address or "0", ready))
        except health.BadAddress as error:
            log.error("Health and metrics are not served error=%s", error)
        else:
            log.info("Health and metrics are served address=%s", where or "none")
        yield
