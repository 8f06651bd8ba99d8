"""Kinds that manifests bring and nothing acts on: stored, and every writer is told so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.apiserver.strategies.generic import Generic

if TYPE_CHECKING:
    from kube46.apiserver.strategy import Object


class Stored(Generic):
    """`missing` is what does not happen: `enforced`, `called`."""

    def __init__(self, missing: str) -> None:
        self._missing = missing

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """One sentence."""
        return [f"stored, not {self._missing}"]
