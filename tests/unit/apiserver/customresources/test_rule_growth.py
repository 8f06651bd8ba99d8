"""What expressions could make of memory is known before they run."""

from __future__ import annotations

import functools

import pytest

from kube46.apiserver.customresources.rule_engine import OutOfBudget, check_budget, compiled, run
from kube46.apiserver.customresources.rule_growth import growth
from kube46.apiserver.expressions import environment

SMALL = {"a": "abc", "names": ["x", "y"], "n": 3}


def doubled(times: int, first: str) -> str:
    """A chain of names each of which is the one before it twice."""
    inner = f"size(v{times}) > 0"
    names = reversed(range(times))
    return f"cel.bind(v0, {first}, {functools.reduce(_bound, names, inner)})"


def _bound(inner: str, number: int) -> str:
    return f"cel.bind(v{number + 1}, v{number} + v{number}, {inner})"


@pytest.mark.parametrize(
    ("expression", "at_least", "at_most"),
    [
        ("self.a == 'x'", 1, 1), ("self.a + self.a == 'x'", 2, 2), (doubled(10, "self.a"), 1024, 1024),
        (doubled(10, "[1]"), 1024, 1024), ("self.a.replace('a', 'bcd') == ''", 4, 4),
        ("self.a.replace('a', self.a) == ''", 100, 110), ("self.names.join(', ') == ''", 3, 3),
        ("self.names.all(n, n + 'x' != self.a)", 2, 2),
    ],
)  # fmt: skip
def test_growth(expression: str, at_least: int, at_most: int) -> None:
    """Sums add up, through bound names, too; what is put in many times multiplies."""
    assert at_least <= growth(compiled(expression).serialized, 100) <= at_most


@pytest.mark.parametrize(
    "expression",
    [
        doubled(28, "self.a"), doubled(28, "[self.a]"),
        "self.a" + ".replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')" * 8 + " == ''",
        "cel.bind(l, self.names.map(n, n + self.a), l" + ".join(self.a).split('')" * 12 + ".size() > 0)",
    ],
)  # fmt: skip
def test_a_bomb_is_not_lit(expression: str) -> None:
    """An expression that could make gigabytes of a few bytes is refused before it runs, in no time."""
    with pytest.raises(OutOfBudget):
        check_budget(compiled(expression), SMALL)


@pytest.mark.parametrize(
    ("count", "refused"),
    [
        ("3", False), ("size(object.names)", False), ("object.n", False), ("400000000", True),
        ("int('400000000')", True), ("object.n * 100000000", True), ("{'a': 400000000}.a", True),
    ],
)  # fmt: skip
def test_lists_of_numbers(count: str, refused: bool) -> None:
    """A list of all numbers below one is made where it is known not to be too long."""
    made = environment.compiled(f"lists.range({count}).size() > 0")
    if refused:
        with pytest.raises(OutOfBudget):
            check_budget(made, {"object": SMALL})
    else:
        check_budget(made, {"object": SMALL})


@pytest.mark.parametrize(
    "expression",
    [
        doubled(8, "self.a"), "self.a.replace('a', self.a) != ''", "self.names.all(n, n.replace('-', self.a) != '')",
        "self.names.join(self.a) != ''", "self.names.map(n, n + ':' + self.a).size() == 2",
    ],
)  # fmt: skip
def test_what_makes_little_runs(expression: str) -> None:
    """Texts put together as policies do are no bombs."""
    check_budget(compiled(expression), SMALL)
    assert run(compiled(expression), SMALL, None) is True
