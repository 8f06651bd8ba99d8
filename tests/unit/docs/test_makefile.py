"""`make` does what it lists."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BENCHES = sorted(path.stem for path in (ROOT / "bench").glob("*.py"))
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z0-9-]+):.*##", MAKEFILE, flags=re.MULTILINE)


def planned(target: str) -> str:
    """The commands that `make TARGET` would run."""
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("name", BENCHES)
def test_each_bench_runs(name: str) -> None:
    """A pattern rule is not looked for when its target is phony: `make bench-up` did nothing."""
    assert f"bench/{name}.py" in planned(f"bench-{name}")


@pytest.mark.parametrize("target", TARGETS)
def test_each_listed_target_does_something(target: str) -> None:
    """None is empty, or taken for a file that is up to date."""
    assert "Nothing to be done" not in planned(target)


def test_no_target_is_a_file() -> None:
    """All are phony: a file of the same name stands in no target's way."""
    declared = re.findall(r"^\.PHONY: (.*)", MAKEFILE, flags=re.MULTILINE)
    assert sorted(" ".join(declared).split()) == sorted(TARGETS)
