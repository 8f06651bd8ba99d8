# ruff: noqa: E501 – tables of cases are read across
"""LimitRanges: what they fill in, forbid and may say, in kube-apiserver's words."""

from typing import Any

import pytest

from kube46.api import limitranges

Object = dict[str, Any]


def pod(*containers: Object, start: tuple[Object, ...] = (), **spec: Any) -> Object:
    """A pod of containers with these resources."""
    made = [{"name": f"c{n}", "resources": one} for n, one in enumerate(containers)]
    first = [{"name": f"i{n}", "resources": one} for n, one in enumerate(start)]
    return {"metadata": {"name": "p"}, "spec": {"containers": made, "initContainers": first, **spec}}


def limits(*items: Object) -> Object:
    """A LimitRange of these items."""
    return {"spec": {"limits": list(items)}}


def test_defaults() -> None:
    """Each container gets what it doesn't say, and an annotation tells."""
    obj = pod({"requests": {"cpu": "300m"}, "limits": {"cpu": "300m"}}, start=({},))
    limitranges.fill(
        obj,
        limits({"type": "Container", "default": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": {"memory": "1Mi"}}),
    )
    assert obj["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "300m", "memory": "1Mi"}, "limits": {"cpu": "300m", "memory": "1Gi"},
    }  # fmt: skip
    assert obj["spec"]["initContainers"][0]["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}
    told = "LimitRanger plugin set: memory request for container c0; memory limit for container c0; memory request for init container i0; cpu, memory limit for init container i0"
    assert obj["metadata"]["annotations"] == {limitranges.ANNOTATION: told}


def test_nothing_to_fill_in() -> None:
    """A pod that says everything is left alone."""
    obj = pod({"requests": {"cpu": "1"}, "limits": {"cpu": "1"}})
    limitranges.fill(
        obj,
        limits(
            {"type": "Container", "default": {"cpu": "2"}, "defaultRequest": {"cpu": "2"}},
            {"type": "Pod", "max": {"cpu": "3"}},
        ),
    )
    assert obj == pod({"requests": {"cpu": "1"}, "limits": {"cpu": "1"}})


@pytest.mark.parametrize(("obj", "item", "expected"), [
    (pod({"requests": {"cpu": "10m"}}), {"type": "Container", "min": {"cpu": "50m"}}, "minimum cpu usage per Container is 50m, but request is 10m"),
    (pod({}), {"type": "Container", "min": {"cpu": "50m"}}, "minimum cpu usage per Container is 50m.  No request is specified"),
    (pod({"requests": {"cpu": "1"}, "limits": {"cpu": "20m"}}), {"type": "Container", "min": {"cpu": "50m"}}, "minimum cpu usage per Container is 50m, but limit is 20m"),
    (pod({}), {"type": "Container", "max": {"memory": "1Gi"}}, "maximum memory usage per Container is 1Gi.  No limit is specified"),
    (pod({"limits": {"memory": "2Gi"}}), {"type": "Container", "max": {"memory": "1Gi"}}, "maximum memory usage per Container is 1Gi, but limit is 2Gi"),
    (pod({"limits": {"memory": "1Gi"}, "requests": {"memory": "3Gi"}}), {"type": "Container", "max": {"memory": "1Gi"}}, "maximum memory usage per Container is 1Gi, but request is 3Gi"),
    (pod({"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}), {"type": "Container", "maxLimitRequestRatio": {"cpu": "1500m"}}, "cpu max limit to request ratio per Container is 1500m, but provided ratio is 2.000000"),
    (pod({"limits": {"cpu": "2"}}), {"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}}, "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0"),
    (pod({"requests": {"cpu": "2"}}), {"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}}, "cpu max limit to request ratio per Container is 2, but no limit is specified or limit is 0"),
    (pod({"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}), {"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}}, ""),
    (pod({"limits": {"cpu": "2"}}, {"limits": {"cpu": "2"}}), {"type": "Pod", "max": {"cpu": "3"}}, "maximum cpu usage per Pod is 3, but limit is 4"),
    (pod({"limits": {"cpu": "2"}}, start=({"limits": {"cpu": "5"}},)), {"type": "Pod", "max": {"cpu": "4"}}, "maximum cpu usage per Pod is 4, but limit is 5"),
    (pod({"limits": {"cpu": "2"}}, resources={"limits": {"cpu": "6"}}), {"type": "Pod", "max": {"cpu": "4"}}, "maximum cpu usage per Pod is 4, but limit is 6"),
    (pod({"limits": {"cpu": "2"}}, {}), {"type": "Container", "min": {"cpu": "1"}}, "minimum cpu usage per Container is 1.  No request is specified"),
    (pod({"limits": {"cpu": "9", "memory": "9"}}), {"type": "Container", "max": {"cpu": "1", "memory": "1"}}, "[maximum cpu usage per Container is 1, but limit is 9, maximum memory usage per Container is 1, but limit is 9]"),
    (pod({}), {"type": "PersistentVolumeClaim", "max": {"storage": "1"}}, ""),
])  # fmt: skip
def test_pods(obj: Object, item: Object, expected: str) -> None:
    """Each way in which a pod is not as wanted; the same of several containers is told once."""
    assert limitranges.refusal("pods", obj, limits(item)) == expected


@pytest.mark.parametrize(("size", "expected"), [
    ("1Gi", "minimum storage usage per PersistentVolumeClaim is 2Gi, but request is 1Gi"),
    ("3Gi", ""),
    ("5Gi", "maximum storage usage per PersistentVolumeClaim is 4Gi, but request is 5Gi"),
])  # fmt: skip
def test_claims(size: str, expected: str) -> None:
    """A claim that is too small or too big."""
    claim = {"spec": {"resources": {"requests": {"storage": size}}}}
    item = {"type": "PersistentVolumeClaim", "min": {"storage": "2Gi"}, "max": {"storage": "4Gi"}}
    assert limitranges.refusal("persistentvolumeclaims", claim, limits(item)) == expected


@pytest.mark.parametrize(("items", "expected"), [
    ([{"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "1"}}], []),
    ([{"type": "Pod"}, {"type": "Pod"}], ['spec.limits[1].type: Duplicate value: "Pod"']),
    ([{"type": "Node"}], ['spec.limits[0].type: Invalid value: "Node": must be a standard limit type or fully qualified']),
    ([{"type": "Pod", "default": {"cpu": "1"}}], ["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"]),
    ([{"type": "Container", "max": {"cpu": "1"}, "min": {"cpu": "2"}}], ['spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1']),
    ([{"type": "Container", "max": {"storage": "1"}}], ['spec.limits[0].max[storage]: Invalid value: "storage": must be a standard resource for containers']),
    ([{"type": "Container", "max": {"requests.a.b/c": "1"}}], ['spec.limits[0].max[requests.a.b/c]: Invalid value: "requests.a.b/c": doesn\'t follow extended resource name standard']),
    ([{"type": "PersistentVolumeClaim"}], ["spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided"]),
    ([{"type": "Container", "maxLimitRequestRatio": {"cpu": "500m"}}], ['spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1']),
    ([{"type": "Container", "max": {"cpu": "3"}, "min": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "2"}}], ['spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "2": ratio 2 is greater than max/min = 1.500000']),
    ([{"type": "Container", "default": {"a.b/c": "1"}, "defaultRequest": {"a.b/c": "0"}}], ['spec.limits[0].defaultRequest[a.b/c]: Invalid value: "0": default value 1 must equal to defaultRequest value 0 in a.b/c']),
    ([{"type": "Container", "default": {"cpu": "3"}, "defaultRequest": {"cpu": "4"}, "max": {"cpu": "2"}}], [
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "4": default request value 4 is greater than max value 2',
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "4": default request value 4 is greater than default limit value 3',
        'spec.limits[0].default[cpu]: Invalid value: "2": default value 3 is greater than max value 2',
    ]),
])  # fmt: skip
def test_mistakes(items: list[Object], expected: list[str]) -> None:
    """What contradicts itself, or is known to nobody."""
    assert [error.text for error in limitranges.errors(limits(*items))] == expected
