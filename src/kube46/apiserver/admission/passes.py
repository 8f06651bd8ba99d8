"""A write that has to ask somebody outside: it is tried again from the beginning when the answers are there.

A write is computed within one transaction, without waiting, so that nothing can change beneath it. Who has to wait for
an answer (a webhook) therefore raises `Question` instead: the pass is abandoned, the question is asked, and the next
pass finds the answer to precisely what it asks. If something has changed meanwhile it asks something else, and so what
was admitted is what is written. Each pass has the same clock and the same chance, or two would never be alike.
"""

from __future__ import annotations

import asyncio
import copy
import random
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from kube46.apiserver import transactions
from kube46.apiserver.statuses import StatusError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from kube46.apiserver.storage import Store
    from kube46.apiserver.transactions import Txn
    from kube46.apiserver.writes import Call

REQUEST_SECONDS = 34  # upstream's requestTimeoutUpperBound
T = TypeVar("T")
Object = dict[str, Any]


class Question(Exception):
    """The pass ends here until `ask` has put an answer into its round."""

    def __init__(self, ask: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self.ask = ask


class Round:
    """What the passes of one write share: answers by what was asked, the clock, chance, the object's future uid."""

    def __init__(self) -> None:
        self.answers: dict[object, Any] = {}
        self.instant, self.uid = transactions.now(), str(uuid.uuid4())
        self._seed = random.getrandbits(64)

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Within, the clock stands still and chance repeats itself; nothing may be awaited."""
        state = random.getstate()
        random.seed(self._seed)
        try:
            with transactions.frozen(self.instant):
                yield
        finally:
            random.setstate(state)


async def settled(store: Store, call: Call, body: T, step: Callable[[T, Txn], Object]) -> tuple[Object, Txn]:
    """Run a write's step until all its questions are answered; the transaction is to be committed without awaiting.

    Raises what the step raises, and StatusError 504 for a write that takes longer than requests may.
    """
    if call.round is None:
        call.round = Round()
    told = len(call.warnings)
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            while True:
                del call.warnings[told:]
                try:
                    with store.begin() as txn, call.round.replayed():
                        return step(copy.deepcopy(body), txn), txn  # as JSON it would lose its marks (told_empty)
                except Question as question:
                    pending = question
                await pending.ask()
    except TimeoutError:
        text = "Timeout: request did not complete within requested timeout - context deadline exceeded"
        raise StatusError(504, "Timeout", text, {}) from None
