"""The checks as a whole."""

import itertools
import re
from pathlib import Path

import pytest

from kube46.addresses.families import Family
from kube46.conformance import catalog
from kube46.conformance.claims import NotFound, Refused
from kube46.conformance.model import Facts, From, Level, Step, Verb

CLUSTERS = [tuple(Family(name) for name in names.split(",")) for names in ("IPv4", "IPv6", "IPv4,IPv6", "IPv6,IPv4")]


def test_names_are_one_a_promise() -> None:
    """Short enough for a Service's name with a step's behind it, and none twice."""
    names = [item.name for item in catalog.promises(Level.GA)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9-]{2,29}", name) for name in names)


def test_each_promise_is_documented() -> None:
    """The page names every check in the row of its level and criterion."""
    page = (Path(__file__).parents[3] / "docs/reference/conformance-gate.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| ")]
    for item in catalog.promises(Level.GA):
        row = next(row for row in rows if f"`{item.name}`" in row[-2])
        assert row[1].strip() == item.level
        assert item.criterion.split(": ")[-1] in row[2], item.criterion


def test_levels_grow() -> None:
    """What alpha asks for, beta and GA ask for, too."""
    sizes = [len(catalog.promises(level)) for level in Level]
    assert sizes == sorted(sizes)
    assert {item.level for item in catalog.promises(Level.ALPHA)} == {Level.ALPHA}


@pytest.mark.parametrize("families", CLUSTERS, ids="-".join)
def test_conversations_refer_to_what_was_said_before(families: tuple[Family, ...]) -> None:
    """Bodies and claims take values of earlier steps only; where steps stand alone, of none."""

    def references(value: object) -> list[int]:
        if isinstance(value, From):
            return [value.step]
        if isinstance(value, dict | list | tuple):
            parts = value.values() if isinstance(value, dict) else value
            return list(itertools.chain.from_iterable(map(references, parts)))
        return references(getattr(value, "value", ()))

    for check in catalog.CONVERSATIONS:
        steps = check.steps(Facts("v1", families))
        if isinstance(steps, str):
            assert len(families) in (1, 2)
            continue
        for number, step in enumerate(steps):
            used = [*references(dict(step.body)), *references(list(step.claims))]
            used += [step.base] if step.base is not None else []
            assert all(0 <= earlier < number for earlier in used), (check.promise.name, number)
            assert not (check.alone and used)


@pytest.mark.parametrize("families", CLUSTERS, ids="-".join)
def test_nothing_reaches_a_cloud(families: tuple[Family, ...]) -> None:
    """A load balancer would be made, and paid for: it is asked for by dry run only."""

    def stored(step: Step) -> bool:
        refused = any(isinstance(claim, Refused | NotFound) for claim in step.claims)
        return step.verb in (Verb.CREATE, Verb.REPLACE, Verb.MERGE, Verb.APPLY) and not step.dry_run and not refused

    for check in catalog.CONVERSATIONS:
        steps = check.steps(Facts("v1", families))
        for step in steps if not isinstance(steps, str) else ():
            if stored(step):
                assert dict(step.body).get("spec", {}).get("type") != "LoadBalancer"
