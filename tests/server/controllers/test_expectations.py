"""Expectations with a real watch."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kube46.api.resources import CONFIG_MAPS
from kube46.controllers.expectations import Expectations
from kube46.kubernetes.caches import Cache
from kube46.kubernetes.client import Client

if TYPE_CHECKING:
    from kube46.api.objects import ConfigMap
    from server.running import Server


def test_expectations_hold_with_a_real_watch(server: Server) -> None:
    """With a real server and watch, nothing stays pending for long."""

    async def played(client: Client) -> None:
        cache = Cache(client, CONFIG_MAPS, "default")
        expectations: Expectations[int, ConfigMap] = Expectations(cache, lambda _: None)
        expectations.follow()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(cache.run())
            await cache.synced.wait()
            for number in range(30):
                one = await client.create(CONFIG_MAPS, {"metadata": {"name": f"expected-{number}"}}, "default")
                expectations.wrote(number, one)
                if number % 2:
                    await client.delete(CONFIG_MAPS, f"expected-{number}", "default")
                    expectations.deleted(number, one)
            async with asyncio.timeout(60):
                while any(expectations.pending(number) for number in range(30)):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            task.cancel()

    async def main() -> None:
        async with Client(server.config(), component="test") as client:
            await played(client)

    asyncio.run(main())
