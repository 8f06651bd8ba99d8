"""The loop that joins objects and table, where the API is out of reach."""

import asyncio
from collections.abc import Sequence

import pytest

from kube46.api.objects import EndpointSlice, Service
from kube46.kubernetes.caches import Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig
from kube46.nftables import Nft
from kube46.proxy import controller
from kube46.proxy.controller import Proxy
from kube46.proxy.reports import Report
from kube46.proxy.rules import Element, Elements, service_elements
from kube46.proxy.settings import NodeView
from unit.proxy.samples import SETTINGS, service


class EnoughSeen(Exception):
    """Ends what would run for ever."""


def out_of_reach() -> Client:
    """A client of a server that nobody is."""
    return Client(ClusterConfig("http://127.0.0.1:1"), component="test")


def test_who_waits_for_the_api_is_not_late() -> None:
    """A proxy that has not seen the cluster yet is healthy, as kube-proxy is: a restart would help nobody. From then on
    what is due counts."""

    async def wait() -> None:
        report, nft = Report(patience=0.0), Nft()
        async with (
            Client(ClusterConfig("http://127.0.0.1:1"), component="test") as client,
            asyncio.TaskGroup() as group,
        ):
            proxy = Proxy(SETTINGS, Caches(client, group), nft, report)
            proxy._surroundings_changed(None, None)
            assert report.is_healthy()
            for cache in (proxy._services, proxy._slices, proxy._nodes):
                cache.synced.set()
            await proxy.synced()
            proxy.begin()
            assert not report.is_healthy()
            nft.close()
            raise EnoughSeen

    with pytest.RaisesGroup(EnoughSeen, flatten_subgroups=True):
        asyncio.run(wait())


def test_a_failure_forgets_no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a pass had not come to when it failed, and what it failed at, is looked at by the next."""
    made = {(service(name).key): service(name) for name in ("a", "b", "c")}
    failed: list[str] = []

    def elements(one: Service, slices: Sequence[EndpointSlice], node: NodeView, before: Elements) -> dict[Element, str]:
        if not failed:
            failed.append(one.metadata.name)
            raise ArithmeticError
        return service_elements(one, slices, node, before)

    async def work() -> None:
        nft = Nft()
        async with (
            Client(ClusterConfig("http://127.0.0.1:1"), component="test") as client,
            asyncio.TaskGroup() as group,
        ):
            proxy = Proxy(SETTINGS, Caches(client, group), nft, Report())
            proxy._node_changed, proxy._table._trusted = False, True
            for key, one in made.items():
                proxy._services._set(key, proxy._services._packed(one))
            with pytest.raises(ArithmeticError):
                await proxy._decide()
            await proxy._decide()
            assert {*made} <= {*proxy._claims.owners()}
            nft.close()
            raise EnoughSeen

    monkeypatch.setattr(controller, "service_elements", elements)
    with pytest.RaisesGroup(EnoughSeen, flatten_subgroups=True):
        asyncio.run(work())
