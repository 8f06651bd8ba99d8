"""YAML as Go's sigs.k8s.io/yaml reads it: the first document only, YAML 1.1's scalars, its words for what is wrong.

Keys that are numbers or booleans become texts, dates stay texts, and of a repeated key the last one counts.
Source: go.yaml.in/yaml/v2 decode.go and resolve.go, sigs.k8s.io/yaml yaml.go. libyaml is the parser of both.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from kube46.api.errors import go_quote

TAG = "tag:yaml.org,2002:"
STR, BINARY, MERGE = f"{TAG}str", f"{TAG}binary", f"{TAG}merge"
RESOLVED = {f"{TAG}{name}" for name in ("str", "bool", "int", "float", "null", "timestamp")}
TRUE = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
FALSE = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
INFINITE = (".inf", ".Inf", ".INF")
NAMED: dict[str, tuple[str, Any]] = {
    **dict.fromkeys(TRUE, ("bool", True)),
    **dict.fromkeys(FALSE, ("bool", False)),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), ("null", None)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), ("float", math.nan)),
    **{f"{sign}{word}": ("float", float(f"{sign}inf")) for sign in ("", "+", "-") for word in INFINITE},
}
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([Tt ]\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?([Zz]|[-+]\d\d:\d\d)?)?")
MOST, LEAST = 2**64 - 1, -(2**63)  # an integer beyond these is a float
FEW_ALIASES, FEW_NODES, FREE, CLOSED = 100, 1000, 400_000, 4_000_000  # what aliases may unfold to


class Problem(ValueError):
    """A text that is no YAML, or says more than its length; the message is Go's."""


@dataclass(slots=True)
class Node:
    """A scalar, sequence, mapping (key, value, key, value …) or an alias of one."""

    kind: str
    line: int
    tag: str = ""
    value: str = ""
    plain: bool = False  # a scalar without quotes and tag
    children: list[Node] = field(default_factory=list)


def load(text: bytes) -> tuple[Any, str]:
    """The value of the first document, and the complaint about repeated keys, or ""; raises Problem."""
    try:
        document = _Parser(text).document()
        reader = _Reader()
        value = None if document is None else reader.value(document)
    except RecursionError:
        raise Problem("yaml: exceeded max depth of 10000") from None
    repeated = "".join(f"\n  {text}" for text in reader.repeated)
    return value, f"yaml: unmarshal errors:{repeated}" if repeated else ""


def _fail(text: str) -> NoReturn:
    raise Problem(f"yaml: {text}")


class _Parser:
    """libyaml's events as nodes."""

    def __init__(self, text: bytes) -> None:
        self._loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self._anchors: dict[str, Node] = {}
        try:
            self._loader = self._loader(text or b"\n")
        except yaml.YAMLError as error:
            self._explain(error)

    def _next(self) -> Any:
        try:
            return self._loader.get_event()
        except yaml.YAMLError as error:
            self._explain(error)

    def _explain(self, error: yaml.YAMLError) -> NoReturn:
        """The parser's complaint with the line as Go counts it: from 0, but for the scanner's."""
        if not isinstance(error, yaml.MarkedYAMLError):
            _fail(str(getattr(error, "reason", error)))
        line = error.problem_mark.line if error.problem_mark else 0
        if line and isinstance(error, yaml.scanner.ScannerError):
            line += 1
        if not line and error.context_mark:
            line = error.context_mark.line
        _fail(f"line {line}: {error.problem}" if line else f"{error.problem}")

    def document(self) -> Node | None:
        """The first document; None when there is none."""
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        made = self._node(self._next())
        self._next()
        return made

    def _node(self, event: Any) -> Node:
        line = event.start_mark.line
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                _fail(f"unknown anchor '{event.anchor}' referenced")
            return Node("alias", line, value=event.anchor, children=[self._anchors[event.anchor]])
        if isinstance(event, yaml.ScalarEvent):
            made = Node("scalar", line, event.tag or "", event.value, event.implicit[0])
        else:
            mapping = isinstance(event, yaml.MappingStartEvent)
            made = Node("mapping" if mapping else "sequence", line, event.tag or "")
        if event.anchor is not None:
            self._anchors[event.anchor] = made
        if made.kind != "scalar":
            while not isinstance(inner := self._next(), yaml.CollectionEndEvent):
                made.children.append(self._node(inner))
        return made


