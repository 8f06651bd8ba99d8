"""Containers of loaded images: their root, their user, what they may do, and what is left of them."""

import json
import time
from typing import Any

import pytest

import archives
from archives import Built, docker, entry, link, tar
from kernel.kubelet.conftest import wait
from kernel.kubelet.test_restarts import kill_kubelet
from kernel.kubelet.test_terminals import on_node
from kube46.lab.images.loading import load
from kube46.lab.images.store import Store
from screens import screen

pytestmark = pytest.mark.root

ENTRY = b"""#!/bin/sh
set -e
chown -R redis /data
echo "started by $(id -u)"
exec setpriv --reuid redis --regid 998 --init-groups "$@"
"""


@pytest.fixture(scope="module")
def images(node) -> Store:
    """A store with an image of two layers that starts as official ones do, and one of many layers."""
    store = Store(node.directory / "images")
    base = archives.busybox()
    top = tar(
        [entry("entry", ENTRY, mode=0o755), entry("gone", b""), entry("hello", b"hello\n"), entry("data/.wh.x", b"")]
    )
    hidden = tar([entry(".wh.gone", b""), link("absolute", "/etc")])
    about = {
        "Entrypoint": ["/entry"], "Cmd": ["sleep", "1000"], "Env": ["PATH=/bin", "KEPT=yes"], "WorkingDir": "/data",
        "StopSignal": "SIGUSR1", "Volumes": {"/data": {}}, "ExposedPorts": {"80/tcp": {}},
    }  # fmt: skip
    (node.directory / "a.tar").write_bytes(docker(Built((base, top, hidden), about), "test/app:1"))
    load(str(node.directory / "a.tar"), [], store)
    many = tuple(tar([entry(f"layer{number}", b"x")]) for number in range(100))
    (node.directory / "b.tar").write_bytes(docker(Built((base, *many), {"Cmd": ["/bin/sleep", "1000"]}), "many"))
    load(str(node.directory / "b.tar"), [], store)
    plain = Built((base,), {"Env": ["PATH=/bin"], "Cmd": ["sleep", "1000"], "User": "redis"})
    (node.directory / "c.tar").write_bytes(docker(plain, "plain"))
    load(str(node.directory / "c.tar"), [], store)
    return store


def ready(pod: dict[str, Any]) -> bool:
    """Whether all its containers run."""
    return bool(pod["status"].get("containerStatuses")) and all(c["ready"] for c in pod["status"]["containerStatuses"])


def said(node, name: str, container: str = "main", words: int = 1) -> list[str]:
    """What the container has printed, once it is so many words."""
    return wait(
        lambda: (found := node.kubectl("logs", name, "-c", container).stdout.split()) and len(found) >= words and found,
        f"{words} words of {name}",
    )


def waiting(node, name: str, reason: str) -> str:
    """The message of its container that waits for that reason."""
    pod = node.until(name, lambda pod: pod["status"].get("containerStatuses") and reason in json.dumps(pod["status"]))
    return pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"]


def inside(node, name: str, script: str) -> str:
    """What a script prints in the pod."""
    return node.kubectl("exec", name, "--", "/bin/sh", "-c", script).stdout


def test_official(node, images):
    """An image that starts as root, changes owners and gives root up runs as its author meant, as nobody of the
    machine's."""
    node.apply("official", containers=[{"name": "main", "image": "test/app:1", "imagePullPolicy": "Always"}])
    status = node.until("official", ready)["status"]["containerStatuses"][0]
    told = dict(node.events("official"))
    about = inside(
        node,
        "official",
        "pwd; env; ls -a /; ls -n /hello; cat /etc/hosts; grep -E '^(Uid|Groups|NoNew)' /proc/1/status",
    )
    pid = node.root / "pods" / node.pod("official")["metadata"]["uid"] / "containers/main/0/run.json"
    outside = node.run("cat", f"/proc/{json.loads(pid.read_text())['pid']}/status").stdout
    uid = next(int(line.split()[1]) for line in outside.splitlines() if line.startswith("Uid"))

    assert said(node, "official", words=3) == ["started", "by", "0"]
    assert uid >= 0x70000000 and uid % 65536 == 999
    assert "Uid:\t999" in about and "Groups:\t77 998" in about and "NoNewPrivs:\t1" in about
    assert "KEPT=yes" in about and "HOME=/root" in about and "\nPATH=/bin\n" in about
    assert about.startswith("/data\n") and "official" in about and "gone" not in about
    assert status["image"] == "docker.io/test/app:1"
    assert status["imageID"] == images.read().names["docker.io/test/app:1"]
    assert told["Pulled"].startswith('Container image "test/app:1" already present on machine (there is no registry')


