"""Conversations about Events, which two groups serve: each owns fields by its own names, and one is stricter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cluster.machinery_applies import apply
from cluster.machinery_patches import delete, get, patch, post, put

if TYPE_CHECKING:
    from cluster.machinery_player import Step

NEW, CORE = "/apis/events.k8s.io/v1/namespaces/{ns}/events", "/api/v1/namespaces/{ns}/events"
WHEN = "2026-01-01T00:00:00.000000Z"
POD = {"kind": "Pod", "name": "p", "namespace": "{ns}"}


def new(name: str, **more: Any) -> dict[str, Any]:
    """An Event as events.k8s.io has it."""
    said = {
        "eventTime": WHEN, "reportingController": "a.b/c", "reportingInstance": "i", "action": "act", "reason": "r",
        "type": "Normal", "note": "n", "regarding": POD,
    }  # fmt: skip
    return {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": name}, **said, **more}


def core(name: str, **more: Any) -> dict[str, Any]:
    """An Event as old clients write it."""
    said = {"reason": "r", "type": "Normal", "message": "n", "source": {"component": "x"}, "involvedObject": POD}
    return {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, **said, **more}


SERIES = {"count": 2, "lastObservedTime": WHEN}
BAD: tuple[dict[str, Any], ...] = (
    {"eventTime": None}, {"type": "x"}, {"type": ""}, {"deprecatedCount": 1}, {"deprecatedFirstTimestamp": "2026-01-01T00:00:00Z"},
    {"deprecatedSource": {"component": "x"}}, {"series": {"count": 1}}, {"reportingController": ""}, {"reportingController": "a b"}, {"reportingInstance": ""},
    {"action": ""}, {"reason": "x" * 129}, {"note": "x" * 1025}, {"regarding": {"name": "x"}}, {"eventTime": None, "series": {}}, {"metadata": {"name": "A_b"}},
)  # fmt: skip
CHANGES: tuple[dict[str, Any], ...] = (
    {"note": "x"}, {"reason": "x", "type": "Warning"}, {"series": None}, {"series": {"count": 1}}, {"regarding": {**POD, "name": "x"}}, {"eventTime": None},
    {"action": "x", "related": POD, "reportingController": "x.y/z", "reportingInstance": "x"}, {"deprecatedCount": 2}, {"deprecatedSource": {"host": "x"}}, {"metadata": {"labels": {"a": "b"}}},
)  # fmt: skip
CONVERSATIONS: dict[str, list[Step]] = {
    "events: two groups": [
        post(NEW, new("e")), get(f"{NEW}/e"), get(f"{CORE}/e"), patch(f"{NEW}/e", {"series": SERIES}), patch(f"{NEW}/e?fieldManager=y", {"note": "changed"}),
        patch(f"{CORE}/e?fieldManager=z", {"message": "again"}), get(f"{NEW}/e"), get(f"{CORE}/e"), post(CORE, core("c")), get(f"{NEW}/c"), patch(f"{NEW}/c", {"note": "new"}), get(f"{CORE}/c"),
        put(f"{NEW}/e", new("e", note="put")), apply(f"{NEW}/a", new("a")), apply(f"{NEW}/a", new("a", note="x"), "you"), get(f"{CORE}/a"),
        apply(f"{NEW}/e", {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"}, "note": "mine"}), delete(f"{NEW}/e"), get(NEW), get(CORE),
    ],
    "events: what is refused": [
        *(post(NEW, new(f"e{n}", **bad)) for n, bad in enumerate(BAD)), *(post(CORE, core(f"c{n}", eventTime=WHEN, **bad)) for n, bad in enumerate(({}, {"reportingComponent": "a b"}, {"message": "x" * 1025}))),
        post(NEW, new("e", series=SERIES)), *(patch(f"{NEW}/e", change) for change in CHANGES), put(f"{NEW}/e", new("e")), put(f"{NEW}/other", new("other")), get(f"{NEW}/e"),
    ],
}  # fmt: skip
