"""When a quota is counted anew."""

from typing import Any

import msgspec
import pytest

from kube46.api.objects import Pod, Service
from kube46.lab.controllers.resourcequotas import rules

META = {"name": "x", "namespace": "n", "generation": 1}


def quota(hard: dict[str, str], told: dict[str, str] | None, used: dict[str, str]) -> dict[str, Any]:
    """A quota with this status; None is one that nobody has counted."""
    return {"spec": {"hard": hard}, "status": {} if told is None else {"hard": told, "used": used}}


@pytest.mark.parametrize(("obj", "behind"), [
    (quota({"pods": "1"}, None, {}), True),
    (quota({"pods": "1"}, {"pods": "1"}, {"pods": "0"}), False),
    (quota({"memory": "1024Mi"}, {"memory": "1Gi"}, {"memory": "0"}), False),
    (quota({"pods": "2"}, {"pods": "1"}, {"pods": "0"}), True),
    (quota({"pods": "1", "count/a.b": "1"}, {"pods": "1", "count/a.b": "1"}, {"pods": "0"}), True),
])  # fmt: skip
def test_behind(obj: dict[str, Any], behind: bool) -> None:
    """A status is behind that doesn't tell of all that is limited now."""
    assert rules.is_behind(obj) is behind


def test_a_status_that_says_the_same_in_other_words() -> None:
    """It is not written again; one that says something else is."""
    held = quota({"memory": "1Gi"}, {"memory": "1Gi"}, {"memory": "1024Mi"})
    assert not rules.differs(held, {"hard": {"memory": "1Gi"}, "used": {"memory": "1Gi"}})
    assert rules.differs(held, {"hard": {"memory": "1Gi"}, "used": {"memory": "2Gi"}})


def pod(phase: str = "Running", generation: int = 1, *conditions: dict[str, str]) -> Pod:
    """A pod of this phase."""
    status = {"phase": phase, "conditions": list(conditions)}
    return msgspec.convert({"metadata": META | {"generation": generation}, "status": status}, Pod)


def service(kind: str, ports: int = 1) -> Service:
    """A Service of this type."""
    return msgspec.convert({"metadata": META, "spec": {"type": kind, "ports": [{"port": 1}] * ports}}, Service)


@pytest.mark.parametrize(("plural", "old", "new", "less"), [
    ("pods", pod(), None, True),
    ("pods", pod("Pending"), pod("Running"), False),
    ("pods", pod(), pod("Succeeded"), True),
    ("pods", pod("Failed"), pod("Succeeded"), False),
    ("pods", pod(), pod("Running", 2), True),
    ("pods", pod("Running", 1, {"type": "PodResizeInProgress", "status": "True"}), pod(), True),
    ("pods", pod("Running", 1, {"type": "Ready", "status": "True"}), pod(), False),
    ("services", service("NodePort"), service("ClusterIP"), True),
    ("services", service("ClusterIP"), service("ExternalName"), False),
    ("services", service("NodePort", 2), service("NodePort", 1), True),
    ("configmaps", service("ClusterIP"), None, True),
])  # fmt: skip
def test_what_may_take_less(plural: str, old: Any, new: Any, less: bool) -> None:
    """What ends, and what changes so that less may be taken."""
    assert rules.may_take_less(plural, old, new) is less
