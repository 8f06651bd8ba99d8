"""What goes wrong with pods, and how it is told: a table of pods, made at once on one node."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from kernel.kubelet.conftest import Node, container, wait
from kernel.kubelet.test_pods import main

pytestmark = [pytest.mark.root, pytest.mark.timeout(60)]

FAILS = {"exec": {"command": ["sh", "-c", "echo sick; exit 1"]}, "periodSeconds": 1, "failureThreshold": 1}
HTTP = {"httpGet": {"port": 81}, "periodSeconds": 1}
CRASH = r"back-off \d+s restarting failed container=main pod=x-\w+_default\(UID\)"
BACK_OFF = r"Back-off restarting failed container main in pod x-\w+_default\(UID\)"


@dataclass(frozen=True)
class Case:
    """A container, what its pod then says, and its Events by reason; texts are regular expressions, UID is known."""

    container: dict[str, Any]
    state: tuple[str, str] = ("", "")  # reason and message of the waiting or terminated state
    last: tuple[int, str, str] | None = None  # exit code, reason and message of the last state
    events: dict[str, str] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    phase: str = "Pending"


def mounted(**volume: Any) -> dict[str, Any]:
    """The volume v, and nothing else."""
    return {"volumes": [{"name": "v", **volume}]}


MOUNT = container(volumeMounts=[{"name": "v", "mountPath": "/v"}])
CASES = {
    "image": Case(
        container(image="nonesuch/thing:1"),
        ("ErrImagePull|ImagePullBackOff", "nonesuch/thing:1"),
        events={"Failed": 'Failed to pull image "nonesuch/thing:1": .* kube46 image load'},
    ),
    "program": Case(
        container("main", "/no/such/program"),
        ("CrashLoopBackOff", CRASH),
        (128, "StartError", "failed to start container: .*/no/such/program"),
        {"Failed": "Error: failed to start container: .*/no/such/program", "BackOff": BACK_OFF},
        phase="Running",
    ),
    "crash": Case(
        container("main", "sh", "-c", "echo why >/dev/termination-log; exit 3"),
        ("CrashLoopBackOff", CRASH),
        (3, "Error", "why"),
        {"Started": "Started container main", "BackOff": BACK_OFF},
        phase="Running",
    ),
    "envmap": Case(
        container(envFrom=[{"configMapRef": {"name": "nomap"}}]),
        ("CreateContainerConfigError", 'configmap "nomap" not found'),
        events={"Failed": 'Error: configmap "nomap" not found'},
    ),
    "envkey": Case(
        container(env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "kube-root-ca.crt", "key": "k"}}}]),
        ("CreateContainerConfigError", "couldn't find key k in ConfigMap default/kube-root-ca.crt"),
        events={"Failed": "Error: couldn't find key k in ConfigMap default/kube-root-ca.crt"},
    ),
    "volume": Case(
        MOUNT,
        ("ContainerCreating", 'configmap "nomap" not found'),
        events={"FailedMount": 'MountVolume.SetUp failed for volume "v" : configmap "nomap" not found'},
        spec=mounted(configMap={"name": "nomap"}),
    ),
    "hostpath": Case(
        MOUNT,
        ("ContainerCreating", "hostPath /etc is outside of what pods may mount"),
        events={"FailedMount": 'MountVolume.SetUp failed for volume "v" : hostPath /etc is outside'},
        spec=mounted(hostPath={"path": "/etc"}),
    ),
    "nonroot": Case(
        container(securityContext={"runAsNonRoot": True, "runAsUser": 0}),
        ("CreateContainerConfigError", "container's runAsUser breaks non-root policy"),
        events={"Failed": "Error: container's runAsUser breaks non-root policy"},
    ),
    "privileged": Case(
        container(securityContext={"privileged": True}),
        ("UnsupportedField", r"spec.containers\[0\].securityContext.privileged is not supported"),
        events={"UnsupportedField": r"spec.containers\[0\].securityContext.privileged is not supported"},
    ),
    "liveness": Case(
        container(livenessProbe=FAILS),
        ("CrashLoopBackOff", CRASH),
        (137, "Error", ""),
        {
            "Unhealthy": "Liveness probe failed: sick",
            "Killing": "Container main failed liveness probe, will be restarted",
            "BackOff": BACK_OFF,
        },
        phase="Running",
    ),
    "readiness": Case(
        container(readinessProbe=HTTP),
        events={"Unhealthy": r'Readiness probe failed: Get "http://.*:81/": dial tcp .*: connect: connection refused'},
        phase="Running",
    ),
    "poststart": Case(
        container(lifecycle={"postStart": {"exec": {"command": ["false"]}}}),
        ("CrashLoopBackOff", CRASH),
        (137, "Error", ""),
        {"FailedPostStartHook": "PostStartHook failed", "Killing": "Container main failed postStart hook"},
        phase="Running",
    ),
    "deadline": Case(
        container("main", "sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait"),
        ("Completed", ""),
        events={
            "DeadlineExceeded": "Pod was active on the node longer than the specified deadline",
            "Killing": "Stopping container main",
        },
        spec={"activeDeadlineSeconds": 1},
        phase="Failed",
    ),
    "never": Case(
        container("main", "sh", "-c", "exit 5"), ("Error", ""), spec={"restartPolicy": "Never"}, phase="Failed"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def bad(node: Node):
    """All pods of the table, made at once."""
    for name, case in CASES.items():
        node.apply(f"x-{name}", containers=[case.container], **case.spec)
    yield node
    node.kubectl("delete", "pod", "--wait=false", *(f"x-{name}" for name in CASES))


def matches(pattern: str, text: str, uid: str) -> bool:
    """Whether a text is as expected."""

    return re.search(pattern.replace("UID", uid), text) is not None


def as_told(case: Case) -> Callable[[dict[str, Any]], bool]:
    """Whether a pod's status is as the case says."""

    def true(pod: dict[str, Any]) -> bool:
        uid, status = pod["metadata"]["uid"], main(pod)
        state = next(iter(status["state"].values()), {})
        reason, message = case.state
        good = pod["status"].get("phase") == case.phase
        good &= matches(reason, state.get("reason", ""), uid) and matches(message, state.get("message", ""), uid)
        if case.last:
            last = status.get("lastState", {}).get("terminated", {})
            code, reason, message = case.last
            good &= last.get("exitCode") == code and last.get("reason") == reason
            good &= matches(message, last.get("message", ""), uid)
        return good

    return true


@pytest.mark.parametrize("name", CASES)
def test_as_kubectl_users_know_it(bad: Node, name: str) -> None:
    """Phase, reasons, messages and Events of what can't run."""
    case = CASES[name]
    pod = bad.until(f"x-{name}", as_told(case), 20)
    uid = pod["metadata"]["uid"]
    for reason, text in case.events.items():
        wait(
            lambda reason=reason, text=text: any(
                found == reason and matches(text, message, uid) for found, message in bad.events(f"x-{name}")
            ),
            f"{reason} {text}", 10, lambda: str(bad.events(f"x-{name}")),
        )  # fmt: skip


def test_deadline_reason(bad: Node) -> None:
    """The pod itself says why it failed."""
    pod = bad.until("x-deadline", lambda p: p["status"].get("reason") == "DeadlineExceeded")
    assert pod["status"]["message"] == "Pod was active on the node longer than the specified deadline"


def test_back_off_doubles(bad: Node) -> None:
    """The first restart is at once, the second after 10 seconds, the third after 20; no other Event says otherwise."""
    pod = bad.until("x-crash", lambda p: "back-off 20s" in str(main(p)["state"]), 25)
    assert main(pod)["restartCount"] == 2