def test_root_is_nobody(node, images):
    """Root of an image's container can neither mount, nor make devices, nor change the kernel; it can chroot."""
    script = (
        "mount -t tmpfs x /tmp; mknod /tmp/d b 8 0; echo 1 > /proc/sys/kernel/panic; "
        "chroot / id -u; cat /proc/self/uid_map"
    )
    node.apply("rooted", containers=[{"name": "main", "image": "plain", "securityContext": {"runAsUser": 0}}])
    node.until("rooted", ready)
    words = inside(node, "rooted", f"( {script} ) 2>&1").split()

    assert words.count("permitted") + words.count("denied") + words.count("system") >= 2
    assert words[-4] == "0" and words[-3] == "0" and int(words[-2]) >= 0x70000000
    assert not inside(node, "rooted", "ls /tmp").strip()


def test_users(node, images):
    """USER, runAsUser, fsGroup and further groups add up as containerd adds them; runAsNonRoot is kubelet's."""
    show = ["sh", "-c", "id -u; id -g; id -G; sleep 1000"]
    node.apply(
        "named", containers=[{"name": "main", "image": "plain", "command": show}], securityContext={"fsGroup": 55}
    )
    node.apply("number", containers=[{"name": "main", "image": "plain", "command": show}],
               securityContext={"runAsUser": 1234, "supplementalGroups": [66], "runAsNonRoot": True})  # fmt: skip
    refused = {"plain": "non-numeric user (redis)", "test/app:1": "image will run as root"}
    for number, image in enumerate(refused):
        node.apply(f"no{number}", containers=[{"name": "main", "image": image}], securityContext={"runAsNonRoot": True})
    for name in ("named", "number"):
        node.until(name, ready)

    assert said(node, "named", words=5) == ["999", "998", "998", "55", "77"]
    assert said(node, "number", words=4) == ["1234", "0", "0", "66"]
    for number, text in enumerate(refused.values()):
        assert text in waiting(node, f"no{number}", "CreateContainerConfigError")


def test_volumes(node, images):
    """Owners on volumes are the container's numbers, whoever looks: another image's container, or the machine's own."""
    node.kubectl("create", "secret", "generic", "s", "--from-literal=key=value")
    write = "id -u > /memory/own; chown 999:998 /disk && echo x > /disk/file && chown 7 /disk/file; cat /secret/key"
    files = "/disk /disk/file /memory/own"
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in ("disk", "memory", "secret")]
    first, image, host = (
        {"name": name, "image": image, "command": ["sh", "-c", script], "volumeMounts": mounts}
        for name, image, script in (
            ("first", "plain", write),
            ("image", "test/app:1", f"ls -lnd {files}; sleep 1000"),
            ("host", "host", f"stat -c %u {files}; sleep 1000"),
        )
    )
    node.apply(
        "volumes",
        initContainers=[first | {"securityContext": {"runAsUser": 0}}],
        containers=[image, host],
        volumes=[{"name": "disk", "emptyDir": {}}, {"name": "memory", "emptyDir": {"medium": "Memory"}},
                 {"name": "secret", "secret": {"secretName": "s"}}],
    )  # fmt: skip
    node.until("volumes", ready)

    assert said(node, "volumes", "first") == ["value"]
    assert said(node, "volumes", "host", 3) == ["999", "7", "0"]
    assert said(node, "volumes", "image", 27)[2::9] == ["999", "7", "0"]


def test_read_only_and_fresh(node, images):
    """readOnlyRootFilesystem holds but for VOLUMEs; a restart begins with the image's own files, and StopSignal is
    the image's."""
    script = (
        "ls /data/mark /hello.mark 2>&1 | grep -c No; touch /data/mark || echo volume; touch /hello.mark && echo root; "
        "trap 'echo by-signal > /dev/termination-log; exit 7' USR1; while :; do sleep 0.1; done"
    )
    failing = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1, "initialDelaySeconds": 1}
    security = {"readOnlyRootFilesystem": True}
    main = {"name": "main", "image": "test/app:1", "command": ["sh", "-c", script], "securityContext": security}
    other = {"name": "other", "image": "plain", "command": ["sh", "-c", script], "securityContext": {"runAsUser": 0}}
    node.apply("fresh", containers=[main | {"livenessProbe": failing}, other])
    pod = node.until(
        "fresh",
        lambda pod: all(
            c["restartCount"] or c["name"] == "other"
            for c in pod["status"].get("containerStatuses") or [{"restartCount": 0, "name": ""}]
        ),
    )
    last = next(c for c in pod["status"]["containerStatuses"] if c["name"] == "main")["lastState"]["terminated"]

    assert (last["exitCode"], last["message"]) == (7, "by-signal\n")
    assert node.kubectl("logs", "fresh", "-c", "main").stdout.split()[0] == "2"  # the mark of the first run is gone
    assert "root" not in node.kubectl("logs", "fresh", "-c", "main").stdout.split()
    assert "volume" not in node.kubectl("logs", "fresh", "-c", "main").stdout
    assert "root" in node.kubectl("logs", "fresh", "-c", "other").stdout.split()


