"""The syntax tree of a compiled rule: which fields of the schema it names, and what it does with them.

The evaluator types `self` as dynamic; Kubernetes types it by the schema, so what a schema lacks is found here.
Source: cel-spec proto/cel/expr/syntax.proto (Expr), checked.proto (CheckedExpr).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Object = dict[str, Any]
Node = dict[int, list[Any]]
CHECKED, IDENT, SELECT, CALL, LIST, STRUCT, COMPREHENSION = 2, 4, 5, 6, 7, 8, 9
LIST_FUNCTIONS = (
    "isSorted", "sum", "min", "max", "indexOf", "lastIndexOf", "sets.contains", "sets.equivalent", "sets.intersects",
)  # fmt: skip
MOMENTS = ("date-time", "datetime", "date", "duration")  # Kubernetes reads these as times, the evaluator as strings
STRING = {"type": "string"}
PRESERVE, INT_OR_STRING = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"
RESERVED = frozenset((
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
    "loop", "package", "namespace", "return", "var", "void", "while",
))  # fmt: skip


@dataclass(slots=True)
class Findings:
    """What a walk has met."""

    problems: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)  # of variables
    loops: int = 0  # the deepest nesting of comprehensions
    hands_lists: bool = False  # to Kubernetes' functions within comprehensions, which copies them each time


@dataclass(frozen=True, slots=True)
class _Scope:
    schemas: Mapping[str, Object | None]
    depth: int = 0


def examine(serialized: bytes, schema: Object) -> tuple[Findings, Object | None]:
    """What a rule says of its schema, and the schema of its value where that is known."""
    checked = fields_of(one_of(fields_of(serialized), CHECKED))
    found = Findings()
    result = _walk(fields_of(one_of(checked, 4)), _Scope({"self": schema, "oldSelf": schema}), found)
    return found, result


def escape(name: str) -> str:
    """A property's name as rules spell it."""
    if name in RESERVED:
        return f"__{name}__"
    for char, word in (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__")):
        name = name.replace(char, word)
    return name


def _walk(node: Node, scope: _Scope, found: Findings) -> Object | None:
    if IDENT in node:
        name = text_of(fields_of(node[IDENT][0]), 1)
        found.names.add(name)
        return scope.schemas.get(name)
    if SELECT in node:
        return _select(fields_of(node[SELECT][0]), scope, found)
    if CALL in node:
        return _call(fields_of(node[CALL][0]), scope, found)
    if COMPREHENSION in node:
        _comprehension(fields_of(node[COMPREHENSION][0]), scope, found)
        return None
    for element in fields_of(node[LIST][0]).get(1, ()) if LIST in node else ():
        _walk(fields_of(element), scope, found)
    for entry in fields_of(node[STRUCT][0]).get(2, ()) if STRUCT in node else ():
        for number in (3, 4):
            for part in fields_of(entry).get(number, ()):
                _walk(fields_of(part), scope, found)
    return None


def _select(node: Node, scope: _Scope, found: Findings) -> Object | None:
    outer = _walk(fields_of(one_of(node, 1)), scope, found)
    name = text_of(node, 2)
    if outer is None or outer.get(PRESERVE) or outer.get(INT_OR_STRING):
        return None
    properties, more, kind = outer.get("properties") or {}, outer.get("additionalProperties"), outer.get("type")
    inner: Object | None = next((one for key, one in properties.items() if escape(key) == name), None)
    if inner is None and isinstance(more, dict):
        inner = more
    if kind in ("string", "integer", "number", "boolean", "array"):
        shown = {"integer": "int", "number": "double", "boolean": "bool", "array": "list"}.get(kind, kind)
        found.problems.append(f"type '{shown}' does not support field selection")
    elif inner is None and kind == "object" and more is None:
        found.problems.append(f"undefined field '{name}'")
    return {"type": "boolean"} if node.get(3) else inner  # 3: has(…)


def _call(node: Node, scope: _Scope, found: Findings) -> Object | None:
    function = text_of(node, 2)
    operands = [*node.get(1, ()), *node.get(3, ())]
    schemas = [_walk(fields_of(operand), scope, found) for operand in operands]
    found.hands_lists |= bool(scope.depth) and function in LIST_FUNCTIONS
    if function in ("_==_", "_!=_"):
        return {"type": "boolean"}
    moments = [one for one in schemas if one is not None and one.get("format") in MOMENTS]
    if moments and function not in ("_[_]", "_?_:_", "_&&_", "_||_"):
        name = moments[0]["format"]
        text = f"a field of format {name} is no time in the rules of kube46's API server: only == and != can read it"
        found.problems.append(text)
    if function == "_[_]" and schemas[0] is not None:
        inner = schemas[0].get("items") or schemas[0].get("additionalProperties")
        return inner if isinstance(inner, dict) else None
    return None


def _comprehension(node: Node, scope: _Scope, found: Findings) -> None:
    ranged = _walk(fields_of(one_of(node, 2)), scope, found)
    variable, accumulator = text_of(node, 1), text_of(node, 3)
    inner: Object | None = None
    if ranged is not None and isinstance(ranged.get("items"), dict):
        inner = ranged["items"]
    elif ranged is not None and isinstance(ranged.get("additionalProperties"), dict):
        inner = STRING
    elif ranged is not None and ranged.get("properties") and not ranged.get(PRESERVE):
        text = "expression of type 'object' cannot be range of a comprehension (must be list, map, or dynamic)"
        found.problems.append(text)
    schemas = {**scope.schemas, variable: inner, accumulator: None}
    below = replace(scope, schemas=schemas, depth=scope.depth + bool(node.get(2) and variable != "#unused"))
    found.loops = max(found.loops, below.depth)
    for number in (4, 5, 6, 7):
        for part in node.get(number, ()):
            _walk(fields_of(part), below, found)


def one_of(node: Node, number: int) -> bytes:
    found: bytes = node[number][0] if number in node else b""
    return found


def text_of(node: Node, number: int) -> str:
    return one_of(node, number).decode()


def fields_of(data: bytes) -> Node:
    """The fields of a protobuf message by number."""
    found: Node = {}
    for number, value in _read(data):
        found.setdefault(number, []).append(value)
    return found


def _read(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        size, at = _varint(data, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
