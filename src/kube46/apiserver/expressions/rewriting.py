"""Expressions brought into the words that the evaluator knows: constructed objects are maps, variables names.

`Object.spec{replicas: 3}` has a type of its own in Kubernetes, which the library can make for no field it does not know
beforehand; it becomes `__made("Object.spec", {"replicas": 3})`. `variables.x` becomes a name that is bound to x's own
expression, which so is evaluated where it is used, at most once, or not at all.
Source: apiserver pkg/cel/mutation (typeresolver.go, dynamic/objects.go), admission/plugin/cel/composition.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MADE = "__made"
TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<text>[bB]?[rR](?:\"\"\".*?\"\"\"|'''.*?'''|"[^"\n]*"|'[^'\n]*')
      |[rR]?[bB]?(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<quoted>`[^`\n]*`)
    |(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?[uU]?|0[xX][0-9a-fA-F]+[uU]?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
OPENING, CLOSING = "([{", ")]}"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an expression: `kind` is a group of TOKEN."""

    kind: str
    text: str


@dataclass(slots=True)
class Rewritten:
    """An expression for the evaluator; the variables that it names, and the fields of each type it constructs."""

    text: str
    variables: tuple[str, ...]
    types: Mapping[str, frozenset[str]]
    checked: str = ""  # for the compiler: as it was written, but for the names of constructed types (`flat`)


def tokens(expression: str) -> list[Token]:
    """The pieces of an expression, white space among them; joined they are the expression again."""
    return [Token(str(found.lastgroup), found[0]) for found in TOKEN.finditer(expression)]


def bound(name: str) -> str:
    """What a variable is called in rewritten text."""
    return f"__variable_{name}"


def rewritten(expression: str, *, constructs: bool = False) -> Rewritten:
    """An expression with its variables, and where it `constructs` its objects, in the evaluator's words."""
    walk = _Walk(tokens(expression), constructs)
    text = "".join(walk.run())
    types = {name: frozenset(fields) for name, fields in walk.types.items()}
    return Rewritten(text, tuple(dict.fromkeys(walk.variables)), types, "".join(walk.checked))


def flat(name: str) -> str:
    """A constructed type as the compiler knows it: to it, `Object.spec` can't be a field and a type; as long."""
    return name.replace(".", "_")


def composed(body: Rewritten, variables: Mapping[str, Rewritten]) -> str:
    """The text with the variables that it needs bound around it, those that others name outermost."""
    text = f"({body.text}\n)"
    for name in reversed(needed(body.variables, variables)):
        text = f"cel.bind({bound(name)}, ({variables[name].text}\n), {text})"
    return text


def needed(names: Sequence[str], variables: Mapping[str, Rewritten]) -> list[str]:
    """These variables and all that they name, each after those that it names itself."""
    found: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in variables and name not in found:
            for inner in variables[name].variables:
                visit(inner)
            found[name] = None

    for name in names:
        visit(name)
    return list(found)


class _Walk:
    def __init__(self, found: list[Token], constructs: bool) -> None:
        self._tokens, self._constructs = found, constructs
        self.variables: list[str] = []
        self.types: dict[str, set[str]] = {}
        self.checked = [token.text for token in found]

    def run(self) -> Iterator[str]:
        """The pieces of the new text."""
        at, before = 0, ""
        depth: list[str] = []  # what each open bracket is: the type that it constructs, or ""
        while at < len(self._tokens):
            token = self._tokens[at]
            if token.kind == "space":
                yield token.text
                at += 1
                continue
            if token.kind == "name" and before != ".":
                if (end := self._variable(at)) is not None:
                    yield bound(self._tokens[end - 1].text)
                    at, before = end, "name"
                    continue
                if (construction := self._construction(at)) is not None:
                    name, end = construction
                    self.checked[at:end] = [flat(name), *[""] * (end - at - 2), "{"]
                    at = end
                    self.types.setdefault(name, set())
                    depth.append(name)
                    yield f'{MADE}("{name}", {{'
                    before = "{"
                    continue
                if depth and depth[-1] and before in ("{", ",", "?") and self._next(at + 1)[1] == ":":
                    self.types[depth[-1]].add(token.text)
                    yield f'"{token.text}"'
                    at, before = at + 1, "name"
                    continue
            if token.kind == "sign" and token.text in OPENING:
                depth.append("")
            elif token.kind == "sign" and token.text in CLOSING:
                made = depth.pop() if depth else ""
                yield "})" if made else token.text
                at, before = at + 1, token.text
                continue
            yield token.text
            at, before = at + 1, token.text if token.kind == "sign" else token.kind

    def _next(self, at: int) -> tuple[int, str]:
        """The next piece that is no white space: its place and text."""
        while at < len(self._tokens) and self._tokens[at].kind == "space":
            at += 1
        return at, self._tokens[at].text if at < len(self._tokens) else ""

    def _variable(self, at: int) -> int | None:
        """The place after `variables.x`."""
        if self._tokens[at].text != "variables":
            return None
        dot, text = self._next(at + 1)
        name, _ = self._next(dot + 1)
        if text != "." or name >= len(self._tokens) or self._tokens[name].kind != "name":
            return None
        self.variables.append(self._tokens[name].text)
        return name + 1

    def _construction(self, at: int) -> tuple[str, int] | None:
        """The type that `Object.spec{` or `JSONPatch{` constructs, and the place after the brace."""
        if not self._constructs or self._tokens[at].text not in ("Object", "JSONPatch"):
            return None
        parts = [self._tokens[at].text]
        at, text = self._next(at + 1)
        while text == ".":
            at, text = self._next(at + 1)
            parts.append(text)
            at, text = self._next(at + 1)
        return (".".join(parts), at + 1) if text == "{" else None
