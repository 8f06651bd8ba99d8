"""What a write asks for, as admission sees it.

Source: k8s.io/apiserver pkg/admission/interfaces.go (Attributes).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube46.apiserver.admission.passes import Round
    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.strategy import User

Object = dict[str, Any]
CREATE, UPDATE, DELETE, CONNECT = "CREATE", "UPDATE", "DELETE", "CONNECT"
OPTIONS = {CREATE: "CreateOptions", UPDATE: "UpdateOptions"}


@dataclass(slots=True)
class Attributes:
    """One write on its way through the chain.

    `object` and `old` carry apiVersion and kind, in the version that the request speaks. The mutating phase may change
    `object`, in place or by assigning another; it is None of a DELETE. `old` is None of a CREATE and a CONNECT.
    """

    kind: Kind  # the row of the resource
    operation: str
    name: str
    namespace: str
    subresource: str
    user: User
    dry_run: bool
    object: Object | None
    old: Object | None
    asked_with: Callable[[], Object]
    round: Round | None  # where the answers of those outside are; none while there is nobody to ask
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)  # for an audit log, which there is none of
    notes: dict[str, Any] = field(default_factory=dict)  # what a plugin keeps from the first round to the second
    reinvoked: bool = False  # the second round of the mutating phase
    again: bool = False  # set by who changed the object so that others have to look again

    @property
    def options(self) -> Object:
        """CreateOptions, UpdateOptions or DeleteOptions, as an object of meta.k8s.io/v1; empty of a CONNECT.

        Those of a request that comes to another operation are told as that one's (patchToUpdateOptions and its like).
        """
        found = {} if self.operation == CONNECT else self.asked_with()
        if not found or self.operation not in OPTIONS:
            return found
        told = {name: value for name, value in found.items() if name != "force"}
        return {**told, "kind": OPTIONS[self.operation]}

    @property
    def gvk(self) -> tuple[str, str, str]:
        """Group, version and kind of what is sent: of a subresource, it may be another kind than the resource's."""
        part = self.kind.subresource(self.subresource) if self.subresource else None
        if part is not None and part.kind:
            return part.group, part.version or "v1", part.kind
        return self.kind.group, self.kind.version, self.kind.kind
