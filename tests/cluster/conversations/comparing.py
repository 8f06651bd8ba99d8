"""Where two servers' answers differ, and the shortest part of a conversation in which they do."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cluster.conversations.playing import Answer, Speaker
    from cluster.conversations.steps import Conversation, Step

Json = Any


DROPPED = 0  # the code of an answer that did not come


@dataclass(frozen=True, slots=True)
class Difference:
    """The first step of a conversation whose answers differ: at these fields, (path, real, kube46's)."""

    conversation: Conversation
    number: int
    fields: tuple[tuple[str, Json, Json], ...]

    @property
    def signature(self) -> str:
        """What differences of the same origin have in common, more or less."""
        shown = [f"{path} {json.dumps(real)} {json.dumps(own)}" for path, real, own in self.fields[:2]]
        step = self.conversation.steps[self.number]
        text = re.sub(r"\d+", "#", " ".join(shown))
        return f"{self.conversation.topic} {step.method} {text[:160]}"

    def __str__(self) -> str:
        lines = [f"{self.conversation}", f"  step {self.number + 1}:"]
        for path, real, own in self.fields[:8]:
            lines += [f"    {path}", f"      real   {json.dumps(real)}", f"      kube46 {json.dumps(own)}"]
        return "\n".join(lines)


def compare(conversation: Conversation, real: Speaker, own: Speaker) -> Difference | None:
    """Hold a conversation with both servers; None when they cannot be told apart.

    Where the real server panics, and so closes the connection, there is no answer that another could give, too.
    """
    pairs = zip(real.hold(conversation), own.hold(conversation), strict=True)
    for number, (wanted, got) in enumerate(pairs):
        if wanted.code == DROPPED != got.code:
            return None
        if wanted != got:
            return Difference(conversation, number, tuple(fields(wanted, got)))
    return None


def fields(real: Answer, own: Answer) -> Iterator[tuple[str, Json, Json]]:
    """The fields that differ."""
    for name in ("code", "body", "warnings", "form"):
        yield from _fields(name, getattr(real, name), getattr(own, name))


def _fields(path: str, real: Json, own: Json) -> Iterator[tuple[str, Json, Json]]:
    if isinstance(real, dict) and isinstance(own, dict):
        for key in sorted({*real, *own}):
            yield from _fields(f"{path}.{key}", real.get(key, "<absent>"), own.get(key, "<absent>"))
    elif isinstance(real, list) and isinstance(own, list) and len(real) == len(own):
        for index, (a, b) in enumerate(zip(real, own, strict=True)):
            yield from _fields(f"{path}[{index}]", a, b)
    elif type(real) is not type(own) or real != own:
        yield path, real, own


def shrink(found: Difference, again: Callable[[Conversation], Difference | None], most: int = 60) -> Difference:
    """A shorter conversation that differs likewise, found by leaving out steps and edits, in `most` trials."""
    progress = True
    while progress and most > 0:
        progress = False
        for candidate in _shorter(found):
            most -= 1
            shorter = again(candidate)
            if shorter is not None and alike(shorter, found):
                found, progress = shorter, True
                break
            if most <= 0:
                break
    return found


def alike(one: Difference, other: Difference) -> bool:
    """Whether the same field differs first."""
    return [re.sub(r"\d+", "#", path) for path, _, _ in one.fields[:1]] == [
        re.sub(r"\d+", "#", path) for path, _, _ in other.fields[:1]
    ]


def _shorter(found: Difference) -> Iterator[Conversation]:
    steps = found.conversation.steps[: found.number + 1]
    for index in range(len(steps) - 1):
        yield _with(found, (*steps[:index], *steps[index + 1 :]))
    for index, step in enumerate(steps):
        for number in range(len(step.edits)):
            changed = dataclasses.replace(step, edits=(*step.edits[:number], *step.edits[number + 1 :]))
            yield _with(found, _replaced(steps, index, changed))


def _replaced(steps: tuple[Step, ...], index: int, step: Step) -> tuple[Step, ...]:
    return (*steps[:index], step, *steps[index + 1 :])


def _with(found: Difference, steps: tuple[Step, ...]) -> Conversation:
    return dataclasses.replace(found.conversation, steps=steps)
