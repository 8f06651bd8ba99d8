"""The types of Kubernetes' built-in kinds: fields, Go types, merge keys; from a resource made at build time.

`tools/build_schemas.py` says where the data comes from. A type is decoded on its first use, so a server that serves
eighteen kinds holds about a hundred of the 862 types.
"""

from __future__ import annotations

import functools
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

RESOURCE = tuple[dict[str, str], dict[str, bytes], dict[str, str], dict[str, bytes]]
HERE = Path(__file__).parent
TYPES, OPENAPI = "schemas.types.msgpack", "schemas.openapi.zz"
# types of slices that protobuf wraps in a message of their own, because they may be null in a map
WRAPPED = ("AttestationValue", "ExtraValue", "Verbs")
LIST = {1: "metadata", 2: "items"}


class Shape(msgspec.Struct, frozen=True, array_like=True):
    """What a value may be: how it decodes, how Go names it, and what it is made of."""

    kind: str  # struct list map raw any string bool int32 int64 float64 bytes time microtime quantity intorstring
    go: str  # "[]v1.ServicePort", "*string": as Go's reflection prints it
    ref: str = ""  # the definition of a struct
    item: Shape | None = None  # of lists and maps

    @property
    def pointer(self) -> bool:
        """Whether Go can tell this value's zero from its absence."""
        return self.go.startswith("*")

    @property
    def wrapped(self) -> bool:
        """Whether a list is a message in protobuf."""
        return self.go.endswith(WRAPPED)


class Field(msgspec.Struct, frozen=True, array_like=True):
    """A field of a struct."""

    name: str
    shape: Shape
    presence: str  # "!" always written, "?" left out when empty, "0" left out when zero
    patch_strategy: str = ""  # "merge", "retainKeys", "merge,retainKeys", "replace"
    merge_key: str = ""
    list_type: str = ""  # atomic, set, map
    list_keys: tuple[str, ...] = ()
    map_type: str = ""  # atomic, granular
    inlined: str = ""  # the Go struct that JSON has inlined and that the field belongs to, as Go's errors name it


class Type(msgspec.Struct, frozen=True, array_like=True):
    """A struct."""

    name: str  # io.k8s.api.core.v1.ServiceSpec
    fields: dict[str, Field]
    gvk: tuple[tuple[str, str, str], ...] = ()
    map_type: str = ""

    @property
    def short(self) -> str:
        """`ServiceSpec`: Go's name without its package."""
        return self.name.rsplit(".", 1)[1]


class Schemas:
    """All types by definition name and by group, version and kind."""

    def __init__(
        self,
        kinds: Mapping[str, str],
        encoded: Mapping[str, bytes],
        prose: Mapping[str, str],
        wire: Mapping[str, bytes],
    ) -> None:
        self._kinds, self._encoded, self._wire = kinds, encoded, wire
        self.prose = prose  # what the columns of Tables say
        self._decoded: dict[str, Type] = {}
        self._numbers: dict[str, dict[int, str]] = {}
        self._decoder = msgspec.msgpack.Decoder(Type)

    @staticmethod
    @functools.cache
    def load() -> Schemas:
        """The schemas shipped with this package, read once; raises RuntimeError when they were never built."""
        file = HERE / TYPES
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            raise RuntimeError(f"{file} is missing: run `python tools/build_schemas.py` in the clone") from None
        return Schemas(*msgspec.msgpack.decode(data, type=RESOURCE))

    def type(self, name: str) -> Type:
        """The struct of a definition name; raises KeyError."""
        found = self._decoded.get(name)
        if found is None:
            found = self._decoded[name] = self._decoder.decode(self._encoded[name])
        return found

    def kind(self, group: str, version: str, kind: str) -> Type:
        """The struct of a kind; raises KeyError. Kinds every group shares (DeleteOptions, Status) are in core v1."""
        return self.type(self._kinds[f"{group}/{version}/{kind}"])

    def wire(self, name: str) -> dict[int, str]:
        """Protobuf number → field of a struct, in Go's order; `>Other` stands for a struct that JSON has inlined."""
        found = self._numbers.get(name)
        if found is None:
            data = self._wire.get(name)
            if data is not None:
                found = msgspec.msgpack.decode(data, type=dict[int, str])
            else:
                found = LIST if name.endswith("List") else {}
            self._numbers[name] = found
        return found

    def kinds(self) -> tuple[str, ...]:
        """`group/version/kind` of every kind."""
        return tuple(self._kinds)

    def knows(self, group: str, version: str, kind: str) -> bool:
        """Whether Kubernetes registers such a kind."""
        return f"{group}/{version}/{kind}" in self._kinds

    def has_version(self, group: str, version: str) -> bool:
        """Whether Kubernetes registers any kind in such a version."""
        return any(name.startswith(f"{group}/{version}/") for name in self._kinds)

    def definition(self, group: str, version: str, kind: str) -> str:
        """The definition's name, without decoding it; raises KeyError."""
        return self._kinds[f"{group}/{version}/{kind}"]


def embedded_in(struct: str, word: str) -> str:
    """The definition name of a struct that is inlined into another of its package (`>Other` in `Schemas.wire`)."""
    return f"{struct.rpartition('.')[0]}.{word.removeprefix('>')}"


def openapi_definitions() -> dict[str, dict[str, Any]]:
    """Every definition as OpenAPI, prose included: 1.7 MB of JSON, so callers keep what they make of it and drop it."""
    data = (HERE / OPENAPI).read_bytes()
    found: dict[str, dict[str, Any]] = msgspec.json.decode(zlib.decompress(data))
    return found
