"""Namespaces and Leases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.api import leases_events, names, namespaces
from kube46.apiserver.strategies.generic import Generic

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object


class Namespaces(Generic):
    """Names are DNS labels; the name is a label, too."""

    name_rule = staticmethod(names.label)

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        namespaces.default(obj)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """Active, with the finalizer that empties it before it goes."""
        namespaces.default(obj)
        namespaces.new(obj)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec.finalizers`."""
        return namespaces.errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec.finalizers`, which only /finalize changes."""
        return namespaces.errors(new, indexed=True) if ctx.subresource == "finalize" else []

    def status_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """A phase that does not fit."""
        return namespaces.status_errors(new)


class Leases(Generic):
    """A lease is only ever updated on top of what its writer has read."""

    create_on_update = True
    unconditional_update = False
    core = False

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return leases_events.lease_errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return leases_events.lease_errors(new)
