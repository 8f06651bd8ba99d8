"""Finds what a write is to somebody who asks for resources by rules: as it is, or in an equivalent version.

Source: k8s.io/apiserver pkg/admission/plugin/webhook/generic/webhook.go (ShouldCallHook), apimachinery
pkg/runtime/mapper.go (EquivalentResourceMapper).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.apiserver import statuses
from kube46.apiserver.admission.rules import in_namespace, namespace_selected, object_selected, rule_matches
from kube46.apiserver.customresources.kinds import CustomKind
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.transactions import copied

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kube46.apiserver.admission.attributes import Attributes
    from kube46.apiserver.admission.plugin import Parts
    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.strategy import Transaction

Object = dict[str, Any]


class Matcher:
    """Matches writes with rules and selectors."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def find(self, rules: Iterable[Object], policy: str, asked: Attributes) -> Kind | None:
        """The row of the resource in the version that a rule asks for, or None. `policy`: Exact, Equivalent."""
        rules = tuple(rules)
        place = asked.subresource, asked.namespace
        if any(rule_matches(rule, asked.operation, asked.kind, *place) for rule in rules):
            return asked.kind
        if policy == "Exact":
            return None
        others = tuple(self._equivalents(asked))
        found = (kind for rule in rules for kind in others if rule_matches(rule, asked.operation, kind, *place))
        return next(found, None)

    def _equivalents(self, asked: Attributes) -> Iterator[Kind]:
        """The same objects in other versions, and Events in their other group."""
        for kind in self._parts.catalog.kinds:
            if kind is asked.kind or (kind.resource, kind.kind) != (asked.kind.resource, asked.kind.kind):
                continue
            if not asked.subresource or kind.subresource(asked.subresource) is not None:
                yield kind

    def selected(self, namespaces: Object | None, objects: Object | None, asked: Attributes, txn: Transaction) -> bool:
        """Whether both selectors select it; raises StatusError 404 where the namespace is missing."""
        if not object_selected(objects, asked):
            return False
        stored = txn.get("namespaces", asked.namespace) if namespaces and in_namespace(asked) else None
        if namespace_selected(namespaces, asked, stored):
            return True
        if stored is None and asked.kind.resource != "namespaces":
            raise statuses.not_found(BY_PLURAL["namespaces"], asked.namespace)
        return False

    def presented(self, kind: Kind, asked: Attributes) -> tuple[Object | None, Object | None]:
        """The new and the old object in the form of another version."""
        return self.converted(asked.object, asked, kind), self.converted(asked.old, asked, kind)

    def converted(self, obj: Object | None, asked: Attributes, to: Kind, *, back: bool = False) -> Object | None:
        """An object in the form of `to`, or, `back`, from there in the form that was asked in."""
        if obj is None or to is asked.kind or asked.gvk[2] != asked.kind.kind:
            return obj
        source, target = (to, asked.kind) if back else (asked.kind, to)
        made = copied(obj)
        if not isinstance(source, CustomKind):
            registry = self._parts.registry
            registry.strategy(source).default(made)
            registry.strategy(target).served(made)
        return {**made, "apiVersion": target.api_version, "kind": target.kind}
