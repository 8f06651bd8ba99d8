"""Which Secrets, ConfigMaps, claims, volumes and accounts a node has to do with: those of the pods bound to it.

Follows the committed pods and volumes: a question reads what changed since the last one, so asking costs the changes,
not the objects, and writing costs nothing.
Source: k8s.io/kubernetes plugin/pkg/auth/authorizer/node/graph.go.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from kube46.apiserver import podreferences
from kube46.apiserver.history import Compacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kube46.apiserver.database import Event
    from kube46.apiserver.storage import Store


class Ref(NamedTuple):
    """An object that a node may have to do with; `namespace` is "" for cluster-scoped ones."""

    plural: str
    namespace: str
    name: str


class _Meta(msgspec.Struct):
    name: str
    namespace: str = ""
    annotations: dict[str, str] = {}


class _Seen(msgspec.Struct):
    """As much of an object as is read at each of its changes; `spec` stays bytes until it differs."""

    metadata: _Meta
    spec: msgspec.Raw = msgspec.Raw(b"{}")


_seen = msgspec.json.Decoder(_Seen)
_spec: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict)


@dataclass(slots=True)
class _Volume:
    claim: Ref
    secrets: tuple[Ref, ...]


class NodeGraph:
    """Answers whether a node is related to an object."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._at = {"pods": -1, "persistentvolumes": -1}
        self._specs: dict[tuple[str, str], int] = {}  # hashes of what was read of each object
        self._clear("pods")
        self._clear("persistentvolumes")

    def _clear(self, plural: str) -> None:
        self._specs = {place: seen for place, seen in self._specs.items() if place[0] != plural}
        if plural == "pods":
            self._refs: dict[str, tuple[str, tuple[Ref, ...]]] = {}  # pod → its node and what it uses
            self._users: dict[Ref, Counter[str]] = {}  # what is used → nodes, with the number of their pods
        else:
            self._volumes: dict[str, _Volume] = {}
            self._of_secret: dict[Ref, set[str]] = {}  # Secret → volumes that name it

    def related(self, node: str, ref: Ref) -> bool:
        """Whether a pod on the node uses the object, itself or by its claim's volume."""
        self._follow("pods", self._pod)
        if node in self._users.get(ref, ()):
            return True
        self._follow("persistentvolumes", self._volume)
        if ref.plural == "persistentvolumes":
            return ref.name in self._volumes and self._claims(node, (ref.name,))
        return ref.plural == "secrets" and self._claims(node, self._of_secret.get(ref, ()))

    def _claims(self, node: str, volumes: Iterable[str]) -> bool:
        return any(node in self._users.get(self._volumes[name].claim, ()) for name in volumes)

    def _follow(self, plural: str, changed: Callable[[str, bytes | None], None]) -> None:
        collection = self._store.collection(plural)
        if collection.changed == self._at[plural]:
            return
        try:
            events: list[Event] | None = collection.history.since(self._at[plural]) if self._at[plural] >= 0 else None
        except Compacted:
            events = None
        if events is None:
            self._clear(plural)
            for key, record in collection.records.items():
                changed(key, record.value)
        else:
            for event in events:
                changed(event.key, None if event.type == "DELETED" else event.value)
        self._at[plural] = collection.changed

    def _differs(self, plural: str, key: str, value: bytes | None) -> _Seen | None:
        """What is new of an object; None when nothing is, or when it is gone."""
        if value is None:
            self._specs.pop((plural, key), None)
            return None
        seen = _seen.decode(value)
        mark = hash((bytes(seen.spec), podreferences.MIRROR in seen.metadata.annotations))
        if self._specs.get((plural, key)) == mark:
            return None
        self._specs[plural, key] = mark
        return seen

    def _pod(self, key: str, value: bytes | None) -> None:
        seen = self._differs("pods", key, value)
        if seen is None and value is not None:
            return
        node, refs = self._refs.pop(key, ("", ()))
        for ref in refs:
            users = self._users[ref]
            users[node] -= 1
            if not users[node]:
                del users[node]
            if not users:
                del self._users[ref]
        if seen is None or not (node := (spec := _spec.decode(seen.spec)).get("nodeName", "")):
            return
        meta = seen.metadata
        own = Ref("pods", meta.namespace, meta.name)
        used = () if podreferences.MIRROR in meta.annotations else podreferences.used(spec, meta.name)
        refs = (own, *{Ref(plural, meta.namespace, name) for plural, name in used})
        self._refs[key] = node, refs
        for ref in refs:
            self._users.setdefault(ref, Counter())[node] += 1

    def _volume(self, key: str, value: bytes | None) -> None:
        seen = self._differs("persistentvolumes", key, value)
        if seen is None and value is not None:
            return
        if (old := self._volumes.pop(key, None)) is not None:
            for ref in old.secrets:
                self._of_secret[ref].discard(key)
                if not self._of_secret[ref]:
                    del self._of_secret[ref]
        if seen is None or not (claim := (spec := _spec.decode(seen.spec)).get("claimRef")):
            return
        namespace = claim.get("namespace", "")
        secrets = tuple(Ref("secrets", *where) for where in podreferences.of_volume(spec, namespace))
        self._volumes[key] = _Volume(Ref("persistentvolumeclaims", namespace, claim.get("name", "")), secrets)
        for ref in secrets:
            self._of_secret.setdefault(ref, set()).add(key)
