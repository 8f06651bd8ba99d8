"""Writes are never cut off in flight."""

import asyncio

import pytest

from kube46.conformance.careful import to_its_end


def test_who_cancels_waits_for_the_work() -> None:
    """Cancelled twice, the work is done all the same, and then the canceller's wish."""
    done: list[str] = []

    async def work(begun: asyncio.Event, go: asyncio.Event) -> None:
        begun.set()
        await go.wait()
        done.append("work")

    async def main() -> None:
        begun, go = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(to_its_end(work(begun, go)))
        await begun.wait()
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert done == ["work"]
