"""People's streams through a whole cluster, dual-stack and IPv6-only: terminals, copies, logs and forwarded ports."""

import hashlib
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import Cluster, echo_service, eventually
from screens import screen

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]
TRANSPORTS = {"websocket": "true", "spdy": "false"}
NAMESPACE, SIZE = "streams", 100_000_000
# Answers with the hash of all that came, after its end.
SUM = """
import hashlib, socket, threading
def answer(connection):
    with connection:
        seen = hashlib.sha256()
        while data := connection.recv(65536):
            seen.update(data)
        connection.sendall(seen.hexdigest().encode())
listener = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    threading.Thread(target=answer, args=(listener.accept()[0],)).start()
"""


@pytest.fixture(scope="module", params=["ipv4,ipv6", "ipv6"])
def cluster(request: pytest.FixtureRequest, clusters: Callable[[str], Cluster]) -> Iterator[Cluster]:
    """A cluster with a pod `sum` that adds up what it gets, a Service before it, and a pod that restarts once."""
    found = clusters(request.param)
    found.kubectl("create", "namespace", NAMESPACE)
    count = "n=$(cat /v/n 2>/dev/null || echo 0); echo $((n+1)) >/v/n"
    again = f"{count}; echo run $n; [ $n = 0 ] && exit 1; sleep 2; echo end; exit 0"
    found.apply(
        pod("sum", ["python3", "-ISc", SUM], stdin=True),
        pod("shell", ["sh", "-c", 'while read x; do echo "got $x"; done'], stdin=True, tty=True),
        pod("again", ["sh", "-c", again], volumeMounts=[{"name": "v", "mountPath": "/v"}]),
        echo_service("sum", "sum"),
        namespace=NAMESPACE,
    )
    found.kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", "pod/sum", "pod/shell", "--timeout=30s")
    yield found
    found.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture
def transport(cluster: Cluster) -> str:
    """kubectl's default on one cluster, the older protocol on the other: both twice would take a minute more."""
    return "spdy" if len(cluster.families) == 2 else "websocket"


