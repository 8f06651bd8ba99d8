"""What a run of upstream's specs showed, read from ginkgo's JUnit file."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FILTERED = "skipped"  # ginkgo's message for a spec that the flags left out; one that skips itself says why after it
OUTCOMES = {"passed": "✔", "failed": "✘", "skipped": "–"}


@dataclass(frozen=True, order=True)
class Spec:
    """One spec of a run: its text, `passed`, `failed` or `skipped`, seconds, and what it said when it did not pass."""

    name: str
    outcome: str
    seconds: float
    said: str = ""


def _spec(case: ElementTree.Element) -> Spec | None:
    """Of a test case, unless the flags left it out, or it is a set-up step that passed."""
    name = re.sub(r"^\[It\] | \[sig-[^\]]*\]$", "", case.get("name", ""))  # its labels, which ginkgo adds, left out
    seconds = float(case.get("time", "0"))
    for kind in ("failure", "error"):
        wrong = case.find(kind)
        if wrong is not None:
            return Spec(name, "failed", seconds, (wrong.get("message") or wrong.text or "").strip())
    skipped = case.find("skipped")
    if skipped is not None:
        said = (skipped.get("message") or "").removeprefix("skipped - ").strip()
        return Spec(name, "skipped", seconds, said) if said not in ("", FILTERED) else None
    return Spec(name, "passed", seconds) if case.get("name", "").startswith("[It]") else None


def read(path: Path) -> list[Spec]:
    """The specs that the run took, by name; raises ParseError of a file that ended too soon."""
    cases = ElementTree.parse(path).getroot().iter("testcase")
    return sorted(spec for case in cases if (spec := _spec(case)) is not None)


def table(specs: Iterable[Spec]) -> str:
    """A line a spec, those that failed last with what they said."""
    ordered = sorted(specs, key=lambda spec: (spec.outcome == "failed", spec.name))
    lines = [f"{OUTCOMES[spec.outcome]} {spec.seconds:6.1f} s  {spec.name}" for spec in ordered]
    said = [f"\n{spec.name}\n    {spec.said[:800]}" for spec in ordered if spec.outcome == "failed"]
    counts = {kind: sum(spec.outcome == kind for spec in ordered) for kind in OUTCOMES}
    return "\n".join([*lines, *said, "", ", ".join(f"{count} {kind}" for kind, count in counts.items())])
