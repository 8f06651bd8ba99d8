"""Phase, conditions and container states as the API shows them."""

from dataclasses import replace

import pytest

from kube46.api.objects import Meta
from kube46.lab.kubelet.manifests import Container, PodSpec, ReadinessGate, ReadPod
from kube46.lab.kubelet.observed import Observed, Problem, Run, Sandbox
from kube46.lab.kubelet.statuses import rfc3339, status

NOW = 1000.0
RUNNING = Run("main", 0, "id0", 900.0, started=901.0, hooked=True, passed=True, ready=True)
ENDED = replace(RUNNING, finished=950.0, exit_code=0)
FAILED = replace(RUNNING, finished=950.0, exit_code=2)
UP = Sandbox(0, ("fd00::2", "10.0.0.2"))


def made(*runs, inits=(), before=None, meta=None, seen=None, **spec):
    """The status of a pod with one container `main`."""
    pod = ReadPod(
        meta or Meta(name="p", uid="u", generation=3),
        PodSpec(containers=(Container(name="main"),), init_containers=inits, **spec),
    )
    given = {"start_time": 899.0, "sandbox": UP, "host_ips": ("fd46::1",), "runs": {r.container: r for r in runs}}
    return status(pod, Observed(**(given | (seen or {}))), before or {}, NOW)


def condition(found, kind):
    """(status, reason) of a condition."""
    return next((c["status"], c["reason"]) for c in found["conditions"] if c["type"] == kind)


PHASES = {
    "not begun": (made(), "Pending"),
    "running": (made(RUNNING), "Running"),
    "not ready": (made(replace(RUNNING, ready=False)), "Running"),
    "created": (made(replace(RUNNING, started=None)), "Pending"),
    "crashed": (made(FAILED), "Running"),
    "succeeded": (made(ENDED, restart_policy="Never"), "Succeeded"),
    "failed": (made(FAILED, restart_policy="Never"), "Failed"),
    "retried": (made(FAILED, restart_policy="OnFailure"), "Running"),
    "deadline": (made(RUNNING, active_deadline_seconds=50), "Failed"),
    "deleted while running": (made(RUNNING, meta=Meta(deletion_timestamp="x")), "Running"),
    "deleted and ended": (made(FAILED, meta=Meta(deletion_timestamp="x")), "Failed"),
    "unsupported": (made(seen={"unsupported": ("spec.x is not supported",), "sandbox": None}), "Pending"),
}


@pytest.mark.parametrize(("found", "phase"), PHASES.values(), ids=PHASES.keys())
def test_phase(found, phase):
    """The phase follows from the containers, the restart policy and the end."""
    assert found["phase"] == phase


def test_addresses_and_times():
    """podIP and hostIP are the first of the plural lists; the start time is RFC 3339."""
    found = made(RUNNING)

    assert (found["podIP"], found["podIPs"]) == ("fd00::2", [{"ip": "fd00::2"}, {"ip": "10.0.0.2"}])
    assert (found["hostIP"], found["hostIPs"]) == ("fd46::1", [{"ip": "fd46::1"}])
    assert found["startTime"] == "1970-01-01T00:14:59Z"
    assert found["observedGeneration"] == 3


STATES = {
    "creating": (made(), {"waiting": {"reason": "ContainerCreating"}}),
    "running": (made(RUNNING), {"running": {"startedAt": "1970-01-01T00:15:01Z"}}),
    "image": (
        made(seen={"problems": {"main": Problem("ErrImagePull", "what to do", 0)}}),
        {"waiting": {"reason": "ErrImagePull", "message": "what to do"}},
    ),
    "back-off": (
        made(replace(FAILED, finished=999.0, delay=80.0)),
        {
            "waiting": {
                "reason": "CrashLoopBackOff",
                "message": "back-off 1m20s restarting failed container=main pod=p_(u)",
            }
        },
    ),
    "made, not started": (made(replace(RUNNING, started=None)), {"waiting": {"reason": "ContainerCreating"}}),
    "init first": (made(inits=(Container(name="one"),)), {"waiting": {"reason": "PodInitializing"}}),
}


def test_an_init_container_that_is_made_is_not_said_to_be_the_first():
    """In a pod with init containers whatever was made and not yet started waits for the pod's initialization."""
    found = made(replace(RUNNING, container="one", started=None), inits=(Container(name="one"),))
    assert found["initContainerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}


@pytest.mark.parametrize(("found", "state"), STATES.values(), ids=STATES.keys())
def test_container_state(found, state):
    """A container waits, runs or has ended, and says why."""
    assert found["containerStatuses"][0]["state"] == state


def test_last_state_is_the_previous_run():
    """A run's past is in lastState; restartCount counts the runs before."""
    found = made(replace(RUNNING, attempt=1, previous=FAILED))["containerStatuses"][0]

    assert found["restartCount"] == 1
    assert found["lastState"]["terminated"]["exitCode"] == 2
    assert found["containerID"] == "crun://id0"


def test_conditions_of_a_running_pod():
    """Ready, ContainersReady, Initialized, PodReadyToStartContainers and PodScheduled are True."""
    assert {c["type"]: c["status"] for c in made(RUNNING)["conditions"]} == dict.fromkeys(
        ("PodReadyToStartContainers", "Initialized", "ContainersReady", "PodScheduled", "Ready"), "True"
    )


def test_unready_containers_are_named():
    """Ready is False with the names of those that aren't."""
    found = made(replace(RUNNING, ready=False))

    assert condition(found, "Ready") == ("False", "ContainersNotReady")
    assert (
        next(c["message"] for c in found["conditions"] if c["type"] == "Ready")
        == "containers with unready status: [main]"
    )


@pytest.mark.parametrize(
    ("value", "expected"), [("True", ("True", None)), ("False", ("False", "ReadinessGatesNotReady"))]
)
def test_readiness_gates(value, expected):
    """A pod is ready once its gates' conditions, which others set, are True as well."""
    before = {"conditions": [{"type": "x/y", "status": value}]}

    assert condition(made(RUNNING, before=before, readiness_gates=(ReadinessGate("x/y"),)), "Ready") == expected


def test_transition_times_are_kept():
    """A condition that stays as it was keeps its time, one that changes gets a new one."""
    before = {"conditions": [
        {"type": "Ready", "status": "True", "lastTransitionTime": "old"},
        {"type": "ContainersReady", "status": "False", "lastTransitionTime": "old"},
    ]}  # fmt: skip
    times = {c["type"]: c["lastTransitionTime"] for c in made(RUNNING, before=before)["conditions"]}

    assert (times["Ready"], times["ContainersReady"]) == ("old", rfc3339(NOW))


def test_completed_pod():
    """A pod that succeeded is initialized and not ready, reason PodCompleted."""
    found = made(ENDED, restart_policy="Never")

    assert condition(found, "Ready") == ("False", "PodCompleted")
    assert condition(found, "Initialized") == ("True", "PodCompleted")
