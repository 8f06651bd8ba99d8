"""How objects of one kind are counted: the shape that all evaluators have, and the one of plain counts.

Sources: k8s.io/apiserver pkg/quota/v1/{interfaces.go,generic/evaluator.go}.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kube46.api.amounts import ONE, Amounts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Write:
    """A create (`old` is None) or update of an object, or of its subresource."""

    new: Object
    old: Object | None = None
    subresource: str = ""


def count_name(group: str, plural: str) -> str:
    """`count/deployments.apps`."""
    return f"count/{plural}.{group}" if group else f"count/{plural}"


@dataclass(frozen=True)
class Evaluator:
    """Counts objects; kinds that take more than their number override what differs."""

    group: str
    plural: str
    aliases: tuple[str, ...] = ()
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset((count_name(self.group, self.plural), *self.aliases)))

    def matching(self, names: Iterable[str]) -> list[str]:
        """Those of a quota's names that this kind is counted under."""
        return sorted(name for name in set(names) if self.counts(name))

    def counts(self, name: str) -> bool:
        """Whether objects of this kind are counted under a name."""
        return name in self.names

    def handles(self, write: Write) -> bool:
        """Whether the write may take more than was taken before."""
        return not write.subresource and write.old is None

    def in_scope(self, requirement: Object, obj: Object) -> bool:
        """Whether an object is of a scope (`scopeName`, `operator`, `values`)."""
        return False

    def missing(self, names: Iterable[str], obj: Object) -> str:
        """What the object has to say so that these can be counted; "" when it does."""
        return ""

    def usage(self, obj: Object, now: datetime) -> Amounts:
        """What the object takes."""
        return dict.fromkeys(self.names, ONE)


def selects(requirement: Object, values: Iterable[str]) -> bool:
    """Whether any of an object's values of a scope, or its having none, is what the requirement asks for."""
    found, wanted = [value for value in values if value], requirement.get("values") or ()
    match requirement.get("operator"):
        case "In":
            return any(value in wanted for value in found)
        case "NotIn":
            return not found or any(value not in wanted for value in found)
        case "DoesNotExist":
            return not found
    return bool(found)
