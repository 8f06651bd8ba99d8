# ruff: noqa: E501 – tables of cases are read across
"""What a pod asks for as a whole: completed, refused and ranked as by kube-apiserver."""

from typing import Any

import pytest

from kube46.api.pods import wholes

Object = dict[str, Any]


def spec(own: Object | None, *containers: Object) -> Object:
    """A pod's spec with resources of its own and of its containers."""
    return {"resources": own, "containers": [{"name": f"c{n}", "resources": one} for n, one in enumerate(containers)]}


@pytest.mark.parametrize(("own", "containers", "expected"), [
    ({}, [{"requests": {"cpu": "1"}}], {}),
    ({"limits": {"cpu": "3"}}, [{"requests": {"cpu": "1"}}, {"requests": {"cpu": "500m"}}], {"limits": {"cpu": "3"}, "requests": {"cpu": "1500m"}}),
    ({"limits": {"cpu": "3"}}, [{}], {"limits": {"cpu": "3"}, "requests": {"cpu": "3"}}),
    ({"requests": {"cpu": "3"}}, [{"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}], {"limits": {"cpu": "3"}, "requests": {"cpu": "3"}}),
    ({"requests": {"cpu": "3"}}, [{"limits": {"cpu": "4"}}, {}], {"requests": {"cpu": "3"}}),
    ({"requests": {"cpu": "3"}}, [{"limits": {"hugepages-2Mi": "4Mi"}}], {"requests": {"cpu": "3", "hugepages-2Mi": "4Mi"}, "limits": {"hugepages-2Mi": "4Mi"}}),
])  # fmt: skip
def test_defaults(own: Object, containers: list[Object], expected: Object) -> None:
    """Who asks for something is given the rest by the containers' sums."""
    made = spec(own, *containers)
    wholes.default(made)
    assert made["resources"] == expected


@pytest.mark.parametrize(("own", "containers", "expected"), [
    (None, [{}], []),
    ({"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}, [{"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}], []),
    ({"claims": []}, [], ["spec.resources.claims: Forbidden: claims may not be set for Resources at pod-level"]),
    ({"limits": {"ephemeral-storage": "1"}}, [], ['spec.resources.limits[ephemeral-storage]: Unsupported value: "ephemeral-storage": supported values: "cpu", "hugepages-", "memory"']),
    ({"requests": {"cpu": "3"}, "limits": {"cpu": "2"}}, [], ['spec.resources.requests: Invalid value: "3": must be less than or equal to cpu limit of 2']),
    ({"requests": {"cpu": "1"}}, [{"requests": {"cpu": "1"}}, {"requests": {"cpu": "1"}}], ['spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 2']),
    ({"limits": {"cpu": "1"}}, [{"limits": {"cpu": "2"}}], ['spec.resources.containers[0][cpu].limits: Invalid value: "2": must be less than or equal to pod limits of 1']),
    ({"limits": {"cpu": "1", "hugepages-2Mi": "2Mi"}}, [{"limits": {"hugepages-2Mi": "4Mi"}}], [
        'spec.resources.limits[hugepages-2Mi]: Invalid value: "2Mi": must be greater than or equal to aggregate container limits of 4Mi',
        'spec.resources.containers[0][hugepages-2Mi].limits: Invalid value: "4Mi": must be less than or equal to pod limits of 2Mi',
    ]),
])  # fmt: skip
def test_mistakes(own: Object | None, containers: list[Object], expected: list[str]) -> None:
    """What a pod can't ask for, and what does not fit with its containers."""
    assert [error.text for error in wholes.errors(spec(own, *containers), "spec")] == expected


@pytest.mark.parametrize(("own", "expected"), [
    ({"requests": {"cpu": "1", "memory": "1"}, "limits": {"cpu": "1", "memory": "1"}}, "Guaranteed"),
    ({"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}, "Burstable"),
    ({"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}, "Burstable"),
    ({"requests": {"cpu": "0"}, "limits": {"memory": "0"}}, "BestEffort"),
])  # fmt: skip
def test_classes(own: Object, expected: str) -> None:
    """Guaranteed is who asks for as much of both as it is limited to."""
    assert wholes.qos_class(own) == expected
