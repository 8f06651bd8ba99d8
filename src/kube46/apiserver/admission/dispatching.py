"""Asks webhooks about one write, and judges what they say or that they say nothing.

Source: k8s.io/apiserver pkg/admission/plugin/webhook/{mutating,validating}/dispatcher.go.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.api.errors import go_quote
from kube46.apiserver import statuses
from kube46.apiserver.admission import conditions, inputs, measures, reviews
from kube46.apiserver.admission.matching import Matcher
from kube46.apiserver.admission.webhooks import Invoked, Outcome
from kube46.apiserver.customresources.conversions import asks
from kube46.apiserver.customresources.kinds import CustomKind
from kube46.apiserver.patching_json import PatchProblem, TooLarge, json_patch
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.transactions import copied
from kube46.apiserver.webhooks.calls import CallFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kube46.apiserver.admission.attributes import Attributes
    from kube46.apiserver.admission.hooks import Hook
    from kube46.apiserver.admission.plugin import Parts
    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.webhooks.calls import Caller

Object = dict[str, Any]
ADMIT, VALIDATE = "admit", "validating"
log = logging.getLogger(__name__)


class Dispatcher:
    """Asks webhooks by way of a caller."""

    def __init__(self, parts: Parts, caller: Caller) -> None:
        self._parts, self._caller, self._matcher = parts, caller, Matcher(parts)

    def concerned(self, hooks: Sequence[Hook], asked: Attributes) -> tuple[Hook, ...]:
        """Those whose rules are about this write; their selectors and conditions may yet say no."""
        return tuple(hook for hook in hooks if self._version(hook, asked) is not None)

    def _version(self, hook: Hook, asked: Attributes) -> Kind | None:
        return self._matcher.find(hook.entry.get("rules") or (), hook.entry.get("matchPolicy") or "Exact", asked)

    async def _wanted(self, hook: Hook, asked: Attributes) -> Kind | None:
        """The version in which a webhook is to be asked; None when it is not. Raises StatusError."""
        kind = self._version(hook, asked)
        if kind is None:
            return None
        with self._parts.store.begin() as txn:
            namespaces, objects = (hook.entry.get(name) for name in ("namespaceSelector", "objectSelector"))
            if not self._matcher.selected(namespaces, objects, asked, txn):
                return None
        if found := hook.entry.get("matchConditions"):
            values = inputs.values(asked, resource=kind, presented=await self._presented(kind, asked))
            try:
                return kind if conditions.matches(found, values, self._parts.authorizer) else None
            except conditions.Unmatchable as problem:
                if hook.ignores:
                    return None
                raise statuses.forbidden(asked.kind, asked.name, str(problem)) from None
        return kind

    async def _presented(self, kind: Kind, asked: Attributes) -> inputs.Presented:
        """The objects in the version that a webhook wants; another webhook may have to convert them."""
        if kind is asked.kind or not isinstance(kind, CustomKind) or not asks(kind):
            return self._matcher.presented(kind, asked)
        found: list[Object | None] = []
        for obj in (asked.object, asked.old):
            made = None if obj is None else await self._converted(kind, obj, asked.kind.version, kind.version)
            found.append(made)
        return found[0], found[1]

    async def _converted(self, kind: CustomKind, obj: Object, source: str, target: str) -> Object:
        (made,) = await self._parts.registry.conversions.convert(kind, [obj], source, target)
        return {"apiVersion": f"{kind.group}/{target}", "kind": kind.kind, **made}

    # Mutating

    async def mutate(self, hooks: Sequence[Hook], asked: Attributes, invoked: Invoked) -> Outcome:
        """Ask one after the other; `asked.object` becomes what they make of it."""
        outcome = Outcome(invoked=invoked, warnings=asked.warnings, annotations=asked.annotations)
        if asked.reinvoked and asked.object != invoked.left:
            invoked.changed()  # by what is not a webhook
        try:
            for hook in hooks:
                kind = await self._wanted(hook, asked)
                if kind is None or (asked.reinvoked and hook.uid not in invoked.again):
                    continue
                if await self._mutated(hook, kind, asked):
                    invoked.changed()
                    outcome.changed = True
                if hook.again:
                    invoked.earlier.add(hook.uid)
        except StatusError as refusal:
            outcome.refusal = refusal
        invoked.left = None if asked.object is None else copied(asked.object)
        outcome.object = asked.object
        return outcome

    async def _mutated(self, hook: Hook, kind: Kind, asked: Attributes) -> bool:
        """Whether a webhook changed the object; raises StatusError."""
        verdict = await self._answer(hook, kind, asked, ADMIT)
        if verdict is None or not verdict.patch:
            return False
        try:
            operations = msgspec.json.decode(verdict.patch, type=list[Any])
        except (msgspec.DecodeError, RecursionError) as error:
            text = f"received undecodable patch in webhook response: {error}"
            self._failed(hook, ADMIT, asked, text, 503)
            return False
        if not operations:
            return False
        if asked.object is None:
            text = f"admission webhook {go_quote(hook.name)} attempted to modify the object, which is not supported "
            raise statuses.internal(f"{text}for this operation")
        shown, _ = await self._presented(kind, asked)
        before = asked.object
        asked.object = await self._decoded(_patched(shown, operations), kind, asked)
        return asked.object != before

    async def _decoded(self, made: Any, kind: Kind, asked: Attributes) -> Object:
        if not isinstance(made, dict):
            raise statuses.internal("couldn't get version/kind; json parse error: the patched object is none")
        if asked.gvk[2] != asked.kind.kind:  # the body of a subresource, which has no defaults here
            return made
        if kind is not asked.kind and isinstance(kind, CustomKind) and asks(kind):
            back: Object | None = await self._converted(kind, made, kind.version, asked.kind.version)
        else:
            back = self._matcher.converted(made, asked, kind, back=True)
        assert back is not None
        return self._parts.registry.gate.decoded(asked.kind, back)

    # Validating

    async def validate(self, hooks: Sequence[Hook], asked: Attributes) -> Outcome:
        """Ask all at once and wait for all of them."""
        outcome = Outcome(warnings=asked.warnings, annotations=asked.annotations)
        try:
            wanted = [(hook, kind) for hook in hooks if (kind := await self._wanted(hook, asked)) is not None]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._refusal(hook, kind, asked)) for hook, kind in wanted]
            outcome.refusal = next((found for task in tasks if (found := task.result()) is not None), None)
        except StatusError as refusal:
            outcome.refusal = refusal
        return outcome

    async def _refusal(self, hook: Hook, kind: Kind, asked: Attributes) -> StatusError | None:
        try:
            await self._answer(hook, kind, asked, VALIDATE)
        except StatusError as refusal:
            return refusal
        return None

    # One call

    async def _answer(self, hook: Hook, kind: Kind, asked: Attributes, step: str) -> reviews.Verdict | None:
        """What a webhook says; None when it can't be asked and need not be. Raises StatusError for a denial."""
        if asked.dry_run and not hook.harmless:
            raise statuses.bad_request(f"admission webhook {go_quote(hook.name)} does not support dry run")
        started = time.perf_counter()
        try:
            verdict = await self._called(hook, kind, asked, mutating=step == ADMIT)
        except CallFailed as failed:
            seconds = time.perf_counter() - started
            measures.called(hook.name, step, asked.operation, seconds, failed.code, rejected=not hook.ignores)
            self._failed(hook, step, asked, str(failed), failed.code)
            return None
        seconds = time.perf_counter() - started
        asked.warnings += verdict.warnings
        asked.annotations |= {f"{hook.name}/{name}": text for name, text in verdict.annotations.items()}
        if verdict.allowed:
            measures.called(hook.name, step, asked.operation, seconds, 200, rejected=False)
            return verdict
        refusal = reviews.denial(hook.name, verdict.result)
        measures.called(hook.name, step, asked.operation, seconds, refusal.code, rejected=True)
        measures.rejected(hook.name, step, asked.operation, "no_error", refusal.code)
        raise refusal

    async def _called(self, hook: Hook, kind: Kind, asked: Attributes, *, mutating: bool) -> reviews.Verdict:
        version = reviews.version_of(hook.entry.get("admissionReviewVersions") or ())
        if not version:
            text = "could not create admission objects: webhook does not accept known AdmissionReview versions"
            raise CallFailed(f"{text} (v1, v1beta1)", 400)
        uid = str(uuid.uuid4())
        body = reviews.review(version, uid, asked, kind, await self._presented(kind, asked))
        try:
            answer = await self._caller.post(hook.entry.get("clientConfig") or {}, body, hook.seconds)
        except CallFailed as failed:
            raise CallFailed(f"failed to call webhook: {failed}", failed.code) from None
        try:
            return reviews.verdict(answer, version, uid, mutating=mutating)
        except reviews.BadAnswer as bad:
            raise CallFailed(f"received invalid webhook response: {bad}") from None

    def _failed(self, hook: Hook, step: str, asked: Attributes, text: str, code: int) -> None:
        """A webhook that can't be asked refuses, unless its policy says otherwise; raises StatusError 500."""
        told = f"failed calling webhook {go_quote(hook.name)}: {text}"
        if hook.ignores:
            log.warning("webhook failed, passed over name=%s error=%s", hook.name, text)
            measures.passed_over(hook.name, step)
            return
        log.warning("webhook failed, request refused name=%s error=%s", hook.name, text)
        measures.rejected(hook.name, step, asked.operation, "calling_webhook_error", code)
        raise statuses.internal(told)


def _patched(shown: Object | None, operations: list[Any]) -> Any:
    """The object after a webhook's patch; raises StatusError 500."""
    try:
        return json_patch(copied(shown or {}), operations)
    except (PatchProblem, TooLarge) as problem:
        raise statuses.internal(str(problem)) from None
