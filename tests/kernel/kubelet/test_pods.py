"""Pods as users see them: what a container finds, how it ends, what its status says."""

import time

import pytest

from kernel.kubelet.conftest import NODE, Node, container, wait
from patience import patient

pytestmark = pytest.mark.root


def phase(name):
    """A condition for `until`: the pod has that phase."""
    return lambda pod: pod.get("status", {}).get("phase") == name


def ready(pod):
    """A condition for `until`: the pod is ready."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))


def main(pod):
    """The status of the pod's first container."""
    return pod.get("status", {}).get("containerStatuses", [{"state": {}, "restartCount": 0, "ready": False}])[0]


def output(node: Node, name: str, *options: str) -> str:
    """The pod's log."""
    return node.kubectl("logs", name, *options).stdout


def test_running_pod(node):
    """A pod runs with addresses in the node's family order, as nobody, without rights, on a read-only root."""
    script = """
    id -u; hostname; cat /etc/hosts; cat /etc/resolv.conf; grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status
    touch /usr/x; echo home >$HOME/x; touch /tmp/x; ls /home /var/lib/kubelet
    cat /proc/sys/net/ipv4/ip_unprivileged_port_start
    unshare -U true; mount -t tmpfs none /mnt; echo PIDS $(ls -d /proc/[0-9]* | wc -l)
    """
    node.apply("e-running", restartPolicy="Never", containers=[container("main", "sh", "-c", script + "exec 2>&1")])
    pod = node.until("e-running", phase("Succeeded"))
    text = output(node, "e-running")
    status = pod["status"]

    assert [a["ip"].split(".")[0].split(":")[0] for a in status["podIPs"]] == ["10", "fd99"]
    assert status["podIP"] == status["podIPs"][0]["ip"]
    assert [a["ip"] for a in status["hostIPs"]] == ["10.46.0.11", "fd46::11"]
    assert text.startswith("65534\ne-running\n")
    assert all(f"{a['ip']}\te-running" in text for a in status["podIPs"])
    assert "nameserver 10.96.0.10\nnameserver fd00:10:96::a\noptions ndots:5" in text
    assert "CapEff:\t0000000000000000" in text
    assert "CapBnd:\t0000000000002000" in text
    assert "NoNewPrivs:\t1" in text
    assert "Seccomp:\t2" in text
    assert "touch: cannot touch '/usr/x': Read-only file system" in text
    assert "unshare: unshare failed: Operation not permitted" in text
    assert "mount: /mnt:" in text
    assert status["qosClass"] == "BestEffort"
    assert main(pod)["state"]["terminated"]["reason"] == "Completed"
    reasons = [reason for reason, _ in node.events("e-running")]
    assert {"Pulled", "Created", "Started"} <= set(reasons)