def pod(name: str, command: list[str], **container: Any) -> dict[str, Any]:
    """A pod of one container, which is restarted when it fails."""
    one = {"name": "c", "image": "host", "command": command, **container}
    spec = {"containers": [one], "restartPolicy": "OnFailure", "terminationGracePeriodSeconds": 1}
    spec["volumes"] = [{"name": "v", "emptyDir": {}}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def line(cluster: Cluster, *arguments: str) -> list[str]:
    """kubectl in the tests' namespace."""
    return ["kubectl", "--context", f"kube46-{cluster.name}", "-n", NAMESPACE, *arguments]


def environment(cluster: Cluster, transport: str) -> dict[str, str]:
    """kubectl's, to use that transport."""
    chosen = TRANSPORTS[transport]
    names = ("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "KUBECTL_PORT_FORWARD_WEBSOCKETS")
    return cluster.environment | dict.fromkeys(names, chosen)


@contextmanager
def running(cluster: Cluster, transport: str, *command: str) -> Iterator[tuple[list[str], subprocess.Popen[str]]]:
    """A forwarding command: what it said first, a line, and its process, which is interrupted afterwards."""
    process = subprocess.Popen(
        command, env=environment(cluster, transport), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    try:
        said = process.stdout.readline()
        yield re.findall(r"\S+:\d+", said), process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def total(port: int, block: bytes, host: str = "127.0.0.1") -> str:
    """What the pod `sum` answers to SIZE bytes."""
    with socket.create_connection((host, port), 20) as connection:
        for _ in range(SIZE // len(block)):
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(100), b"")).decode()


def test_terminals(cluster: Cluster, transport: str) -> None:
    """`run -it --rm` with a change of size and an exit code, `exec -it` likewise, `attach -it` to what runs."""
    name = f"it-{transport}"
    run = ("run", "-it", name, "--image=busybox", "--restart=Never", "--rm", "--", "sh")
    for arguments in (run, ("exec", "-it", "sum", "--", "sh")):
        with screen(line(cluster, *arguments), environment(cluster, transport)) as shell:
            shell.type("echo $((6 * 7)); stty size\n", "42\r\n30 100")
            shell.resize(50, 120)
            shell.type("until [ \"$(stty size)\" = '50 120' ]; do sleep 0.05; done; echo gr$((0))wn\n", "gr0wn")
            shell.type("exit 7\n", "exit")
            assert shell.process.wait(60) == 7
    eventually(lambda: name not in cluster.kubectl("-n", NAMESPACE, "get", "pods", "-o", "name"))
    with screen(line(cluster, "attach", "-it", "shell"), environment(cluster, transport)) as shell:
        shell.type(f"{transport}\n", f"got {transport}")


def test_input_ends_and_files_are_copied(cluster: Cluster, transport: str, tmp_path: Path) -> None:
    """A command sees its input's end and answers after it; `cp` brings a directory with 50 MB in and out unchanged."""
    data = os.urandom(1 << 20) * 50
    here, back, there = tmp_path / "here", tmp_path / "back", f"/tmp/{transport}"
    (here / "deep").mkdir(parents=True)
    (here / "deep/large").write_bytes(data)
    (here / "small").write_text("small")

    def kubectl(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command, settings = line(cluster, *arguments), environment(cluster, transport)
        return subprocess.run(command, env=settings, input=given, capture_output=True, timeout=60, check=False)

    ended = kubectl("exec", "-i", "sum", "--", "sh", "-c", "sha256sum; exit 9", given=data)
    assert ended.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()
    assert ended.returncode == 9
    assert kubectl("cp", str(here), f"sum:{there}").returncode == 0
    assert kubectl("cp", f"sum:{there}", str(back)).returncode == 0
    subprocess.run(["diff", "-r", str(here), str(back)], check=True)


def test_logs_of_both_runs(cluster: Cluster) -> None:
    """`logs -f --since` ends with the run that it follows; `--previous` shows the one before, also with `-f`."""

    def logs(*flags: str) -> str:
        return cluster.kubectl("-n", NAMESPACE, "logs", "again", *flags)

    eventually(lambda: "run 1" in logs())
    assert logs("-f", "--since=1h") == "run 1\nend\n"
    assert logs("-f", "--previous", "--since=1h") == "run 0\n"


def test_kubectl_forwards_ports(cluster: Cluster, transport: str) -> None:
    """To a pod and to a Service's pod, 100 MB over each of two connections at once; a refused connection is told."""
    block = os.urandom(1_000_000)
    expected = hashlib.sha256(block * (SIZE // len(block))).hexdigest()
    for target in ("pod/sum", "svc/sum"):
        port = ":8080" if target == "pod/sum" else ":80"
        with running(cluster, transport, *line(cluster, "port-forward", target, port)) as (places, _):
            local = int(places[0].rpartition(":")[2])
            with ThreadPoolExecutor(2) as pool:
                assert list(pool.map(lambda _, local=local: total(local, block), range(2))) == [expected] * 2
    with running(cluster, transport, *line(cluster, "port-forward", "pod/sum", ":9")) as (places, client):
        with socket.create_connection(("127.0.0.1", int(places[0].rpartition(":")[2])), 20) as refused:
            assert refused.recv(1) == b""
        assert client.stderr
        assert "connection refused" in "".join(client.stderr)


def test_kube46_forwards_to_a_service(cluster: Cluster) -> None:
    """Both loopbacks lead to a Service, 100 MB over each; a refused connection is told; after Ctrl-C none listens."""
    block = os.urandom(1_000_000)
    expected = hashlib.sha256(block * (SIZE // len(block))).hexdigest()
    command = ("kube46", "forward", "--name", cluster.name, "-n", NAMESPACE)
    with running(cluster, "websocket", *command, "svc/sum", ":80") as (places, client):
        port = int(places[0].rpartition(":")[2])
        assert places == [f"127.0.0.1:{port}", f"[::1]:{port}", "svc/sum:80"]
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(lambda host: total(port, block, host), ("127.0.0.1", "::1"))) == [expected] * 2
    assert client.returncode == 130
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("::1", port), 5)
    with running(cluster, "websocket", *command, "pod/sum", ":9") as (places, client):
        with socket.create_connection(("127.0.0.1", int(places[0].rpartition(":")[2])), 20) as refused:
            assert refused.recv(1) == b""
        assert client.stderr
        assert client.stderr.readline() == "kube46: pod/sum:9: connection refused\n"


def test_curl_over_both_loopbacks(cluster: Cluster) -> None:
    """curl fetches a page of a Deployment's over 127.0.0.1 and [::1], all its ports when none is named."""
    page = ["/agnhost", "netexec", "--http-port=8080"]
    image = "registry.k8s.io/e2e-test-images/agnhost:2.40"
    cluster.kubectl("-n", NAMESPACE, "create", "deployment", "page", f"--image={image}", "--port=8080", "--", *page)
    cluster.kubectl("-n", NAMESPACE, "wait", "--for=condition=Available", "deployment/page", "--timeout=30s")
    command = ("kube46", "forward", "--name", cluster.name, "-n", NAMESPACE, "deploy/page")
    with running(cluster, "websocket", *command) as (places, _):
        assert places[-1] == "deploy/page:8080"
        for place in places[:2]:
            said = cluster.run("curl", "-sS", "-m", "5", f"http://{place}/hostname")
            assert said.startswith("page-")


@pytest.mark.parametrize(
    ("arguments", "told"),
    {
        ("svc/none",): 'services "none" not found in namespace streams',
        ("svc/sum", "81"): "svc/sum: has no port 81; it has 80 (tcp)",
        ("job/x",): "write svc/NAME",
        ("svc/sum", "--address", "x"): "--address x: is no IP address",
        ("svc/sum", "--address", "192.0.2.1"): "cannot assign requested address",
    }.items(),
    ids=["no target", "no port", "no kind", "no address", "not ours"],
)
def test_what_cannot_be_forwarded(cluster: Cluster, arguments: tuple[str, ...], told: str) -> None:
    """One sentence that names what is wrong, status 2."""
    command = ["kube46", "forward", "--name", cluster.name, "-n", NAMESPACE, *arguments]
    done = subprocess.run(command, env=cluster.environment, capture_output=True, text=True, timeout=20, check=False)
    assert told in done.stderr
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
