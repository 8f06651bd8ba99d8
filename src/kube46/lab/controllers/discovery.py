"""Which kinds of objects a server has: found by discovery, so that kinds unknown to kube46 are cleaned up too."""

from dataclasses import dataclass
from typing import Any

import msgspec

from kube46.api.objects import Object
from kube46.api.resources import Resource
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import ApiError


class _Kind(msgspec.Struct):
    name: str
    kind: str = ""
    namespaced: bool = False
    verbs: list[str] = []


class _Kinds(msgspec.Struct):
    resources: list[_Kind] = []


class _GroupVersion(msgspec.Struct, rename="camel"):
    group_version: str


class _Group(msgspec.Struct, rename="camel"):
    name: str
    preferred_version: _GroupVersion
    versions: list[_GroupVersion] = []


class _Groups(msgspec.Struct):
    groups: list[_Group] = []


@dataclass(frozen=True, slots=True)
class Served:
    """A kind that the server has; `metadata` of its objects is all that is decoded."""

    resource: Resource[Object]
    verbs: frozenset[str]

    def can(self, *verbs: str) -> bool:
        """Whether all these verbs are allowed on the kind at all."""
        return self.verbs.issuperset(verbs)


async def served(client: Client) -> list[Served]:
    """Every kind, in the first version of its group that has it. Raises KubernetesError when a part cannot be read."""
    found, failures = await readable(client)
    for failure in failures.values():
        raise failure
    return found


async def readable(client: Client) -> tuple[list[Served], dict[str, ApiError]]:
    """The kinds that can be read now, and why groups can't: their servers may be away (APIServices)."""
    groups = msgspec.json.decode(await client.request("GET", "/apis"), type=_Groups).groups
    found = {("", kind.resource.plural): kind for kind in await _kinds(client, "/api/v1", "", "v1")}
    failures: dict[str, ApiError] = {}
    for group in groups:
        first = group.preferred_version.group_version
        others = [version.group_version for version in group.versions if version.group_version != first]
        for version in (first, *others):
            try:
                kinds = await _kinds(client, f"/apis/{version}", group.name, version.rpartition("/")[2])
            except ApiError as error:
                failures[group.name] = error
                continue
            for kind in kinds:
                found.setdefault((group.name, kind.resource.plural), kind)
    return list(found.values()), failures


async def _kinds(client: Client, path: str, group: str, version: str) -> list[Served]:
    kinds = msgspec.json.decode(await client.request("GET", path), type=_Kinds).resources
    return [Served(_resource(group, version, kind), frozenset(kind.verbs)) for kind in kinds if "/" not in kind.name]


def _resource(group: str, version: str, kind: _Kind) -> Resource[Any]:
    return Resource(group, version, kind.name, kind.kind, kind.namespaced, Object)
