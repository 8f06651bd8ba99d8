"""The report of a run: for people, for programs, and for CI systems. Pure."""

from collections import Counter
from typing import Any
from xml.etree import ElementTree

import msgspec

from kube46.addresses.families import Family
from kube46.conformance import rules
from kube46.conformance.model import Level, Outcome, Verdict

GREEN, RED, DIM, BOLD, PLAIN = "\033[32m", "\033[31m", "\033[2m", "\033[1m", "\033[0m"
MARKS = {
    Verdict.PASSED: ("✔", GREEN),
    Verdict.FAILED: ("✘", RED),
    Verdict.SKIPPED: ("·", DIM),
    Verdict.NOT_RUN: ("-", DIM),
}
MOST_REASONS = 5


class Report(msgspec.Struct, frozen=True):
    """What was asked for, of which cluster, and how each check ended; `seconds` of the whole run."""

    level: Level
    version: str
    families: tuple[Family, ...]
    nodes: tuple[str, ...]
    checks: tuple[Outcome, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(item.verdict is not Verdict.FAILED for item in self.checks)

    @property
    def reached(self) -> Level | None:
        """The level that was asked for, or the highest below it that all checks so far keep; None: not even alpha."""
        return self.level if self.passed else rules.reached(self.checks)

    @property
    def counts(self) -> Counter[Verdict]:
        """How many checks ended how."""
        return Counter(item.verdict for item in self.checks)


def as_data(report: Report) -> dict[str, Any]:
    """The report for programs: the verdict first, then the checks."""
    summary = {str(verdict).replace(" ", "_"): report.counts[verdict] for verdict in Verdict}
    head = {"passed": report.passed, "reached": report.reached, "summary": summary}
    whole: dict[str, Any] = msgspec.to_builtins({**head, **msgspec.structs.asdict(report)})
    return {**whole, "seconds": round(report.seconds, 3)}


def as_json(report: Report) -> str:
    """The report as JSON."""
    return msgspec.json.format(msgspec.json.encode(as_data(report)), indent=2).decode()


def as_junit(report: Report) -> str:
    """The report as JUnit XML: a suite a level, a case a check; what was not shown or not run is `skipped`."""
    root = ElementTree.Element("testsuites", name="kube46 conformance", time=f"{report.seconds:.3f}")
    for level in report.level.included:
        suite = ElementTree.SubElement(root, "testsuite", name=f"KEP-563 {level}")
        for item in report.checks:
            if item.level is level:
                _case(suite, item)
    for element in (root, *root):
        for name, tag in (("tests", "testcase"), ("failures", "failure"), ("skipped", "skipped")):
            element.set(name, str(len(list(element.iter(tag)))))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _case(suite: ElementTree.Element, item: Outcome) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", classname=f"kep563.{item.level}", name=item.name, time=f"{item.seconds:.3f}"
    )
    if item.verdict is Verdict.FAILED:
        failure = ElementTree.SubElement(case, "failure", message=f"{item.promise}: {item.reasons[0]}")
        failure.text = "\n".join([*item.reasons, f"mend: {item.mend}"])
    elif item.verdict is not Verdict.PASSED:
        ElementTree.SubElement(case, "skipped", message=f"{item.verdict}: {'; '.join(item.reasons)}")


def as_table(report: Report, *, colour: bool) -> str:
    """A line a check by level; below a cross, why it is one and what to look at."""
    width = max((len(item.name) for item in report.checks), default=0)
    nodes = f"{len(report.nodes)} node{'s' * (len(report.nodes) != 1)}"
    lines = [f"Kubernetes {report.version}, Services of {','.join(report.families)}, {nodes}"]
    for level in report.level.included:
        if own := [item for item in report.checks if item.level is level]:
            lines += ["", _painted(str(level), BOLD, colour)]
            lines += [line for item in own for line in _lines(item, width, colour)]
    return "\n".join([*lines, "", _verdict(report, colour)])


def _lines(item: Outcome, width: int, colour: bool) -> list[str]:
    mark, style = MARKS[item.verdict]
    text = item.promise
    if item.verdict in (Verdict.SKIPPED, Verdict.NOT_RUN):
        text = _painted(f"{item.verdict}: {'; '.join(item.reasons)}", DIM, colour)
    lines = [f"  {_painted(mark, style, colour)} {item.name:<{width}}  {text}"]
    if item.verdict is Verdict.FAILED:
        more = len(item.reasons) - MOST_REASONS
        lines += [f"      {reason}" for reason in item.reasons[:MOST_REASONS]]
        lines += [f"      and {more} more: see -o json"] if more > 0 else []
        lines.append(f"      → {item.mend}")
    return lines


def _verdict(report: Report, colour: bool) -> str:
    counts = report.counts
    tail = [f"{counts[verdict]} {verdict}" for verdict in (Verdict.SKIPPED, Verdict.NOT_RUN) if counts[verdict]]
    took = f"in {report.seconds:.1f} s"
    if report.passed:
        head = _painted(f"Passed {report.level}: {_checks(counts[Verdict.PASSED])}", GREEN + BOLD, colour)
        return f"{head}{''.join(f', {text}' for text in tail)} {took}"
    total = counts[Verdict.PASSED] + counts[Verdict.FAILED]
    head = _painted(f"Failed {report.level}: {counts[Verdict.FAILED]} of {_checks(total)}", RED + BOLD, colour)
    level = f"; reached: {report.reached}" if report.reached else ""
    return f"{head}{''.join(f', {text}' for text in tail)} {took}{level}"


def _checks(count: int) -> str:
    return f"{count} check{'s' * (count != 1)}"


def _painted(text: str, style: str, colour: bool) -> str:
    return f"{style}{text}{PLAIN}" if colour else text
