"""The topology, made once for all tests of the proxy; the table and the tracked connections, anew for each."""

import asyncio
import subprocess
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_network

import pytest

from kernel.proxy import cluster
from kube46.addresses.families import Family, family_of
from kube46.api.objects import Endpoint, EndpointSlice, Service, ServiceCIDR, ServiceCIDRSpec
from kube46.netlink import conntrack
from kube46.nftables import Nft
from kube46.proxy import ranks, sysctls
from kube46.proxy.claims import NOBODY, Changes, Claims, merge
from kube46.proxy.controller import forget_unknown
from kube46.proxy.flows import Flows, live
from kube46.proxy.nftables import ProxyTable, clean
from kube46.proxy.rules import service_elements, static_elements
from kube46.proxy.settings import Settings
from unit.proxy.samples import SETTINGS, VIEW, slices

CIDRS = [ServiceCIDR(spec=ServiceCIDRSpec(("10.96.0.0/16", "fd00:10:96::/112")))]


class Node:
    """The proxy of the node without the API: objects in, packets out."""

    def __init__(self) -> None:
        self.nft = Nft(cluster.NODE)
        self.restart()

    def restart(self, settings: Settings = SETTINGS) -> None:
        """A new process: nothing is remembered but the kernel's table."""
        self.claims, self.table = Claims(), ProxyTable(self.nft, settings)
        self.flows, self.is_new = Flows(), True
        self.changes: Changes = self.claims.replace(NOBODY, static_elements(VIEW, CIDRS))

    def hold(self, made: Service, parts: list[EndpointSlice]) -> None:
        """Take a Service into the next transaction."""
        before = ranks.claimed(self.claims, made.key) or asyncio.run(self.table.held())
        elements = service_elements(made, parts, VIEW, before)
        merge(self.changes, ranks.replace(self.claims, made.key, made, elements))
        self.flows.replace(made.key, live(made, parts, VIEW))

    def apply(self) -> int:
        """Carry out what was taken; returns how many elements were changed in the kernel."""
        done = asyncio.run(self.table.apply(self.changes, self.claims, VIEW))
        self.changes = {}
        stale, self.flows.stale = self.flows.stale, set()
        cluster.in_namespace(cluster.NODE, lambda: conntrack.forget(stale))
        if self.is_new:
            self.is_new = False
            ranges = [ip_network(text) for text in CIDRS[0].spec.cidrs]
            for family in Family:
                mine = [prefix for prefix in ranges if family_of(prefix) is family]
                judge = partial(self.flows.known().is_stale, ranges=mine)
                cluster.in_namespace(cluster.NODE, partial(forget_unknown, judge, family))
        return done

    def serve(self, made: Service, ends: list[Endpoint]) -> int:
        """One Service with its endpoints, at once."""
        ports = None
        self.hold(made, slices(ends, name=made.metadata.name, ports=ports))
        return self.apply()


@pytest.fixture(scope="module")
def topology() -> Iterator[None]:
    """Namespaces, links and the pods' servers."""
    cluster.destroy()
    cluster.create()
    servers = []
    try:
        cluster.in_namespace(cluster.NODE, lambda: sysctls.prepare(VIEW.families))
        servers = [cluster.Server(netns, f"pod{number}") for number, netns in cluster.PODS.items()]
        yield
    finally:
        for server in servers:
            server.close()
        cluster.destroy()


@pytest.fixture
def node(topology: None) -> Iterator[Node]:
    """The node with no table and no tracked connection."""
    made = Node()
    asyncio.run(clean(made.nft))
    subprocess.run(["ip", "netns", "exec", cluster.NODE, "conntrack", "-F"], capture_output=True, check=True)
    yield made
    made.nft.close()
