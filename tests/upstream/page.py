"""docs/reference/conformance.md: what upstream's own specs showed, with the reason for each that does not pass."""

from __future__ import annotations

import json
import platform
import re
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from upstream.reasons import REASONS
from upstream.results import OUTCOMES, Spec, read
from upstream.running import ROOT
from upstream.suites import BOTH, applies

PAGE = ROOT / "docs/reference/conformance.md"
# group, its specs, how many of them a real cluster of such a machine passed, and in how many minutes (issue 8)
REAL = (
    ("`[Feature:IPv6DualStack]`", BOTH, "22 of 23", 12),
    ("`[sig-network] Services`", r"\[sig-network\] Services ", "48 of 48", 27),
)
TEXT = Path(__file__).with_name("page.md")


@dataclass(frozen=True)
class Told:
    """A finished run: what it was, and what it showed."""

    suite: str
    families: str
    seconds: int
    processes: int
    specs: tuple[Spec, ...]

    def count(self, outcome: str) -> int:
        """Specs with that outcome."""
        return sum(spec.outcome == outcome for spec in self.specs)

    def alone(self, pattern: str = "") -> tuple[int, float]:
        """How many specs of such names passed, and the minutes of all of them together: one after the other."""
        specs = [spec for spec in self.specs if re.search(pattern, spec.name)]
        return sum(spec.outcome == "passed" for spec in specs), sum(spec.seconds for spec in specs) / 60


def finished(results: Path) -> list[Told]:
    """The kept runs of whole suites, those of single specs left out."""
    runs = [(json.loads(path.read_text()), read(path.with_name("junit.xml"))) for path in results.glob("*/run.json")]
    told = [
        Told(specs=tuple(spec for spec in specs if applies(spec.name, about["families"])), **about)
        for about, specs in runs
        if about["suite"] != "focus"
    ]
    return sorted(told, key=lambda run: (run.suite != "network", run.suite, "," not in run.families, run.families))


def reason(spec: Spec) -> str:
    """Why it does not pass: as a person found it, else what the spec said of itself."""
    known = next((text for pattern, text in REASONS if re.search(pattern, spec.name)), "")
    return known or spec.said.splitlines()[0][:200] if known or spec.said else "not yet looked into"


def _name(text: str) -> str:
    """A spec's name in a table's cell."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def _beside(runs: list[Told]) -> list[str]:
    """The two groups of specs whose time on a real cluster is known, in a run one at a time, else in one of many."""
    of_both = [run for run in runs if run.families == "ipv4,ipv6"]
    rows = []
    for name, pattern, real, minutes in REAL:
        chosen = sorted((run for run in of_both if run.alone(pattern)[0]), key=lambda run: run.processes > 1)
        if chosen:
            passed, took = chosen[0].alone(pattern)
            how = "one at a time" if chosen[0].processes == 1 else f"added up, {chosen[0].processes} at a time"
            rows.append(f"| {name} | {real} | {minutes} | {passed} | {took:.1f} | {how} |")
    return [
        "\n| on ipv4,ipv6 | a real cluster passes | in minutes | kube46 passes | in minutes | |",
        "|---|--:|--:|--:|--:|---|",
        *rows,
        "\nThe real cluster is containerd, kubelet, kube-proxy and CoreDNS in network namespaces of such a machine, "
        "its specs one at a time. Specs that ran beside others are slower than alone. `should be able to reach pod on "
        "ipv4 and ipv6 ip` polls each way between all nodes for ten seconds: three minutes of three nodes, by design.",
    ]


def _tables(runs: list[Told]) -> str:
    counted = [
        f"| {run.suite} | {run.families} | {len(run.specs)} | {run.count('passed')} | {run.count('failed')} "
        f"| {run.count('skipped')} | {run.seconds / 60:.1f} | {run.processes} | {run.alone()[1]:.1f} |"
        for run in runs
    ]
    wrong: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        for spec in run.specs:
            if spec.outcome != "passed":
                wrong.setdefault((spec.name, reason(spec)), []).append(f"{run.families} {OUTCOMES[spec.outcome]}")
    why = [f"| {_name(name)} | {', '.join(where)} | {_name(text)} |" for (name, text), where in sorted(wrong.items())]
    settings = list(dict.fromkeys(run.families for run in runs))
    took: dict[str, dict[str, str]] = {}
    for run in runs:
        for spec in run.specs:
            took.setdefault(spec.name, {})[run.families] = (
                f"{spec.seconds:.0f} s" if spec.outcome == "passed" else OUTCOMES[spec.outcome]
            )
    each = [
        f"| {_name(name)} | {' | '.join(cells.get(families, '') for families in settings)} |"
        for name, cells in sorted(took.items())
    ]
    return "\n".join(
        [
            "## Runs",
            "| suite | families | specs | passed | failed | skipped | minutes | at a time | all specs' minutes |",
            "|---|---|--:|--:|--:|--:|--:|--:|--:|",
            *counted,
            *_beside(runs),
            "\n## Specs that do not pass",
            "✘ failed, – skipped itself.\n",
            "| spec | where | reason |\n|---|---|---|",
            *why,
            "\n## Each spec",
            f"| spec | {' | '.join(settings)} |\n|---|{'--:|' * len(settings)}",
            *each,
        ]
    )


def write(results: Path) -> None:
    """The page, of all runs that are kept below `results`."""
    upstream = re.search(r"k8s.io/kubernetes (\S+)", (ROOT / "tests/upstream/tools/go.mod").read_text())
    assert upstream, "tests/upstream/tools/go.mod names no k8s.io/kubernetes"
    versions = (
        f"Suite: `k8s.io/kubernetes/test/e2e` {upstream[1]}. kube46 {version('kube46')}, Linux {platform.release()}, "
        f"{time.strftime('%Y-%m-%d', time.gmtime())}."
    )
    text = TEXT.read_text().replace("@VERSIONS@", versions).replace("@TABLES@", _tables(finished(results)))
    PAGE.write_text(text)
