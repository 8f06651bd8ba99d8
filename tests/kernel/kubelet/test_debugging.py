"""Ephemeral containers, as `kubectl debug` adds them to a running pod."""

import json

import pytest

from kernel.kubelet.conftest import NODE, Node, container, wait
from kernel.kubelet.test_pods import phase
from kernel.kubelet.test_terminals import on_node
from screens import screen

pytestmark = pytest.mark.root


def debugger(pod, name):
    """The state of an ephemeral container."""
    states = pod.get("status", {}).get("ephemeralContainerStatuses", [])
    return next((status["state"] for status in states if status["name"] == name), {})


def debug(node: Node, pod: str, name: str, *command: str, options: tuple[str, ...] = ()) -> str:
    """`kubectl debug` of a pod, without a terminal; what it said."""
    line = ("debug", pod, "--image=busybox", "-c", name, *options, "--", *command)
    done = node.kubectl(*line, check=False)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def patient(node: Node):
    """A pod with a program to be looked at."""
    node.apply("d-patient", containers=[container("main", "sh", "-c", "sleep 1234 & wait")])
    node.until("d-patient", phase("Running"))
    yield "d-patient"
    node.kubectl("delete", "pod", "d-patient", "--wait=false")


def test_target(node: Node, patient: str) -> None:
    """It sees and traces the target's processes, shares its network, ends for itself, and is not run again."""
    script = "ps ax -o args; cat /proc/1/environ >/dev/null && echo traced; ip -br addr show eth0"
    debug(node, patient, "looker", "sh", "-c", script, options=("--target=main",))
    pod = node.until(patient, lambda p: "terminated" in debugger(p, "looker"))
    said = node.kubectl("logs", patient, "-c", "looker").stdout
    assert "sleep 1234" in said
    assert "traced" in said
    assert all(entry["ip"] in said for entry in pod["status"]["podIPs"])
    assert debugger(pod, "looker")["terminated"]["exitCode"] == 0
    assert pod["status"]["phase"] == "Running"
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0


def test_end(node: Node, patient: str) -> None:
    """What it leaves behind in the target's process namespace ends with it; without a target it has its own."""
    debug(node, patient, "lefty", "sh", "-c", "setsid sleep 4321 & sleep 0.3", options=("--target=main",))
    node.until(patient, lambda p: "terminated" in debugger(p, "lefty"))
    debug(node, patient, "alone", "sh", "-c", "ps ax -o args")
    node.until(patient, lambda p: "terminated" in debugger(p, "alone"))
    assert "1234" not in node.kubectl("logs", patient, "-c", "alone").stdout
    seen = node.kubectl("exec", patient, "-c", "main", "--", "ps", "ax", "-o", "args").stdout
    assert "sleep 1234" in seen
    assert "4321" not in seen


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"name": "main"}, 'spec.ephemeralContainers[0].name: Duplicate value: "main"'),
        ({"targetContainerName": "none"}, 'spec.ephemeralContainers[0].targetContainerName: Not found: "none"'),
        ({"ports": [{"containerPort": 1}]}, "ports: Forbidden: cannot be set for an Ephemeral Container"),
        ({"resources": {"limits": {"cpu": "1"}}}, "resources: Forbidden: cannot be set for an Ephemeral Container"),
        ({"image": ""}, "spec.ephemeralContainers[0].image: Required value"),
    ],
)
def test_refused(node: Node, fields: dict[str, object], text: str) -> None:
    """The API refuses what an ephemeral container can't be, in Kubernetes' words."""
    node.kubectl("get", "pod", "d-refused", check=False).returncode and node.apply("d-refused")
    body = {"spec": {"ephemeralContainers": [{"name": "x", "image": "busybox"} | fields]}}
    patch = ("patch", "pod", "d-refused", "--subresource=ephemeralcontainers", "-p", json.dumps(body))
    assert text in node.kubectl(*patch, check=False).stderr


