"""What another API server says that it serves, in the form in which this one's own kinds are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from kube46.apiserver.aggregation.remotes import Remote


@dataclass(frozen=True, slots=True)
class RemoteSubresource:
    """A path below an object of it."""

    name: str
    verbs: tuple[str, ...]
    kind: str
    group: str
    version: str


@dataclass(frozen=True, slots=True)
class RemoteKind:
    """A kind of another server, for discovery."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...]
    short_names: tuple[str, ...]
    categories: tuple[str, ...]
    subresources: tuple[RemoteSubresource, ...]
    custom: bool = False
    stored_form: str = ""

    @property
    def list_kind(self) -> str:
        """`FlunderList` of `Flunder`."""
        return f"{self.kind}List"


class _Resource(msgspec.Struct, rename="camel"):
    name: str
    singular_name: str = ""
    namespaced: bool = False
    kind: str = ""
    group: str = ""
    version: str = ""
    verbs: tuple[str, ...] | None = None
    short_names: tuple[str, ...] | None = None
    categories: tuple[str, ...] | None = None


class _List(msgspec.Struct):
    resources: list[_Resource] | None = None


class _Place(msgspec.Struct):
    url: str = msgspec.field(name="serverRelativeURL")


class _Index(msgspec.Struct):
    paths: dict[str, _Place] | None = None


_list, _index = msgspec.json.Decoder(_List).decode, msgspec.json.Decoder(_Index).decode


def kinds_of(remote: Remote, body: bytes) -> tuple[RemoteKind, ...]:
    """The kinds that an APIResourceList names. Raises msgspec.DecodeError for what is none."""
    listed = _list(body).resources or []
    return tuple(_kind(remote, one, listed) for one in listed if "/" not in one.name)


def _kind(remote: Remote, one: _Resource, listed: list[_Resource]) -> RemoteKind:
    below = f"{one.name}/"
    subresources = tuple(
        RemoteSubresource(sub.name.removeprefix(below), sub.verbs or (), sub.kind, sub.group, sub.version)
        for sub in listed
        if sub.name.startswith(below)
    )
    return RemoteKind(
        remote.group, remote.version, one.name, one.singular_name, one.kind, one.namespaced, one.verbs or (),
        one.short_names or (), one.categories or (), subresources,
    )  # fmt: skip


def document_of(remote: Remote, body: bytes) -> str:
    """Where its OpenAPI v3 document is, as its index of them says; empty when it has none. Raises DecodeError."""
    place = (_index(body).paths or {}).get(remote.path[1:])
    return place.url if place is not None else ""
