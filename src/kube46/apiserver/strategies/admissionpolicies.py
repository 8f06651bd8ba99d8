"""Admission policies and their bindings: what is stored can be judged, and shows nobody what he may not read.

Source: k8s.io/kubernetes pkg/registry/admissionregistration/{validating,mutating}admissionpolicy{,binding},
pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api import platform, policyrules
from kube46.api.errors import FieldError, forbidden
from kube46.api.rbac.rules import MASTERS, Asked
from kube46.apiserver.kinds import KINDS
from kube46.apiserver.strategies.generic import Generic
from kube46.apiserver.strategies.rbac import bindings

if TYPE_CHECKING:
    from kube46.apiserver.strategy import Context, Object, User

EVERYTHING = ("*", "*")  # group and resource of what is not known


class _Judged(Generic):
    """What policies and bindings of both sorts share; `mutating` tells the sorts apart."""

    unconditional_update = False

    def __init__(self, *, mutating: bool) -> None:
        self._mutating = mutating

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """The errors of its spec, then whether its writer may read what it names."""
        return self._errors(obj, None, ctx)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """The same of what is new."""
        return self._errors(new, old, ctx)

    def _errors(self, new: Object, old: Object | None, ctx: Context) -> list[FieldError]:
        spec, before = new.get("spec") or {}, (old or {}).get("spec") or {}
        found = self.spec_errors(new, spec, before)
        if old is None:
            found += policyrules.reserved(new["metadata"].get("name") or "")
        return found or self.unreadable(spec, before, ctx)

    def spec_errors(self, obj: Object, spec: Object, before: Object) -> list[FieldError]:
        """The errors of a spec; `before` is what it was."""
        raise NotImplementedError

    def unreadable(self, spec: Object, before: Object, ctx: Context) -> list[FieldError]:
        """Why its writer may not refer to these parameters."""
        raise NotImplementedError


class Policies(_Judged):
    """A policy is compiled as it is written; what can't be is refused."""

    def default(self, obj: Object) -> None:
        """It refuses when it can't be judged, and matches equivalent versions."""
        platform.policy(obj)

    def spec_errors(self, obj: Object, spec: Object, before: Object) -> list[FieldError]:
        """Of the spec, expressions among it."""
        from kube46.apiserver.admission import policychecks  # loads the evaluator

        return policychecks.errors(obj["metadata"].get("name") or "", spec, before, mutating=self._mutating)

    def unreadable(self, spec: Object, before: Object, ctx: Context) -> list[FieldError]:
        """Whoever names a kind of parameters must be able to read all of them: a policy's messages may quote them."""
        kind = spec.get("paramKind")
        if kind is None or kind == before.get("paramKind") or MASTERS in ctx.user.groups:
            return []
        group, resource = _resource(kind, ctx) or (kind["apiVersion"].rpartition("/")[0], "*")
        if _allows(ctx, Asked("get", group, resource, namespace="*", name="*")):
            return []
        what = f"all objects of the referenced paramKind (kind={kind['kind']}, apiVersion={kind['apiVersion']})"
        text = f'user {_shown(ctx.user)} must have "get" permission on {what}'
        return [forbidden("spec.paramKind", text)]


class Bindings(_Judged):
    """A binding names a policy, which need not be there."""

    def default(self, obj: Object) -> None:
        """It matches equivalent versions."""
        platform.policy_binding(obj)

    def spec_errors(self, obj: Object, spec: Object, before: Object) -> list[FieldError]:
        """Of the spec."""
        return policyrules.binding(spec, mutating=self._mutating)

    def unreadable(self, spec: Object, before: Object, ctx: Context) -> list[FieldError]:
        """Whoever binds parameters must be able to read them."""
        ref = spec.get("paramRef")
        same = ref == before.get("paramRef") and spec.get("policyName") == before.get("policyName")
        if ref is None or same or MASTERS in ctx.user.groups:
            return []
        sort = "mutatingadmissionpolicies" if self._mutating else "validatingadmissionpolicies"
        policy = ctx.txn.get(sort, spec["policyName"])
        kind = None if policy is None else (policy.get("spec") or {}).get("paramKind")
        known = None if kind is None else _resource(kind, ctx)
        verb = "get" if ref.get("name") else "list"
        group, resource = known or EVERYTHING
        asked = Asked(verb, group, resource, namespace=ref.get("namespace") or "", name=ref.get("name") or "")
        if _allows(ctx, asked):
            return []
        return [forbidden("spec.paramRef", _refusal(ctx.user, verb, spec["policyName"], policy, kind, known))]


def _refusal(user: User, verb: str, name: str, policy: Object | None, kind: Any, known: Any) -> str:
    who = f'user {_shown(user)} does not have "{verb}" permission'
    every = f"to determine minimum required permissions and {who} for all groups, versions and resources"
    if policy is None:
        return f"unable to get policy {name} {every}"
    if kind is not None and known is None:
        return f"unable to resolve paramKind &ParamKind{{APIVersion:{kind['apiVersion']},Kind:{kind['kind']},}} {every}"
    return f"{who} on the object referenced by paramRef"


def _allows(ctx: Context, asked: Asked) -> bool:
    return bindings(ctx).allows(ctx.user.name, ctx.user.groups, asked)


def _resource(kind: Object, ctx: Context) -> tuple[str, str] | None:
    """Group and plural of a kind that is served."""
    group, _, version = kind["apiVersion"].rpartition("/")
    for row in KINDS:
        if (row.group, row.version, row.kind) == (group, version, kind["kind"]):
            return row.group, row.plural
    for definition in ctx.txn.list("customresourcedefinitions"):
        spec = definition["spec"]
        if (spec["group"], spec["names"]["kind"]) == (group, kind["kind"]):
            return group, str(spec["names"]["plural"])
    return None


def _shown(user: User) -> str:
    """As Go prints a user."""
    extra = " ".join(f"{name}:[{' '.join(texts)}]" for name, texts in sorted(user.extra.items()))
    return f"&{{{user.name} {user.uid} [{' '.join(user.groups)}] map[{extra}]}}"
