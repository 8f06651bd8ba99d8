"""Label and field selectors: parsed as apimachinery parses them, matched against stored bytes.

Sources: k8s.io/apimachinery/pkg/labels (selector.go), pkg/fields (selector.go).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.apiserver import statuses

if TYPE_CHECKING:
    from kube46.apiserver.kinds import Kind

MOST = 1000  # terms of a selector: each is tried on each object, while all other requests wait
TOKEN = re.compile(r"\s*(==|!=|[=!,()<>]|[^\s=!,()<>]+)")
FIELD_TERM = re.compile(r"(?:[^\\,]|\\.)+", re.DOTALL)
LABEL_NAME = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)")
PREFIX = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")


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


def parse_fields(kind: Kind, text: str) -> tuple[FieldRequirement, ...]:
    """`a=b,c!=d`; backslash escapes `\\`, `,` and `=`."""
    found: list[FieldRequirement] = []
    for term in FIELD_TERM.findall(text):
        for operator in ("!=", "==", "="):
            name, separator, value = term.partition(operator)
            if separator:
                break
        else:
            raise statuses.bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        if name not in ("metadata.name", "metadata.namespace", *kind.fields):
            raise statuses.bad_request(f"field label not supported: {name}")
        value = re.sub(r"\\([\\,=])", r"\1", value)
        if len(found) == MOST:
            raise statuses.bad_request(f"invalid selector: at most {MOST} terms")
        first, *rest = name.split(".")
        path = (STORED_NAMES.get(first, first) if kind.group == "events.k8s.io" else first, *rest)
        found.append(FieldRequirement(path, operator != "!=", value))
    return tuple(found)


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """The label selector grammar of apimachinery; an empty text selects everything."""
    return _Parser(text).parse() if text.strip() else ()


class _Parser:
    """Recursive descent over the tokens of a label selector; error texts as in labels.Parse."""

    def __init__(self, text: str) -> None:
        self.tokens = TOKEN.findall(text)
        self.at = 0

    def _next(self) -> str:
        word = self.tokens[self.at] if self.at < len(self.tokens) else ""
        self.at += 1
        return word

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def parse(self) -> tuple[Requirement, ...]:
        found = [self._requirement()]
        while (word := self._next()) == ",":
            if len(found) == MOST:
                raise _problem(f"a selector has at most {MOST} requirements")
            if self._peek() in ("", ",", ")"):
                raise _problem(f"found '{self._peek()}', expected: identifier after ','")
            found.append(self._requirement())
        if word:
            raise _problem(f"found '{word}', expected: ',' or 'end of string'")
        return tuple(found)

    def _requirement(self) -> Requirement:
        word = self._next()
        negated = word == "!"
        key = self._next() if negated else word
        if not key or key in "=!,()<>==!=":
            raise _problem(f"found '{key}', expected: !, identifier, or 'end of string'")
        _check_key(key)
        if negated:
            return Requirement(key, "!")
        operator = self._peek()
        if operator in ("", ","):
            return Requirement(key, "exists")
        self._next()
        return self._with_values(key, operator)

    def _with_values(self, key: str, operator: str) -> Requirement:
        if operator in ("in", "notin"):
            return Requirement(key, operator, self._values(key))
        if operator not in ("=", "==", "!=", "<", ">"):
            raise _problem(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")
        value = "" if self._peek() in ("", ",") else self._next()
        _check_value(key, value)
        if operator in "<>":
            return Requirement(key, "gt" if operator == ">" else "lt", frozenset((_integer(value),)))
        return Requirement(key, "notin" if operator == "!=" else "in", frozenset((value,)))

    def _values(self, key: str) -> frozenset[str]:
        if (word := self._next()) != "(":
            raise _problem(f"found '{word}' expected: '('")
        values: list[str] = []
        expects_value = True
        while (word := self._next()) != ")":
            if word == ",":
                if expects_value:
                    values.append("")
                expects_value = True
            elif not word or word in "()=!<>==!=":
                raise _problem(f"found '{word}', expected: ',', ')' or identifier")
            else:
                _check_value(key, word)
                values.append(word)
                expects_value = False
        if expects_value:
            values.append("")
        return frozenset(values)


def _problem(text: str) -> statuses.StatusError:
    return statuses.bad_request(f"unable to parse requirement: {text}")


def _integer(text: str) -> str:
    try:
        return str(int(text))
    except ValueError:
        raise _problem("for 'Gt', 'Lt' operators, the value must be an integer") from None


def _check_key(key: str) -> None:
    prefix, slash, name = key.rpartition("/")
    if not LABEL_NAME.fullmatch(name) or (slash and not (PREFIX.fullmatch(prefix) and len(prefix) <= 253)):
        what = (
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        )
        raise _problem(f'<nil>: Invalid value: "{key}": {what}')


def _check_value(key: str, value: str) -> None:
    if value and not LABEL_NAME.fullmatch(value):
        what = (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
            "for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
        )
        raise _problem(f'values[0][{key}]: Invalid value: "{value}": {what}')
