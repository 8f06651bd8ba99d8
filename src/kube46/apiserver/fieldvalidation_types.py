"""Reading JSON into Kubernetes' types: Go's errors word for word, and the form that Go would write back.

Source: encoding/json decode.go as forked in sigs.k8s.io/json; apimachinery pkg/runtime/converter.go for patches.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from kube46.apiserver import fieldvalidation_scalars as scalars
from kube46.apiserver import told_empty
from kube46.apiserver.fieldvalidation_json import Repeated, Spelled, described, plain, spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

    from kube46.apiserver.schemas import Field, Schemas, Shape, Type

MISSING: Any = object()
BITS = {"int32": 31, "int64": 63}
MANY = 100  # strict problems that are reported at most
PARSERS: dict[str, Callable[[str], str | None]] = {
    "bytes": scalars.bytes_,
    "time": scalars.time,
    "microtime": lambda text: scalars.time(text, micro=True),
    "quantity": scalars.quantity,
}
ZEROES: dict[str, Any] = {
    "string": "",
    "bool": False,
    "int32": 0,
    "int64": 0,
    "float64": 0,
    "intorstring": 0,
    "quantity": "0",
}
# structs to Go, whose "omitempty" knows no empty struct: only omitzero leaves them out
SELF_WRITTEN = ("time", "microtime", "quantity", "intorstring", "raw")
# struct → its lists that stay when empty: until it is stored Go keeps them apart from none, and that matters
TOLD_EMPTY = {"IngressSpec": ("rules",), "ObjectMeta": ("managedFields",), "ServiceCIDRSpec": ("cidrs",)}
GO_KINDS = {"bool": "bool", "string": "string", "array": "slice", "object": "map"}


_unasked: dict[str, frozenset[str]] = {}  # by the definition's name
_collections: dict[str, frozenset[str]] = {}


class _Folded(Repeated):
    """What repeated members make together: Go reads a struct and a map on where it left it. Told of already."""

    __slots__ = ()


class Mismatch(Exception):
    """A value that does not fit its type; the text is Go's."""


