"""A client whose writes are never given up half-way: who cancels them waits for their answers."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from kube46.kubernetes.client import Body, Client

T = TypeVar("T")


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Does the work whoever cancels us meanwhile, and then ends as cancelled."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    return task.result()


class Careful(Client):
    """The client of a run that may be interrupted: a write cut off in flight would come after the tidying."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: Body | bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        """As `Client.request`."""
        work = super().request(method, path, params=params, body=body, headers=headers)
        return await (work if method == "GET" else to_its_end(work))
