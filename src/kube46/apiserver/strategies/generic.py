"""The rules that all kinds share: metadata is validated, with the name syntax of the kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.api import metadata, names
from kube46.apiserver.strategy import Context, Object, Strategy

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.api.metadata import NameRule


class Generic(Strategy):
    """Metadata rules; kinds with rules of their own extend `create_errors`, `update_errors` and `status_errors`.

    `core`: all but a few kinds (leases) want finalizers to be standard or fully qualified names.
    `hosts`: what hosts get of a kind's name, which should be a label then.
    """

    name_rule: NameRule = staticmethod(names.subdomain)
    core: bool = True
    hosts: str = ""

    def validate_create(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Metadata first, then the kind's own errors."""
        found = metadata.validate_create(obj, self.naming(obj), namespaced=ctx.kind.namespaced, core=self.core)
        found += self.create_errors(obj, ctx)
        if not found:
            self.canonicalize(obj)
        return found

    def naming(self, obj: Object) -> NameRule:
        """The rule of a new object's name."""
        return self.name_rule

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Metadata first, then the kind's own errors of the object or of its status."""
        found = metadata.validate_update(new, old, namespaced=ctx.kind.namespaced, core=self.core)
        if ctx.subresource == "status":
            return found + self.status_errors(new, old, ctx)
        found += self.update_errors(new, old, ctx)
        if not found:
            self.canonicalize(new)
        return found

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """A new name that hosts get and that is no label."""
        problems = names.label(new["metadata"]["name"]) if self.hosts and old is None else []
        surprise = "which can result in surprising behavior; a DNS label is recommended"
        return [f"metadata.name: this is used in {self.hosts}, {surprise}: [{' '.join(problems)}]"] if problems else []

    def canonicalize(self, obj: Object) -> None:
        """Bring a valid object into the form it is stored in."""

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of a new object beside those of its metadata."""
        return []

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of an updated object beside those of its metadata."""
        return []

    def status_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of a write to /status."""
        return []
