"""`make e2e`: upstream's own e2e specs on a stand-alone cluster of three nodes, of each family setting asked."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from upstream.page import write
from upstream.results import read, table
from upstream.running import PROCESSES, ROOT, Run, cluster, loaded, programs
from upstream.suites import SUITES, suite

if TYPE_CHECKING:
    from pathlib import Path

RESULTS = ROOT / "build/e2e"
SETTINGS = ("ipv4,ipv6", "ipv6,ipv4", "ipv4", "ipv6")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make e2e", description=__doc__)
    parser.add_argument("--families", default="ipv4,ipv6", help="of the cluster; `all` is each of the four in turn")
    parser.add_argument("--suite", default="network", choices=SUITES)
    parser.add_argument("--focus", default="", help="a regular expression of specs, in place of a suite")
    parser.add_argument("--processes", type=int, default=PROCESSES, help="specs at a time")
    parser.add_argument("--name", default="e2e", help="what the clusters' names begin with")
    parser.add_argument("--keep", action="store_true", help="leave the cluster as it is afterwards")
    parser.add_argument("--page", action="store_true", help="write docs/reference/conformance.md of all kept results")
    return parser.parse_args()


def _run(families: str, arguments: argparse.Namespace, built: Path) -> bool:
    """One run; whether all that it took passed."""
    digits = families.replace("ipv", "").replace(",", "")
    name = "focus" if arguments.focus else arguments.suite
    run = Run(
        f"{arguments.name}-{digits}",
        RESULTS / f"{name}-{digits}",
        suite(arguments.suite, families, arguments.focus),
        arguments.processes,
    )
    print(f"{name} on {families}; log: {run.log}", flush=True)
    with cluster(run.name, families, arguments.keep):
        took = run.execute(built)
    specs = read(run.junit)
    about = {"families": families, "suite": name, "seconds": round(took), "processes": run.processes}
    (run.directory / "run.json").write_text(json.dumps(about))
    print(table(specs), f"in {took / 60:.1f} minutes\n", flush=True)
    return bool(specs) and all(spec.outcome != "failed" for spec in specs)


def main() -> int:
    """Runs each family setting; 1 when a spec failed, or none ran."""
    arguments = _arguments()
    if arguments.page:
        write(RESULTS)
        return 0
    settings = SETTINGS if arguments.families == "all" else (arguments.families,)
    built = programs()
    with loaded(built):
        passed = [_run(families, arguments, built) for families in settings]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
