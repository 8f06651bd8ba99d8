# ruff: noqa: E501 – tables of cases are read across
"""HorizontalPodAutoscalers: both versions say the same, and what is wrong is said as kube-apiserver says it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kube46.api.autoscaling import conversion, defaults, validation

TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
MEMORY = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}}
EXTERNAL = {"type": "External", "external": {"metric": {"name": "q"}, "target": {"type": "Value", "value": "3"}}}
OBJECT = {
    "type": "Object",
    "object": {"describedObject": TARGET, "metric": {"name": "r"}, "target": {"type": "Value", "value": "9"}},
}
PODS = {"type": "Pods", "pods": {"metric": {"name": "p"}, "target": {"type": "AverageValue", "averageValue": "2"}}}


def scaler(**spec: Any) -> dict[str, Any]:
    """A good one of v2, with changes."""
    obj = {"metadata": {"name": "x"}, "spec": {"scaleTargetRef": dict(TARGET), "maxReplicas": 3, **copy.deepcopy(spec)}}
    defaults.default(obj)
    return obj


@pytest.mark.parametrize("metrics", [[], [MEMORY], [defaults.cpu(50), EXTERNAL], [OBJECT, PODS]])
def test_versions_round_trip(metrics: list[Any]) -> None:
    """What v1 has no field for comes back from its annotations; a behaviour too."""
    behavior = {"scaleUp": {"stabilizationWindowSeconds": 5}}
    obj = scaler(metrics=metrics, behavior=behavior)
    before = copy.deepcopy(obj)
    conversion.to_v1(obj)
    assert set(obj["spec"]) <= {"scaleTargetRef", "maxReplicas", "minReplicas", "targetCPUUtilizationPercentage"}
    conversion.to_v2(obj)
    found, wanted = (sorted(one["spec"].pop("metrics"), key=lambda metric: metric["type"]) for one in (obj, before))
    assert found == wanted
    assert obj["spec"] == before["spec"]
    assert "annotations" not in obj["metadata"]


def test_cpu_has_a_field_of_its_own() -> None:
    """v1 names the CPU's share; nothing else is noted."""
    obj = scaler(metrics=[defaults.cpu(50)])
    conversion.to_v1(obj)
    assert obj["spec"]["targetCPUUtilizationPercentage"] == 50
    assert "annotations" not in obj["metadata"]


def test_broken_annotations_count_as_none() -> None:
    """Who writes nonsense into the annotations loses nothing else."""
    obj = {"metadata": {"annotations": {conversion.METRICS: "{", conversion.BEHAVIOR: "[]", "a": "b"}}, "spec": {}}
    conversion.to_v2(obj)
    assert obj["spec"] == {"metrics": []}
    assert obj["metadata"] == {"annotations": {"a": "b"}}


def test_defaults() -> None:
    """One replica at least, 80 % of the CPU, and the rest of a behaviour that was begun."""
    obj = scaler(behavior={"scaleDown": {"selectPolicy": "Min"}})
    assert obj["spec"]["minReplicas"] == 1
    assert obj["spec"]["metrics"] == [defaults.cpu(80)]
    assert obj["spec"]["behavior"] == {"scaleUp": defaults.UP, "scaleDown": {**defaults.DOWN, "selectPolicy": "Min"}}


@pytest.mark.parametrize(("change", "text"), [
    ({"maxReplicas": 0}, "spec.maxReplicas: Required value"),
    ({"minReplicas": 5}, "spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"),
    ({"scaleTargetRef": {"kind": "Deployment", "name": "x"}}, 'spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group'),
    ({"scaleTargetRef": {**TARGET, "name": ""}}, "spec.scaleTargetRef.name: Required value"),
    ({"metrics": [{"type": "Pods"}]}, "spec.metrics[0].pods: Required value: must populate information for the given metric source"),
    ({"metrics": [{**MEMORY, **PODS}]}, "spec.metrics[0].resource: Forbidden: must populate the given metric source only"),
    ({"metrics": [defaults.cpu(0)]}, "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0"),
    ({"behavior": {"scaleUp": {"selectPolicy": "Most"}}}, 'spec.behavior.scaleUp.selectPolicy: Unsupported value: "Most": supported values: "Disabled", "Max", "Min"'),
    ({"behavior": {"scaleDown": {"stabilizationWindowSeconds": 3601}}}, "spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600"),
])  # fmt: skip
def test_errors(change: dict[str, Any], text: str) -> None:
    """Each mistake, in upstream's words."""
    assert text in [error.text for error in validation.errors(scaler(**change))]


def test_good_ones() -> None:
    """Every kind of metric is accepted."""
    assert validation.errors(scaler(metrics=[MEMORY, EXTERNAL, OBJECT, PODS, defaults.cpu(5)])) == []


def test_once_v1_always_v1() -> None:
    """What has the form of v1 already keeps its annotations when it is brought there again."""
    hpa = {
        "spec": {"metrics": [{"type": "Resource", "resource": {"name": "memory", "target": {"averageUtilization": 7}}}]}
    }
    conversion.to_v1(hpa)
    again = copy.deepcopy(hpa)
    conversion.to_v1(again)
    assert (again, conversion.METRICS in hpa["metadata"]["annotations"]) == (hpa, True)