def test_network_capabilities(node, images):
    """NET_ADMIN, which needs the pod's network to be the container's own, is given without a user namespace; dropping
    ALL leaves nothing."""
    security = [{"capabilities": {"add": ["NET_ADMIN"]}}, {"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}}]
    show = ["sh", "-c", "grep CapEff /proc/self/status; cat /proc/self/uid_map; sleep 1000"]
    containers = [
        {"name": f"c{n}", "image": "many", "command": ["/bin/sh", "-c", show[2]], "securityContext": s}
        for n, s in enumerate(security)
    ]
    node.apply("capable", containers=containers)
    node.until("capable", ready)
    own, none = (said(node, "capable", f"c{n}", 5) for n in range(2))

    assert int(own[1], 16) & 1 << 12 and own[3] == "0"
    assert int(none[1], 16) == 1 and int(none[3]) >= 0x70000000
    assert inside(node, "capable", "cd /; echo layer*").split()[-1] == "layer99"


def test_waiting_for_an_image(node, images):
    """A pod that waits for an image starts when it is loaded, without its back-off; the node tells its images."""
    node.apply("early", containers=[{"name": "main", "image": "late:1"}])
    node.apply("never", containers=[{"name": "main", "image": "later", "imagePullPolicy": "Never"}])
    node.apply("invalid", containers=[{"name": "main", "image": "upper/CASE"}])
    reasons = {"early": "ErrImagePull", "never": "ErrImageNeverPull", "invalid": "InvalidImageName"}
    for name, reason in reasons.items():
        assert waiting(node, name, reason)
    begun = time.monotonic()
    load(str(node.directory / "c.tar"), ["late:1"], images)
    node.until("early", ready)

    assert time.monotonic() - begun < 9  # the back-off is 10 s
    assert any("kube46 image load" in text for reason, text in node.events("early") if reason == "Failed")
    wait(lambda: "docker.io/library/late:1" in node.kubectl("get", "node", "-o", "yaml").stdout, "the node's images")


def test_adopted_and_cleared(node, images):
    """A kubelet that comes back finds the container running; when the pod is deleted nothing of it is left."""
    node.apply("kept", containers=[{"name": "main", "image": "plain"}])
    before = node.until("kept", ready)
    uid = before["metadata"]["uid"]
    kill_kubelet(node)
    node.start_kubelet()
    again = ("exec", "kept", "--", "/bin/sh", "-c", "id -u")
    wait(lambda: node.kubectl(*again, check=False).stdout.strip() == "999" or None, "the kubelet with its pod")
    after = node.until("kept", ready)["status"]["containerStatuses"][0]
    mounts = node.run("cat", "/proc/self/mountinfo").stdout
    upper = node.root / "pods" / uid / "containers/main/0/upper"

    assert (
        after["restartCount"] == 0 and after["containerID"] == before["status"]["containerStatuses"][0]["containerID"]
    )
    assert uid in mounts and upper.is_dir()
    node.kubectl("delete", "pod", "kept")
    node.gone("kept")
    assert uid not in node.run("cat", "/proc/self/mountinfo").stdout
    assert not upper.exists() and images.layer(images.read().images[after["imageID"]].layers[0]).is_dir()


def test_processes_are_shared(node, images):
    """Containers of loaded images share processes with others of theirs, and with those of the machine's files."""
    both = [{"name": "main", "image": "plain"}, {"name": "machine", "image": "host", "command": ["sleep", "1000"]}]
    node.apply("shares", shareProcessNamespace=True, containers=both)
    node.until("shares", ready)
    node.apply("looked-at", containers=[{"name": "main", "image": "plain"}])
    node.until("looked-at", ready)
    line = ("debug", "looked-at", "--image=plain", "--target=main", "-c", "looker", "--", "ps")
    node.kubectl(*line)

    assert inside(node, "shares", "ps").count("sleep 1000") == 2
    assert "sleep 1000" in " ".join(said(node, "looked-at", "looker", words=4))


def test_terminal(node, images):
    """`tty: true` and `exec -it` work in an image, whose user owns its terminal."""
    node.apply("shell", containers=[{"name": "main", "image": "plain", "command": ["sh"], "stdin": True, "tty": True}])
    node.until("shell", ready)
    with screen(on_node(node, "websocket", "attach", "-it", "shell")) as attached:
        attached.type("echo ready $((6 * 7)) $(id -u)\n")
        attached.until("ready 42 999")
    with screen(on_node(node, "websocket", "exec", "-it", "shell", "--", "sh")) as executed:
        executed.type("stat -c owner-%u /dev/pts/*; echo done $((6 * 7))\n")
        executed.until("done 42")