class Decoder:
    """Reads one object. `strict` collects unknown and repeated fields; the first misfit is raised at the end.

    `unstructured` words misfits as the converter does that strategic merge patches go through.
    """

    def __init__(self, schemas: Schemas, *, unstructured: bool = False) -> None:
        self._schemas, self._unstructured = schemas, unstructured
        self._telling = 0  # empty lists and maps are marked within so many lists that are compared as a whole
        self.strict: list[str] = []
        self._seen: set[str] = set()
        self._first: str = ""
        self._path: list[str | int] = []  # of strict problems
        self._names: list[str] = []  # of Go's struct fields
        self._struct = ""

    def decode(self, found: Any, schema: Type) -> dict[str, Any]:
        """The object in stored form, but for what is `told_empty`; raises Mismatch."""
        self._telling = int(schema.short in told_empty.EXACT)
        result = self._fields(found if isinstance(found, dict) else {}, schema)
        if self._first:
            raise Mismatch(self._first)
        return result

    # structs

    def _fields(self, found: dict[str, Any], schema: Type) -> dict[str, Any]:
        outer, short = self._struct, schema.short
        values: dict[str, Any] = {}
        path, names = self._path, self._names
        for name, value in self._pairs(found, schema):
            field = schema.fields.get(name)
            if field is None:
                self._problem("unknown", name)
                continue
            self._struct = short
            path.append(name)
            names.append(f"{field.inlined}.{name}" if field.inlined else name)
            whole = field.shape.kind == "list" and field.list_type not in ("map", "set")
            self._telling += whole
            values[name] = self._value(value, field.shape)
            self._telling -= whole
            path.pop()
            names.pop()
        self._struct = outer
        told, unasked = TOLD_EMPTY.get(short, ()), self._unasked(schema)
        if self._telling and short != "ObjectMeta":
            for name in self._collections(schema).intersection(values):
                values[name] = told_empty.marked(values[name])
        return {
            name: value
            for name, field in schema.fields.items()
            if name in values or name in unasked
            if (value := self._written(values.get(name, MISSING), field)) is not MISSING
            or (name in told and (value := values.get(name)) == [])
        }

    @staticmethod
    def _collections(schema: Type) -> frozenset[str]:
        """The lists and maps of a struct that are left out when empty."""
        found = _collections.get(schema.name)
        if found is None:
            fields = schema.fields.items()
            names = (name for name, field in fields if field.shape.kind in ("list", "map") and field.presence != "!")
            found = _collections[schema.name] = frozenset(names)
        return found

    def _unasked(self, schema: Type) -> frozenset[str]:
        """The fields that Go writes though nothing is said of them; most are not, and need not be looked at."""
        found = _unasked.get(schema.name)
        if found is None:
            written = {name for name, field in schema.fields.items() if self._written(MISSING, field) is not MISSING}
            found = _unasked[schema.name] = frozenset(written)
        return found

    def _pairs(self, found: dict[str, Any], schema: Type | None) -> Iterable[tuple[str, Any]]:
        """The members in order; repeated ones are reported, and their last value wins, or is added where it can be."""
        known = None if schema is None else schema.fields
        if self._unstructured and schema is not None:  # the converter goes by Go's struct
            places = {name: place for place, name in enumerate(self._schemas.wire(schema.name).values())}
            return sorted(found.items(), key=lambda pair: places.get(pair[0], len(places)))
        if not isinstance(found, Repeated):
            return found.items()
        folded: dict[str, Any] = {}
        for name, value in found.pairs:
            field = None if known is None or name not in folded else known.get(name)
            adds = field is not None and field.shape.kind in ("struct", "map")
            folded[name] = _folded(folded[name], value) if adds else value
        return self._told(found, folded, known)

    def _told(self, found: Repeated, folded: dict[str, Any], known: Container[str] | None) -> Iterator[tuple[str, Any]]:
        """Each member at its first place; that it comes again is reported where it does, amid all other problems."""
        seen: set[str] = set()
        for name, _ in found.pairs:
            if name not in seen:
                seen.add(name)
                yield name, folded[name]
            elif (known is None or name in known) and not isinstance(found, _Folded):
                self._problem("duplicate", name)

    def _problem(self, what: str, name: str) -> None:
        text = ""
        for step in (*self._path, name):
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
        message = f'{what} field "{text}"'
        if message not in self._seen and len(self.strict) < MANY:
            self._seen.add(message)
            self.strict.append(message)

    def _written(self, value: Any, field: Field) -> Any:
        """What Go writes for a field: MISSING when it is left out."""
        shape, presence = field.shape, field.presence
        if shape.pointer:
            if value is MISSING or value is None:
                return None if presence == "!" else MISSING
            return value
        kind = shape.kind
        if kind in ("list", "map", "bytes"):
            return self._collection(value, presence)
        if kind == "struct":
            if value is not MISSING and value is not None and presence != "0":
                return value
            zero = self._zero(shape)
            value = zero if value is MISSING or value is None else value
            return MISSING if presence == "0" and value == zero else value
        empty = ZEROES.get(kind)
        value = empty if value is MISSING or value is None else value
        omitted = presence == "0" or (presence == "?" and kind not in SELF_WRITTEN)
        return MISSING if omitted and value == empty else value

    @staticmethod
    def _collection(value: Any, presence: str) -> Any:
        if value is MISSING:
            value = None
        return MISSING if presence != "!" and not value and not isinstance(value, told_empty.MARKS) else value

    def _zero(self, shape: Shape) -> dict[str, Any]:
        return self._fields({}, self._schemas.type(shape.ref))

    # values

    def _value(self, value: Any, shape: Shape) -> Any:
        """A value by its shape; None stands for Go's nil or zero."""
        kind = shape.kind
        if kind in ("any", "raw"):
            return plain(value)
        if value is None:
            return None
        if kind == "struct":
            return self._struct_value(value, shape)
        if kind == "list":
            return self._list(value, shape)
        if kind == "map":
            return self._map(value, shape)
        if kind in PARSERS:
            return self._parsed(value, shape)
        if kind == "intorstring":
            return value if isinstance(value, str) else self._int(value, shape, "int32")
        return self._scalar(value, shape)

    def _struct_value(self, value: Any, shape: Shape) -> Any:
        if not isinstance(value, dict):
            return self._misfit(value, shape)
        return self._fields(value, self._schemas.type(shape.ref))

    def _list(self, value: Any, shape: Shape) -> Any:
        if not isinstance(value, list):
            return self._misfit(value, shape)
        item = shape.item
        assert item is not None
        made = []
        for index, inner in enumerate(value):
            self._path.append(index)
            made.append(self._element(inner, item))
            self._path.pop()
        return made

    def _map(self, value: Any, shape: Shape) -> Any:
        if not isinstance(value, dict):
            return self._misfit(value, shape)
        item = shape.item
        assert item is not None
        made = {}
        for name, inner in self._pairs(value, None):
            self._path.append(name)
            made[name] = self._element(inner, item)
            self._path.pop()
        return made

    def _element(self, value: Any, item: Shape) -> Any:
        """An element of a list or map: null is the zero value there."""
        read = self._value(value, item)
        if read is not None or item.pointer:
            return read
        return self._zero(item) if item.kind == "struct" else ZEROES.get(item.kind)

    def _parsed(self, value: Any, shape: Shape) -> Any:
        text = value
        if shape.kind == "quantity" and not isinstance(value, str):
            text = spelled(value) if described(value) == "number" else "?"
        if not isinstance(text, str):
            return self._misfit(value, shape)
        try:
            return PARSERS[shape.kind](text.strip() if shape.kind == "quantity" else text)
        except ValueError as problem:
            if shape.kind == "bytes" and not self._unstructured:
                self._first = self._first or str(problem)
                return None
            if shape.kind == "bytes":
                raise Mismatch(f"error decoding from json: {problem}") from None
            raise Mismatch(str(problem)) from None

    def _scalar(self, value: Any, shape: Shape) -> Any:
        kind = shape.kind
        if kind in BITS:
            return self._int(value, shape, kind)
        fits = (
            isinstance(value, str)
            if kind == "string"
            else isinstance(value, bool)
            if kind == "bool"
            else isinstance(value, (int, float)) and not isinstance(value, bool)
        )
        if not fits:
            return self._misfit(value, shape)
        return float(value) if isinstance(value, Spelled) else value

    def _int(self, value: Any, shape: Shape, kind: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return self._misfit(value, shape, kind if shape.kind == "intorstring" else "")
        if self._unstructured and math.isfinite(value) and value == int(value):
            value, bits = int(value), BITS[kind] + 1
            return (value + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))  # Go's conversion wraps
        limit = 1 << BITS[kind]
        if isinstance(value, float) or not -limit <= value < limit:
            return self._misfit(value, shape, kind if shape.kind == "intorstring" else "", f"number {spelled(value)}")
        return value

    def _misfit(self, value: Any, shape: Shape, go: str = "", what: str = "") -> None:
        if self._unstructured:
            raise Mismatch(self._converter_text(value, shape))
        go = go or ("string" if shape.kind in ("time", "microtime") else shape.go.removeprefix("*"))
        where = f"Go struct field {self._struct}.{'.'.join(self._names)}"
        text = f"json: cannot unmarshal {what or described(value)} into {where} of type {go}"
        if shape.kind in ("time", "microtime", "intorstring"):  # types that read themselves: Go goes no further
            raise Mismatch(text)
        self._first = self._first or text

    @staticmethod
    def _converter_text(value: Any, shape: Shape) -> str:
        what = described(value)
        kind = GO_KINDS.get(what, "float64" if isinstance(value, float) else "int64")
        if shape.kind in ("struct", "map", "list"):
            return {
                "struct": "cannot restore struct from: ",
                "map": "cannot restore map from ",
                "list": "cannot restore slice from ",
            }[shape.kind] + kind
        go = shape.go.removeprefix("*")
        if (kind == "int64" and shape.kind == "string") or (kind == "float64" and shape.kind in BITS):
            return f"cannot convert {kind} to {go}"
        if shape.kind in ("string", "bool", "int32", "int64", "float64"):
            return f"unrecognized type: {shape.kind}"
        if what == "number" and shape.kind == "intorstring":
            what = f"number {spelled(value)}"
        go = "int32" if shape.kind == "intorstring" else "string"
        return f"json: cannot unmarshal {what} into Go value of type {go}"


def _folded(first: Any, second: Any) -> Any:
    """Two values of one member, read one after the other."""
    if not isinstance(first, dict) or not isinstance(second, dict):
        return second
    pairs = [
        pair for one in (first, second) for pair in (one.pairs if isinstance(one, Repeated) else list(one.items()))
    ]
    made = _Folded(pairs)
    made.pairs = pairs
    return made
