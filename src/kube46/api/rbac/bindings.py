"""Who holds which rules: bindings by subject, joined to their roles.

Source: k8s.io/kubernetes pkg/registry/rbac/validation/rule.go (RuleResolver). A binding to a role that is not there
gives nothing. Building costs the number of bindings, looking up a user's rules the number of that user's bindings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api.rbac.rules import Rule, key_of, subject_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kube46.api.rbac.rules import Asked

Object = dict[str, Any]
Role = tuple[str, str]  # namespace ("" of a ClusterRole), name


class Bindings:
    """The Roles, ClusterRoles and bindings of a cluster at one moment."""

    def __init__(
        self, cluster_roles: Iterable[Object], roles: Iterable[Object], cluster_bindings: Iterable[Object],
        bindings: Iterable[Object],
    ) -> None:  # fmt: skip
        self._rules: dict[Role, tuple[Rule, ...]] = {}
        for obj in (*cluster_roles, *roles):
            meta = obj["metadata"]
            rules = tuple(Rule.of(rule) for rule in obj.get("rules") or ())
            self._rules[meta.get("namespace", ""), meta["name"]] = rules
        self._bound: dict[tuple[str, str], list[tuple[str, Role]]] = {}
        for obj in (*cluster_bindings, *bindings):
            namespace = obj["metadata"].get("namespace", "")
            role = role_of(obj)
            for subject in obj.get("subjects") or ():
                self._bound.setdefault(key_of(subject, namespace), []).append((namespace, role))

    def of_role(self, role: Role) -> tuple[Rule, ...] | None:
        """The rules of a role; None when there is no such role."""
        return self._rules.get(role)

    def held(self, name: str, groups: Iterable[str], namespace: str) -> Iterator[Rule]:
        """The rules a user has everywhere and, when `namespace` is not "", there."""
        for key in subject_keys(name, groups):
            for where, role in self._bound.get(key, ()):
                if where in ("", namespace):
                    yield from self._rules.get(role, ())

    def allows(self, name: str, groups: Iterable[str], asked: Asked) -> bool:
        """Whether one of a user's rules allows what is asked."""
        return any(rule.allows(asked) for rule in self.held(name, groups, asked.namespace))


def role_of(binding: Object) -> Role:
    """The role that a binding gives."""
    reference = binding.get("roleRef") or {}
    namespace = binding["metadata"].get("namespace", "") if reference.get("kind") == "Role" else ""
    return namespace, reference.get("name", "")
