"""Who may do what: masters everything, nodes what the node authorizer says, everybody what RBAC gives.

The order and the texts are those of `kube-apiserver --authorization-mode=Node,RBAC`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kube46.api.rbac.bindings import Bindings
from kube46.api.rbac.rules import MASTERS
from kube46.apiserver import attributes, statuses
from kube46.apiserver.kinds import Kind
from kube46.apiserver.nodeauthorizer import NodeAuthorizer, node_of
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.transactions import decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kube46.api.rbac.rules import Asked
    from kube46.api.rbac.rules import Rule as PolicyRule
    from kube46.apiserver.requests import Request
    from kube46.apiserver.storage import Store
    from kube46.apiserver.strategy import User

NO_NODE_RULES = "node authorizer does not support user rule resolution"


class Decision(NamedTuple):
    """Whether, and as far as there is something to say, why."""

    allowed: bool
    reason: str = ""


class Authorizer:
    """Answers with the rights that are stored now; looks at the roles again when one has changed."""

    PLURALS = ("clusterroles", "roles", "clusterrolebindings", "rolebindings")

    def __init__(self, store: Store) -> None:
        self._store, self._nodes = store, NodeAuthorizer(store)
        self._seen: tuple[int, ...] = ()
        self._bindings = Bindings((), (), (), ())

    def _current(self) -> Bindings:
        collections = [self._store.collection(plural) for plural in self.PLURALS]
        now = tuple(collection.changed for collection in collections)
        if now != self._seen:
            stored = ([decode.decode(record.value) for record in c.records.values()] for c in collections)
            self._bindings, self._seen = Bindings(*stored), now
        return self._bindings

    def decide(self, user: User, asked: Asked) -> Decision:
        """Whether a user may do this; each reason against it is a line that names its authorizer."""
        if MASTERS in user.groups:
            return Decision(allowed=True)
        against = self._nodes.refusal(user, asked)
        if against is None:
            return Decision(allowed=True)
        bindings = self._current()
        if (grant := bindings.allowing(user.name, user.groups, asked)) is not None:
            return Decision(True, f"RBAC: allowed by {grant}")
        reasons = [f"node: {against}"] if against else []
        if missing := bindings.missing(user.name, user.groups, asked.namespace):
            reasons.append(f"rbac: RBAC: {_together(missing)}")
        return Decision(False, "\n".join(reasons))

    def allowed(self, user: User, asked: Asked) -> bool:
        """Whether a user may do this."""
        return self.decide(user, asked).allowed

    def rules(self, user: User, namespace: str) -> Iterator[PolicyRule]:
        """What roles let a user do in a namespace and everywhere (`kubectl auth can-i --list`)."""
        yield from self._current().held(user.name, user.groups, namespace)

    def unresolved(self, user: User, namespace: str) -> str:
        """What went wrong where `rules` were found; "" when nothing did."""
        found = [NO_NODE_RULES] if self.incomplete(user) else []
        return _together(found + self._current().missing(user.name, user.groups, namespace))

    def incomplete(self, user: User) -> bool:
        """Whether `rules` is not all that a user may do."""
        return node_of(user) is not None

    def authorize(self, request: Request) -> None:
        """Refuse with 403 what is not allowed."""
        user = request.user
        if MASTERS not in user.groups:
            self.check(user, attributes.of(request))

    def check(self, user: User, asked: Asked) -> None:
        """Refuse with 403 what a user may not do."""
        allowed, reason = self.decide(user, asked)
        if not allowed:
            raise refusal(user, asked, reason)


def refusal(user: User, asked: Asked, reason: str) -> StatusError:
    """403 in the authorizers' words."""
    because = f": {reason}" if reason else ""
    if asked.path:
        text = f'forbidden: User "{user.name}" cannot {asked.verb} path "{asked.path}"{because}'
        error = StatusError(403, "Forbidden", text, {})
    else:
        error = _refused_object(user, asked, because)
    error.nosniff = True  # it repeats what was asked
    return error


def _refused_object(user: User, asked: Asked, because: str) -> StatusError:
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    what = f'{asked.verb} resource "{asked.qualified}" in API group "{asked.group}" {where}'
    kind = Kind(asked.group, "", asked.resource, "")
    return statuses.forbidden(kind, asked.name, f'User "{user.name}" cannot {what}{because}')


def _together(errors: list[str]) -> str:
    """Several errors as Go's aggregate prints them, each once."""
    text = ", ".join(found := dict.fromkeys(errors))
    return f"[{text}]" if len(found) > 1 else text
