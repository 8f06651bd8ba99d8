"""How many requests are worked on at once: as many as in kube-apiserver by default; more wait, then are refused.

Only requests that wait for something hold a seat for long: a body of megabytes, the disk, a client that reads slowly.
So their number bounds the memory they take. Watches and streams hold none, nor do masters, who are to mend things.
Source: k8s.io/apiserver pkg/server/filters, maxinflight.go and priority-and-fairness.go.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kube46.api.rbac.rules import MASTERS
from kube46.apiserver import answers

if TYPE_CHECKING:
    from kube46.apiserver.answers import Answer
    from kube46.apiserver.strategy import User

SEATS = 600  # --max-requests-inflight and --max-mutating-requests-inflight together
QUEUE = 6400  # 128 queues of 50, as of the level "global-default"
WAIT_SECONDS = 15.0


class InFlight:
    """The seats; who has entered leaves again."""

    def __init__(self) -> None:
        self._seats, self._waiting = asyncio.Semaphore(SEATS), 0

    async def enter(self, user: User) -> bool | None:
        """Whether a seat was taken; None when there was none in time: refuse the request."""
        if MASTERS in user.groups:
            return False
        if self._seats.locked():
            return await self._queued()
        await self._seats.acquire()
        return True

    async def _queued(self) -> bool | None:
        if self._waiting >= QUEUE:
            return None
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._seats.acquire()
        except TimeoutError:
            return None
        finally:
            self._waiting -= 1
        return True

    def leave(self) -> None:
        """Give the seat to who waits longest."""
        self._seats.release()


def refused() -> Answer:
    """What a request is told that there is no place for."""
    answer = answers.text("Too many requests, please try again later.\n", 429)
    answer.headers.append((b"retry-after", b"1"))
    return answer
