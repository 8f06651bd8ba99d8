"""What a RuntimeClass does to new Pods, as upstream's admission plugin does it."""

from typing import Any

import pytest

from kube46.api.pods.runtimeclasses import admit, merged, schedule

CLASS = {"overhead": {"podFixed": {"cpu": "250m"}}}


@pytest.mark.parametrize(
    ("overhead", "found", "left", "text"),
    [
        (None, None, None, ""),
        (None, {}, None, ""),
        (None, CLASS, {"cpu": "250m"}, ""),
        ({}, CLASS, {"cpu": "250m"}, ""),
        ({"cpu": "0.25"}, CLASS, {"cpu": "250m"}, ""),
        ({"cpu": "1"}, CLASS, {"cpu": "1"}, "Pod's Overhead doesn't match RuntimeClass's defined Overhead"),
        ({"cpu": "1"}, {}, {"cpu": "1"}, "Pod Overhead set without corresponding RuntimeClass defined Overhead"),
        ({}, None, {}, "Pod Overhead set without corresponding RuntimeClass defined Overhead"),
    ],
)
def test_overhead(overhead: Any, found: Any, left: Any, text: str) -> None:
    """The class's overhead is the pod's; one that the pod brings must be the same amount."""
    spec = {} if overhead is None else {"overhead": overhead}
    assert admit(spec, found) == (f"pod rejected: {text}" if text else "")
    assert spec.get("overhead") == left


def test_nodes() -> None:
    """The class's node labels are added to the pod's; the same label with another value is a conflict."""
    found = {"scheduling": {"nodeSelector": {"disk": "fast", "zone": "a"}}}
    spec: dict[str, Any] = {"nodeSelector": {"zone": "a"}}
    assert schedule(spec, found) == ""
    assert spec == {"nodeSelector": {"disk": "fast", "zone": "a"}}
    assert schedule({"nodeSelector": {"zone": "b"}}, found) == (
        "conflict: runtimeClass.scheduling.nodeSelector[zone] = a; pod.spec.nodeSelector[zone] = b"
    )
    assert schedule(spec, {}) == schedule({}, None) == ""


ANY: dict[str, Any] = {"operator": "Exists"}
FOO: dict[str, Any] = {"key": "foo", "operator": "Exists", "effect": "NoExecute"}
EQUAL: dict[str, Any] = {"key": "foo", "operator": "Equal", "value": "bar", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("tolerations", "left"),
    [
        ([], []),
        ([EQUAL, EQUAL], [EQUAL]),
        ([EQUAL, FOO], [FOO]),
        ([FOO, EQUAL], [FOO]),
        ([FOO, ANY], [ANY]),
        ([EQUAL, {**EQUAL, "value": "other"}], [EQUAL, {**EQUAL, "value": "other"}]),
        ([{**FOO, "tolerationSeconds": 5}, FOO], [{**FOO, "tolerationSeconds": 5}, FOO][1:]),
        ([{**FOO, "tolerationSeconds": 5}, {**FOO, "tolerationSeconds": 9}], [{**FOO, "tolerationSeconds": 9}]),
        ([{**EQUAL, "effect": "NoSchedule"}, FOO], [{**EQUAL, "effect": "NoSchedule"}, FOO]),
    ],
)
def test_tolerations(tolerations: list[Any], left: list[Any]) -> None:
    """One that another holds goes, whatever their order; of equal ones the first stays."""
    assert merged(tolerations) == left
