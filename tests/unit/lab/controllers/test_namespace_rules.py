"""What the conditions of a dying namespace say."""

import datetime
from typing import Any

import msgspec
import pytest

from kube46.api.objects import Condition, Object
from kube46.lab.controllers.namespaces.rules import Found, conditions, differ

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def thing(*finalizers: str) -> Object:
    """An object that is left."""
    return msgspec.convert({"metadata": {"name": "x", "uid": "1", "finalizers": list(finalizers)}}, Object)


@pytest.mark.parametrize(
    ("found", "true"),
    [
        (Found(), {}),
        (
            Found({"pods.": [thing("a"), thing()], "configmaps.": []}),
            {
                "NamespaceContentRemaining": "Some resources are remaining: pods. has 2 resource instances",
                "NamespaceFinalizersRemaining": "Some content in the namespace has finalizers remaining: "
                "a in 1 resource instances",
            },
        ),
        (
            Found(failed=["z", "b"]),
            {"NamespaceDeletionContentFailure": "Failed to delete all resource types, 2 remaining: b, z"},
        ),
        (
            Found(undiscovered={"g/v1": "away"}),
            {"NamespaceDeletionDiscoveryFailure": "Discovery failed for some groups, 1 failing: g/v1: away"},
        ),
    ],
)
def test_each_condition_is_told(found: Found, true: dict[str, str]) -> None:
    """All five conditions are always there; those that hold say why, and only a pass without any ends the namespace."""
    told = conditions((), found, NOW)
    assert [one["type"] for one in told] == [
        "NamespaceDeletionDiscoveryFailure", "NamespaceDeletionGroupVersionParsingFailure",
        "NamespaceDeletionContentFailure", "NamespaceContentRemaining", "NamespaceFinalizersRemaining",
    ]  # fmt: skip
    assert {one["type"]: one["message"] for one in told if one["status"] == "True"} == true
    assert all(one["reason"] for one in told)
    assert found.empty == (not true)


def test_conditions_that_are_written_are_not_written_again() -> None:
    """The same findings differ from what is written in nothing; the time of a condition is of its last change."""
    found = Found({"pods.": [thing()]})
    told: Any = conditions((), found, NOW)
    held = msgspec.convert(told, list[Condition])
    later = NOW + datetime.timedelta(hours=1)
    assert not differ(held, conditions(held, found, later))
    assert conditions(held, Found(), later)[3]["lastTransitionTime"] != told[3]["lastTransitionTime"]
    assert conditions(held, Found(), later)[4]["lastTransitionTime"] == told[4]["lastTransitionTime"]
