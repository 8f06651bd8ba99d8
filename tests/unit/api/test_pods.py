"""Pods and templates: defaulting, admission, validation, addresses."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kube46.api.pods import admission, defaults, status, updates, validation


def pod(**spec: Any) -> dict[str, Any]:
    """A defaulted Pod with one container."""
    found: dict[str, Any] = {
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {"containers": [{"name": "c", "image": "img"}], **spec},
    }
    defaults.default(found)
    return found


def texts(spec: dict[str, Any]) -> list[str]:
    """The errors of a spec."""
    return [error.text for error in validation.validate(spec)]


def test_defaults_of_a_minimal_pod() -> None:
    """What `kubectl get -o yaml` shows of `image: img` alone."""
    assert pod()["spec"] == {
        "containers": [
            {
                "name": "c",
                "image": "img",
                "imagePullPolicy": "Always",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }


def test_defaulting_is_idempotent() -> None:
    """Defaulting twice is defaulting once, probes and volumes included."""
    probe = {"httpGet": {"port": 80}}
    once = pod(volumes=[{"name": "v"}, {"name": "s", "secret": {"secretName": "x"}}], hostNetwork=True)
    once["spec"]["containers"][0] |= {"livenessProbe": probe, "ports": [{"containerPort": 80}]}
    defaults.default(once)
    twice = copy.deepcopy(once)
    defaults.default(twice)
    assert twice == once
    container = once["spec"]["containers"][0]
    assert container["ports"] == [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]
    assert container["livenessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert once["spec"]["volumes"][0] == {"name": "v", "emptyDir": {}}


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("img", "Always"),
        ("img:latest", "Always"),
        ("img:1", "IfNotPresent"),
        ("host:5000/img", "Always"),
        ("host:5000/img:2", "IfNotPresent"),
        ("img@sha256:0", "IfNotPresent"),
        ("img:latest@sha256:0", "Always"),
    ],
)
def test_pull_policy(image: str, policy: str) -> None:
    """Only a version that is named is not pulled each time."""
    assert defaults.pull_policy(image) == policy


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"podIP": "10.0.0.1"}, {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}]}),
        (
            {"podIPs": [{"ip": "fd00::1"}, {"ip": "10.0.0.1"}]},
            {"podIP": "fd00::1", "podIPs": [{"ip": "fd00::1"}, {"ip": "10.0.0.1"}]},
        ),
        (
            {"podIP": "10.0.0.9", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]},
            {"podIP": "10.0.0.9", "podIPs": [{"ip": "10.0.0.9"}]},
        ),
        ({}, {}),
        ({"hostIP": "192.0.2.1"}, {"hostIP": "192.0.2.1"}),
    ],
)
def test_pod_ip_and_pod_ips(sent: dict[str, Any], stored: dict[str, Any]) -> None:
    """A singular that disagrees wins alone; hostIP is left as it is (3.1)."""
    found: dict[str, Any] = {"spec": {"containers": []}, "status": copy.deepcopy(sent)}
    defaults.default(found)
    assert found["status"] == stored


def test_reported_addresses() -> None:
    """Two addresses must be one of each family; podIPs come with podIP, hostIPs begin with hostIP (B-1, B-2)."""
    old = pod()
    new = copy.deepcopy(old)
    new["status"] = {"podIPs": [{"ip": "1.1.1.1"}, {"ip": "2.2.2.2"}], "hostIPs": [{"ip": "192.0.2.1"}]}
    assert [error.text for error in status.validate(new, old)] == [
        'status.podIPs: Invalid value: [{"IP":"1.1.1.1"},{"IP":"2.2.2.2"}]: '
        "may specify no more than one IP for each IP family",
        'status.podIPs: Invalid value: [{"IP":"1.1.1.1"},{"IP":"2.2.2.2"}]: '
        "podIP and podIPs must either both be set or both be unset",
        'status.hostIPs[0].ip: Invalid value: "192.0.2.1": must be equal to `hostIP`',
    ]


def test_errors_of_a_pod() -> None:
    """Names, images, ports and mounts are checked, each at its field."""
    assert texts({**pod()["spec"], "containers": []}) == ["spec.containers: Required value"]
    found, port = pod()["spec"], {"containerPort": 70000, "protocol": "TCP"}
    found["containers"] = [
        {"name": "A", "imagePullPolicy": "Always", "volumeMounts": [{"name": "v", "mountPath": "/x"}]},
        {
            "name": "c",
            "image": "i",
            "imagePullPolicy": "Always",
            "ports": [port],
        },
        {"name": "c", "image": "i", "imagePullPolicy": "Sometimes"},
    ]
    fields = [error.field for error in validation.validate(found)]
    assert fields == [
        "spec.containers[0].name",
        "spec.containers[0].image",
        "spec.containers[0].volumeMounts[0].name",
        "spec.containers[1].ports[0].containerPort",
        "spec.containers[2].name",
        "spec.containers[2].imagePullPolicy",
    ]


def test_spec_does_not_change() -> None:
    """Image, deadline and added tolerations may change; nothing else."""
    old = pod()
    image = copy.deepcopy(old)
    image["spec"]["containers"][0]["image"] = "other"
    image["spec"]["tolerations"] = [{"key": "k", "operator": "Exists"}]
    assert updates.errors(image, old) == []
    moved = copy.deepcopy(old)
    moved["spec"]["nodeName"] = "n2"
    assert [error.body for error in updates.errors(moved, old)] == [f"Forbidden: {updates.TEXT}"]


def test_tolerations_are_added_once() -> None:
    """Five minutes on a node that is gone, unless the pod says otherwise."""
    spec: dict[str, Any] = {}
    admission.tolerations(spec)
    again = copy.deepcopy(spec)
    admission.tolerations(again)
    assert again == spec
    assert [toleration["key"] for toleration in spec["tolerations"]] == list(admission.UNREACHABLE)
    for_ever = {"tolerations": [{"operator": "Exists"}]}
    admission.tolerations(for_ever)
    assert len(for_ever["tolerations"]) == 1


def test_service_account_token_is_mounted_once() -> None:
    """The token volume is added and mounted in each container; not if pod or account decline."""
    spec = pod()["spec"]
    admission.service_account(spec, {"metadata": {"name": "default"}})
    admission.service_account(spec, {"metadata": {"name": "default"}})
    assert len(spec["volumes"]) == 1
    assert [mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]] == [admission.TOKEN_PATH]
    assert texts(spec) == []
    declined = pod(automountServiceAccountToken=False)["spec"]
    admission.service_account(declined, {"metadata": {"name": "default"}})
    assert "volumes" not in declined


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}, "Burstable"),
        ({"requests": {"cpu": "0"}}, "BestEffort"),
    ],
)
def test_quality_of_service(resources: dict[str, Any], expected: str) -> None:
    """The class follows from requests and limits, whatever unit they are in."""
    assert status.qos_class({"containers": [{"resources": resources}]}) == expected


def test_unknown_priority_class() -> None:
    """The two of the system are always there; others must be stored; the global default is for pods that name none."""
    assert admission.priority({"priorityClassName": "x"}, None) == "x"
    spec: dict[str, object] = {}
    stored = {"metadata": {"name": "low"}, "value": 7, "preemptionPolicy": "Never", "globalDefault": True}
    assert admission.priority(spec, stored) == ""
    assert spec == {"priorityClassName": "low", "priority": 7, "preemptionPolicy": "Never"}
    spec = {"priorityClassName": "system-node-critical"}
    assert admission.priority(spec, None) == ""
    assert spec["priority"] == 2000001000
