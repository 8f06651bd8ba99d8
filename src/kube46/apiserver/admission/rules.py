"""Which writes a webhook or a policy is about: rules, selectors, and who is never asked.

Source: k8s.io/apiserver pkg/admission/plugin/webhook/predicates/{rules,namespace,object}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api.selectors import matches

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kube46.apiserver.admission.attributes import Attributes
    from kube46.apiserver.kinds import Kind

Object = dict[str, Any]
GROUP = "admissionregistration.k8s.io"
ASKING = (
    "validatingwebhookconfigurations", "mutatingwebhookconfigurations", "validatingadmissionpolicies",
    "validatingadmissionpolicybindings", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings",
)  # fmt: skip


def exempt(kind: Kind) -> bool:
    """Whether nobody is asked about it: what says who is asked must stay mendable, whoever does not answer."""
    return kind.group == GROUP and kind.plural in ASKING


def rule_matches(rule: Object, operation: str, kind: Kind, subresource: str, namespace: str) -> bool:
    """Whether a RuleWithOperations is about an operation on a resource; `namespace` is "" at the cluster's scope."""
    return (
        _in_scope(rule.get("scope") or "*", kind, namespace)
        and _named(rule.get("operations") or (), operation)
        and _named(rule.get("apiGroups") or (), kind.group)
        and _named(rule.get("apiVersions") or (), kind.version)
        and any(_is_resource(one, kind.plural, subresource) for one in rule.get("resources") or ())
    )


def may_concern(rules: Iterable[Object], groups: Iterable[str], plural: str, subresource: str) -> bool:
    """Whether some operation on a resource, in whatever version, may be what rules are about; in `groups` it lies."""
    return any(
        any(_named(rule.get("apiGroups") or (), group) for group in groups)
        and any(_is_resource(one, plural, subresource) for one in rule.get("resources") or ())
        for rule in rules
    )


def _in_scope(scope: str, kind: Kind, namespace: str) -> bool:
    cluster = not namespace or (kind.plural == "namespaces" and not kind.group)  # which are each within themselves
    return {"*": True, "Cluster": cluster, "Namespaced": not cluster}.get(scope, False)


def _named(names: Iterable[str], wanted: str) -> bool:
    return any(name in ("*", wanted) for name in names)


def _is_resource(text: str, plural: str, subresource: str) -> bool:
    resource, _, part = text.partition("/")
    return resource in ("*", plural) and part in ("*", subresource)


def selects_everything(selector: Object | None) -> bool:
    """Whether a label selector has no terms."""
    return not selector or not (selector.get("matchLabels") or selector.get("matchExpressions"))


def object_selected(selector: Object | None, asked: Attributes) -> bool:
    """Whether the object, as it is to be or as it was, has the labels."""
    if selector is None or selects_everything(selector):
        return True
    found = (obj for obj in (asked.object, asked.old) if obj is not None)
    return any(matches(selector, _labels(obj)) for obj in found)


def _labels(obj: Object) -> dict[str, str]:
    return (obj.get("metadata") or {}).get("labels") or {}


def namespace_selected(selector: Object | None, asked: Attributes, namespace: Object | None) -> bool:
    """Whether the namespace has the labels; a new or changed one is asked for its own, as it is to be.

    `namespace` is the stored one. What lies in no namespace is always selected.
    """
    if selector is None or selects_everything(selector) or not in_namespace(asked):
        return True
    itself = asked.kind.resource == "namespaces" and not asked.subresource and asked.object is not None
    found = asked.object if itself else namespace
    return found is not None and matches(selector, _labels(found))


def in_namespace(asked: Attributes) -> bool:
    """Whether it lies in a namespace, or is one."""
    return bool(asked.namespace) or asked.kind.plural == "namespaces"
