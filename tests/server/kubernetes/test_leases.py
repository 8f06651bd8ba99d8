"""Leader election: two candidates at one real API server."""

import asyncio

import pytest

from kube46.api.resources import LEASES
from kube46.kubernetes.client import Client
from kube46.kubernetes.leases import Election, LeadershipLost, lead
from server.running import Server

TIMES = {"lease_seconds": 1.0, "renew_seconds": 0.6, "retry_seconds": 0.1}


async def _work(log: list[str], name: str) -> None:
    log.append(name)
    await asyncio.Event().wait()


async def _until(log: list[str], name: str) -> None:
    async with asyncio.timeout(60):
        while not log or log[-1] != name:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def _story(client: Client) -> None:
    log: list[str] = []
    one, two = (Election("story", "default", name, **TIMES) for name in ("one", "two"))
    async with asyncio.TaskGroup() as group:
        first = group.create_task(lead(client, one, lambda: _work(log, "one")))
        await _until(log, "one")
        second = group.create_task(lead(client, two, lambda: _work(log, "two")))
        await asyncio.sleep(0.5)
        assert log == ["one"]
        first.cancel()
        await _until(log, "two")
        held = await client.get(LEASES, "story", "default")
        assert (held.spec.holder_identity, held.spec.lease_transitions) == ("two", 1)
        second.cancel()
    held = await client.get(LEASES, "story", "default")
    assert held.spec.holder_identity == ""


async def _robbed(client: Client) -> None:
    log: list[str] = []
    leader = Election("robbed", "default", "one", **TIMES)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(lead(client, leader, lambda: _work(log, "one")))
        await _until(log, "one")
        await client.patch(
            LEASES, "robbed", {"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 60}}, "default"
        )
        await task


def test_candidates_take_turns(server: Server) -> None:
    """One works at a time; a released Lease is taken at once; who loses it stops working."""

    async def stories() -> None:
        async with Client(server.config(), component="test") as client:
            await _story(client)
            with pytest.raises(ExceptionGroup) as raised:
                await _robbed(client)
            assert raised.value.split(LeadershipLost)[1] is None

    asyncio.run(stories())
