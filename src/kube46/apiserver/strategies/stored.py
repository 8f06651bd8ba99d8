"""Kinds that manifests bring and nothing acts on: stored, and every writer is told so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.apiserver.strategies.generic import Generic

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube46.apiserver.strategy import Object


class Stored(Generic):
    """`missing` is what does not happen: `enforced`, `called`; `default` is the kind's static defaulting."""

    def __init__(self, kind: str, missing: str, default: Callable[[Object], None] | None = None) -> None:
        self._kind, self._missing, self._default = kind, missing, default

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        if self._default is not None:
            self._default(obj)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """One sentence, which names the object: a file often holds many."""
        return [f"{self._kind} {new['metadata'].get('name', '')}: stored, not {self._missing}"]
