"""Label and field selectors of a request, matched against stored bytes; fields parsed as apimachinery parses them.

Source: k8s.io/apimachinery/pkg/fields (selector.go).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.api.errors import go_quote
from kube46.apiserver import labelselectors, statuses
from kube46.apiserver.labelselectors import MOST, Requirement

if TYPE_CHECKING:
    from collections.abc import Collection

    from kube46.apiserver.kinds import Kind

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

    def parted(self, names: Collection[str]) -> tuple[Selector, Selector]:
        """What of it an object shows as it is stored, and what only in the version asked for: fields of these names."""
        late = tuple(field for field in self.fields if ".".join(field.path) in names)
        return Selector(self.labels, tuple(field for field in self.fields if field not in late)), Selector((), late)

    def only_name(self) -> str:
        """The one name that can match, or ""; spares walking a collection."""
        return next((f.value for f in self.fields if f.equal and f.path == ("metadata", "name")), "")


# what selectors of events.k8s.io call the fields of stored Events
STORED_NAMES = {"regarding": "involvedObject", "reportingController": "reportingComponent"}


def parse(kind: Kind, labels: str, fields: str) -> Selector:
    """The selector of a request; raises 400 with Kubernetes' text."""
    return Selector(labelselectors.parse(labels), parse_fields(kind, fields))


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
