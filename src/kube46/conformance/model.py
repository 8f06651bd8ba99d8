"""What is promised, how it is asked for, and what a check ends with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from kube46.addresses.families import Family
from kube46.api.resources import SERVICES, Resource

Json = Any  # a JSON value, or a `From` in a place of one


class Level(StrEnum):
    """A stage of the feature; each stage asks for what the stages before it ask for, too."""

    ALPHA = "alpha"
    BETA = "beta"
    GA = "ga"

    @property
    def included(self) -> tuple["Level", ...]:
        """The levels that this one stands on, and itself."""
        levels = tuple(Level)
        return levels[: levels.index(self) + 1]


class Verdict(StrEnum):
    """How a check ended. Only `FAILED` refuses a release."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"  # this cluster's configuration cannot show it
    NOT_RUN = "not run"  # it was not asked for


@dataclass(frozen=True, slots=True)
class Promise:
    """A check: its name, the stage that needs it, the criterion of KEP-563 it proves, its text, and where to look."""

    name: str
    level: Level
    criterion: str
    text: str
    mend: str


@dataclass(frozen=True, slots=True)
class Facts:
    """The cluster: the version it says, the families of its Services (default first), the names of its nodes."""

    version: str
    families: tuple[Family, ...]
    nodes: tuple[str, ...] = ()

    @property
    def dual(self) -> bool:
        """Whether Services can have both families."""
        return len(self.families) > 1


@dataclass(frozen=True, slots=True)
class From:
    """A value of an earlier answer of the same conversation: the number of its step, and the field's path."""

    step: int
    path: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said: the HTTP status and the object, or the Status of a refusal."""

    status: int
    body: Mapping[str, Any]


class Claim(Protocol):
    """Something that an answer must be."""

    def differs(self, answer: Answer, earlier: Sequence[Answer]) -> str:
        """What is not so: the field, what it is, what it must be. Empty when all is well."""


class Verb(StrEnum):
    """A request of the Kubernetes API."""

    CREATE = "POST"
    GET = "GET"
    REPLACE = "PUT"
    MERGE = "PATCH"
    APPLY = "APPLY"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class Step:
    """One request and what its answer must be.

    `name`: the object, by a short name that the driver makes the check's own. `body`: the object; with `base`, changes
    (RFC 7386) to the answer of that step, as a client makes them that has read it.
    """

    verb: Verb
    name: str
    body: Mapping[str, Json] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    base: int | None = None
    resource: Resource[Any] = SERVICES
    subresource: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """A check that only talks to the API: its steps for a cluster, or in words why this cluster cannot show it.

    `alone`: no step needs another, so that all are judged, not only those up to the first that differs.
    """

    promise: Promise
    steps: Callable[[Facts], Sequence[Step] | str]
    alone: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """How a check ended, with its reasons, and how long it took, seconds."""

    name: str
    level: Level
    criterion: str
    promise: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    mend: str = ""
    seconds: float = 0.0
