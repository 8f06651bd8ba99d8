"""All checks, in the order of the report."""

from kube46.conformance import addressing, changing, enduring, making, refusing, running, traffic
from kube46.conformance.model import Conversation, Level, Promise

CONVERSATIONS: tuple[Conversation, ...] = (*making.CHECKS, *refusing.CHECKS, *changing.CHECKS, *addressing.CHECKS)
NODES = (addressing.NODE_ADDRESSES, addressing.NODE_RANGES)
PODS = (*running.PROMISES, *traffic.PROMISES, *enduring.PROMISES)


def promises(level: Level) -> list[Promise]:
    """Every promise of a level and of those it stands on, by level."""
    found = [*(check.promise for check in CONVERSATIONS), *NODES, *PODS]
    return sorted(
        (item for item in found if item.level in level.included), key=lambda item: tuple(Level).index(item.level)
    )