def test_only_added(node: Node, patient: str) -> None:
    """Those that are there are neither changed nor removed, and a plain update can't add one."""
    debug(node, patient, "stays", "true")
    before = node.pod(patient)["spec"]["ephemeralContainers"]
    for change, word in (
        ([{"op": "remove", "path": "/spec/ephemeralContainers"}], "may not be removed"),
        ([{"op": "replace", "path": "/spec/ephemeralContainers/0/image", "value": "host"}], "may not be changed"),
    ):
        patch = ("patch", "pod", patient, "--subresource=ephemeralcontainers", "--type=json", "-p", json.dumps(change))
        assert word in node.kubectl(*patch, check=False).stderr
    plain = [{"op": "add", "path": "/spec/ephemeralContainers/-", "value": {"name": "y", "image": "host"}}]
    refused = node.kubectl("patch", "pod", patient, "--type=json", "-p", json.dumps(plain), check=False).stderr
    assert "pod updates may not change fields other than" in refused
    assert node.pod(patient)["spec"]["ephemeralContainers"] == before


def test_what_it_may_not(node: Node, patient: str) -> None:
    """A privileged debugger is refused by name, while the pod runs on; so it does after a restart of the kubelet."""
    debug(node, patient, "mighty", "true", options=("--profile=sysadmin",))
    pod = node.until(patient, lambda p: debugger(p, "mighty").get("waiting", {}).get("reason") == "UnsupportedField")
    assert "privileged is not supported" in debugger(pod, "mighty")["waiting"]["message"]
    assert pod["status"]["phase"] == "Running"
    wait(lambda: "UnsupportedField" in [reason for reason, _ in node.events(patient)], "the Event")


def test_copy_shares_processes(node: Node, patient: str) -> None:
    """--copy-to: all containers of the copy see one another's processes, one that restarts too; nothing is left."""
    script = "while :; do ps ax -o args; echo; sleep 0.2; done"
    options = ("--copy-to=d-copy", "--same-node", "--image=busybox", "-c", "looker")
    node.kubectl("debug", patient, *options, "--", "sh", "-c", script)
    node.until("d-copy", lambda p: all(s["ready"] for s in p["status"].get("containerStatuses", [{"ready": False}])))
    wait(lambda: "sleep 1234" in node.kubectl("logs", "d-copy", "-c", "looker").stdout, "the other's processes")
    assert [s["name"] for s in node.pod("d-copy")["status"]["containerStatuses"]] == ["main", "looker"]
    assert not [text for _, text in node.events("d-copy") if "POD" in text]
    node.kubectl("exec", "d-copy", "-c", "main", "--", "sh", "-c", "kill -9 $(pgrep -of 'sleep 1234 & wait')")
    node.until("d-copy", lambda p: p["status"]["containerStatuses"][0]["restartCount"] == 1)
    seen = node.kubectl("exec", "d-copy", "-c", "main", "--", "ps", "ax", "-o", "args").stdout
    assert seen.count("\nsleep 1234") == 1
    node.kubectl("delete", "pod", "d-copy", "--timeout=10s")


def test_interactively(node: Node, patient: str) -> None:
    """`kubectl debug -it`: a shell with a terminal beside the target, as people use it; it ends with `exit`."""
    line = ("debug", patient, "-it", "--image=busybox", "--target=main", "-c", "shell", "--", "sh")
    with screen(on_node(node, "websocket", *line)) as terminal:
        terminal.type("ps ax -o args | grep '[s]leep 1234'; echo co''unted\n")
        terminal.until("sleep 1234")
        terminal.until("counted")
        terminal.type("exit 7\n")
        terminal.process.wait(60)
    pod = node.until(patient, lambda p: "terminated" in debugger(p, "shell"))
    assert debugger(pod, "shell")["terminated"]["exitCode"] == 7


def test_node(node: Node) -> None:
    """`kubectl debug node/X -it`: the node's network, and its file system at /host, read-only, without its secrets."""
    with screen(on_node(node, "websocket", "debug", f"node/{NODE}", "-it", "--image=busybox", "--", "sh")) as terminal:
        terminal.type(
            "ip -br addr show lo; touch /host/x; ls /host/usr/bin/env; test -s /host/etc/shadow || echo no''thing\n"
        )
        terminal.until("10.46.0.11/32")
        terminal.until("Read-only file system")
        terminal.until("/host/usr/bin/env")
        terminal.until("nothing")
        terminal.type("exit\n")
        terminal.process.wait(60)
    name = next(name for name in node.kubectl("get", "pods", "-o", "name").stdout.split() if "node-debugger" in name)
    told = [reason for reason, _ in node.events(name.partition("/")[2])]
    assert "HostNamespaceWithheld" in told
    node.kubectl("delete", name, "--wait=false")