def test_environment_and_volumes(node):
    """Variables, files, tokens, sub-paths and mount points that the machine lacks are all there."""
    objects = """
apiVersion: v1
kind: ConfigMap
metadata: {name: e-map}
data: {greeting: hello, "file.conf": "listen 80;"}
---
apiVersion: v1
kind: Secret
metadata: {name: e-secret}
stringData: {password: s3cret}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: e-account}
"""
    node.kubectl("create", "-f", "-", input=objects)
    script = """
    echo $GREETING/$PREFIX_password/$POD_IPS/$HOST_IPS/$COMBINED/$NODE/$LIMIT
    cat /etc/e/greeting /opt/e-missing/deep/app.conf; echo
    cat /secret/password; stat -L -c %a /secret/password; cat /info/labels; echo
    echo data >/scratch/file; cat /part/file; df -t tmpfs /memory | tail -1 | cut -d' ' -f1
    cut -d. -f1 /var/run/secrets/tokens/token | base64 -d 2>/dev/null | head -c 6
    stat -c '%a %u' -L /var/run/secrets/tokens/token
    """
    env = [
        {"name": "GREETING", "valueFrom": {"configMapKeyRef": {"name": "e-map", "key": "greeting"}}},
        {"name": "POD_IPS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIPs"}}},
        {"name": "HOST_IPS", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIPs"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "COMBINED", "value": "$(GREETING)-$(PREFIX_password)-$$(GREETING)-$(NONE)"},
        {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]
    mounts = [
        {"name": "map", "mountPath": "/etc/e"},
        {"name": "map", "mountPath": "/opt/e-missing/deep/app.conf", "subPath": "file.conf"},
        {"name": "secret", "mountPath": "/secret"},
        {"name": "info", "mountPath": "/info"},
        {"name": "scratch", "mountPath": "/scratch"},
        {"name": "scratch", "mountPath": "/part", "subPath": "."},
        {"name": "memory", "mountPath": "/memory"},
        {"name": "tokens", "mountPath": "/var/run/secrets/tokens"},
    ]
    labels = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.name"}}]
    volumes = [
        {"name": "map", "configMap": {"name": "e-map"}},
        {"name": "secret", "secret": {"secretName": "e-secret", "defaultMode": 0o444}},
        {"name": "info", "downwardAPI": {"items": labels}},
        {"name": "scratch", "emptyDir": {}},
        {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "tokens", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
    ]
    first = container(
        "main", "sh", "-c", script, env=env, volumeMounts=mounts, resources={"limits": {"memory": "64Mi"}},
        envFrom=[{"prefix": "PREFIX_", "secretRef": {"name": "e-secret"}}],
    )  # fmt: skip
    node.apply(
        "e-files", restartPolicy="Never", serviceAccountName="e-account", containers=[first], volumes=volumes,
    )  # fmt: skip
    pod = node.until("e-files", phase("Succeeded"))
    ips = ",".join(a["ip"] for a in pod["status"]["podIPs"])

    assert output(node, "e-files").splitlines() == [
        f"hello/s3cret/{ips}/10.46.0.11,fd46::11/hello-s3cret-$(GREETING)-$(NONE)/{NODE}/64",
        "hellolisten 80;",
        "s3cret444",
        "e-files",
        "data",
        "tmpfs",
        '{"alg"600 65534',
    ]


def test_missing_config_map_is_waited_for(node):
    """A pod whose ConfigMap is missing says so, and starts once it is made."""
    env = [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "e-late", "key": "x"}}}]
    node.apply("e-waits", restartPolicy="Never", containers=[container("main", "sh", "-c", "echo $X", env=env)])
    waiting = node.until("e-waits", lambda p: main(p)["state"].get("waiting", {}).get("message"))

    assert main(waiting)["state"]["waiting"] == {
        "reason": "CreateContainerConfigError",
        "message": 'configmap "e-late" not found',
    }
    node.kubectl("create", "configmap", "e-late", "--from-literal=x=there")
    node.until("e-waits", phase("Succeeded"))

    assert output(node, "e-waits") == "there\n"


