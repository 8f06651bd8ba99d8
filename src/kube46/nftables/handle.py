"""One open handle on a network namespace's nftables, on a thread of its own.

    Nft            run(text) | list_json(command) | await apply(text)
    NftError       libnftables' own message, and the text it refused

No process is forked: a change of one element takes about a millisecond. A context's memory creeps by some 0.17 KB a
transaction, so it is renewed every RENEW_AFTER of them.
"""

import asyncio
import ctypes
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from kube46.nftables import library

RENEW_AFTER = 2000
"""Transactions after which a context is closed and a new one opened."""
LONG = 1 << 18
"""Characters of a text or an answer after which the context is closed, to give its memory back."""

T = TypeVar("T")


class Closing(Protocol):
    """What is closed at the end."""

    def close(self) -> None:
        """Give back what it holds; a second call does nothing."""


class NftError(Exception):
    """A transaction was refused as a whole; nothing of it was carried out."""

    def __init__(self, message: str, text: str) -> None:
        super().__init__(message)
        self.message = message
        self.text = text


class Nft:
    """The nftables of one network namespace: this process's, or `netns` (a name in /run/netns, or a path).

    Calls from several threads or tasks are carried out one after another. Raises FileNotFoundError at once when there
    is no such namespace. Needs CAP_NET_ADMIN in it.
    """

    def __init__(self, netns: str | Path | None = None) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nft")
        self._context: library.Context | None = None
        self._runs = 0
        self._held: list[Closing] = []
        if netns is not None:
            path = Path("/run/netns") / netns
            try:
                self._on_thread(lambda: _enter_network_namespace(path))
            except OSError:
                self._thread.shutdown()
                raise

    def run(self, text: str) -> None:
        """Carry out commands as one transaction. Raises NftError; blocks until the kernel has answered."""
        self._on_thread(lambda: self._run(text))

    def list_json(self, command: str = "list ruleset") -> list[dict[str, Any]]:
        """The objects that a `list …` command writes (libnftables-json(5)), without the metainfo. Raises NftError."""
        return self._on_thread(lambda: self._list(command))

    async def apply(self, text: str) -> None:
        """`run` without blocking the event loop. A cancelled call may yet be carried out."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._run, text)

    async def inside(self, work: Callable[[], T]) -> T:
        """Do something on the handle's thread, in its namespace, between its transactions."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def call(self, work: Callable[[], T]) -> T:
        """`inside`, for other threads than the event loop's: blocks until it is done."""
        return self._on_thread(work)

    def hold(self, resource: Closing) -> None:
        """Close it with the handle, on its thread: what work inside made to last."""
        self._held.append(resource)

    async def read_json(self, command: str = "list ruleset") -> list[dict[str, Any]]:
        """`list_json` without blocking the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._list, command)

    def close(self) -> None:
        """Close the handle and end its thread; a second call does nothing."""
        if self._context is not None:
            self._on_thread(self._context.free)
            self._context = None
        while self._held:
            self._on_thread(self._held.pop().close)
        self._thread.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _on_thread(self, work: Callable[[], T]) -> T:
        return self._thread.submit(work).result()

    def _run(self, text: str) -> None:
        self._execute(text, 0)

    def _list(self, command: str) -> list[dict[str, Any]]:
        written = self._execute(command, library.OUTPUT_JSON)
        found = json.loads(written)["nftables"] if written else []
        return [entry for entry in found if "metainfo" not in entry]

    def _execute(self, text: str, flags: int) -> str:
        if self._context is None or self._runs >= RENEW_AFTER:
            if self._context is not None:
                self._context.free()
            self._context, self._runs = library.Context(), 0
        self._runs += 1
        status, output, error = self._context.run(text, flags)
        if max(len(text), len(output)) > LONG:
            self._context.free()
            self._context = None
            library.give_back_memory()
        if status:
            raise NftError(error.strip() or "nftables refused the transaction without a message", text)
        return output


CLONE_NEWNET = 0x40000000


def _enter_network_namespace(path: Path) -> None:
    """Move the calling thread for good (os.setns is Python 3.12's). The thread must be the caller's own."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)
