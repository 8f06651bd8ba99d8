"""Work queues and triggers."""

import asyncio
import contextlib

import pytest

from kube46.kubernetes.errors import Forbidden
from kube46.kubernetes.queues import FAILURES, FIRST_DELAY, LONGEST_DELAY, Trigger, WorkQueue, delay, keep


async def _run_for(coroutine: object, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await coroutine  # type: ignore[misc]


def test_delays_double_up_to_a_minute() -> None:
    """The wait grows from 5 ms to at most 60 s, with up to half of it at random."""
    assert FIRST_DELAY / 2 <= delay(1) <= FIRST_DELAY
    assert LONGEST_DELAY / 2 <= delay(100) <= LONGEST_DELAY


def test_a_key_added_twice_is_handled_once() -> None:
    """Keys waiting are held once, whatever adds them."""
    seen: list[str] = []

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue()
        for key in ("a", "b", "a"):
            queue.add(key)

        async def handle(key: str) -> None:
            seen.append(key)

        await _run_for(queue.run(handle), 0.05)

    asyncio.run(scenario())
    assert sorted(seen) == ["a", "b"]


def test_a_key_added_while_handled_is_handled_again_afterwards() -> None:
    """No change is lost, and no key is in two workers' hands."""
    running, most, seen = 0, 0, 0

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue()
        queue.add("a")

        async def handle(key: str) -> None:
            nonlocal running, most, seen
            running, seen = running + 1, seen + 1
            most = max(most, running)
            if seen == 1:
                queue.add(key)
            await asyncio.sleep(0.01)
            running -= 1

        await _run_for(queue.run(handle, workers=4), 0.1)

    asyncio.run(scenario())
    assert (most, seen) == (1, 2)


def test_a_key_that_never_ends_keeps_nobody_from_running() -> None:
    """A handler that asks for its key again without ever waiting leaves others their turn."""
    turns = 0

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue()
        queue.add("a")

        async def handle(key: str) -> None:
            queue.add(key)

        async def other() -> None:
            nonlocal turns
            for turns in range(1, 11):  # noqa: B007 - the count is what is looked at
                await asyncio.sleep(0)

        endless = asyncio.create_task(queue.run(handle))
        await other()
        endless.cancel()

    asyncio.run(scenario())
    assert turns == 10


def test_a_failed_key_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """A handler that fails twice is called a third time, and both failures are logged."""
    calls = 0

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue("demo")
        done = asyncio.Event()
        queue.add("a")

        async def handle(_: str) -> None:
            nonlocal calls
            calls += 1
            if calls < 3:
                raise OSError("not yet")
            done.set()

        async with asyncio.TaskGroup() as group:
            running = group.create_task(queue.run(handle))
            await asyncio.wait_for(done.wait(), 30)
            running.cancel()

    asyncio.run(scenario())
    assert calls == 3
    assert caplog.text.count("loop=demo key=a") == 2


def test_a_refusal_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """What the API server refuses is warned of in a line and tried again; a mistake is told with its place."""
    failures = [Forbidden(403, "Forbidden", "exceeded quota: z", {}, 0), ZeroDivisionError("mistake")]

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue("demo")
        done = asyncio.Event()
        queue.add("a")

        async def handle(_: str) -> None:
            if failures:
                raise failures.pop(0)
            done.set()

        async with asyncio.TaskGroup() as group:
            running = group.create_task(queue.run(handle))
            await asyncio.wait_for(done.wait(), 30)
            running.cancel()

    asyncio.run(scenario())
    refusal, mistake = caplog.records
    assert refusal.levelname == "WARNING"
    assert not refusal.exc_info
    assert refusal.message.endswith("loop=demo key=a failures=1 error=exceeded quota: z")
    assert mistake.levelname == "ERROR"
    assert mistake.exc_info


def test_a_key_of_an_ending_namespace_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """What a namespace that is being deleted refuses is no failure, and trying again would be in vain."""
    calls = 0
    details = {"causes": [{"reason": "NamespaceTerminating", "message": "", "field": "metadata.namespace"}]}

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue("demo")
        queue.add("a")

        async def handle(_: str) -> None:
            nonlocal calls
            calls += 1
            raise Forbidden(403, "Forbidden", "it is being terminated", details, 0)

        await _run_for(queue.run(handle), 0.1)

    asyncio.run(scenario())
    assert calls == 1
    assert "Traceback" not in caplog.text


def test_add_after_keeps_the_sooner_time() -> None:
    """A later appointment never postpones an earlier one."""
    seen: list[float] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        queue: WorkQueue[str] = WorkQueue()
        start = loop.time()
        queue.add_after("a", 0.02)
        queue.add_after("a", 5)

        async def handle(_: str) -> None:
            seen.append(loop.time() - start)

        await _run_for(queue.run(handle), 0.2)

    asyncio.run(scenario())
    assert len(seen) == 1
    assert seen[0] < 1


def test_a_trigger_coalesces_and_retries() -> None:
    """Many settings make one pass; a pass that fails is made again."""
    passes = 0

    async def scenario() -> None:
        trigger = Trigger()
        for _ in range(10):
            trigger.set()

        async def handle() -> None:
            nonlocal passes
            passes += 1
            if passes == 1:
                raise OSError("not yet")

        await _run_for(trigger.run(handle), 0.1)

    asyncio.run(scenario())
    assert passes == 2


def test_a_kept_loop_begins_anew() -> None:
    """A loop that fails is counted and begins anew; one that ends, or is cancelled, has ended."""
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun < 4:
            raise ZeroDivisionError

    async def cancelled() -> None:
        task = asyncio.create_task(keep("endless", asyncio.Event().wait))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(keep("a test's", work))
    assert begun == 4
    assert FAILURES.labels("a test's")._value.get() == 3
    asyncio.run(cancelled())
