"""The objects that a policy's binding names as parameters.

Source: apiserver pkg/admission/plugin/policy/generic/policy_dispatcher.go (CollectParams).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api.selectors import matches

if TYPE_CHECKING:
    from kube46.apiserver.admission.plugin import Parts
    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.strategy import Transaction

Object = dict[str, Any]


class ConfigurationProblem(Exception):
    """Parameters can't be found as the policy and its binding say; the text is upstream's."""


def row(kind: Object | None, parts: Parts) -> Kind | None:
    """The row of the kind of parameters, None where there are none; raises ConfigurationProblem."""
    if kind is None:
        return None
    group, _, version = str(kind["apiVersion"]).rpartition("/")
    for one in parts.catalog.kinds:
        if (one.group, one.version, one.kind) == (group, version, kind["kind"]):
            return one
    shown = f"{group}/{version}, Kind={kind['kind']}"
    raise ConfigurationProblem(f"failed to find resource referenced by paramKind: '{shown}'")


def collected(
    kind: Kind | None, ref: Object | None, namespace: str, parts: Parts, txn: Transaction
) -> list[Object | None]:
    """Each set of parameters to judge with: none at all is one. Raises ConfigurationProblem."""
    if kind is None or ref is None:
        return [None]
    where = _namespace(kind, ref, namespace)
    found: list[Object | None]
    if ref.get("name"):
        one = txn.get(kind.resource, ref["name"], where)
        found = [] if one is None else [_shown(one, kind, parts)]
    else:
        selector = ref.get("selector") or {}
        stored = txn.list(kind.resource, where)
        found = [_shown(one, kind, parts) for one in stored if matches(selector, one["metadata"].get("labels") or {})]
    if not found and ref.get("parameterNotFoundAction") == "Deny":
        raise ConfigurationProblem("no params found for policy binding with `Deny` parameterNotFoundAction")
    return found


def _namespace(kind: Kind, ref: Object, namespace: str) -> str:
    if not kind.namespaced:
        if ref.get("namespace"):
            raise ConfigurationProblem("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        return ""
    where = ref.get("namespace") or namespace
    if not where:
        text = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
        raise ConfigurationProblem(text)
    return str(where)


def _shown(obj: Object, kind: Kind, parts: Parts) -> Object:
    made = {"kind": kind.kind, "apiVersion": kind.api_version, **obj}
    parts.registry.strategy(kind).served(made)
    return made
