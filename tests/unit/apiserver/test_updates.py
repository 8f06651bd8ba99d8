"""Metadata that a write may set: by /status, of what is on its way out, in dry runs."""

from __future__ import annotations

from typing import Any

import pytest

from kube46.apiserver import updates
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.writes import Call

Object = dict[str, Any]
THEN, LATER = "2026-01-01T00:00:00Z", "2030-01-01T00:00:00Z"


def stored(**meta: Any) -> Object:
    """An object as it is stored."""
    whole = {"name": "a", "uid": "u", "creationTimestamp": THEN, "generation": 3, "labels": {"a": "b"}, **meta}
    return {"metadata": whole, "spec": {}, "status": {}}


def written(plural: str, subresource: str = "", **meta: Any) -> Object:
    """What becomes of metadata that a PUT sends."""
    call = Call(BY_PLURAL[plural], "a", "x", subresource)
    found: Object = updates.carry_over(call, {"metadata": {"name": "a", **meta}, "status": {"x": 1}}, stored())[
        "metadata"
    ]
    return found


@pytest.mark.parametrize(
    ("plural", "labels", "deletion"),
    [("ingresses", {"c": "d"}, LATER), ("deployments", {"a": "b"}, LATER), ("pods", {"c": "d"}, None),
     ("servicecidrs", {"a": "b"}, None)],
)  # fmt: skip
def test_metadata_by_way_of_status(plural: str, labels: Object, deletion: str | None) -> None:
    """/status takes metadata as sent but for what its kind resets; a deletion that is set is refused later."""
    found = written(plural, "status", labels={"c": "d"}, deletionTimestamp=LATER, generation=9)
    assert (found["labels"], found.get("deletionTimestamp"), found["generation"]) == (labels, deletion, 3)


def test_what_the_server_decides() -> None:
    """uid, creation and generation stay; a link to itself is forgotten where the object is stored, not here."""
    found = written("services", creationTimestamp=LATER, generation=9, selfLink="/x")
    assert found == {"name": "a", "uid": "u", "creationTimestamp": THEN, "generation": 3, "selfLink": "/x"}


def test_what_is_on_its_way_out_stays_so() -> None:
    """Another time is put back, a grace period that is left out, too."""
    meta: Object = {"deletionTimestamp": LATER}
    updates.keep_deletion(meta, {"deletionTimestamp": THEN, "deletionGracePeriodSeconds": 0})
    assert meta == {"deletionTimestamp": THEN, "deletionGracePeriodSeconds": 0}
    updates.keep_deletion(meta := {"deletionTimestamp": LATER}, {})
    assert meta == {"deletionTimestamp": LATER}


def test_revisions() -> None:
    """None is 0; what is no number is refused in Go's words."""
    assert [updates.revision(meta) for meta in ({}, {"resourceVersion": ""}, {"resourceVersion": "7"})] == [0, 0, 7]
    with pytest.raises(StatusError, match='parsing "x": invalid syntax') as refusal:
        updates.revision({"resourceVersion": "x"})
    assert refusal.value.code == 500
