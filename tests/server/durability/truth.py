"""What a data file says happened: every change in order, and what there was at each revision."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from kube46.apiserver.database import Event
from kube46.apiserver.storage import Store

State = dict[tuple[str, str], bytes]  # (resource, key) → JSON


@dataclass(frozen=True)
class Past:
    """All changes since the file was made; needs a server with a log so long."""

    changes: tuple[tuple[str, Event], ...]  # (resource, change), by revision
    state: State
    revision: int

    @classmethod
    def read(cls, path: Path) -> "Past":
        """From a file that no server has open."""
        store = Store(path, 1 << 20)
        collections = store._collections.items()
        found = [(resource, event) for resource, c in collections for event in c.history.since(c.history.compacted)]
        state = {(resource, key): record.value for resource, c in collections for key, record in c.records.items()}
        past = cls(tuple(sorted(found, key=lambda c: c[1].revision)), state, store.revision)
        store.close()
        return past

    def at(self, revision: int) -> State:
        """What there was at a revision."""
        state: State = {}
        for resource, event in self.changes:
            if event.revision > revision:
                break
            if event.type == "DELETED":
                del state[resource, event.key]
            else:
                state[resource, event.key] = event.value
        return state

    def check(self) -> None:
        """The log tells how the objects came about; revisions and uids are given once; allocations have an owner."""
        revisions = [event.revision for _, event in self.changes]
        assert len(set(revisions)) == len(revisions)
        assert not revisions or self.revision >= revisions[-1]
        assert self.at(self.revision) == self.state
        uids = [obj["metadata"]["uid"] for obj in self.objects()]
        assert len(set(uids)) == len(uids)
        self._check_allocations()

    def objects(self, resource: str = "") -> list[dict[str, Any]]:
        """The present objects, of one resource or all."""
        return [msgspec.json.decode(value) for (name, _), value in self.state.items() if resource in ("", name)]

    def _check_allocations(self) -> None:
        services = self.objects("services")
        addresses = {a for s in services for a in s["spec"].get("clusterIPs") or () if a != "None"}
        kept = {obj["metadata"]["name"]: obj["spec"]["parentRef"] for obj in self.objects("ipaddresses")}
        assert set(kept) == addresses
        named = {(s["metadata"]["namespace"], s["metadata"]["name"]) for s in services}
        assert {(parent["namespace"], parent["name"]) for parent in kept.values()} <= named
        ports = [port for service in services for port in _ports(service)]
        assert len(set(ports)) == len(ports)


def _ports(service: dict[str, Any]) -> set[int]:
    return {port["nodePort"] for port in service["spec"].get("ports") or () if port.get("nodePort")}
