"""Leader election: who may take a Lease when, and two candidates at one real API server."""

import asyncio
from pathlib import Path

import pytest

from kube46.api.objects import LeaseSpec
from kube46.api.resources import LEASES
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig
from kube46.kubernetes.leases import Election, LeadershipLost, Observation, lead
from unit.controllers.cluster import Cluster

TIMES = {"lease_seconds": 1.0, "renew_seconds": 0.6, "retry_seconds": 0.1}


@pytest.mark.parametrize(
    ("holder", "age", "free"),
    [("", 0, True), (None, 0, True), ("me", 0, True), ("other", 14, False), ("other", 16, True)],
)
def test_when_a_lease_is_free(holder: str | None, age: float, free: bool) -> None:
    """A Lease is free when it has no holder, is ours, or did not change for its duration on our own clock."""
    seen = Observation()
    seen.see(LeaseSpec(holder_identity=holder, lease_duration_seconds=15), 100.0)
    assert seen.free_for("me", 100.0 + age) is free


def test_a_renewal_starts_the_time_again() -> None:
    """Only changes count: a holder with a wrong clock keeps its Lease as long as it writes."""
    seen = Observation()
    for moment in range(0, 60, 10):
        spec = LeaseSpec("other", 15, renew_time=f"1999-01-01T00:00:{moment:02}.000000Z")
        seen.see(spec, float(moment))
    assert not seen.free_for("me", 60.0)
    seen.see(spec, 61.0)
    assert seen.free_for("me", 66.0)


async def _work(log: list[str], name: str) -> None:
    log.append(name)
    await asyncio.Event().wait()


async def _until(log: list[str], name: str) -> None:
    async with asyncio.timeout(10):
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


def test_candidates_take_turns(tmp_path: Path) -> None:
    """One works at a time; a released Lease is taken at once; who loses it stops working."""
    with Cluster(tmp_path) as cluster:

        async def stories() -> None:
            async with Client(ClusterConfig.load(cluster.kubeconfig, "admin"), component="test") as client:
                await _story(client)
                with pytest.raises(ExceptionGroup) as raised:
                    await _robbed(client)
                assert raised.value.split(LeadershipLost)[1] is None

        asyncio.run(stories())
