"""Level-triggered work: many causes, one pass each, failures retried with back-off.

`Trigger` is for a loop that looks at everything, `WorkQueue` for one that looks at one key at a time, `keep` for one
that waits for causes of its own.
"""

import asyncio
import itertools
import logging
import random
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from prometheus_client import Counter

from kube46.kubernetes.errors import ApiError

K = TypeVar("K", bound=Hashable)
log = logging.getLogger(__name__)

# client-go's default rate limiter begins at 5 ms; it ends at 1000 s, too long for a network.
FIRST_DELAY, LONGEST_DELAY = 0.005, 60.0
FAILURES = Counter("kube46_loop_failures", "Passes of background loops that failed and were tried again.", ("loop",))


def delay(failures: int) -> float:
    """Seconds to wait after the `failures`-th failure in a row (from 1): doubling, with up to half of it at random."""
    longest: float = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(failures - 1, 20))
    return longest * random.uniform(0.5, 1)  # noqa: S311 – spreads retries, keeps no secret


def _tell(error: Exception, text: str, *values: object) -> None:
    """Logs the failure at hand: a line for a refusal of the API server's, which is an answer; else with its place."""
    refused = isinstance(error, ApiError)
    level = logging.WARNING if refused else logging.ERROR
    log.log(level, text + " error=%s", *values, error, exc_info=not refused)


async def keep(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Runs `work`, which is to end only when cancelled; when it fails, it begins anew after the back-off."""
    failures = 0
    while True:
        started = time.monotonic()
        try:
            await work()
            return
        except Exception as error:  # the one place where any failure is logged and tried again
            failures = 1 if time.monotonic() - started > LONGEST_DELAY else failures + 1
            FAILURES.labels(name).inc()
            _tell(error, "A loop failed and begins anew loop=%s failures=%d", name, failures)
            await asyncio.sleep(delay(failures))


class Trigger:
    """Something changed. However often it is set during a pass, one more pass follows."""

    def __init__(self, name: str = "") -> None:
        self._name = name
        self._event = asyncio.Event()

    def set(self) -> None:
        """Ask for a pass."""
        self._event.set()

    async def run(self, handler: Callable[[], Awaitable[None]], min_interval: float = 0.0) -> None:
        """Calls `handler` after each `set`, at most once in `min_interval` seconds; never returns."""
        failures = 0
        while True:
            await self._event.wait()
            if min_interval:
                await asyncio.sleep(min_interval)
            self._event.clear()
            try:
                await handler()
                failures = 0
            except Exception as error:  # the one place where any failure is logged and tried again
                failures += 1
                FAILURES.labels(self._name).inc()
                _tell(error, "A pass failed and is tried again loop=%s failures=%d", self._name, failures)
                self._event.set()
                await asyncio.sleep(delay(failures))


class WorkQueue(Generic[K]):
    """Keys to look at. A key waits at most once, and is never handled by two workers at a time.

    Those of the least `rank` come first, among equals those that came first.
    """

    def __init__(self, name: str = "", rank: Callable[[K], float] = lambda _: 0) -> None:
        self._name, self._rank = name, rank
        self._ready: asyncio.PriorityQueue[tuple[float, int, K]] = asyncio.PriorityQueue()
        self._numbers = itertools.count()
        self._waiting: set[K] = set()
        self._active: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}

    def add(self, key: K) -> None:
        """Look at `key` soon."""
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if key not in self._waiting:
            self._waiting.add(key)
            if key not in self._active:
                self._put(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Look at `key` in `seconds`, or sooner if it was already to be looked at sooner."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if key in self._waiting or (timer and timer.when() <= loop.time() + seconds):
            return
        if timer:
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    def _put(self, key: K) -> None:
        self._ready.put_nowait((self._rank(key), next(self._numbers), key))

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def run(self, handler: Callable[[K], Awaitable[None]], workers: int = 1) -> None:
        """Handles keys with `workers` at a time; never returns."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(handler))

    async def _work(self, handler: Callable[[K], Awaitable[None]]) -> None:
        while True:
            _, _, key = await self._ready.get()
            await asyncio.sleep(
                0
            )  # handlers that never wait, of keys that never end, are not to keep all else from running
            self._waiting.discard(key)
            self._active.add(key)
            try:
                await handler(key)
                self._failures.pop(key, None)
            except Exception as error:  # the one place where any failure is logged and tried again
                if isinstance(error, ApiError) and error.namespace_ends:
                    self._failures.pop(key, None)
                    log.info("A key is left alone, its namespace ends loop=%s key=%s", self._name, key)
                    continue
                failures = self._failures[key] = self._failures.get(key, 0) + 1
                FAILURES.labels(self._name).inc()
                text = "A key failed and is tried again loop=%s key=%s failures=%d"
                _tell(error, text, self._name, key, failures)
                self.add_after(key, delay(failures))
            finally:
                self._active.discard(key)
                if key in self._waiting:
                    self._put(key)
