"""MutatingAdmissionPolicies: bound policies change what is written, one after the other.

Source: apiserver pkg/admission/plugin/policy/mutating/{dispatcher,reinvocationcontext}.go, policy/generic.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kube46.apiserver import statuses
from kube46.apiserver.admission import conditions, mutations
from kube46.apiserver.admission.plugin import Plugin
from kube46.apiserver.admission.policyindex import Index, Misconfigured, unjudged
from kube46.apiserver.admission.validatingpolicies import named
from kube46.apiserver.transactions import copied

if TYPE_CHECKING:
    from kube46.apiserver.admission.attributes import Attributes
    from kube46.apiserver.admission.matching import Matcher
    from kube46.apiserver.admission.plugin import Parts
    from kube46.apiserver.admission.policyindex import Invocation
    from kube46.apiserver.authorization import Authorizer
    from kube46.apiserver.expressions.environment import Program
    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.strategy import Transaction

Object = dict[str, Any]
SECONDS = 1.0  # for the mutations of one policy: nobody is answered meanwhile
STATE = "kube46/mutating-policies"  # where a request's own state is among its notes


class Unmutable(Exception):
    """A mutation failed; the text is upstream's."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One mutation, compiled; `program` is the problem where it can't be."""

    program: Program | str
    patches: bool  # a JSON patch, else an apply configuration

    def run(self, obj: Object, inputs: Object, kind: Kind, authorizer: Authorizer, deadline: float) -> Object:
        """The object that it makes; raises Unmutable."""
        from kube46.apiserver.customresources.rule_engine import EvaluationProblem, OutOfBudget

        if isinstance(self.program, str):
            raise Unmutable(self.program)
        try:
            found = self.program.run(inputs, authorizer.decide, deadline)
            return mutations.patched(obj, found) if self.patches else mutations.applied(obj, found, kind)
        except (EvaluationProblem, mutations.MutationProblem) as problem:
            raise Unmutable(str(problem)) from None
        except OutOfBudget:
            raise Unmutable(conditions.SPENT) from None


@dataclass(slots=True)
class State:
    """What two rounds of one request share: who may be asked again, and who is to be."""

    invoked: set[tuple[str, ...]] = field(default_factory=set)
    again: set[tuple[str, ...]] = field(default_factory=set)
    last: Object | None = None
    patched: bool = False  # by the policy that was asked last

    def require(self) -> None:
        """Whoever was asked before, and wants that, is asked again."""
        self.again |= self.invoked
        self.invoked = set()


def compiled(name: str, spec: Object) -> tuple[Mutation, ...]:
    """A policy's mutations; one that can't be compiled any more fails when it is asked."""
    from kube46.apiserver.customresources.rule_engine import RuleProblem
    from kube46.apiserver.expressions.environment import Scope, Variables, program

    scope, variables = Scope(params=spec.get("paramKind") is not None, authorizer=True), Variables()
    for variable in spec.get("variables") or ():
        variables.tried(variable["name"], variable["expression"], scope)
    constructing = Scope(params=scope.params, authorizer=True, patches=True)

    def mutation(one: Object) -> Mutation:
        patches = one.get("patchType") == "JSONPatch"
        text, returns = (one["jsonPatch"], "list(JSONPatch)") if patches else (one["applyConfiguration"], "Object")
        try:
            return Mutation(program(text["expression"].strip(), (returns,), constructing, variables), patches)
        except RuleProblem as problem:
            return Mutation(str(problem), patches)

    return tuple(map(mutation, spec.get("mutations") or ()))


class MutatingPolicies(Plugin):
    """The plugin MutatingAdmissionPolicy."""

    def __init__(self, parts: Parts, matcher: Matcher) -> None:
        self._parts, self._matcher = parts, matcher
        self._index = Index(parts, matcher, "mutatingadmissionpolicies", compiled)

    def active(self) -> bool:
        """Whether there is a binding."""
        return self._index.active()

    def admit(self, asked: Attributes, txn: Transaction) -> None:
        """Change the object as the policies say; refuse it where one can't, and does not let that pass."""
        if unjudged(asked.kind):
            return
        state: State = asked.notes.setdefault(STATE, State())
        if asked.reinvoked and asked.object != state.last:
            state.require()
        wrong: list[tuple[str, str]] = []
        patched = False
        for found in list(self._index.invocations(asked, txn)):  # who is asked is settled before anything changes
            by = f"policy '{found.hook.name}'" + (f" with binding '{found.binding}'" if found.binding else "")
            if isinstance(found, Misconfigured):
                by = by if found.binding else f'policy "{found.hook.name}"'
                problems = [("Forbidden", found.text)]
            else:
                problems = [("Invalid", text) for text in self._mutate(found, asked, txn, state)]
                patched |= state.patched
            if not found.hook.ignores:
                wrong += [(reason, f"{by} denied request: {text}") for reason, text in problems]
        if patched:
            state.require()
            asked.again = True
        state.last = None if asked.object is None else copied(asked.object)
        if wrong:
            raise _refusal(asked, wrong)

    def _mutate(
        self, found: Invocation[tuple[Mutation, ...]], asked: Attributes, txn: Transaction, state: State
    ) -> list[str]:
        """Let a policy patch the object, and note in the state whether it did; returns what went wrong."""
        state.patched = False
        inputs = self._index.inputs(asked, found, txn)
        try:
            if not self._index.meant(found, inputs):
                return []
        except conditions.Unmatchable as problem:
            return [str(problem)]
        meta = (found.params or {}).get("metadata") or {}
        key = (found.hook.name, found.binding, meta.get("namespace") or "", meta.get("name") or "")
        before = obj = inputs["object"]
        if (asked.reinvoked and key not in state.again) or obj is None:
            return []
        wrong: list[str] = []
        kind, deadline = self._kind(asked, found), time.monotonic() + SECONDS
        for mutation in found.hook.judge:
            try:
                made = mutation.run(obj, {**inputs, "object": obj}, kind, self._parts.authorizer, deadline)
            except Unmutable as problem:
                wrong.append(str(problem))
            else:
                obj, state.patched = self._defaulted(made, asked, found), True
        if state.patched:
            asked.object = self._matcher.converted(obj, asked, found.resource, back=True)
        if obj != before:
            state.require()
        if found.hook.spec.get("reinvocationPolicy") == "IfNeeded":
            state.invoked.add(key)
        return wrong

    def _kind(self, asked: Attributes, found: Invocation[Any]) -> Kind:
        """The row of the kind of the object itself."""
        if not asked.subresource or asked.gvk[2] == found.resource.kind:
            return found.resource
        row = (one for one in self._parts.catalog.kinds if (one.group, one.version, one.kind) == asked.gvk)
        return next(row, found.resource)

    def _defaulted(self, obj: Object, asked: Attributes, found: Invocation[Any]) -> Object:
        """With what a patch has left out that has a default."""
        if not asked.subresource:
            strategy = self._parts.registry.strategy(found.resource)
            strategy.default(obj)
            strategy.served(obj)
        return obj


def _refusal(asked: Attributes, wrong: list[tuple[str, str]]) -> statuses.StatusError:
    """403 in the first policy's words, with a cause for each; `wrong` has the refusals' reasons and texts."""
    wrong.sort(key=lambda one: one[0] != "Forbidden")  # upstream tells first of what is not configured
    found = statuses.forbidden(asked.kind, named(asked), "", [{"message": text} for _, text in wrong])
    found.reason, found.message = wrong[0]
    return found
