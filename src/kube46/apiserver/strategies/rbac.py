"""Roles and bindings: nobody gives rights that are not their own, and aggregated ClusterRoles follow their parts.

Source: k8s.io/kubernetes pkg/registry/rbac (escalation_check.go, policybased storages); the aggregation, a controller
upstream, happens within the write that causes it, so it is never late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.api import names
from kube46.api.errors import go_quote
from kube46.api.rbac import validation
from kube46.api.rbac.bindings import Bindings, role_of
from kube46.api.rbac.rules import Asked, Rule, lacking
from kube46.api.selectors import matches
from kube46.apiserver import statuses
from kube46.apiserver.strategies.generic import Generic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object

MASTERS = "system:masters"
LISTS = (("APIGroups", "groups"), ("Resources", "resources"), ("ResourceNames", "names"), ("NonResourceURLs", "paths"))


def bindings(ctx: Context) -> Bindings:
    """All roles and bindings as this transaction sees them."""
    plurals = ("clusterroles", "roles", "clusterrolebindings", "rolebindings")
    return Bindings(*(ctx.txn.list(plural) for plural in plurals))


def check_escalation(ctx: Context, wanted: Iterable[Rule], verb: str, named: str) -> None:
    """Refuse with 403 a gift of rights that the giver lacks, unless the giver may `verb` the role `named`."""
    user, kind = ctx.user, ctx.kind
    if MASTERS in user.groups:
        return
    all_bindings = bindings(ctx)
    resource = "roles" if kind.plural in ("roles", "rolebindings") else "clusterroles"
    asked = Asked(verb, kind.group, resource, namespace=ctx.namespace, name=named)
    if all_bindings.allows(user.name, user.groups, asked):
        return
    missing = lacking(all_bindings.held(user.name, user.groups, ctx.namespace), wanted)
    if missing:
        groups = " ".join(map(go_quote, user.groups))
        who = f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held'
        raise statuses.forbidden(kind, ctx.name, "\n".join((f"{who}:", *sorted(map(_compact, missing)))))


def _compact(rule: Rule) -> str:
    parts = [f"{title}:{_listed(getattr(rule, name))}" for title, name in LISTS if getattr(rule, name)]
    return f"{{{', '.join((*parts, f'Verbs:{_listed(rule.verbs)}'))}}}"


def _listed(values: Iterable[str]) -> str:
    return "[" + ", ".join(map(go_quote, values)) + "]"


class Roles(Generic):
    """Names need only fit into a URL: `system:node` is one."""

    name_rule = staticmethod(names.path_segment)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of the rules; rules beyond the writer's own are refused."""
        found = validation.role_errors(obj, namespaced=ctx.kind.namespaced)
        if not found:
            check_escalation(ctx, map(Rule.of, obj.get("rules") or ()), "escalate", obj["metadata"]["name"])
        return found

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """The same, unless the rules stay as they are."""
        found = validation.role_errors(new, namespaced=ctx.kind.namespaced)
        if not found and new.get("rules") != old.get("rules"):
            check_escalation(ctx, map(Rule.of, new.get("rules") or ()), "escalate", ctx.name)
        return found


class ClusterRoles(Roles):
    """A role with an `aggregationRule` has the rules of all roles that it selects."""

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """Gather the rules, and let other roles gather this one's."""
        _aggregate(obj, obj["metadata"].get("name", ""), ctx)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        """The same."""
        _aggregate(new, ctx.name, ctx)

    def after_delete(self, obj: Object, ctx: Context) -> None:
        """Its rules leave the roles that gathered them."""
        _aggregate(None, ctx.name, ctx)


def _aggregate(changed: Object | None, name: str, ctx: Context) -> None:
    """Bring all gathered rules up to date, those of the role being written (None: it goes) in place."""
    roles = {role["metadata"]["name"]: role for role in ctx.txn.list("clusterroles")}
    roles.pop(name, None)
    if changed is not None:
        roles[name] = changed
    gathering = {key: role for key, role in roles.items() if _selectors(role)}
    touched, unsettled = set(), bool(gathering)
    while unsettled:  # a gathered role may be a part of another one: `edit` is of `admin`
        unsettled = False
        for key, role in gathering.items():
            rules = _gathered(role, roles)
            if rules != role.get("rules"):
                role["rules"] = rules
                touched.add(key)
                unsettled = True
    for key in touched - {name}:
        ctx.txn.update("clusterroles", roles[key])


def _selectors(role: Object) -> list[Object]:
    return (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or []


def _gathered(role: Object, roles: dict[str, Object]) -> list[Object]:
    """The rules of the selected roles in order of selectors and names, each once."""
    found: list[Object] = []
    for selector in _selectors(role):
        for _, other in sorted(roles.items()):
            if other is not role and matches(selector, other["metadata"].get("labels") or {}):
                found += [rule for rule in other.get("rules") or () if rule not in found]
    return found


class RoleBindings(Generic):
    """Who binds a role gives its rules away."""

    name_rule = staticmethod(names.path_segment)

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        validation.default_binding(obj)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of role and subjects; a role beyond the writer's own rights is refused."""
        found = validation.binding_errors(obj, namespaced=ctx.kind.namespaced)
        if not found:
            self._check(obj, ctx)
        return found

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """The same, unless nobody new is bound."""
        found = validation.binding_errors(new, old, namespaced=ctx.kind.namespaced)
        if not found and new.get("subjects") != old.get("subjects"):
            self._check(new, ctx)
        return found

    def _check(self, obj: Object, ctx: Context) -> None:
        role = role_of(obj)
        if MASTERS in ctx.user.groups:
            return
        rules = bindings(ctx).of_role(role)
        if rules is None:
            kind = "clusterroles" if not role[0] else "roles"
            text = f'{kind}.{validation.GROUP} "{role[1]}" not found'
            raise statuses.StatusError(
                404, "NotFound", text, {"name": role[1], "group": validation.GROUP, "kind": kind}
            )
        check_escalation(ctx, rules, "bind", role[1])
