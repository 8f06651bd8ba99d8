"""Pages that show what was typed and what came: typed again, the same must come."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.conftest import Cluster, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]
ROOT = Path(__file__).parents[2]
CLUSTER = "six"  # as the page calls it
# what differs from run to run, and what stands for it
VARIABLE = (
    (r"fe80::[0-9a-f:]+|fd00:10:[0-9a-f:]+(/\d+)?", "ADDRESS"),
    (r"(?<=-)[bcdfghjklmnpqrstvwxz2456789]{5,10}\b", "SUFFIX"),
    (r"\b\d+s\b", "AGE"),
    (r"node\d", "NODE"),
    (r"@if\d+", "@PEER"),
    (r"\s+", " "),
)


def shape(text: str) -> list[str]:
    """The lines of an output, sorted, without what is different every time."""
    lines = []
    for line in text.strip().splitlines():
        for pattern, stands in VARIABLE:
            line = re.sub(pattern, stands, line)
        lines.append(line.strip())
    return sorted(lines)


def steps(page: str) -> list[tuple[str, str]]:
    """Commands and outputs of a page's indented blocks; starting and deleting the cluster are the test's own."""
    found: list[tuple[str, str]] = []
    for line in page.splitlines():
        if line.startswith("    $ "):
            found.append((line.removeprefix("    $ "), ""))
        elif line.startswith("    ") and found:
            found[-1] = (found[-1][0], f"{found[-1][1]}{line[4:]}\n")
    return [(command, said) for command, said in found if not command.startswith(("kube46 up", "kube46 down"))]


def test_three_tiers_without_ipv4(clusters: Callable[[str], Cluster]) -> None:
    """Every command of docs/tutorial/three-tiers-ipv6.md says what the page says, on an IPv6-only cluster."""
    six = clusters("ipv6")
    script = steps((ROOT / "docs" / "tutorial" / "three-tiers-ipv6.md").read_text())
    assert len(script) > 10
    for command, said in script:
        words = [six.name if word == CLUSTER else word for word in shlex.split(command)]
        words = [str(ROOT / word) if word.startswith("examples/") else word for word in words]

        def again(words: list[str] = words, said: str = said) -> bool:
            run = six.kubectl if words[0] == "kubectl" else lambda *arguments, **o: six.run("kube46", *arguments, **o)
            found = run(*words[1:], timeout=90)
            assert shape(found) == shape(said), " ".join(words)
            return True

        # what changes something is typed once; what only looks may look until all of it is there
        if re.search(r" (create|apply|scale|delete|wait) |cmd=set", command):
            again()
        else:
            eventually(again, 20)
