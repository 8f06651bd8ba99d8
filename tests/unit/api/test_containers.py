"""What containers may ask for, in kube-apiserver's words."""

from typing import Any

import pytest

from kube46.api.pods import ephemeral, requirements, security


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}, []),
        ({"limits": {"example.com/gpu": 1}, "requests": {"example.com/gpu": "1"}}, []),
        (
            {"limits": {"cpu": "100m"}, "requests": {"cpu": "0.2"}},
            ['r.requests: Invalid value: "0.2": must be less than or equal to cpu limit of 100m'],
        ),
        ({"limits": {"memory": "-1"}}, ['r.limits[memory]: Invalid value: "-1": must be greater than or equal to 0']),
        (
            {"limits": {"gpu": 1}},
            [
                'r.limits[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified',
                'r.limits[gpu]: Invalid value: "gpu": must be a standard resource for containers',
            ],
        ),
        (
            {"requests": {"example.com/gpu": 1}},
            ["r.limits: Required value: Limit must be set for non overcommitable resources"],
        ),
        (
            {"limits": {"example.com/gpu": 2}, "requests": {"example.com/gpu": 1}},
            ['r.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2'],
        ),
    ],
)
def test_resources(resources: dict[str, Any], expected: list[str]) -> None:
    """A request never exceeds its limit, and nobody asks for less than nothing."""
    assert [f"{error.field}: {error.body}" for error in requirements.validate(resources, "r")] == expected


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({"runAsUser": 0, "runAsGroup": 2**31 - 1, "seccompProfile": {"type": "RuntimeDefault"}}, []),
        ({"runAsUser": -1}, ["s.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive"]),
        (
            {"runAsGroup": 2**31},
            ["s.runAsGroup: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive"],
        ),
        ({"procMount": "None"}, ['s.procMount: Unsupported value: "None": supported values: "Default", "Unmasked"']),
        (
            {"seccompProfile": {}},
            ["s.seccompProfile.type: Required value: type is required when seccompProfile is set"],
        ),
        (
            {"seccompProfile": {"type": "Localhost"}},
            ["s.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost"],
        ),
    ],
)
def test_security_context(context: dict[str, Any], expected: list[str]) -> None:
    """Users are numbers of 31 bits, profiles are of the known types."""
    assert [f"{error.field}: {error.body}" for error in security.of_container(context, "s")] == expected


def test_contradiction() -> None:
    """A privileged container can't be kept from becoming what it is."""
    found = security.of_container({"privileged": True, "allowPrivilegeEscalation": False}, "s")
    assert "cannot set `allowPrivilegeEscalation` to false and `privileged` to true" in found[0].body


def test_pod_security_context() -> None:
    """Every group is looked at."""
    found = security.of_pod({"fsGroup": -1, "supplementalGroups": [1, -2]}, "s")
    assert [error.field for error in found] == ["s.fsGroup", "s.supplementalGroups[1]"]


def test_ephemeral_containers() -> None:
    """Names are unique among all kinds; subPath could outlive the container that made it."""
    good = {"name": "d", "image": "x", "imagePullPolicy": "Always", "resources": {}}
    mounted = good | {"name": "e", "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "s"}]}
    spec = {"containers": [{"name": "c"}], "ephemeralContainers": [good, good, mounted]}
    assert [f"{error.field}: {error.body}" for error in ephemeral.validate(spec, {"v"}, "f")] == [
        'f[1].name: Duplicate value: "d"',
        "f[2].volumeMounts[0].subPath: Forbidden: cannot be set for an Ephemeral Container",
    ]
