"""Admission policies with their bindings, compiled once for each version of a policy.

Source: apiserver pkg/admission/plugin/policy/generic/{policy_source,policy_dispatcher}.go, policy/matching/matching.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kube46.apiserver.admission import conditions, parameters
from kube46.apiserver.admission.inputs import namespace_of, values
from kube46.apiserver.admission.parameters import ConfigurationProblem
from kube46.apiserver.transactions import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kube46.apiserver.admission.attributes import Attributes
    from kube46.apiserver.admission.matching import Matcher
    from kube46.apiserver.admission.plugin import Parts
    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.strategy import Transaction

Object = dict[str, Any]
T = TypeVar("T")
POLICIES = ("validatingadmissionpolicies", "mutatingadmissionpolicies")
REVIEWS = (
    "selfsubjectreviews", "tokenreviews", "localsubjectaccessreviews", "selfsubjectaccessreviews",
    "selfsubjectrulesreviews", "subjectaccessreviews",
)  # fmt: skip


def unjudged(kind: Kind) -> bool:
    """Whether no policy is about it: policies themselves, so that they can be mended, and what all others need."""
    if kind.group == "admissionregistration.k8s.io":
        return kind.plural.replace("ybindings", "ies") in POLICIES
    return kind.plural in REVIEWS and kind.group in ("authentication.k8s.io", "authorization.k8s.io")


@dataclass(frozen=True, slots=True)
class Hook(Generic[T]):
    """A policy that is bound: what it says, compiled as `judge`."""

    name: str
    spec: Object
    bindings: tuple[tuple[str, Object], ...]  # names and specs
    judge: T

    @property
    def ignores(self) -> bool:
        """Whether a request passes that can't be judged."""
        return self.spec.get("failurePolicy") == "Ignore"


@dataclass(frozen=True, slots=True)
class Invocation(Generic[T]):
    """A policy and one of its bindings that are about a request, with one set of parameters."""

    hook: Hook[T]
    binding: str
    binding_spec: Object
    resource: Kind  # the row whose rules matched
    params: Object | None


@dataclass(frozen=True, slots=True)
class Misconfigured(Generic[T]):
    """A policy, or a binding of it (else ""), that is about a request and can't be judged with."""

    hook: Hook[T]
    binding: str
    text: str


class Index(Generic[T]):
    """Follows the stored policies of one sort; a binding without a policy, or a policy without one, does nothing."""

    def __init__(self, parts: Parts, matcher: Matcher, sort: str, compiled: Callable[[str, Object], T]) -> None:
        self._parts, self._matcher, self._compile = parts, matcher, compiled
        self._policies, self._bindings = parts.store.collection(sort), parts.store.collection(f"{sort[:-3]}ybindings")
        self._seen = (-1, -1)
        self._judges: dict[str, tuple[int, T]] = {}  # policy → revision and what it says
        self._hooks: tuple[Hook[T], ...] = ()

    def active(self) -> bool:
        """Whether any policy may be bound."""
        return bool(self._bindings.records)

    def hooks(self) -> tuple[Hook[T], ...]:
        """The policies as they are now, by name."""
        now = (self._policies.changed, self._bindings.changed)
        if now != self._seen:
            self._hooks, self._seen = tuple(self._read()), now
        return self._hooks

    def _read(self) -> Iterator[Hook[T]]:
        bound: dict[str, list[tuple[str, Object]]] = {}
        for name, record in sorted(self._bindings.records.items()):
            spec = decode.decode(record.value).get("spec") or {}
            bound.setdefault(spec.get("policyName") or "", []).append((name, spec))
        judges: dict[str, tuple[int, T]] = {}
        for name, record in sorted(self._policies.records.items()):
            if name not in bound:
                continue
            spec = decode.decode(record.value).get("spec") or {}
            known = self._judges.get(name)
            found = known if known and known[0] == record.revision else (record.revision, self._compile(name, spec))
            judges[name] = found
            yield Hook(name, spec, tuple(bound[name]), found[1])
        self._judges = judges

    def invocations(self, asked: Attributes, txn: Transaction) -> Iterator[Invocation[T] | Misconfigured[T]]:
        """All that is to be judged about a request, and what can't be, in order."""
        for hook in self.hooks():
            row = self._matched(hook.spec.get("matchConstraints") or {}, asked, txn)
            if row is None:
                continue
            try:
                kind = parameters.row(hook.spec.get("paramKind"), self._parts)
            except ConfigurationProblem as problem:
                yield Misconfigured(hook, "", f"failed to configure policy: {problem}")
                continue
            for name, spec in hook.bindings:
                resources = spec.get("matchResources")
                if resources is not None and self._matched(resources, asked, txn) is None:
                    continue
                try:
                    found = parameters.collected(kind, spec.get("paramRef"), asked.namespace, self._parts, txn)
                except ConfigurationProblem as problem:
                    yield Misconfigured(hook, name, f"failed to configure binding: {problem}")
                    continue
                for params in found:
                    yield Invocation(hook, name, spec, row, params)

    def _matched(self, resources: Object, asked: Attributes, txn: Transaction) -> Kind | None:
        """The row in whose version the request is asked about; None when it is not."""
        if not self._matcher.selected(resources.get("namespaceSelector"), resources.get("objectSelector"), asked, txn):
            return None
        policy = resources.get("matchPolicy") or "Equivalent"
        excluded = self._matcher.find(_named(resources.get("excludeResourceRules"), asked), policy, asked)
        if excluded is not None:
            return None
        rules = resources.get("resourceRules")
        return self._matcher.find(_named(rules, asked), policy, asked) if rules else asked.kind

    def inputs(self, asked: Attributes, found: Invocation[T], txn: Transaction) -> Object:
        """What the expressions of a policy see."""
        presented = self._matcher.presented(found.resource, asked)
        namespace = namespace_of(asked, txn)
        return values(asked, resource=found.resource, presented=presented, namespace=namespace, params=found.params)

    def meant(self, found: Invocation[T], inputs: Object) -> bool:
        """Whether the match conditions hold; raises conditions.Unmatchable."""
        listed = found.hook.spec.get("matchConditions")
        if not listed:
            return True
        seen = {**inputs, "namespaceObject": None}
        params = found.hook.spec.get("paramKind") is not None
        return conditions.matches(listed, seen, self._parts.authorizer, params=params)


def _named(rules: list[Object] | None, asked: Attributes) -> list[Object]:
    """The rules that are about an object of this name."""
    return [rule for rule in rules or () if not rule.get("resourceNames") or asked.name in rule["resourceNames"]]
