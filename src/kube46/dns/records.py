"""The records of all Services together, kept by change: one Service's change costs only that Service's records."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from kube46.dns.rules import Record, zone_of

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """What to take from and add to one zone, in one message: deletions come first, so a CNAME can replace addresses."""

    zone: str
    removed: tuple[Record, ...]
    added: tuple[Record, ...]


@dataclass(slots=True)
class RecordSet:
    """Records counted by how many Services have them: two headless Services may share a pod and so its PTR owner."""

    zones: Collection[str]
    _by_service: dict[Key, frozenset[Record]] = field(default_factory=dict)
    _counts: Counter[Record] = field(default_factory=Counter)

    def replace(self, key: Key, records: frozenset[Record]) -> None:
        """The Service `key` has exactly these records now; none when it is gone."""
        for record in self._by_service.pop(key, frozenset()):
            self._counts[record] -= 1
            if not self._counts[record]:
                del self._counts[record]
        if records:
            self._by_service[key] = records
            self._counts.update(records)

    def __len__(self) -> int:
        return len(self._counts)

    def of(self, key: Key) -> frozenset[Record]:
        """The records that the Service has."""
        return self._by_service.get(key, frozenset())

    def all(self) -> set[Record]:
        """Every record that lies in one of the zones."""
        return {record for record in self._counts if zone_of(record.name, self.zones)}

    def has(self, record: Record) -> bool:
        """Whether any Service has the record."""
        return record in self._counts


def changes(zones: Collection[str], removed: Iterable[Record], added: Iterable[Record]) -> list[Change]:
    """The differences sorted by zone; records outside every zone are left out."""
    by_zone: dict[str, tuple[list[Record], list[Record]]] = {}
    for index, records in enumerate((removed, added)):
        for record in sorted(records):
            if zone := zone_of(record.name, zones):
                by_zone.setdefault(zone, ([], []))[index].append(record)
    return [Change(zone, tuple(gone), tuple(new)) for zone, (gone, new) in sorted(by_zone.items())]
