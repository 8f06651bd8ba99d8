"""Which kinds are served at this moment: Kubernetes' own, and those that stored definitions make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.apiserver.customresources.kinds import CustomKind, kinds_of
from kube46.apiserver.kinds import BY_PATH, GROUP_VERSIONS, KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kube46.apiserver.storage import Store

DEFINITIONS = "customresourcedefinitions"


class Catalog:
    """Follows the committed definitions: a kind is served from the moment its definition can be read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[str, tuple[int, tuple[CustomKind, ...]]] = {}  # definition → its revision and kinds
        self._custom: dict[tuple[str, str, str], CustomKind] = {}
        self.kinds: tuple[Kind, ...] = KINDS
        self.edition = 0  # changes with `kinds`
        self.refresh()
        store.listeners[DEFINITIONS] = self.refresh

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind at a path; Kubernetes' own come first."""
        return BY_PATH.get((group, version, plural)) or self._custom.get((group, version, plural))

    def made_by(self, definition: str) -> tuple[CustomKind, ...]:
        """The kinds of a definition, served or not."""
        return self._read[definition][1] if definition in self._read else ()

    def refresh(self) -> None:
        """Take the definitions as they are stored now."""
        records = self._store.collection(DEFINITIONS).records
        for name, record in records.items():
            known = self._read.get(name)
            if known is None or known[0] != record.revision:
                kinds = kinds_of(record.value)
                self._read[name] = record.revision, kinds
        for name in [name for name in self._read if name not in records]:
            del self._read[name]
        custom = {
            (kind.group, kind.version, kind.plural): kind
            for _, (_, kinds) in sorted(self._read.items())
            for kind in kinds
            if kind.served and (kind.group, kind.version) not in GROUP_VERSIONS
        }
        gone = [kind for place, kind in self._custom.items() if custom.get(place) is not kind]
        if gone or len(custom) != len(self._custom):
            self._custom = custom
            self.kinds = (*KINDS, *custom.values())
            self.edition += 1
            self._retire(gone)

    def _retire(self, kinds: Iterable[CustomKind]) -> None:
        """End the watches on kinds that are no longer what they were."""
        for kind in kinds:
            kind.version_of.retired = True
            self._store.collection(kind.resource).history.wake()