def test_init_containers_sidecar_and_restart(node):
    """Init containers run in order, a sidecar stays up; a failing container is restarted at once, then backs off."""
    share = [{"name": "work", "mountPath": "/work"}]
    step = "echo $0 >>/work/order; cat /work/order"
    trap = "trap 'echo ended >>/work/order; exit 0' TERM; echo side >>/work/order; while :; do sleep 0.05; done"
    node.apply(
        "e-steps",
        volumes=[{"name": "work", "emptyDir": {}}],
        initContainers=[
            container("one", "sh", "-c", step, "one", volumeMounts=share),
            container("side", "sh", "-c", trap, volumeMounts=share, restartPolicy="Always"),
            container("two", "sh", "-c", step, "two", volumeMounts=share),
        ],
        containers=[container("main", "sh", "-c", "cat /work/order; exit 3", volumeMounts=share)],
    )
    pod = node.until("e-steps", lambda p: main(p)["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff")

    assert output(node, "e-steps", "-c", "main", "--previous") == "one\nside\ntwo\n"
    assert main(pod)["restartCount"] == 1
    assert main(pod)["lastState"]["terminated"]["exitCode"] == 3
    assert "back-off 10s restarting failed container=main" in main(pod)["state"]["waiting"]["message"]
    assert [s["ready"] for s in pod["status"]["initContainerStatuses"]] == [True, True, True]
    assert pod["status"]["phase"] == "Running"
    node.kubectl("delete", "pod", "e-steps", "--wait=false")
    node.gone("e-steps")


def test_job_like_pod_fails(node):
    """With restartPolicy Never a non-zero exit is final; its message and code are in the status."""
    command = ("sh", "-c", "echo because >/dev/termination-log; exit 7")
    node.apply("e-fails", restartPolicy="Never", containers=[container("main", *command)])
    ended = main(node.until("e-fails", phase("Failed")))["state"]["terminated"]

    assert (ended["exitCode"], ended["reason"], ended["message"]) == (7, "Error", "because\n")


def test_active_deadline(node):
    """A pod that runs longer than activeDeadlineSeconds is ended and Failed, reason DeadlineExceeded."""
    node.apply("e-deadline", activeDeadlineSeconds=1, containers=[container("main", "sh", "-c", "exec sleep 100")])
    status = node.until("e-deadline", phase("Failed"))["status"]

    assert status["reason"] == "DeadlineExceeded"


def test_probes(node):
    """Ready when HTTP answers after startup, not ready when it stops, restarted when liveness fails."""
    serve = "mkdir -p /tmp/w; cd /tmp/w; touch ok live; exec python3 -m http.server --bind :: 8000"
    period = {"periodSeconds": 1, "failureThreshold": 1}
    probes = {
        "startupProbe": {"tcpSocket": {"port": "web"}, "periodSeconds": 1, "failureThreshold": 10},
        "readinessProbe": {"httpGet": {"path": "/ok", "port": "web"}, **period},
        "livenessProbe": {"exec": {"command": ["test", "-e", "/tmp/w/live"]}, **period},
    }
    ports = [{"name": "web", "containerPort": 8000}]
    node.apply("e-probes", containers=[container("main", "sh", "-c", serve, ports=ports, **probes)])
    pod = node.until("e-probes", ready)
    assert main(pod)["started"] is True
    node.kubectl("exec", "e-probes", "--", "rm", "/tmp/w/ok")
    node.until("e-probes", lambda p: not ready(p))
    node.kubectl("exec", "e-probes", "--", "rm", "/tmp/w/live")
    pod = node.until("e-probes", lambda p: main(p)["restartCount"] == 1)
    events = node.events("e-probes")

    assert ("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404") in events
    assert ("Killing", "Container main failed liveness probe, will be restarted") in events
    node.kubectl("delete", "pod", "e-probes", "--wait=false")


def test_what_is_not_supported_is_named(node):
    """An unsupported field, an unknown image and a hostPath outside of the allowed roots are said, not ignored."""
    node.apply(
        "e-field",
        resourceClaims=[{"name": "x"}],
        containers=[container(volumeDevices=[{"name": "x", "devicePath": "/dev/x"}])],
    )
    node.apply("e-image", containers=[container() | {"image": "registry.example/nothing:1.27"}])
    node.apply("e-path", volumes=[{"name": "x", "hostPath": {"path": "/etc"}}])
    field, path = (node.until(n, lambda p: p.get("status", {}).get("containerStatuses")) for n in ("e-field", "e-path"))

    wanted = [f"spec.{name} is not supported" for name in ("containers[0].volumeDevices", "resourceClaims")]
    assert main(field)["state"]["waiting"] == {"reason": "UnsupportedField", "message": "; ".join(wanted)}
    assert main(path)["state"]["waiting"]["reason"] == "ContainerCreating"
    refused = [message for reason, message in node.events("e-path") if reason == "FailedMount"]
    assert any('volume "x" : hostPath /etc is outside' in m and "--host-path-root /etc" in m for m in refused)
    image = node.until("e-image", lambda p: main(p)["state"].get("waiting", {}).get("reason") == "ErrImagePull")
    assert "use `image: host`" in main(image)["state"]["waiting"]["message"]
    node.until("e-field", lambda _: "UnsupportedField" in [reason for reason, _ in node.events("e-field")])
    for name in ("e-field", "e-image", "e-path"):
        node.kubectl("delete", "pod", name, "--wait=false")
        node.gone(name)


def test_host_network_and_host_path(node):
    """A pod on the node's network has its addresses and may read and write an allowed path."""
    shared = node.directory / "shared"
    shared.chmod(0o777)
    volumes = [{"name": "x", "hostPath": {"path": str(shared)}}]
    command = ("sh", "-c", "ip -o addr show lo | grep -c 10.46.0.11; echo hi >/shared/file")
    one = container("main", *command, volumeMounts=[{"name": "x", "mountPath": "/shared"}])
    node.apply("e-host", hostNetwork=True, restartPolicy="Never", volumes=volumes, containers=[one])
    status = node.until("e-host", phase("Succeeded"))["status"]

    assert [a["ip"] for a in status["podIPs"]] == ["10.46.0.11", "fd46::11"]
    assert output(node, "e-host") == "1\n"
    assert (shared / "file").read_text() == "hi\n"


def test_images_of_the_node(node):
    """images.d maps an image name to a command; args replace its arguments, a bad command is a StartError."""
    entry = '[[image]]\nnames = ["registry.example/say"]\nentrypoint = ["echo", "I say"]\ncommand = ["nothing"]\n'
    (node.directory / "images.d").mkdir(exist_ok=True)
    (node.directory / "images.d/10.toml").write_text(entry)
    one = {"name": "main", "image": "registry.example/say:1.0", "args": ["hello"]}
    node.apply("e-say", restartPolicy="Never", containers=[one])
    node.apply("e-bad", restartPolicy="Never", containers=[container("main", "/no/such")])
    node.until("e-say", phase("Succeeded"))
    bad = main(node.until("e-bad", phase("Failed")))["state"]["terminated"]

    assert output(node, "e-say") == "I say hello\n"
    assert (bad["exitCode"], bad["reason"]) == (128, "StartError")
    assert "/no/such" in bad["message"]


def test_packaged_images(node):
    """agnhost's netexec answers over both families, TCP and UDP, from 'image' names alone; an absent program names
    its Debian package; busybox is the machine's shell."""
    ask = "for h in localhost 127.0.0.1 [::1]; do curl -s http://$h:8080/hostname; done; curl -s 'http://[::1]:8080/echo?msg=hi'"
    dial = "curl -s 'http://127.0.0.1:8080/dial?host=::1&port=8081&request=hostname&protocol=udp&tries=2'"
    agnhost = {"name": "main", "image": "registry.k8s.io/e2e-test-images/agnhost:2.53", "args": ["netexec"]}
    absent = '[[image]]\nnames = ["absent"]\nneeds = { program = "no-such", package = "such-package" }\n'
    (node.directory / "images.d").mkdir(exist_ok=True)
    (node.directory / "images.d/20.toml").write_text(absent)
    node.apply("e-agn", terminationGracePeriodSeconds=30, containers=[agnhost])
    node.apply("e-absent", containers=[container() | {"image": "absent"}])
    node.apply(
        "e-box", restartPolicy="Never", containers=[container("main", "echo", "box") | {"image": "busybox:1.36"}]
    )
    node.until("e-agn", ready)
    wait(lambda: "Started" in output(node, "e-agn") or None, "netexec to listen")
    said = node.kubectl(
        "exec", "e-agn", "--", "sh", "-c", f"{ask}; echo; {dial}; curl -s http://127.0.0.1:8080/clientip"
    ).stdout
    node.until("e-box", phase("Succeeded"))
    image = node.until("e-absent", lambda p: main(p)["state"].get("waiting", {}).get("reason") == "ErrImagePull")

    assert said.startswith('e-agne-agne-agnhi\n{"responses": ["e-agn", "e-agn"]}127.0.0.1:')
    assert output(node, "e-box") == "box\n"
    assert "apt-get install such-package" in main(image)["state"]["waiting"]["message"]
    began = time.monotonic()
    node.kubectl("delete", "pod", "e-agn", "e-absent")
    assert time.monotonic() - began < patient(5)  # the grace is 30 s


def test_graceful_end(node):
    """Deletion runs preStop, sends SIGTERM, kills after the grace, detaches the network and deletes the object."""
    stop = {"preStop": {"exec": {"command": ["sh", "-c", "echo hook >/proc/1/fd/1"]}}}
    polite = "trap 'echo term; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    node.apply(
        "e-polite", terminationGracePeriodSeconds=20, containers=[container("main", "sh", "-c", polite, lifecycle=stop)]
    )
    node.apply(
        "e-stubborn",
        terminationGracePeriodSeconds=1,
        containers=[container("main", "sh", "-c", "trap '' TERM; sleep 100")],
    )
    node.until("e-polite", ready)
    node.until("e-stubborn", ready)
    log = node.background(node.inside(*node.kubectl_line("logs", "-f", "e-polite")))
    began = time.monotonic()
    node.kubectl("delete", "pod", "e-polite", "--wait=false")
    node.kubectl("delete", "pod", "e-stubborn", "--wait=false")
    node.gone("e-polite", 4)
    node.gone("e-stubborn", 4)

    assert time.monotonic() - began < patient(4)  # the grace of one is 20 s
    assert log.communicate(timeout=60)[0] == b"up\nhook\nterm\n"
    assert (node.cni / "state/calls").read_text().count("K8S_POD_NAME=e-polite;") == 1
