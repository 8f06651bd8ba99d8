"""Kinds that manifests bring and nothing acts on: stored, and every writer is told so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.apiserver.strategies.generic import Generic

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object


def told(kind: str, obj: Object, missing: str) -> str:
    """The warning: one sentence, which names the object, as a file often holds many."""
    return f"{kind} {obj['metadata'].get('name', '')}: stored, not {missing}"


class Stored(Generic):
    """`missing` is what does not happen: `enforced`, `called`; `default`, `errors`, `changes` are the kind's own."""

    def __init__(
        self,
        kind: str,
        missing: str,
        default: Callable[[Object], None] | None = None,
        errors: Callable[[Object], list[FieldError]] | None = None,
        changes: Callable[[Object, Object], list[FieldError]] | None = None,
        *,
        create_on_update: bool = False,
        unconditional_update: bool = True,
    ) -> None:
        self.create_on_update, self.unconditional_update = create_on_update, unconditional_update
        self._kind, self._missing, self._default, self._errors, self._changes = kind, missing, default, errors, changes

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        if self._default is not None:
            self._default(obj)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """The kind's own errors."""
        return [] if self._errors is None else self._errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """The same, and of what may not change."""
        return self.create_errors(new, ctx) + ([] if self._changes is None else self._changes(new, old))

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """That nothing comes of it."""
        return [told(self._kind, new, self._missing)]
