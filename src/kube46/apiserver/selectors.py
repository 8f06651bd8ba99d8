"""Label and field selectors: parsed as apimachinery parses them, matched against stored bytes.

Sources: k8s.io/apimachinery/pkg/labels (selector.go), pkg/fields (selector.go).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.api import names
from kube46.api.errors import go_quote
from kube46.apiserver import statuses

if TYPE_CHECKING:
    from kube46.apiserver.kinds import Kind

MOST = 1000  # terms of a selector: each is tried on each object, while all other requests wait
SINGLE = ("=", "!", ",", "(", ")", "<", ">")
TOKEN = re.compile(r"([^ \t\r\n=!,()<>]+)|([=!,()<>]+)")
BINARY = "in, notin, =, ==, !=, gt, lt"
INTEGER = re.compile(r"[-+]?[0-9]+")
FIELD_TERM = re.compile(r"(?:[^\\,]|\\.|\\$)+", re.DOTALL)
OPERATOR = re.compile(r"!=|==|=")
# a value up to the first thing that is wrong with it
BAD_VALUE = re.compile(r"(?:[^\\,=]|\\[\\,=])*(?:(?P<bare>[,=])|(?P<escape>\\[^\\,=]|\\$)).*", re.DOTALL)
OWN_CONVERSION = ("nodes", "services", "pods", "namespaces", "secrets", "events", "jobs", "replicationcontrollers")


class _Meta(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}


class _Labelled(msgspec.Struct):
    metadata: _Meta = msgspec.field(default_factory=_Meta)


_labelled = msgspec.json.Decoder(_Labelled)
_whole: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict)


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
    try:
        return int(value) > int(limit) if operator == "gt" else int(value) < int(limit)
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """`field=value` or `field!=value`."""

    path: tuple[str, ...]
    equal: bool
    value: str

    def matches(self, obj: dict[str, Any]) -> bool:
        """Whether the object fulfils it; an absent field is the empty string."""
        return (field_text(obj, self.path) == self.value) is self.equal


def field_text(obj: dict[str, Any], path: tuple[str, ...]) -> str:
    """A selectable field as text: `spec.hostNetwork` is `true` or `false`, what is absent is ""."""
    node: Any = obj
    for part in path:
        node = node.get(part) if isinstance(node, dict) else None
    match path:
        case ("status", "successful"):  # of Jobs, which call it so in selectors only
            return str((obj.get("status") or {}).get("succeeded") or 0)
        case ("source",):  # of events: the reporting component stands in for an absent source
            node = (obj.get("source") or {}).get("component") or obj.get("reportingComponent")
        case ("spec", "parentRef") if isinstance(node, dict):
            return (
                f"{node.get('group', '')}.{node.get('resource', '')}.{node.get('namespace', '')}.{node.get('name', '')}"
            )
        case ("status", "podIPs"):  # accepted and useless: semantics B-6
            return "" if not node else ",".join(str(ip.get("ip", "")) for ip in node)
    if isinstance(node, bool) or (node is None and path[-1] in ("hostNetwork", "unschedulable")):
        return "true" if node else "false"
    return "" if node is None else str(node)


@dataclass(frozen=True, slots=True)
class Selector:
    """Everything a list or watch filters by."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[FieldRequirement, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.labels or self.fields)

    def matches(self, value: bytes) -> bool:
        """Whether a stored object passes; decodes no more of it than the selector needs."""
        if self.labels:
            labels = _labelled.decode(value).metadata.labels
            if not all(requirement.matches(labels) for requirement in self.labels):
                return False
        if self.fields:
            obj = _whole.decode(value)
            return all(requirement.matches(obj) for requirement in self.fields)
        return True

    def only_name(self) -> str:
        """The one name that can match, or ""; spares walking a collection."""
        return next((f.value for f in self.fields if f.equal and f.path == ("metadata", "name")), "")


# what selectors of events.k8s.io call the fields of stored Events
STORED_NAMES = {"regarding": "involvedObject", "reportingController": "reportingComponent"}


def parse(kind: Kind, labels: str, fields: str) -> Selector:
    """The selector of a request; raises 400 with Kubernetes' text."""
    return Selector(parse_labels(labels), parse_fields(kind, fields))


Term = tuple[str, bool, str]  # name, whether it is to be equal, value


def parse_fields(kind: Kind, text: str) -> tuple[FieldRequirement, ...]:
    """`a=b,c!=d`; backslash escapes `\\`, `,` and `=`."""
    return fields(kind, split_fields(text))


def split_fields(text: str) -> list[Term]:
    """The terms of a field selector of whatever kind; raises 400."""
    if not text:
        return []
    terms = [_split(text, term) for term in sorted(FIELD_TERM.findall(text))]
    if len(terms) > MOST:
        raise statuses.bad_request(f"invalid selector: at most {MOST} terms")
    return terms


def fields(kind: Kind, terms: list[Term]) -> tuple[FieldRequirement, ...]:
    """The requirements of a kind's field selector; raises 400 for fields that can't select it."""
    return tuple(_field(kind, *term) for term in terms)


def _split(text: str, term: str) -> Term:
    match = OPERATOR.search(term)
    if match is None:
        raise statuses.bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
    value = term[match.end() :]
    wrong = BAD_VALUE.fullmatch(value)
    if wrong is not None and wrong["bare"]:
        raise statuses.bad_request(f"invalid field selector: unescaped character in value: {ord(wrong['bare'])}")
    if wrong is not None:
        raise statuses.bad_request(f"invalid field selector: invalid escape sequence: {wrong['escape']}")
    return term[: match.start()], match[0] != "!=", re.sub(r"\\(.)", r"\1", value)


def _field(kind: Kind, name: str, equal: bool, value: str) -> FieldRequirement:
    if name not in selectable(kind):
        raise statuses.bad_request(_unknown(kind, name))
    first, *rest = name.split(".")
    path = (STORED_NAMES.get(first, first) if kind.group == "events.k8s.io" else first, *rest)
    return FieldRequirement(path, equal, value)


def selectable(kind: Kind) -> tuple[str, ...]:
    """The fields that select objects of a kind."""
    return ("metadata.name", *(() if kind.plural == "namespaces" else ("metadata.namespace",)), *kind.fields)


def _unknown(kind: Kind, name: str) -> str:
    if kind.fields or kind.custom or kind.plural in OWN_CONVERSION:
        text = f"field label {go_quote(name)} not supported for Job" if kind.plural == "jobs" else ""
        return text or f"field label not supported: {name}"
    return f'{go_quote(name)} is not a known field selector: only "metadata.name", "metadata.namespace"'


def parse_labels(text: str) -> tuple[Requirement, ...]:
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
    if not INTEGER.fullmatch(text) or not -(1 << 63) <= int(text) < 1 << 63:
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
