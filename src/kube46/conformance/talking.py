"""The driver of conversations: sends a check's requests to the API, one after the other, and judges each answer."""

import asyncio
import time
from collections.abc import Sequence

import msgspec

from kube46.conformance import rules
from kube46.conformance.claims import merged, resolved
from kube46.conformance.model import Answer, Conversation, Facts, Outcome, Step, Verb
from kube46.kubernetes.client import APPLY_TYPE, PATCH_TYPES, Client
from kube46.kubernetes.errors import ApiError

TRIES = 3
AT_ONCE = 4  # requests of a check whose steps stand alone
MANAGER = "kube46-conformance"


async def converse(client: Client, namespace: str, check: Conversation, facts: Facts) -> Outcome:
    """Runs a check in the namespace. Raises Unreachable."""
    steps = check.steps(facts)
    if isinstance(steps, str):
        return rules.skipped(check.promise, steps)
    start = time.monotonic()
    reasons: list[str] = []
    for attempt in range(TRIES):
        prefix = f"{check.promise.name}-{attempt}" if attempt else check.promise.name
        answers, reasons = await _play(client, namespace, prefix, steps, alone=check.alone)
        if not reasons or not rules.by_chance(steps, answers):
            break
    return rules.outcome(check.promise, reasons, time.monotonic() - start)


async def _play(
    client: Client, namespace: str, prefix: str, steps: Sequence[Step], *, alone: bool
) -> tuple[list[Answer], list[str]]:
    """The answers, and what is wrong with them: up to the first wrong one where later steps build on it."""
    if alone:
        return await _play_at_once(client, namespace, prefix, steps)
    answers: list[Answer] = []
    reasons: list[str] = []
    for step in steps:
        answer = await _ask(client, namespace, prefix, step, answers)
        reasons += rules.differences(step, answer, answers)
        answers.append(answer)
        if reasons:
            break
    return answers, reasons


async def _play_at_once(
    client: Client, namespace: str, prefix: str, steps: Sequence[Step]
) -> tuple[list[Answer], list[str]]:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(step: Step) -> Answer:
        async with places:
            return await _ask(client, namespace, prefix, step, ())

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(step)) for step in steps]
    answers = [task.result() for task in tasks]
    return answers, [text for pair in zip(steps, answers, strict=True) for text in rules.differences(*pair, ())]


async def _ask(client: Client, namespace: str, prefix: str, step: Step, answers: Sequence[Answer]) -> Answer:
    name = f"{prefix}-{step.name}"
    made = step.verb is Verb.CREATE
    path = step.resource.path(namespace, "" if made else name, step.subresource)
    body = resolved(step.body, answers) if step.body or made or step.verb is Verb.APPLY else None
    if step.base is not None:
        # The newest revision, whoever wrote it: this is about what may change, not about who came first.
        read = merged(answers[step.base].body, {"metadata": {"resourceVersion": None}})
        body = merged(read, body)
    elif body is not None and step.verb is not Verb.MERGE:
        kind = {"apiVersion": step.resource.api_version, "kind": step.resource.kind}
        body = {**kind, **body, "metadata": {"name": name}}
    method = "PATCH" if step.verb is Verb.APPLY else step.verb.value
    types = {Verb.MERGE: PATCH_TYPES["merge"], Verb.APPLY: APPLY_TYPE}
    params = {"dryRun": "All" if step.dry_run else ""}
    if step.verb is Verb.APPLY:
        params |= {"fieldManager": MANAGER, "force": "true"}
    headers = {"Content-Type": types.get(step.verb, "application/json")} if body is not None else {}
    try:
        content = await client.request(method, path, params=params, body=body, headers=headers)
    except ApiError as error:
        return Answer(error.status, {"message": error.message, "reason": error.reason, "details": error.details})
    return Answer(200, msgspec.json.decode(content))
