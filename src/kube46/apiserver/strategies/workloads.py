"""Deployments and ReplicaSets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.api.workloads import defaults, validation
from kube46.apiserver.strategies.generic import Generic

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object


class ReplicaSets(Generic):
    """The selector must select the template and stays."""

    kind = "replicaset"

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        defaults.replica_set(obj)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """A fresh status."""
        obj["status"] = {"replicas": 0}

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return validation.errors(obj, self.kind)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`, and a changed selector."""
        return validation.errors(new, self.kind) + validation.immutable(new, old)

    def status_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Negative numbers."""
        return validation.status_errors(new)


class Deployments(ReplicaSets):
    """The same, with a strategy to roll out."""

    kind = "deployment"

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        defaults.deployment(obj)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """A fresh status."""
        obj["status"] = {}
