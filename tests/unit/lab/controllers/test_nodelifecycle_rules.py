"""What a node's silence means."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kube46.api.objects import Node, Pod
from kube46.lab.controllers import clock
from kube46.lab.controllers.nodelifecycle import rules

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
UNREACHABLE, NOT_READY = rules.UNREACHABLE, rules.NOT_READY


def node(ready: str = "True", taints: list[dict[str, Any]] | None = None, **spec: Any) -> Node:
    conditions = [{"type": kind, "status": ready} for kind in rules.HEARTBEATS]
    return msgspec.convert({"spec": {"taints": taints or [], **spec}, "status": {"conditions": conditions}}, Node)


def pod(*tolerations: dict[str, Any]) -> Pod:
    return msgspec.convert({"spec": {"tolerations": list(tolerations)}}, Pod)


def test_silence_turns_all_conditions_once() -> None:
    """All four conditions become Unknown; a second look finds nothing to do."""
    wanted = rules.silent_conditions(node(), NOW)
    assert [c["type"] for c in wanted] == list(rules.HEARTBEATS)
    assert {(c["status"], c["reason"]) for c in wanted} == {("Unknown", "NodeStatusUnknown")}
    assert rules.silent_conditions(node("Unknown"), NOW) == []
    assert {c["reason"] for c in rules.silent_conditions(Node(), NOW)} == {"NodeStatusNeverUpdated"}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (node(), None),
        (node("False"), [(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]),
        (node("Unknown"), [(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]),
        (node(unschedulable=True), [(rules.UNSCHEDULABLE, "NoSchedule")]),
        (node(taints=[{"key": UNREACHABLE, "effect": "NoExecute"}]), []),
        (
            node("False", [{"key": "mine", "effect": "NoExecute"}]),
            [("mine", "NoExecute"), (NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")],
        ),
        (node("Unknown", [{"key": UNREACHABLE, "effect": e} for e in ("NoSchedule", "NoExecute")]), None),
    ],
)
def test_taints_follow_readiness(where: Node, expected: list[tuple[str, str]] | None) -> None:
    """Taints of ours come and go with readiness and cordon; those of others stay."""
    found = rules.taints(where, NOW)
    assert (None if found is None else [(t.key, t.effect) for t in found]) == expected


EXISTS = {"operator": "Exists"}


@pytest.mark.parametrize(
    ("key", "tolerations", "wait"),
    [
        ("mine", [], 0),
        ("mine", [{"key": "mine", **EXISTS}], None),
        ("mine", [{"key": "mine", **EXISTS, "tolerationSeconds": 30}], 20),
        ("mine", [{"key": "mine", **EXISTS, "tolerationSeconds": 5}], 0),
        (UNREACHABLE, [], 290),
        (UNREACHABLE, [{**EXISTS}], None),
        (UNREACHABLE, [{"key": UNREACHABLE, **EXISTS, "effect": "NoExecute", "tolerationSeconds": 60}], 50),
        (UNREACHABLE, [{"key": NOT_READY, **EXISTS, "effect": "NoExecute", "tolerationSeconds": 60}], 290),
    ],
)
def test_evictions_wait_as_tolerated(key: str, tolerations: list[dict[str, Any]], wait: float | None) -> None:
    """A pod leaves a tainted node after the time that it tolerates, counted from the taint."""
    since = clock.text(NOW - timedelta(seconds=10))
    where = node(taints=[{"key": key, "effect": "NoExecute", "timeAdded": since}])
    assert rules.eviction_wait(pod(*tolerations), where, NOW) == wait


def test_only_new_signs_count() -> None:
    """A lease that does not change is no sign of life, whatever time it names."""
    beat = rules.Heartbeat("2030-01-01T00:00:00Z", 100.0)
    beat.hear("2030-01-01T00:00:00Z", 150.0)
    assert beat.seen == 100.0
    beat.hear("1999-01-01T00:00:00Z", 160.0)
    assert beat.seen == 160.0


def test_taints_without_a_time_count_from_when_they_were_seen() -> None:
    """What `kubectl taint` wrote is dated once; a taint that went and came back is dated anew."""
    where = node(taints=[{"key": "k", "effect": "NoExecute"}])
    who = pod({"key": "k", **EXISTS, "effect": "NoExecute", "tolerationSeconds": 60})
    first, seen = rules.dated(where, {}, NOW)
    assert rules.eviction_wait(who, first, NOW) == 60
    later = NOW + timedelta(seconds=45)
    again, seen = rules.dated(where, seen, later)
    assert rules.eviction_wait(who, again, later) == 15
    _, seen = rules.dated(node(), seen, later)
    assert rules.eviction_wait(who, rules.dated(where, seen, later)[0], later) == 60
