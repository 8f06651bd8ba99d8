"""PodDisruptionBudgets, PriorityClasses and ControllerRevisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.api.workloads import policies
from kube46.apiserver.strategies.generic import Generic

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object


class Budgets(Generic):
    """PodDisruptionBudgets: how many pods an eviction must leave."""

    unconditional_update = False

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """A status that allows nothing until the loop has looked."""
        counts = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
        obj["status"] = dict.fromkeys(counts, 0)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return policies.budget_errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return policies.budget_errors(new)


class PriorityClasses(Generic):
    """Numbers by name."""

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        policies.default_priority(obj)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of the value and of reserved names."""
        return policies.priority_errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """What is set once."""
        return policies.priority_errors(new, old)


class ControllerRevisions(Generic):
    """Templates that DaemonSets and StatefulSets had."""

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Missing data."""
        return policies.revision_errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Changed data."""
        return policies.revision_errors(new, old)
