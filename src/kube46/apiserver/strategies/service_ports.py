"""Node ports: the pool in memory, rebuilt from the Services, and one request's dealings with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.api.allocation import NodePorts
from kube46.api.services import nodeports
from kube46.apiserver import statuses
from kube46.apiserver.strategy import StatusError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube46.apiserver.strategy import Context, Transaction


def pool(ctx: Context) -> NodePorts:
    """The node ports in use."""

    def build(txn: Transaction) -> NodePorts:
        found = NodePorts(ctx.node_ports)
        for service in txn.list("services"):
            for port in nodeports.held(service["spec"]):
                found.taken.add(port)
        return found

    return ctx.txn.memory("node ports", build)


class Operation:
    """What one request takes and gives back, undone when it is not committed."""

    def __init__(self, ctx: Context) -> None:
        self._txn, self._pool = ctx.txn, pool(ctx)

    def reserve(self, port: int) -> str:
        """Take this port; the complaint, "" if none."""
        complaint = self._pool.reserve(port)
        if not complaint:
            self._txn.undo(lambda: self._pool.release(port))
        return complaint

    def allocate(self) -> int | None:
        """Take any port; None when there is none."""
        port = self._pool.allocate()
        if port is not None:
            self._txn.undo(lambda: self._pool.release(port))
        return port

    def release(self, port: int) -> None:
        """Give a port back."""

        def undo() -> None:
            self._pool.taken.add(port)

        if port in self._pool.taken:
            self._pool.release(port)
            self._txn.undo(undo)


def run(ctx: Context, step: Callable[[nodeports.Operation], None]) -> None:
    """Run a step of `nodeports` on the pool (in a dry run beside it); raises its refusals as StatusError."""
    try:
        step(nodeports.Rehearsal(pool(ctx)) if ctx.dry_run else Operation(ctx))
    except nodeports.InvalidPort as refused:
        raise statuses.invalid(ctx.kind, ctx.name, [refused.error]) from None
    except nodeports.InternalError as refused:
        raise statuses.internal(str(refused)) from None
    except nodeports.PlainError as refused:
        raise StatusError(500, "", str(refused)) from None
