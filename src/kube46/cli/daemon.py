"""How kube46's daemons run: an event loop that ends well on SIGTERM, and a log on standard error."""

import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine
from typing import Any

import uvloop


def serve(work: Coroutine[Any, Any, None]) -> None:
    """Runs `work` until it ends or SIGTERM or SIGINT comes; a failure is logged and is exit status 1."""
    configure_log()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_until_stopped(work))
        except Exception as failure:
            logging.getLogger(__name__).error("Stopped by a failure", exc_info=failure)
            sys.exit(1)


def configure_log() -> None:
    """One line a record, its time first, to standard error."""
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO, stream=sys.stderr, force=True
    )
    # A line for each request would drown what the parts say.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    logging.getLogger("httpcore2").setLevel(logging.WARNING)


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        waiter = group.create_task(stop.wait())
        await asyncio.wait((task, waiter), return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        waiter.cancel()
