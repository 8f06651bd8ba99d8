"""The judge: which answers keep a promise. Pure."""

from collections.abc import Sequence

from kube46.conformance.claims import NotFound, Refused
from kube46.conformance.model import Answer, Facts, Level, Outcome, Promise, Step, Verdict

# The allocator's words when somebody else took the address between two requests of ours: chance, not a fault.
TAKEN = "provided IP is already allocated"


def differences(step: Step, answer: Answer, earlier: Sequence[Answer]) -> list[str]:
    """What of an answer is not as the step demands; a request that nobody expects to be refused must not be."""
    refusals = [claim for claim in step.claims if isinstance(claim, Refused | NotFound)]
    if answer.status >= 400 and not refusals:
        return [f"{_asked(step)}: refused with {answer.status}: {answer.body.get('message', '')}"]
    if answer.status < 400 and (refusal := next(iter(refusals), None)):
        return [f"{_asked(step)}: {refusal.differs(answer, earlier)}"]
    found = [claim.differs(answer, earlier) for claim in step.claims]
    return [f"{_asked(step)}: {text}" for text in found if text]


def by_chance(steps: Sequence[Step], answers: Sequence[Answer]) -> bool:
    """Whether the last answer is a refusal that a second try may not get; a 5xx says so of itself."""
    last = len(answers) - 1
    if answers[last].status >= 500:
        return True
    expected = any(isinstance(claim, Refused) and TAKEN in claim.words for claim in steps[last].claims)
    return not expected and TAKEN in str(answers[last].body.get("message", ""))


def outcome(promise: Promise, reasons: Sequence[str], seconds: float) -> Outcome:
    """A check that was run."""
    verdict = Verdict.FAILED if reasons else Verdict.PASSED
    return _outcome(promise, verdict, reasons, promise.mend if reasons else "", seconds)


def skipped(promise: Promise, why: str) -> Outcome:
    """A check that this cluster's configuration cannot show."""
    return _outcome(promise, Verdict.SKIPPED, (why,), "", 0.0)


def not_run(promise: Promise, how: str) -> Outcome:
    """A check that was not asked for, and how to run it."""
    return _outcome(promise, Verdict.NOT_RUN, (how,), "", 0.0)


def _outcome(promise: Promise, verdict: Verdict, reasons: Sequence[str], mend: str, seconds: float) -> Outcome:
    return Outcome(
        promise.name, promise.level, promise.criterion, promise.text, verdict, tuple(reasons), mend, round(seconds, 3)
    )


def needs_dual(facts: Facts) -> str:
    """Why a single-family cluster cannot show what needs two; empty on a dual-stack one."""
    return "" if facts.dual else f"its Services have one family, {facts.families[0]}"


def reached(outcomes: Sequence[Outcome]) -> Level | None:
    """The highest level of which no check failed, nor of those it stands on; None when alpha already failed."""
    failed = {item.level for item in outcomes if item.verdict is Verdict.FAILED}
    asked = {item.level for item in outcomes}
    good = [level for level in Level if level in asked and not failed & set(level.included)]
    return good[-1] if good else None


def _asked(step: Step) -> str:
    target = f"{step.resource.plural}/{step.name}" + (f"/{step.subresource}" if step.subresource else "")
    return f"{step.verb} {target}" + (" (dry run)" if step.dry_run else "")
