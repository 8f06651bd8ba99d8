"""What writers of pods and of pod templates are warned of."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.pods import warnings as pods
from kube46.api.workloads import jobs, warnings

Object = dict[str, Any]
FRACTION = 'fractional byte value "1500m" is invalid, must be an integer'
HIDES = 'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply'


def containers(*found: Object) -> Object:
    """A pod of these."""
    return {"spec": {"containers": list(found)}}


@pytest.mark.parametrize(
    ("pod", "wanted"),
    [
        ({"spec": {"nodeSelector": {"a": "b"}}}, []),
        (
            {"spec": {"topologySpreadConstraints": [{"topologyKey": "a"}, {"topologyKey": "a", "labelSelector": {}}]}},
            ["spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod"],
        ),
        (
            {"spec": {"volumes": [{"name": "v", "gitRepo": {}}]}},
            ["spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+"],
        ),
        (
            {"spec": {"volumes": [{"name": "v", "secret": {"items": [{"path": "a/b"}, {"path": "a"}]}}]}},
            ['volume "v" (Secret ""): overlapping paths: "a" with "a/b"'],
        ),
        (
            {"spec": {"volumes": [{"name": "v", "projected": {"sources": [{}]}}]}},
            ['volume "v" (Projected) has no sources provided'],
        ),
        (
            {"spec": {"imagePullSecrets": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}},
            ['spec.imagePullSecrets[2].name: duplicate name "a"'],
        ),
        (containers({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}]}), []),
        (containers({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)"}]}), [HIDES]),
        (
            containers({"ports": [{"containerPort": 1, "hostIP": "192.0.2.1"}]}),
            [
                "spec.containers[0].ports[0]: hostIP set without hostPort: "
                "{Name: HostPort:0 ContainerPort:1 Protocol: HostIP:192.0.2.1}"
            ],
        ),
        (
            containers({"ports": [{"containerPort": 1, "protocol": "TCP"}, {"containerPort": 1, "protocol": "UDP"}]}),
            [],
        ),
        (
            containers({"resources": {"limits": {"memory": "1500m", "cpu": "1500m"}}}),
            [f"spec.containers[0].resources.limits[memory]: {FRACTION}"],
        ),
    ],
)  # fmt: skip
def test_a_pod_is_warned_of_what_upstream_warns_of(pod: Object, wanted: list[str]) -> None:
    """Each warning has upstream's words and the field's path; what is good brings none, and nothing is changed."""
    before = copy.deepcopy(pod)
    assert pods.of_pod(pod) == wanted
    assert pod == before
    there = [text.replace("spec.", "spec.template.spec.", 1) if text.startswith("spec.") else text for text in wanted]
    assert pods.of_template(pod, "spec.template") == there


@given(
    st.lists(
        st.fixed_dictionaries({"containerPort": st.sampled_from((1, 2))}, optional={
            "hostPort": st.sampled_from((1, 2)), "hostIP": st.sampled_from(("192.0.2.1", "2001:db8::1")),
            "protocol": st.sampled_from(("TCP", "UDP")),
        }), max_size=6,
    )
)  # fmt: skip
def test_ports_warn_wherever_they_stand(ports: list[Object]) -> None:
    """As many clashes are told of ports in one container as of each in a container of its own."""
    together, apart = (
        pods.of_pod(containers({"ports": ports})),
        pods.of_pod(containers(*({"ports": [p]} for p in ports))),
    )
    assert len(together) == len(apart)


@pytest.mark.parametrize(("was", "due"), [(None, True), (1, False), (2, True)])
def test_only_another_generation_is_looked_at_again(was: int | None, due: bool) -> None:
    """A new object, and one whose desired state changed."""
    old = None if was is None else {"metadata": {"generation": was}}
    assert warnings.due({"metadata": {"generation": 1}}, old) is due


def test_a_job_without_labels_gets_its_pods() -> None:
    """As upstream: the template's, with those that are made; a Job that has labels keeps those alone."""
    labels = {"app": "x"}
    for own in ({}, {"labels": {"app": "x"}}):
        job: Object = {
            "metadata": {"name": "j", "uid": "u", **own},
            "spec": {"template": {"metadata": {"labels": labels}}},
        }
        jobs.default(job)
        jobs.select(job)
        made = job["spec"]["template"]["metadata"]["labels"]
        assert set(made) == {"app", jobs.UID, jobs.NAME, jobs.OLD_UID, jobs.OLD_NAME}
        assert job["metadata"]["labels"] == (own.get("labels") or made)
        assert job["metadata"]["labels"] is not made
