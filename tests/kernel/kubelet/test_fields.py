"""Fields of a pod that change what runs: hooks, refreshed files, groups, sysctls, ports, gates, messages."""

import json
import time

import pytest

from kernel.kubelet.conftest import container, wait
from kernel.kubelet.test_pods import main, output, phase, ready

pytestmark = pytest.mark.root


def test_post_start(node):
    """postStart runs before the container counts as started; one that fails restarts the container and says so."""
    wait_for_word = "until [ -e /word/go ]; do sleep 0.05; done; echo hooked >/proc/1/fd/1"
    late = {"postStart": {"exec": {"command": ["sh", "-c", wait_for_word]}}}
    bad = {"postStart": {"exec": {"command": ["sh", "-c", "echo no such luck; exit 3"]}}}
    mount = [{"name": "word", "mountPath": "/word"}]
    volumes = [{"name": "word", "emptyDir": {}}]
    node.apply("f-hook", volumes=volumes, containers=[container(lifecycle=late, volumeMounts=mount)])
    node.apply("f-badhook", containers=[container(lifecycle=bad)])
    up = node.until("f-hook", lambda p: "running" in main(p)["state"])
    assert not ready(up)
    node.kubectl("exec", "f-hook", "--", "touch", "/word/go")
    node.until("f-hook", ready)
    node.until("f-badhook", lambda p: main(p)["restartCount"] >= 1)

    assert output(node, "f-hook") == "hooked\n"
    assert ("FailedPostStartHook", "PostStartHook failed: no such luck") in node.events("f-badhook")
    node.kubectl("delete", "pod", "f-hook", "f-badhook", "--wait=false")


def test_refresh(node):
    """A changed ConfigMap, Secret, label and annotation reach a running pod's files; a subPath keeps the old."""
    node.kubectl("create", "configmap", "f-map", "--from-literal=a=1")
    node.kubectl("create", "secret", "generic", "f-secret", "--from-literal=s=1")
    labels = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
    volumes = [
        {"name": "map", "configMap": {"name": "f-map"}},
        {
            "name": "all",
            "projected": {"sources": [{"secret": {"name": "f-secret"}}, {"downwardAPI": {"items": labels}}]},
        },
    ]
    mounts = [
        {"name": "map", "mountPath": "/map"},
        {"name": "map", "mountPath": "/one", "subPath": "a"},
        {"name": "all", "mountPath": "/all"},
    ]
    node.apply("f-fresh", volumes=volumes, containers=[container(volumeMounts=mounts)])
    node.until("f-fresh", ready)
    node.kubectl("create", "configmap", "f-map2", "--from-literal=x=y")
    node.kubectl("patch", "configmap", "f-map", "-p", '{"data": {"a": "2", "b": "new"}}')
    node.kubectl("patch", "secret", "f-secret", "-p", '{"stringData": {"s": "2"}}')
    node.kubectl("label", "pod", "f-fresh", "colour=blue")

    def seen():
        text = "cat /map/a /map/b /all/s /all/labels /one"
        done = node.kubectl("exec", "f-fresh", "--", "sh", "-c", text, check=False).stdout
        return done == '2new2colour="blue"1' or None

    wait(seen, "the files to change", 8)
    node.kubectl("delete", "pod", "f-fresh", "--wait=false")


def test_groups(node):
    """fsGroup owns emptyDirs (setgid) and is a group of every process; files of a Secret are readable by it."""
    node.kubectl("create", "secret", "generic", "f-key", "--from-literal=k=v")
    volumes = [
        {"name": "dir", "emptyDir": {}},
        {"name": "key", "secret": {"secretName": "f-key", "defaultMode": 0o400}},
    ]
    mounts = [{"name": "dir", "mountPath": "/dir"}, {"name": "key", "mountPath": "/key"}]
    script = "id -G; stat -c '%g %a' /dir; touch /dir/x; stat -c %g /dir/x; stat -L -c '%u %g %a' /key/k; cat /key/k"
    node.apply(
        "f-groups",
        restartPolicy="Never",
        securityContext={"runAsUser": 1234, "runAsGroup": 5, "fsGroup": 777, "supplementalGroups": [888]},
        volumes=volumes,
        containers=[container("main", "sh", "-c", script, volumeMounts=mounts)],
    )
    node.until("f-groups", phase("Succeeded"))

    assert output(node, "f-groups") == "5 777 888\n777 2777\n777\n0 777 440\nv"


def test_sysctls(node):
    """Safe sysctls are set in the pod's own network; others keep it from starting, by name."""
    safe = [{"name": "net.ipv4.ip_local_port_range", "value": "20000 20100"}]
    script = "cat /proc/sys/net/ipv4/ip_local_port_range"
    node.apply(
        "f-sysctl", restartPolicy="Never", securityContext={"sysctls": safe},
        containers=[container("main", "sh", "-c", script)],
    )  # fmt: skip
    node.apply("f-unsafe", securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]})
    node.until("f-sysctl", phase("Succeeded"))
    waiting = node.until("f-unsafe", lambda p: main(p)["state"].get("waiting", {}).get("message"))

    assert output(node, "f-sysctl").split() == ["20000", "20100"]
    assert "kernel.msgmax is not in the safe set" in main(waiting)["state"]["waiting"]["message"]
    node.kubectl("delete", "pod", "f-unsafe", "--wait=false")


