"""What an answer must be: small predicates that say in words what is not so. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kube46.addresses.families import Family, family_of
from kube46.conformance.model import Answer, From, Json

PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
ABSENT: tuple[Any, ...] = (None, "", [], {})


def find(body: Any, path: str) -> Any:
    """The value at a path such as `spec.clusterIPs[0]`; None where there is none."""
    for name, number in PART.findall(path):
        if number:
            body = body[int(number)] if isinstance(body, list) and int(number) < len(body) else None
        else:
            body = body.get(name) if isinstance(body, Mapping) else None
    return body


def resolved(value: Json, earlier: Sequence[Answer]) -> Any:
    """The value with each `From` in it replaced by what that answer has there."""
    if isinstance(value, From):
        return find(earlier[value.step].body, value.path)
    if isinstance(value, Mapping):
        return {key: resolved(part, earlier) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [resolved(part, earlier) for part in value]
    return value


def merged(base: Any, change: Any) -> Any:
    """The base with a JSON merge patch (RFC 7386): null removes."""
    if not isinstance(change, Mapping):
        return change
    old = base if isinstance(base, Mapping) else {}
    kept = {key: value for key, value in old.items() if key not in change}
    return kept | {key: merged(old.get(key), value) for key, value in change.items() if value is not None}


def _said(value: Any) -> str:
    return "absent" if value is None else json.dumps(value)


@dataclass(frozen=True, slots=True)
class Has:
    """The field has this value."""

    path: str
    value: Json

    def differs(self, answer: Answer, earlier: Sequence[Answer]) -> str:
        """What the field is instead."""
        found, wanted = find(answer.body, self.path), resolved(self.value, earlier)
        return "" if found == wanted else f"{self.path} is {_said(found)}, must be {_said(wanted)}"


@dataclass(frozen=True, slots=True)
class Absent:
    """The field is not there, or empty."""

    path: str

    def differs(self, answer: Answer, earlier: Sequence[Answer]) -> str:
        """What stands there."""
        found = find(answer.body, self.path)
        return "" if found in ABSENT else f"{self.path} is {_said(found)}, must be absent"


@dataclass(frozen=True, slots=True)
class OfFamilies:
    """The field is a list of one address of each of these families, in this order."""

    path: str
    families: tuple[Family, ...]

    def differs(self, answer: Answer, earlier: Sequence[Answer]) -> str:
        """What is in the list instead."""
        found = find(answer.body, self.path)
        if families_of(found or []) == self.families:
            return ""
        wanted = " and one of ".join(self.families)
        return f"{self.path} is {_said(found)}, must be an address of {wanted}, in this order"


def families_of(addresses: Sequence[Any]) -> tuple[Family, ...] | None:
    """The family of each address; None when one of them is no address."""
    try:
        return tuple(family_of(address) for address in addresses)
    except (ValueError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class Leads:
    """`spec.clusterIP`, which old clients read, is the first of so many `spec.clusterIPs`."""

    count: int

    def differs(self, answer: Answer, earlier: Sequence[Answer]) -> str:
        """What the two fields are instead."""
        first, all_ = find(answer.body, "spec.clusterIP"), find(answer.body, "spec.clusterIPs") or []
        if len(all_) == self.count and first == all_[0]:
            return ""
        return f"spec.clusterIP is {_said(first)} and spec.clusterIPs {_said(all_)}: must be the first of {self.count}"


@dataclass(frozen=True, slots=True)
class IsPort:
    """The field is a port's number."""

    path: str

    def differs(self, answer: Answer, earlier: Sequence[Answer]) -> str:
        """What it is instead."""
        found = find(answer.body, self.path)
        good = isinstance(found, int) and 0 < found < 1 << 16
        return "" if good else f"{self.path} is {_said(found)}, must be a port"


@dataclass(frozen=True, slots=True)
class Refused:
    """The request is refused with a cause at each of these fields, and with these words in its message."""

    fields: tuple[str, ...]
    words: str = ""
    status: int = 422

    def differs(self, answer: Answer, earlier: Sequence[Answer]) -> str:
        """How it was answered instead."""
        if answer.status != self.status:
            return f"status is {answer.status}, must be {self.status}, a refusal of {' and '.join(self.fields)}"
        causes = (answer.body.get("details") or {}).get("causes") or []
        # A list's place is told, but which of several places is named first is nobody's promise.
        found = sorted({str(cause.get("field", "")) for cause in causes})
        if self.fields and found != sorted(set(self.fields)):
            return f"the refusal names {', '.join(found) or 'no field'}, must name {', '.join(self.fields)}"
        message = str(answer.body.get("message", ""))
        return "" if self.words in message else f"the refusal says {_said(message)}, must say {_said(self.words)}"


@dataclass(frozen=True, slots=True)
class NotFound:
    """There is no such object."""

    def differs(self, answer: Answer, earlier: Sequence[Answer]) -> str:
        """That there is one."""
        return "" if answer.status == 404 else f"status is {answer.status}, must be 404: no such object"
