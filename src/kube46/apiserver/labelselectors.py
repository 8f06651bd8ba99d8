"""Label selectors: parsed as apimachinery parses them, matched against labels.

Source: k8s.io/apimachinery/pkg/labels (selector.go).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kube46.api import names
from kube46.api.errors import go_quote
from kube46.apiserver import statuses

MOST = 1000  # terms of a selector: each is tried on each object
SINGLE = ("=", "!", ",", "(", ")", "<", ">")
TOKEN = re.compile(r"([^ \t\r\n=!,()<>]+)|([=!,()<>]+)")
BINARY = "in, notin, =, ==, !=, gt, lt"
INTEGER = re.compile(r"[-+]?[0-9]+")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on a label: operator is exists, !, in, notin, gt or lt (`=` is `in` with one value)."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: dict[str, str]) -> bool:
        """Whether the labels fulfil it; `!=` and `notin` also match when the label is absent."""
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
        return value is not None and _compare(value, self.operator, next(iter(self.values)))


def _compare(value: str, operator: str, limit: str) -> bool:
    if not _integer(value):
        return False
    return int(value) > int(limit) if operator == "gt" else int(value) < int(limit)


def _integer(text: str) -> bool:
    """Whether Go's ParseInt reads it in 64 bits; Python's `int` also reads 1_000."""
    return bool(INTEGER.fullmatch(text)) and len(text) <= 20 and -(1 << 63) <= int(text) < 1 << 63


def parse(text: str) -> tuple[Requirement, ...]:
    """The label selector grammar of apimachinery; an empty text selects everything."""
    return _Parser(text).parse() if text else ()


@dataclass(frozen=True, slots=True)
class _Token:
    """`kind` is the symbol itself, `in`, `notin`, `word` or "" for the end."""

    kind: str
    text: str


def _tokens(text: str) -> list[_Token]:
    """Words, and runs of symbols taken apart as Go's lexer does: the longest that is one; then the end."""
    found: list[_Token] = []
    for match in TOKEN.finditer(text):
        word, symbols = match.groups()
        if word:
            found.append(_Token(word if word in ("in", "notin") else "word", word))
        while symbols:
            symbol = next((s for s in ("==", "!=", *SINGLE) if symbols.startswith(s)), symbols)
            found.append(_Token(symbol, symbol))
            symbols = symbols[len(symbol) :]
    return [*found, _Token("", "")]


class _Parser:
    """Recursive descent over the tokens of a label selector; error texts as in labels.Parse."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0

    def _peek(self, *, operator: bool = False) -> _Token:
        token = self.tokens[min(self.at, len(self.tokens) - 1)]
        return _Token("word", token.text) if token.kind in ("in", "notin") and not operator else token

    def _next(self, *, operator: bool = False) -> _Token:
        token = self._peek(operator=operator)
        self.at += 1
        return token

    def parse(self) -> tuple[Requirement, ...]:
        found: list[Requirement] = []
        while (token := self._peek()).kind:
            if token.kind not in ("word", "!"):
                raise _malformed(f"found '{token.text}', expected: !, identifier, or 'end of string'")
            if len(found) == MOST:
                raise _problem(f"a selector has at most {MOST} requirements")
            found.append(self._requirement())
            token = self._next()
            if token.kind not in ("", ","):
                raise _malformed(f"found '{token.text}', expected: ',' or 'end of string'")
            if token.kind and self._peek().kind not in ("word", "!"):
                raise _malformed(f"found '{self._peek().text}', expected: identifier after ','")
        return tuple(sorted(found, key=lambda requirement: requirement.key))

    def _requirement(self) -> Requirement:
        token = self._next()
        negated = token.kind == "!"
        if negated:
            token = self._next()
        if token.kind != "word":
            raise _problem(f"found '{token.text}', expected: identifier")
        key = token.text
        if complaints := names.qualified(key):
            raise _problem(f"<nil>: Invalid value: {go_quote(key)}: {'; '.join(complaints)}")
        if negated:
            return Requirement(key, "!")
        if self._peek().kind in ("", ","):
            return Requirement(key, "exists")
        return self._with_values(key)

    def _with_values(self, key: str) -> Requirement:
        operator = self._next(operator=True)
        if operator.kind in ("in", "notin"):
            return Requirement(key, operator.kind, _checked(key, self._values()))
        if operator.kind not in ("=", "==", "!=", "<", ">"):
            raise _problem(f"found '{operator.text}', expected: {BINARY}")
        value = _Token("word", "") if self._peek().kind in ("", ",") else self._next()
        if value.kind != "word":
            raise _problem(f"found '{value.text}', expected: identifier")
        if operator.kind in "<>":
            _check_integer(value.text)
            return Requirement(key, "gt" if operator.kind == ">" else "lt", _checked(key, {value.text}))
        return Requirement(key, "notin" if operator.kind == "!=" else "in", _checked(key, {value.text}))

    def _values(self) -> set[str]:
        if (token := self._next()).kind != "(":
            raise _problem(f"found '{token.text}' expected: '('")
        first = self._peek()
        if first.kind == ")":
            self._next()
            return {""}
        if first.kind not in ("word", ","):
            raise _problem(f"found '{first.text}', expected: ',', ')' or identifier")
        values = self._listed()
        if self._next().kind != ")":
            raise _problem(f"found '{first.text}', expected: ')'")
        return values

    def _listed(self) -> set[str]:
        """Identifiers with commas between; what is missing at a comma is the empty one."""
        values: set[str] = set()
        while True:
            token = self._next()
            if token.kind == "word":
                values.add(token.text)
                after = self._peek()
                if after.kind == ")":
                    return values
                if after.kind != ",":
                    raise _problem(f"found '{after.text}', expected: ',' or ')'")
            elif token.kind == ",":
                after = self._peek()
                if not values or after.kind in (")", ","):
                    values.add("")
                if after.kind == ")":
                    return values
            else:
                raise _problem(f"found '{token.text}', expected: ',', or identifier")


def _malformed(text: str) -> statuses.StatusError:
    return statuses.bad_request(text)


def _problem(text: str) -> statuses.StatusError:
    return _malformed(f"unable to parse requirement: {text}")


def _check_integer(text: str) -> None:
    if not _integer(text):
        what = "for 'Gt', 'Lt' operators, the value must be an integer"
        raise _problem(f"values[0]: Invalid value: {go_quote(text)}: {what}")


def _checked(key: str, values: set[str]) -> frozenset[str]:
    """The values of a requirement; raises 400 with all that is wrong with them."""
    wrong = [
        f"values[{index}][{key}]: Invalid value: {go_quote(value)}: {'; '.join(complaints)}"
        for index, value in enumerate(sorted(values))
        if (complaints := names.label_value(value))
    ]
    if wrong:
        raise _problem(wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]")
    return frozenset(values)