def test_a_taken_host_port(node):
    """Of two pods that name the node and the port, the later fails with upstream's reason."""
    ports = [{"containerPort": 80, "hostPort": 8081}]
    node.apply("f-first", containers=[container(ports=ports)])
    node.until("f-first", ready)
    node.apply("f-second", containers=[container(ports=ports)])
    status = node.until("f-second", phase("Failed"))["status"]
    why = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
    assert (status["reason"], status["message"]) == ("NodePorts", f"Pod was rejected: {why}")
    assert "containerStatuses" not in status
    wait(lambda: ("NodePorts", why) in node.events("f-second") or None, "its Event")
    node.kubectl("delete", "pod", "f-first")
    node.apply("f-third", containers=[container(ports=ports)])
    node.until("f-third", ready)
    assert node.pod("f-second")["status"]["phase"] == "Failed"
    node.kubectl("delete", "pod", "f-second", "f-third", "--wait=false")


def test_host_port_without_plugin(node):
    """A hostPort that no plugin of the network maps is told by an Event; the pod runs on its own address."""
    file = node.cni / "conf/10-e.conflist"
    text = file.read_text()
    file.write_text(text.replace('"portMappings": true', '"portMappings": false'))
    try:
        ports = [{"containerPort": 80, "hostPort": 8080}]
        node.apply("f-port", containers=[container(ports=ports)])
        node.until("f-port", ready)
    finally:
        file.write_text(text)
    wait(lambda: "HostPortNotSupported" in dict(node.events("f-port")) or None, "the Event")

    assert "hostPort 8080/TCP: network etest has no plugin" in dict(node.events("f-port"))["HostPortNotSupported"]
    node.kubectl("delete", "pod", "f-port", "--wait=false")


def test_readiness_gates(node):
    """A pod with a gate is Ready only while another's condition is True; that condition is left alone."""
    node.apply("f-gate", readinessGates=[{"conditionType": "example.org/lb"}])
    node.until("f-gate", lambda p: "running" in main(p)["state"])
    time.sleep(0.3)
    assert not ready(node.pod("f-gate"))
    for value in ("True", "False", "True"):
        body = {"status": {"conditions": [{"type": "example.org/lb", "status": value}]}}
        node.kubectl("patch", "pod", "f-gate", "--subresource=status", "-p", json.dumps(body))
        pod = node.until("f-gate", lambda p, value=value: ready(p) is (value == "True"))
    kinds = {c["type"]: c for c in pod["status"]["conditions"]}

    assert kinds["example.org/lb"]["status"] == "True"
    assert kinds["ContainersReady"]["status"] == "True"
    node.kubectl("delete", "pod", "f-gate", "--wait=false")


def test_termination_messages(node):
    """From terminationMessagePath, at most 4096 bytes of it, else from the log's end when asked and it failed."""
    own = {"terminationMessagePath": "/tmp/last/words"}
    fall = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    node.apply(
        "f-words",
        restartPolicy="Never",
        containers=[
            container("path", "sh", "-c", "echo mine >/tmp/last/words; exit 1", **own),
            container("long", "sh", "-c", "head -c 50000000 /dev/zero | tr '\\0' x >/dev/termination-log"),
            container("log", "sh", "-c", "echo from the log; exit 2", **fall),
            container("fine", "sh", "-c", "echo from the log", **fall),
        ],
    )
    pod = node.until("f-words", phase("Failed"))
    said = {s["name"]: s["state"]["terminated"].get("message", "") for s in pod["status"]["containerStatuses"]}

    assert said == {"path": "mine\n", "long": "x" * 4096, "log": "from the log\n", "fine": ""}


def test_links_do_not_lead_out_of_volumes(node):
    """A subPath or hostPath through a link or `..` that a container planted is refused; nothing is made outside."""
    plant = "ln -s /etc /v/etc; ln -s / /v/root; ln -s ../../../../.. /v/up; mkdir /v/good; echo ok >/v/good/f; sleep 1"
    volumes = [{"name": "v", "emptyDir": {}}, {"name": "h", "hostPath": {"path": f"{node.directory}/shared/esc"}}]
    mount = {"name": "v", "mountPath": "/v"}
    (node.directory / "shared").chmod(0o777)
    (node.directory / "shared/esc").unlink(missing_ok=True)
    (node.directory / "shared/esc").symlink_to("/etc")
    paths = {"one": "etc", "two": "root/k46t-escaped", "three": "up/var/tmp/k46t-escaped"}
    node.apply(
        "f-escape",
        restartPolicy="Never",
        volumes=volumes,
        initContainers=[container("plant", "sh", "-c", plant, volumeMounts=[mount])],
        containers=[
            *(
                container(name, "ls", "/x", volumeMounts=[{"name": "v", "mountPath": "/x", "subPath": path}])
                for name, path in paths.items()
            ),
            container("host", "ls", "/x", volumeMounts=[{"name": "h", "mountPath": "/x"}]),
            container("good", "cat", "/x", volumeMounts=[{"name": "v", "mountPath": "/x", "subPath": "good/f"}]),
        ],
    )
    refused = [*paths, "host"]

    def states(pod):
        return {s["name"]: s["state"] for s in pod.get("status", {}).get("containerStatuses", [])}

    pod = node.until("f-escape", lambda p: all("message" in states(p).get(n, {}).get("waiting", {}) for n in refused))
    for name in refused:
        assert "leads out" in states(pod)[name]["waiting"]["message"]
    wait(lambda: output(node, "f-escape", "-c", "good") == "ok\n" or None, "the good path")
    assert node.run("ls", "/k46t-escaped", "/var/tmp/k46t-escaped", check=False).stdout == ""
    node.kubectl("delete", "pod", "f-escape", "--wait=false")
