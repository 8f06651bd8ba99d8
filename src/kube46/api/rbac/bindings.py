"""Who holds which rules: bindings by subject, joined to their roles.

Source: k8s.io/kubernetes pkg/registry/rbac/validation/rule.go (RuleResolver). A binding to a role that is not there
gives nothing. Building costs the number of bindings, looking up a user's rules the number of that user's bindings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kube46.api.rbac.rules import Rule, key_of, subject_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kube46.api.rbac.rules import Asked

Object = dict[str, Any]
Role = tuple[str, str]  # namespace ("" of a ClusterRole), name


@dataclass(frozen=True, slots=True)
class Grant:
    """One subject of one binding: where it holds ("" everywhere), which role it gives, and who says so."""

    namespace: str
    role: Role
    binding: str
    subject: str
    place: int = 0  # of the subject in its binding

    def __str__(self) -> str:
        """As kube-apiserver names the source of a right."""
        kind = "RoleBinding" if self.namespace else "ClusterRoleBinding"
        name = f"{self.binding}/{self.namespace}" if self.namespace else self.binding
        role = "Role" if self.role[0] else "ClusterRole"
        return f'{kind} "{name}" of {role} "{self.role[1]}" to {self.subject}'


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
        self._bound: dict[tuple[str, str], list[Grant]] = {}
        for obj in (*cluster_bindings, *bindings):
            namespace, name = obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
            role = role_of(obj)
            for place, subject in enumerate(obj.get("subjects") or ()):
                grant = Grant(namespace, role, name, _described(subject, namespace), place)
                self._bound.setdefault(key_of(subject, namespace), []).append(grant)

    def of_role(self, role: Role) -> tuple[Rule, ...] | None:
        """The rules of a role; None when there is no such role."""
        return self._rules.get(role)

    def grants(self, name: str, groups: Iterable[str], namespace: str) -> Iterator[Grant]:
        """What a user is bound to everywhere, then, when `namespace` is not "", there: once a binding."""
        found: dict[tuple[str, str], Grant] = {}  # by the first of a binding's subjects that the user is
        for key in subject_keys(name, groups):
            for grant in self._bound.get(key, ()):
                first = found.setdefault((grant.namespace, grant.binding), grant)
                if grant.place < first.place:
                    found[grant.namespace, grant.binding] = grant
        yield from (grant for grant in found.values() if not grant.namespace)
        if namespace:
            yield from (grant for grant in found.values() if grant.namespace == namespace)

    def held(self, name: str, groups: Iterable[str], namespace: str) -> Iterator[Rule]:
        """The rules a user has everywhere and, when `namespace` is not "", there."""
        for grant in self.grants(name, groups, namespace):
            yield from self._rules.get(grant.role, ())

    def allowing(self, name: str, groups: Iterable[str], asked: Asked) -> Grant | None:
        """The first grant by which a user may do what is asked."""
        for grant in self.grants(name, groups, asked.namespace):
            if any(rule.allows(asked) for rule in self._rules.get(grant.role, ())):
                return grant
        return None

    def allows(self, name: str, groups: Iterable[str], asked: Asked) -> bool:
        """Whether one of a user's rules allows what is asked."""
        return self.allowing(name, groups, asked) is not None

    def missing(self, name: str, groups: Iterable[str], namespace: str) -> list[str]:
        """What is wrong with a user's bindings: roles that are not there."""
        lost = [grant.role for grant in self.grants(name, groups, namespace) if grant.role not in self._rules]
        return [
            f'{"role" if role[0] else "clusterrole"}.rbac.authorization.k8s.io "{role[1]}" not found' for role in lost
        ]


def role_of(binding: Object) -> Role:
    """The role that a binding gives."""
    reference = binding.get("roleRef") or {}
    namespace = binding["metadata"].get("namespace", "") if reference.get("kind") == "Role" else ""
    return namespace, reference.get("name", "")


def _described(subject: Object, namespace: str) -> str:
    kind, name = str(subject.get("kind", "")), str(subject.get("name", ""))
    if kind == "ServiceAccount":
        name = f"{name}/{subject.get('namespace') or namespace}"
    return f'{kind} "{name}"'
