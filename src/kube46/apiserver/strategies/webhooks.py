"""Configurations of admission webhooks: checked as kube-apiserver checks them, match conditions compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api import webhookrules
from kube46.apiserver.strategies.generic import Generic

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object


class WebhookConfigurations(Generic):
    """Those of one phase, which differ in their defaults."""

    unconditional_update = False

    def __init__(self, default: Callable[[Object], None]) -> None:
        self._default = default

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        self._default(obj)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of each webhook."""
        return webhookrules.errors(obj, None, _conditions)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """The same; what was wrong before may stay."""
        return webhookrules.errors(new, old, _conditions)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """Rules that will have no effect."""
        return webhookrules.warnings(new)


def _conditions(found: list[Any], place: str) -> list[FieldError]:
    from kube46.apiserver.admission import conditions  # loads the evaluator when there are conditions

    return conditions.problems(found, place)
