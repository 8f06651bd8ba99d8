"""Nodes: `podCIDR` and `podCIDRs` are brought together on every decoding; a new node is not ready."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kube46.api import nodes
from kube46.apiserver.strategies.generic import Generic

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object


class Nodes(Generic):
    """Semantics B-4 and B-5."""

    keeps_status_on_create = True
    blank: ClassVar[Object] = {
        "status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 0}}, "nodeInfo": dict.fromkeys(nodes.INFO, "")}
    }

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        nodes.default(obj)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """The taint that keeps pods away until the node is ready."""
        nodes.taint_not_ready(obj)
        if not ctx.dual_stack:
            nodes.drop_second(obj, None)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        """With dual-stack off, no second range where there was none."""
        if not ctx.dual_stack:
            nodes.drop_second(new, old)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return nodes.validate(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`, and of what is set once."""
        return nodes.validate(new) + nodes.validate_update(new, old)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """What is unused, and ranges that are not written canonically."""
        return nodes.warnings(new)

    def status_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Repeated addresses."""
        return nodes.validate_update(new, old)
