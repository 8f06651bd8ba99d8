"""The ServiceCIDR `kubernetes` over changes of the flags (semantics A-18), and the repair loop on the real storage."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from kube46.apiserver.addressrepair import AddressRepair
from kube46.apiserver.defaultrange import DefaultRange
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.storage import Store
from kube46.apiserver.strategies import STRATEGIES
from kube46.apiserver.writes import Call, Registry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

V4, V6, MOVED = "10.96.0.0/24", "fd00::/112", "10.97.0.0/24"
KIND = BY_PLURAL["servicecidrs"]
READY = {"type": "Ready", "status": "True", "message": "Kubernetes default Service CIDR is ready"}


def run(test: Callable[[Registry], Awaitable[None]], path: Path) -> None:
    """Run a test on a storage of its own."""

    async def inner() -> None:
        store = Store(path / "data.db")
        store.start()
        try:
            registry = Registry(store, STRATEGIES, (ip_network(V4),))
            await registry.create(Call(BY_PLURAL["namespaces"], "default"), {"metadata": {"name": "default"}})
            await test(registry)
        finally:
            await asyncio.to_thread(store.close)

    asyncio.run(inner())


def stored(registry: Registry) -> dict[str, Any]:
    """The default ServiceCIDR."""
    found = registry.store.begin().get("servicecidrs", "kubernetes")
    assert found is not None
    return found


def complaints(registry: Registry) -> list[tuple[str, str]]:
    """Reason and message of all Events."""
    return [(event["reason"], event["message"]) for event in registry.store.begin().list("events")]


def keeper(registry: Registry, *ranges: str) -> DefaultRange:
    """That of a server with these flags."""
    return DefaultRange(registry, tuple(ip_network(text) for text in ranges))


INCONSISTENT = "KubernetesDefaultServiceCIDRInconsistent"


@pytest.mark.parametrize(
    ("before", "after", "cidrs", "events"),
    [
        ((V4,), (V4,), [V4], 0),
        ((V4,), (V4, V6), [V4, V6], 0),
        ((V6,), (V6, V4), [V6, V4], 0),
        ((V4,), (V6, V4), [V4], 1),
        ((V4, V6), (V4,), [V4, V6], 1),
        ((V4, V6), (V6, V4), [V4, V6], 1),
        ((V4,), (MOVED,), [V4], 1),
        ((V4,), (MOVED, V6), [V4], 1),
    ],
)
def test_flags_that_change(
    tmp_path: Path, before: tuple[str, ...], after: tuple[str, ...], cidrs: list[str], events: int
) -> None:
    """Only a second family is added; any other difference is told once by each server, and changes nothing."""

    async def test(registry: Registry) -> None:
        first, second = keeper(registry, *before), keeper(registry, *after)
        await first.sync()
        conditions = stored(registry)["status"]["conditions"]
        assert [{key: one[key] for key in READY} for one in conditions] == [READY]
        for _ in range(3):
            await second.sync()
        assert stored(registry)["spec"]["cidrs"] == cidrs
        assert stored(registry)["status"]["conditions"] == conditions
        text = f"The default ServiceCIDR [{' '.join(before)}] does not match the controller flag configurations "
        assert complaints(registry) == [(INCONSISTENT, f"{text}[{' '.join(after)}]")] * events

    run(test, tmp_path)


def test_one_that_is_gone_comes_back(tmp_path: Path) -> None:
    """It is made anew from the flags."""

    async def test(registry: Registry) -> None:
        default = keeper(registry, V4)
        await default.sync()
        with registry.store.begin() as txn:
            txn.delete("servicecidrs", "kubernetes")
        await registry.store.commit(txn)
        await default.sync()
        assert stored(registry)["spec"] == {"cidrs": [V4]}

    run(test, tmp_path)


@pytest.mark.parametrize(
    ("status", "outcome", "events"),
    [("False", "False", [("Broken", "Configuration matches, but see there")]), ("Unknown", "True", [])],
)
def test_a_condition_of_others(tmp_path: Path, status: str, outcome: str, events: list[tuple[str, str]]) -> None:
    """Ready=False is left to who set it, and told once; Unknown becomes True."""

    async def test(registry: Registry) -> None:
        default = keeper(registry, V4)
        await default.sync()

        def edit(obj: dict[str, Any]) -> None:
            condition = obj["status"]["conditions"][0]
            condition.update(status=status, reason="Broken", message="see there")

        await registry.change_directly(Call(KIND, "kubernetes"), edit)
        await default.sync()
        await default.sync()
        assert stored(registry)["status"]["conditions"][0]["status"] == outcome
        assert complaints(registry) == events

    run(test, tmp_path)


def test_one_that_is_being_deleted_is_let_alone(tmp_path: Path) -> None:
    """Its status is the controller manager's then."""

    async def test(registry: Registry) -> None:
        await keeper(registry, V4).sync()

        def edit(obj: dict[str, Any]) -> None:
            obj["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["x/y"])

        await registry.change_directly(Call(KIND, "kubernetes"), edit)
        await keeper(registry, MOVED).sync()
        assert complaints(registry) == []

    run(test, tmp_path)


def test_a_repair_leaves_no_moment_for_others(tmp_path: Path) -> None:
    """While a record is made anew, no request gets its address, however many ask."""

    async def test(registry: Registry) -> None:
        await keeper(registry, V4).sync()
        spec = {"clusterIP": "10.96.0.9", "ports": [{"port": 80}]}
        services = BY_PLURAL["services"]
        await registry.create(Call(services, "a", "default"), {"metadata": {"name": "a"}, "spec": spec})

        def edit(obj: dict[str, Any]) -> None:
            obj["metadata"]["labels"].clear()

        await registry.change_directly(Call(BY_PLURAL["ipaddresses"], "10.96.0.9"), edit)
        got: list[str] = []

        async def ask(name: str) -> None:
            while True:
                with suppress(Exception):
                    await registry.create(
                        Call(services, name, "default"), {"metadata": {"name": name}, "spec": dict(spec)}
                    )
                    got.append(name)
                await asyncio.sleep(0)

        def labels() -> dict[str, str]:
            found = registry.store.begin().get("ipaddresses", "10.96.0.9")
            return found["metadata"].get("labels", {}) if found else {}

        changed = asyncio.Event()
        registry.store.collection("ipaddresses").history.listeners.add(changed.set)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(f"thief{number}")) for number in range(5)]
            tasks.append(group.create_task(AddressRepair(registry).run()))
            async with asyncio.timeout(60):
                while not labels():
                    await changed.wait()
                    changed.clear()
            for task in tasks:
                task.cancel()
        assert got == []

    run(test, tmp_path)
