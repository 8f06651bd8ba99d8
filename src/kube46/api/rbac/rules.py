"""What a policy rule allows, whom a binding means, and whether some rules cover another.

Source: k8s.io/kubernetes pkg/apis/rbac/v1/evaluation_helpers.go, k8s.io/component-helpers/auth/rbac/validation.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ALL = "*"
MASTERS = "system:masters"  # the group that may do everything
ACCOUNT_PREFIX = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to do: a verb on a resource (`subresource` "" for the object itself), or on a path."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    fields: tuple[tuple[str, str, str], ...] = ()  # of a field selector: field, "=" or "!=", value

    @property
    def qualified(self) -> str:
        """`pods` or `pods/log`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, slots=True)
class Rule:
    """A PolicyRule; rules name either resources or paths."""

    verbs: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    @classmethod
    def of(cls, rule: dict[str, Any]) -> Rule:
        """A rule from its JSON."""
        fields = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
        return cls(*(tuple(rule.get(name) or ()) for name in fields))

    def json(self) -> dict[str, Any]:
        """The rule as JSON, empty lists left out."""
        fields = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
        values = (self.verbs, self.groups, self.resources, self.names, self.paths)
        return {name: list(value) for name, value in zip(fields, values, strict=True) if value or name == "verbs"}

    def allows(self, asked: Asked) -> bool:
        """Whether the rule lets this happen."""
        if not _among(asked.verb, self.verbs):
            return False
        if asked.path:
            return any(_path_matches(path, asked.path) for path in self.paths)
        if not _among(asked.group, self.groups) or (self.names and asked.name not in self.names):
            return False
        every = f"*/{asked.subresource}" if asked.subresource else ALL
        return any(resource in (ALL, every, asked.qualified) for resource in self.resources)


def lacking(own: Iterable[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """The smallest rules of `wanted` that `own` does not contain; a giver may give only what is its own."""
    held = tuple(own)
    return [small for rule in wanted for small in _single(rule) if not any(_contains(big, small) for big in held)]


def _single(rule: Rule) -> Iterator[Rule]:
    """A rule as rules of one verb on one resource (and name) or path each."""
    for verb in rule.verbs:
        for group, resource in product(rule.groups, rule.resources):
            for name in rule.names or (None,):
                yield Rule((verb,), (group,), (resource,), () if name is None else (name,))
        for path in rule.paths:
            yield Rule((verb,), paths=(path,))


def _contains(big: Rule, small: Rule) -> bool:
    if not _among(small.verbs[0], big.verbs):
        return False
    if small.paths:
        return any(_path_matches(path, small.paths[0]) for path in big.paths)
    if not _among(small.groups[0], big.groups) or (big.names and not set(small.names) & set(big.names)):
        return False
    _, _, subresource = small.resources[0].partition("/")
    every = f"*/{subresource}" if subresource else ALL
    return any(have in (ALL, every, small.resources[0]) for have in big.resources)


def _among(value: str, values: tuple[str, ...]) -> bool:
    return value in values or ALL in values


def _path_matches(pattern: str, path: str) -> bool:
    if pattern.endswith(ALL):
        return path.startswith(pattern[:-1].rstrip("*"))
    return pattern == path


def subject_keys(name: str, groups: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Under which keys `key_of` finds a user's bindings."""
    yield "User", name
    for group in groups:
        yield "Group", group
    parts = name.removeprefix(ACCOUNT_PREFIX).split(":")
    if name.startswith(ACCOUNT_PREFIX) and len(parts) == 2:
        yield "ServiceAccount", "/".join(parts)


def key_of(subject: dict[str, Any], namespace: str) -> tuple[str, str]:
    """The key of a binding's subject; an account without a namespace is of the binding's own."""
    kind, name = str(subject.get("kind", "")), str(subject.get("name", ""))
    if kind == "ServiceAccount":
        return kind, f"{subject.get('namespace') or namespace}/{name}"
    return kind, name
