"""EndpointSlices and the Endpoints they replace."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kube46.api import endpoints, endpointslices
from kube46.apiserver.strategies.generic import Generic
from kube46.apiserver.updates import desire

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object


class EndpointSlices(Generic):
    """Semantics 4.5."""

    blank: ClassVar[Object] = {"endpoints": None, "ports": None}

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        endpointslices.default(obj)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """Without the field that v1 no longer writes."""
        endpointslices.drop_topology(obj)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        """The same; upstream counts it as a change all the same."""
        if endpointslices.drop_topology(new) and desire(ctx.kind, new) == desire(ctx.kind, old):
            new["metadata"]["generation"] = int(old["metadata"].get("generation", 0)) + 1

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of the slice."""
        return endpointslices.validate(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of the slice; endpoints that did not change are not looked at."""
        return endpointslices.validate(new, old)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """FQDN slices, addresses that are not written canonically."""
        return endpointslices.warnings(new, new=old is None)

    def canonicalize(self, obj: Object) -> None:
        """The form that is stored."""
        endpointslices.store(obj)


class Endpoints(Generic):
    """Semantics 4.6; since 1.37 subsets stay as they were written."""

    create_on_update = True

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        endpoints.default(obj)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of the subsets."""
        return endpoints.validate(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of the subsets."""
        return endpoints.validate(new, old)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """Addresses that are not written canonically."""
        return endpoints.warnings(new)
