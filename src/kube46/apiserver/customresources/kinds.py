"""Custom kinds: rows of the table of kinds that a CustomResourceDefinition makes, one for each served version.

Source: apiextensions-apiserver pkg/apiserver/{customresource_handler.go,customresource_discovery_controller.go}.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.apiserver.kinds import ALL_VERBS, SCALE, STATUS, Kind
from kube46.apiserver.managedfields.merging import of_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kube46.apiserver.customresources.objects import CustomObjects
    from kube46.apiserver.managedfields.merging import Merging

TERMINATING_VERBS = ("delete", "deletecollection", "get", "list", "watch")
Object = dict[str, Any]


class Version:
    """One version of a definition. Its schema is decoded at first use: most kinds of a large chart never are used."""

    def __init__(self, definition: bytes, name: str) -> None:
        self._definition, self.name = definition, name
        self.retired = False  # the definition has changed or gone: watches end, clients come back

    @cached_property
    def content(self) -> Object:
        """The entry of spec.versions."""
        spec = msgspec.json.decode(self._definition)["spec"]
        found: Object = next(version for version in spec["versions"] if version["name"] == self.name)
        return found

    @property
    def schema(self) -> Object:
        """The structural schema."""
        found: Object = (self.content.get("schema") or {}).get("openAPIV3Schema") or {}
        return found

    @cached_property
    def merging(self) -> Merging:
        """How values of this version merge in a server-side apply."""
        return of_schema(self.schema)

    @property
    def scale(self) -> dict[str, str]:
        """The paths of subresources.scale; empty when there is none."""
        return (self.content.get("subresources") or {}).get("scale") or {}


@dataclass(frozen=True, slots=True, eq=False)
class CustomKind(Kind):
    """A custom kind in one version."""

    names: Mapping[str, Any] = field(default_factory=dict)
    served: bool = True
    terminating: bool = False
    version_of: Version = field(default_factory=lambda: Version(b"", ""))
    made: list[Any] = field(default_factory=list)  # its rules, once somebody asked for them
    several: bool = False  # whether there are other versions, so that stored objects say in which they are
    stores: str = ""  # the version in which objects are stored
    first: str = ""  # the one of objects that don't say: they are from the time before there was another
    webhook: Mapping[str, Any] = field(default_factory=dict)  # spec.conversion.webhook, where one converts

    @property
    def merging(self) -> Merging:
        """How its values merge in a server-side apply."""
        return self.version_of.merging

    @property
    def singular(self) -> str:
        """As the definition names it."""
        return str(self.names.get("singular", ""))

    @property
    def list_kind(self) -> str:
        """As the definition names it."""
        return str(self.names.get("listKind", ""))

    @property
    def resource(self) -> str:
        """`widgets.example.org`."""
        return self.qualified

    @property
    def allowed(self) -> tuple[str, ...]:
        """All: discovery names fewer for a kind that ends, yet finalizers are still to be taken off."""
        return ALL_VERBS

    @property
    def custom(self) -> bool:
        """Always."""
        return True

    @property
    def rules(self) -> CustomObjects:
        """What is particular to its objects."""
        if not self.made:
            from kube46.apiserver.customresources.objects import CustomObjects

            self.made.append(CustomObjects(self))
        found: CustomObjects = self.made[0]
        return found


def condition(definition: Object, name: str) -> bool:
    """Whether a condition of a definition is True."""
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(c["type"] == name and c["status"] == "True" for c in conditions)


def kinds_of(value: bytes) -> tuple[CustomKind, ...]:
    """The kinds that a stored definition makes, one a version; none until it is established."""
    definition: Object = msgspec.json.decode(value)
    if not condition(definition, "Established"):
        return ()
    return tuple(_kind(definition, version, value) for version in definition["spec"]["versions"])


def _kind(definition: Object, version: Object, value: bytes) -> CustomKind:
    spec, names = definition["spec"], definition["status"]["acceptedNames"]
    subresources = version.get("subresources") or {}
    terminating = condition(definition, "Terminating")
    row = {
        "group": spec["group"], "version": version["name"], "plural": names["plural"], "kind": names["kind"],
        "namespaced": spec["scope"] == "Namespaced", "short_names": tuple(names.get("shortNames") or ()),
        "categories": tuple(names.get("categories") or ()),
        "subresources": tuple(s for s in (SCALE, STATUS) if s.name in subresources),
        "fields": tuple(s["jsonPath"].removeprefix(".") for s in version.get("selectableFields") or ()),
        "generation": True, "warning": _warning(spec["group"], version, names["kind"]),
    }  # fmt: skip
    if stored := next((v["name"] for v in spec["versions"] if v.get("storage")), ""):
        row["storage"] = f"{spec['group']}/{stored}"
    conversion = spec.get("conversion") or {}
    row |= {
        "several": len(spec["versions"]) > 1, "stores": stored,
        "first": next(iter(definition["status"].get("storedVersions") or ()), stored),
        "webhook": (conversion.get("webhook") or {}) if conversion.get("strategy") == "Webhook" else {},
    }  # fmt: skip
    if terminating:
        row["verbs"] = TERMINATING_VERBS
    return CustomKind(
        **row,
        names=names,
        served=version["served"],
        terminating=terminating,
        version_of=Version(value, version["name"]),
    )


def _warning(group: str, version: Object, kind: str) -> str:
    if not version.get("deprecated"):
        return ""
    return version.get("deprecationWarning") or f"{group}/{version['name']} {kind} is deprecated"