class _Reader:
    """Nodes as JSON's values; notes keys that come twice."""

    def __init__(self) -> None:
        self.repeated: list[str] = []
        self._open: set[int] = set()  # aliases that are being followed
        self._read = self._aliased = 0

    def value(self, node: Node) -> Any:
        """What a node stands for."""
        self._count()
        if node.kind == "alias":
            if id(node) in self._open:
                _fail(f"anchor '{node.value}' value contains itself")
            self._open.add(id(node))
            found = self.value(node.children[0])
            self._open.discard(id(node))
            return found
        if node.kind == "scalar":
            found = scalar(node)[1]
            if isinstance(found, float) and not math.isfinite(found):
                raise Problem(f"json: unsupported value: {_number(found)}")
            return found
        if node.kind == "sequence":
            return [self.value(inner) for inner in node.children]
        made: dict[str, Any] = {}
        self._fill(node, made)
        return {key: made[key] for key in sorted(made)}  # as Go writes maps

    def _count(self) -> None:
        self._read += 1
        self._aliased += bool(self._open)
        if self._aliased > FEW_ALIASES and self._read > FEW_NODES:
            scale = min(1.0, max(0.0, (self._read - FREE) / (CLOSED - FREE)))
            if self._aliased / self._read > 0.99 - 0.89 * scale:
                _fail("document contains excessive aliasing")

    def _fill(self, node: Node, made: dict[str, Any]) -> None:
        pairs = zip(node.children[::2], node.children[1::2], strict=True)
        for key, inner in pairs:
            if key.kind == "scalar" and key.value == "<<" and (key.plain or key.tag == MERGE):
                self._merge(inner, made)
                continue
            name = self._key(key, inner)
            value = self.value(inner)
            if name in made:
                self.repeated.append(f"line {inner.line + 1}: key {shown(key)} already set in map")
            made[name] = value

    def _key(self, node: Node, held: Node) -> str:
        value = scalar(node)[1] if node.kind == "scalar" else self.value(node)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, dict | list):
            _fail(f"invalid map key: {value!r}")
        if value is None:
            raise Problem(f"unsupported map key of type: %!s(<nil>), key: <nil>, value: {shown(held)}")
        if isinstance(value, float) and not math.isfinite(value):
            return f"{'-' if value < 0 else ''}.{'nan' if math.isnan(value) else 'inf'}"
        return value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)

    def _merge(self, node: Node, made: dict[str, Any]) -> None:
        """`<<`: a mapping, or several, of which earlier ones win."""
        for one in reversed(node.children) if node.kind == "sequence" else (node,):
            target = one.children[0] if one.kind == "alias" else one
            if target.kind != "mapping":
                _fail("map merge requires map or sequence of maps as the value")
            self._fill(target, made)


def shown(node: Node) -> str:
    """A key as Go's %#v prints it."""
    value = scalar(node)[1] if node.kind == "scalar" else node.value
    if isinstance(value, str):
        return go_quote(value)
    return "<nil>" if value is None else json.dumps(value)


def _number(value: float) -> str:
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def scalar(node: Node) -> tuple[str, Any]:
    """The short tag of a scalar and its value; raises Problem where its tag says something else."""
    if not node.tag and not node.plain:
        return "str", node.value
    if node.tag == BINARY:
        try:
            return "binary", base64.b64decode(node.value, validate=True).decode(errors="replace")
        except binascii.Error:
            _fail("!!binary value contains invalid base64 data")
    if node.tag == STR or (node.tag and node.tag not in RESOLVED):
        return "str", node.value
    tag, value = _resolved(node.value, dated=node.tag in ("", f"{TAG}timestamp"))
    wanted = node.tag.removeprefix(TAG)
    if wanted == "float" and tag == "int":
        return "float", float(value)
    if wanted not in ("", tag):
        _fail(f"cannot decode !!{tag} `{node.value}` as a !!{wanted}")
    return tag, value


def _resolved(text: str, *, dated: bool) -> tuple[str, Any]:
    """What a plain scalar is, by its form."""
    if text in NAMED:
        return NAMED[text]
    if text[:1] not in "+-.0123456789":
        return "str", text
    if dated and text[:1].isdigit() and DATE.fullmatch(text):
        return "timestamp", text
    digits = text.replace("_", "")
    if text[0] != "." and (match := INTEGER.fullmatch(digits)) is not None:
        sign, *forms = match.groups()
        base, number = next((b, n) for b, n in zip((16, 2, 8, 10), forms, strict=True) if n)
        value = int(f"{sign}{number}", base)
        if LEAST <= value <= MOST:
            return "int", value
    if FLOAT.fullmatch(digits if text[0] != "." else text):
        return "float", float(digits)
    return "str", text
