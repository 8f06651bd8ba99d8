"""How many pods of a PodDisruptionBudget may be evicted."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from kube46.api.objects import Pod
from kube46.api.workload_objects import PodDisruptionBudget
from kube46.lab.controllers.disruption import rules

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
Json = dict[str, Any]


def budget(held: Json | None = None, **spec: Any) -> PodDisruptionBudget:
    body = {"selector": {"matchLabels": {"app": "web"}}, **spec}
    meta = {"name": "b", "generation": 3}
    return msgspec.convert({"metadata": meta, "spec": body, "status": held or {}}, PodDisruptionBudget)


def pods(ready: int, unready: int = 0, going: int = 0) -> list[Pod]:
    found = []
    for number in range(ready + unready + going):
        meta: Json = {"name": f"p{number}", "labels": {"app": "web"}}
        if number >= ready + unready:
            meta["deletionTimestamp"] = "2026-11-23T12:00:00Z"
        condition = {"type": "Ready", "status": str(not ready <= number < ready + unready)}
        found.append(msgspec.convert({"metadata": meta, "status": {"conditions": [condition]}}, Pod))
    return found


@pytest.mark.parametrize(
    ("spec", "there", "scale", "expected"),
    [
        ({"minAvailable": 2}, pods(3), 0, (3, 2, 3, 1)),
        ({"minAvailable": 2}, pods(2), 0, (2, 2, 2, 0)),
        ({"minAvailable": 2}, pods(1, 5), 0, (6, 2, 1, 0)),
        ({"minAvailable": "50%"}, pods(4), 5, (5, 3, 4, 1)),
        ({"maxUnavailable": 1}, pods(3), 3, (3, 2, 3, 1)),
        ({"maxUnavailable": "30%"}, pods(3, 1), 4, (4, 2, 3, 1)),
        ({"maxUnavailable": 9}, pods(1), 3, (3, 0, 1, 1)),
        ({"maxUnavailable": 1}, pods(2, 0, 1), 3, (3, 2, 2, 0)),
        ({"minAvailable": 0}, [], 0, (0, 0, 0, 0)),
        ({}, pods(2), 0, (0, 0, 2, 0)),
    ],
)
def test_counts(spec: Json, there: list[Pod], scale: int, expected: tuple[int, int, int, int]) -> None:
    """Expected, wanted and healthy pods, and what may go."""
    found = rules.status(budget(**spec), there, scale, NOW)
    names = ("expectedPods", "desiredHealthy", "currentHealthy", "disruptionsAllowed")
    assert tuple(found[name] for name in names) == expected


def test_allowed_evictions_count_until_they_show() -> None:
    """A pod whose eviction was allowed is not healthy; one that was not deleted within two minutes is again."""
    fresh = budget({"disruptedPods": {"p0": "2026-11-23T11:59:30Z", "gone": "2026-11-23T11:59:30Z"}}, minAvailable=1)
    found = rules.status(fresh, pods(2), 0, NOW)
    assert (found["currentHealthy"], found["disruptionsAllowed"]) == (1, 0)
    assert found["disruptedPods"] == {"p0": "2026-11-23T11:59:30Z", "gone": None}
    assert rules.until_recheck(fresh, NOW) == 90
    stale = budget({"disruptedPods": {"p0": "2026-11-23T11:50:00Z"}}, minAvailable=1)
    assert rules.status(stale, pods(2), 0, NOW)["disruptionsAllowed"] == 1


def test_failure_allows_nothing() -> None:
    """Where the expected count is not known, nothing goes, and the condition says why."""
    found = rules.status(budget(maxUnavailable=1), pods(3), 3, NOW, "found no controllers")
    assert (found["disruptionsAllowed"], found["conditions"][0]["reason"]) == (0, "SyncFailed")
    assert found["conditions"][0]["message"] == "found no controllers"


def test_selectors() -> None:
    """No selector selects nothing, an empty one everything."""
    assert not rules.selects(budget(selector=None), pods(1)[0])
    assert rules.selects(budget(selector={}), pods(1)[0])
    assert not rules.selects(budget(selector={"matchLabels": {"app": "x"}}), pods(1)[0])
