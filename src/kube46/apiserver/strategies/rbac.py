"""Roles and bindings: nobody gives rights that are not their own, and aggregated ClusterRoles follow their parts.

Source: k8s.io/kubernetes pkg/registry/rbac (escalation_check.go, policybased storages); the aggregation, a controller
upstream, happens within the write that causes it, so it is never late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kube46.api import names
from kube46.api.errors import go_quote
from kube46.api.rbac import validation
from kube46.api.rbac.bindings import Bindings, role_of
from kube46.api.rbac.rules import MASTERS, Asked, Rule, lacking
from kube46.api.selectors import matches
from kube46.apiserver import statuses
from kube46.apiserver.strategies.generic import Generic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kube46.api.errors import FieldError
    from kube46.api.rbac.bindings import Role
    from kube46.apiserver.strategy import Context, Object

EVERYTHING = (Rule(("*",), ("*",), ("*",)), Rule(("*",), paths=("*",)))
COLLECTORS = ("finalizers", "generation", "managedFields", "ownerReferences", "resourceVersion")  # what GC changes
LISTS = (("APIGroups", "groups"), ("Resources", "resources"), ("ResourceNames", "names"), ("NonResourceURLs", "paths"))


def bindings(ctx: Context) -> Bindings:
    """All roles and bindings as this transaction sees them."""
    plurals = ("clusterroles", "roles", "clusterrolebindings", "rolebindings")
    return Bindings(*(ctx.txn.list(plural) for plural in plurals))


def check_escalation(ctx: Context, wanted: Iterable[Rule], verb: str, role: Role, *, gathers: bool = False) -> None:
    """Refuse with 403 a gift of rights that the giver lacks, unless the giver may `verb` the role.

    A role that `gathers` may come to hold anything, so whoever writes it needs everything.
    """
    user, kind = ctx.user, ctx.kind
    if MASTERS in user.groups:
        return
    all_bindings = bindings(ctx)
    resource = "roles" if role[0] else "clusterroles"
    asked = Asked(verb, kind.group, resource, namespace=ctx.namespace, name=role[1])
    if all_bindings.allows(user.name, user.groups, asked):
        return
    held = list(all_bindings.held(user.name, user.groups, ctx.namespace))
    if gathers and lacking(held, EVERYTHING):
        raise statuses.forbidden(kind, ctx.name, "must have cluster-admin privileges to use the aggregationRule")
    missing = lacking(held, wanted)
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

    create_on_update = True
    name_rule = staticmethod(names.path_segment)
    blank: ClassVar[Object] = {"rules": None}

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """No rules are null once they are stored, as a protobuf message can't tell the two."""
        if not ctx.dry_run:
            obj["rules"] = obj.get("rules") or None

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        """The same."""
        self.prepare_create(new, ctx)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of the rules; rules beyond the writer's own are refused."""
        found = validation.role_errors(obj, namespaced=ctx.kind.namespaced)
        if not found:
            _check_role(obj, ctx, gathers=bool(_selectors(obj)))
        return found

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """The same; labels count too, since by them other roles gather this one's rules."""
        found = validation.role_errors(new, namespaced=ctx.kind.namespaced)
        if not found and given(new) != given(old):
            _check_role(new, ctx, gathers=bool(_selectors(new) or _selectors(old)))
        return found


def _check_role(obj: Object, ctx: Context, *, gathers: bool) -> None:
    role = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
    check_escalation(ctx, map(Rule.of, obj.get("rules") or ()), "escalate", role, gathers=gathers)


def given(obj: Object) -> Object:
    """The object without what the garbage collector changes."""
    meta = {name: value for name, value in obj["metadata"].items() if name not in COLLECTORS}
    return {**obj, "metadata": meta}


class ClusterRoles(Roles):
    """A role with an `aggregationRule` has the rules of all roles that it selects."""

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """Gather the rules, and let other roles gather this one's."""
        _aggregate(obj, obj["metadata"].get("name", ""), ctx)
        super().prepare_create(obj, ctx)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        """The same."""
        _aggregate(new, ctx.name, ctx)
        super().prepare_create(new, ctx)

    def after_delete(self, obj: Object, ctx: Context) -> None:
        """Its rules leave the roles that gathered them."""
        _aggregate(None, ctx.name, ctx)


def _aggregate(changed: Object | None, name: str, ctx: Context) -> None:
    """Bring all gathered rules up to date, those of the role being written (None: it goes) in place."""
    roles = {role["metadata"]["name"]: role for role in ctx.txn.list("clusterroles")}
    roles.pop(name, None)
    if changed is not None:
        roles[name] = changed
    gathering = {key: role for key, role in sorted(roles.items()) if _selectors(role)}
    before = {key: role.get("rules") for key, role in gathering.items()}
    for role in gathering.values():
        role["rules"] = []
    while sum(_gather(role, roles) for role in gathering.values()):
        pass  # a gathered role may be a part of another one: `edit` is of `admin`
    for key in gathering.keys() - {name}:
        roles[key]["rules"] = roles[key]["rules"] or None
        if roles[key]["rules"] != before[key]:
            ctx.txn.update("clusterroles", roles[key])


def _selectors(role: Object) -> list[Object]:
    return (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or []


def _gather(role: Object, roles: dict[str, Object]) -> bool:
    """Add the rules of the selected roles that it lacks, by selectors and names; whether there were any. Rules are only
    added, so roles that gather one another come to rest."""
    found, count = role["rules"], len(role["rules"])
    for selector in _selectors(role):
        for _, other in sorted(roles.items()):
            if other is not role and matches(selector, other["metadata"].get("labels") or {}):
                found += [rule for rule in other.get("rules") or () if rule not in found]
    return len(found) > count


class RoleBindings(Generic):
    """Who binds a role gives its rules away."""

    create_on_update = True
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
        check_escalation(ctx, rules, "bind", role)
