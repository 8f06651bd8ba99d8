"""MutatingAdmissionWebhook and ValidatingAdmissionWebhook: the steps of the chain that ask programs outside.

A pass asks by raising `Question`; its answer is kept under what was asked, so that the next pass finds it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.apiserver.admission.hooks import Hooks
from kube46.apiserver.admission.passes import Question
from kube46.apiserver.admission.plugin import Plugin
from kube46.apiserver.admission.rules import exempt
from kube46.apiserver.transactions import copied

if TYPE_CHECKING:
    from kube46.apiserver.admission.attributes import Attributes
    from kube46.apiserver.admission.dispatching import Dispatcher
    from kube46.apiserver.admission.hooks import Hook
    from kube46.apiserver.statuses import StatusError
    from kube46.apiserver.storage import Store
    from kube46.apiserver.strategy import Transaction
    from kube46.apiserver.writes import Call

Object = dict[str, Any]
MUTATING, VALIDATING = "mutatingwebhookconfigurations", "validatingwebhookconfigurations"
encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Invoked:
    """Which webhooks are to be asked once more, when others have changed the object after them."""

    earlier: set[str] = field(default_factory=set)  # asked, and willing to be asked again
    again: set[str] = field(default_factory=set)
    left: Object | None = None  # the object as the last of them left it

    def changed(self) -> None:
        """Those that were asked before have to look again."""
        self.again |= self.earlier
        self.earlier = set()


@dataclass(slots=True)
class Outcome:
    """What the webhooks of one phase made of a write."""

    object: Object | None = None
    changed: bool = False
    invoked: Invoked = field(default_factory=Invoked)
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)
    refusal: StatusError | None = None


class MutatingWebhooks(Plugin):
    """Asks one webhook after the other; each sees what those before it have made of the object."""

    asks = True

    def __init__(self, store: Store, dispatcher: Dispatcher) -> None:
        self._hooks, self._dispatcher = Hooks(store, MUTATING), dispatcher

    def active(self) -> bool:
        """Whether any is configured."""
        return self._hooks.any()

    def concerns(self, call: Call) -> bool:
        """Whether any may be about such a write."""
        return self._hooks.concern(call)

    def admit(self, asked: Attributes, txn: Transaction) -> None:
        """Ask those that the write concerns, unless the answers to precisely this are there."""
        hooks = () if exempt(asked.kind) else self._dispatcher.concerned(self._hooks.current(), asked)
        if not hooks:
            return
        assert asked.round is not None
        key = _key(asked, MUTATING, hooks)
        outcome: Outcome | None = asked.round.answers.get(key)
        if outcome is None:
            invoked = asked.round.answers.get((MUTATING, "invoked")) if asked.reinvoked else None
            snapshot, answers = _snapshot(asked), asked.round.answers

            async def ask() -> None:
                answers[key] = await self._dispatcher.mutate(hooks, snapshot, invoked or Invoked())

            raise Question(ask)
        _settle(outcome, asked)
        asked.round.answers[MUTATING, "invoked"] = replace(
            outcome.invoked, earlier=set(outcome.invoked.earlier), again=set(outcome.invoked.again)
        )
        if outcome.object is not None:
            asked.object = copied(outcome.object)
        asked.again |= outcome.changed


class ValidatingWebhooks(Plugin):
    """Asks all at once; the first refusal, in their order, is the request's."""

    asks = True

    def __init__(self, store: Store, dispatcher: Dispatcher) -> None:
        self._hooks, self._dispatcher = Hooks(store, VALIDATING), dispatcher

    def active(self) -> bool:
        """Whether any is configured."""
        return self._hooks.any()

    def concerns(self, call: Call) -> bool:
        """Whether any may be about such a write."""
        return self._hooks.concern(call)

    def validate(self, asked: Attributes, txn: Transaction) -> None:
        """Ask those that the write concerns, unless the answers to precisely this are there."""
        hooks = () if exempt(asked.kind) else self._dispatcher.concerned(self._hooks.current(), asked)
        if not hooks:
            return
        assert asked.round is not None
        key = _key(asked, VALIDATING, hooks)
        outcome: Outcome | None = asked.round.answers.get(key)
        if outcome is None:
            snapshot, answers = _snapshot(asked), asked.round.answers

            async def ask() -> None:
                answers[key] = await self._dispatcher.validate(hooks, snapshot)

            raise Question(ask)
        _settle(outcome, asked)


def _key(asked: Attributes, step: str, hooks: tuple[Hook, ...]) -> tuple[object, ...]:
    """What is asked, whole: another object, or other webhooks, are another question."""
    place = asked.operation, asked.name, asked.namespace, asked.subresource
    return (
        step,
        tuple((hook.uid, hook.written) for hook in hooks),
        asked.reinvoked,
        place,
        encode(asked.object),
        encode(asked.old),
    )


def _snapshot(asked: Attributes) -> Attributes:
    """A copy that outlives the pass."""
    return replace(
        asked, object=None if asked.object is None else copied(asked.object), warnings=[], annotations={}
    )  # fmt: skip


def _settle(outcome: Outcome, asked: Attributes) -> None:
    asked.warnings += outcome.warnings
    asked.annotations |= outcome.annotations
    if outcome.refusal is not None:
        raise outcome.refusal
