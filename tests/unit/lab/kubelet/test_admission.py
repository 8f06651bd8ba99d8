"""Which pods the kubelet lets in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.objects import Meta
from kube46.lab.kubelet import admission
from kube46.lab.kubelet.manifests import Pod


def pod(uid: str, *ports: dict[str, Any], made: str = "", begun: bool = False, **spec: Any) -> Pod:
    """A pod with these ports."""
    status = {"startTime": "2026-01-01T00:00:00Z"} if begun else {}
    containers = [{"name": "c", "ports": list(ports)}]
    return Pod(metadata=Meta(uid=uid, creation_timestamp=made), spec={"containers": containers, **spec}, status=status)


TAKES = {"containerPort": 80, "hostPort": 8080}


@pytest.mark.parametrize(
    ("port", "clashes"),
    [
        (TAKES, True),
        ({"containerPort": 81, "hostPort": 8080}, True),
        ({"containerPort": 80, "hostPort": 8080, "hostIP": "2001:db8::1"}, True),
        ({"containerPort": 80, "hostPort": 8080, "protocol": "UDP"}, False),
        ({"containerPort": 8080}, False),
        ({"containerPort": 80, "hostPort": 8081}, False),
    ],
)
def test_a_taken_port_is_refused(port: dict[str, Any], clashes: bool) -> None:
    """Protocol, number and address decide; one that runs already stays; what can't be read takes none."""
    wanted = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
    assert admission.refused(pod("b", port), [pod("a", TAKES)]) == (wanted if clashes else "")
    assert admission.refused(pod("b", port, begun=True), [pod("a", TAKES)]) == ""
    assert admission.refused(pod("b", port), [pod("a", TAKES, hostNetwork=7)]) == ""
    assert admission.refused(pod("b", port), []) == ""


@given(st.lists(st.tuples(st.sampled_from((1, 2, 3)), st.booleans(), st.sampled_from(("1", "2", ""))), max_size=6))
def test_no_two_that_were_let_in_clash(found: list[tuple[int, bool, str]]) -> None:
    """Whatever comes in whatever order; and of those that wait for a port one gets it."""
    pods = [
        pod(str(n), {"containerPort": 1, "hostPort": port}, made=made, begun=begun and port == 1 and n == 0)
        for n, (port, begun, made) in enumerate(found)
    ]
    inside: list[Pod] = []
    for one in admission.in_order(pods):
        if not admission.refused(one, inside):
            inside.append(one)
    ports = [one.spec["containers"][0]["ports"][0]["hostPort"] for one in inside]
    assert len(ports) == len(set(ports))
    assert set(ports) == {port for port, _, _ in found}
    assert [one for one in inside if "startTime" in one.status] == [one for one in pods if "startTime" in one.status]
