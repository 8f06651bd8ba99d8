"""The matrix as people and programs read it."""

from collections.abc import Sequence

import msgspec

from kube46.check.model import MEANING, Cell, Target

GREEN, RED, DIM, BOLD, PLAIN = "\033[32m", "\033[31m", "\033[2m", "\033[1m", "\033[0m"


class Report(msgspec.Struct, frozen=True):
    """A whole run: which families were checked, every cell, and how long the probes took, seconds.

    `left_out`: the nodes that were not Ready. A cluster with such a node does not pass, whatever the cells say.
    """

    families: tuple[str, ...]
    cells: tuple[Cell, ...]
    seconds: float
    left_out: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every node was checked and every cell has a tick."""
        return not self.failures and not self.left_out

    @property
    def failures(self) -> list[Cell]:
        """The cells with a cross."""
        return [cell for cell in self.cells if not cell.good]


def as_json(report: Report) -> str:
    """The report for programs."""
    summary = {"cells": len(report.cells), "failed": len(report.failures)}
    body = {"passed": report.passed, "summary": summary, **msgspec.to_builtins(report)}
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode()


def as_table(report: Report, *, colour: bool) -> str:
    """One block a family, a row a place, a column a target; below, why each cross is one."""
    rows = list(dict.fromkeys(cell.place for cell in report.cells))
    blocks = [_block(report, family, rows, colour) for family in report.families]
    failures = report.failures
    probes = sum(cell.probes for cell in report.cells)
    verdict = (
        _painted(f"{len(failures)} of {len(report.cells)} cells failed", RED + BOLD, colour)
        if failures
        else _painted(f"All {len(report.cells)} cells passed", GREEN + BOLD, colour)
    )
    lines = ["\n\n".join(blocks), "", f"{verdict}: {probes} probes in {report.seconds:.1f} s"]
    if report.left_out:
        text = f"Not checked, for they are not Ready: {', '.join(report.left_out)} (see kubectl get nodes)"
        lines.append(_painted(text, RED + BOLD, colour))
    for cell in failures:
        lines += ["", f"{cell.place} → {cell.target} over {cell.family}: {MEANING[Target(cell.target)]}"]
        lines += [f"  {failure}" for failure in _shortened(cell.failures)]
    return "\n".join(lines)


def _block(report: Report, family: str, rows: Sequence[str], colour: bool) -> str:
    by_place = {(cell.place, cell.target): cell for cell in report.cells if cell.family == family}
    first = max(len(family), *(len(row) for row in rows))
    head = "  ".join(str(target) for target in Target)
    lines = [_painted(f"{family:<{first}}  {head}", BOLD, colour)]
    for row in rows:
        marks = [_mark(by_place.get((row, str(target))), len(target), colour) for target in Target]
        lines.append(f"{row:<{first}}  {'  '.join(marks)}".rstrip())
    return "\n".join(lines)


def _mark(cell: Cell | None, width: int, colour: bool) -> str:
    if cell is None:
        return _painted("·", DIM, colour) + " " * (width - 1)
    mark = _painted("✔", GREEN, colour) if cell.good else _painted("✘", RED, colour)
    return mark + " " * (width - 1)


def _painted(text: str, style: str, colour: bool) -> str:
    return f"{style}{text}{PLAIN}" if colour else text


def _shortened(failures: Sequence[str], most: int = 4) -> list[str]:
    more = len(failures) - most
    return [*failures[:most], *([f"and {more} more"] if more > 0 else [])]
