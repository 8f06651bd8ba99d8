"""The kubelet's server: logs and commands through the real API server and kubectl, and who is let in."""

import os
import pty
import re
import select
import subprocess
import time

import pytest

from kernel.kubelet.conftest import Node, container, wait
from patience import patient

pytestmark = pytest.mark.root

COUNT = "i=0; while [ $i -lt 20 ]; do i=$((i+1)); echo out $i; done; echo err >&2; printf part"


@pytest.fixture(scope="module")
def talker(node: Node) -> str:
    """A pod that has written twenty lines, one to stderr and half a line, and runs on."""
    node.apply("e-talker", containers=[container("main", "sh", "-c", f"{COUNT}; sleep 1000", stdin=True)])
    wait(lambda: "err" in node.kubectl("logs", "e-talker", check=False).stdout or None, "the pod's output")
    return "e-talker"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--tail=2"], "out 20\nerr\n"),
        (["--tail=0"], ""),
        (["--limit-bytes=8"], "out 1\nou"),
        (["--since=1h", "--tail=1"], "err\n"),
        (["--since-time=2100-01-01T00:00:00Z"], ""),
    ],
    ids=["tail", "none", "limit", "since", "future"],
)
def test_selected_logs(node, talker, options, expected):
    """kubectl's options select lines."""
    assert node.kubectl("logs", talker, *options).stdout == expected


def test_timestamps(node, talker):
    """--timestamps puts an RFC 3339 time with nanoseconds before each line."""
    first = node.kubectl("logs", talker, "--timestamps", "--tail=1").stdout

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z err\n", first)


def test_refused_logs(node, talker):
    """What can't be shown is said: an unknown container, no previous run."""
    previous = node.kubectl("logs", talker, "--previous", check=False)

    assert 'previous terminated container "main" in pod "e-talker" not found' in previous.stderr


@pytest.mark.parametrize("code", [0, 1, 42, 137])
def test_exit_code(node, talker, code):
    """kubectl exec ends with the command's exit code."""
    assert node.kubectl("exec", talker, "--", "sh", "-c", f"exit {code}", check=False).returncode == code


def test_exec_runs_as_the_container(node, talker):
    """A command has the container's user, environment and rights; stdout and stderr stay apart; stdin ends."""
    script = "id -u; cat; echo oops >&2; grep CapEff /proc/self/status"
    done = node.kubectl("exec", "-i", talker, "--", "sh", "-c", script, input="x" * 100_000 + "\n")

    assert done.stdout == "65534\n" + "x" * 100_000 + "\nCapEff:\t0000000000000000\n"
    assert done.stderr == "oops\n"


def test_unknown_command(node, talker):
    """A program that isn't there is a failure that names it."""
    done = node.kubectl("exec", talker, "--", "/no/such", check=False)

    assert done.returncode != 0
    assert "/no/such" in done.stderr


def test_terminal(node, talker):
    """exec -it gives a terminal of the client's size that follows its changes."""
    leader, follower = pty.openpty()
    os.set_blocking(leader, False)
    stty(follower, 30, 100)
    wait_for = "until [ \"$(stty size)\" = '{}' ]; do sleep 0.05; done; echo now {};"
    first, second = (wait_for.format(size, name) for size, name in (("30 100", "small"), ("50 120", "large")))
    script = f"stty size; {first} {second} read a; echo got $a"
    line = node.inside(*node.kubectl_line("exec", "-it", talker, "--", "sh", "-c", script))
    process = subprocess.Popen(line, stdin=follower, stdout=follower, stderr=follower, start_new_session=True)
    until(leader, b"now small")
    stty(follower, 50, 120)
    for client in node.run("pgrep", "-f", "kubectl.*exec -it").stdout.split():
        node.run("kill", "-WINCH", client)
    until(leader, b"now large")
    os.write(leader, b"words\n")
    until(leader, b"got words")
    process.wait(60)
    os.close(leader)
    os.close(follower)

    assert process.returncode == 0


def stty(fd: int, rows: int, columns: int) -> None:
    """Set a terminal's size."""
    subprocess.run(["stty", "rows", str(rows), "cols", str(columns)], stdin=fd, check=True)


def until(fd: int, wanted: bytes) -> None:
    """Returns once the terminal has shown `wanted`."""
    text = b""
    end = time.monotonic() + patient(10)
    while wanted not in text and time.monotonic() < end:
        if select.select([fd], [], [], 0.2)[0]:
            text += os.read(fd, 4096)
    assert wanted in text, text


def test_client_that_goes_ends_its_command(node, talker):
    """When kubectl is killed, the command it started doesn't stay behind."""
    client = node.background(node.inside(*node.kubectl_line("exec", talker, "--", "sleep", "4321")))
    wait(lambda: node.run("pgrep", "-fx", "sleep 4321", check=False).stdout or None, "the command")
    for member in node.run("pgrep", "-f", "kubectl.*sleep 4321").stdout.split():
        node.run("kill", "-9", member)
    client.wait(60)
    client.communicate()
    wait(lambda: not node.run("pgrep", "-fx", "sleep 4321", check=False).stdout or None, "the command's end", 5)


def test_attach(node):
    """attach carries input to a container that has stdin, and its output back."""
    node.apply("e-echo", containers=[container("main", "sh", "-c", "read a; echo heard $a; sleep 1000", stdin=True)])
    wait(lambda: node.kubectl("exec", "e-echo", "--", "true", check=False).returncode == 0 or None, "the pod")
    client = subprocess.Popen(
        node.inside(*node.kubectl_line("attach", "-i", "e-echo")), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert client.stdin is not None
    assert client.stdout is not None
    time.sleep(0.5)
    client.stdin.write(b"this\n")
    client.stdin.flush()
    line = client.stdout.readline()
    node.run("pkill", "-f", "kubectl.*attach")
    client.communicate(timeout=60)

    assert line == b"heard this\n"
    node.kubectl("delete", "pod", "e-echo", "--wait=false")


def curl(node: Node, path: str, *options: str, host: str = "10.46.0.11") -> str:
    """The HTTP status and body of a request to the kubelet."""
    ca = f"{node.directory}/pki/ca.crt"
    line = ("curl", "-sg", "--cacert", ca, "-w", "\n%{http_code}", *options, f"https://{host}:10250{path}")
    return node.run(*line, check=False).stdout


@pytest.mark.parametrize("host", ["10.46.0.11", "[fd46::11]"])
def test_who_is_let_in(node, talker, host):
    """Strangers get 401, nodes 403, administrators by token and the API server by certificate get in: both families."""
    pki = f"{node.directory}/pki"
    certificate = ("--cert", f"{pki}/client.crt", "--key", f"{pki}/client.key")

    assert curl(node, "/healthz", host=host) == "ok\n200"
    assert curl(node, "/pods", host=host) == "Unauthorized\n401"
    assert curl(node, "/pods", "-H", "Authorization: Bearer nonsense", host=host).endswith("401")
    assert talker in curl(node, "/pods", "-H", "Authorization: Bearer etoken-admin", host=host)
    assert curl(node, f"/containerLogs/default/{talker}/main?tailLines=1", *certificate, host=host) == "err\n\n200"
    numbers = curl(node, "/metrics", *certificate, host=host)
    assert re.search(r"^kubelet_running_containers [1-9]", numbers, re.MULTILINE)
    assert re.search(r"^kubelet_pod_start_sli_duration_seconds_count [1-9]", numbers, re.MULTILINE)
    assert curl(node, "/nothing", *certificate, host=host).endswith("404")


def test_bad_requests(node, talker):
    """What the server can't do it says in words: no upgrade, no protocol in common, unknown pods, no numbers."""
    pki = f"{node.directory}/pki"
    certificate = ("--cert", f"{pki}/client.crt", "--key", f"{pki}/client.key")
    spdy = ("-X", "POST", "-H", "Connection: Upgrade", "-H", "Upgrade: SPDY/3.1")

    path = f"/exec/default/{talker}/main?command=true&output=1"
    assert "missing upgrade headers: the client asked for no upgrade" in curl(node, path, *certificate)
    assert curl(node, path, *certificate, *spdy, "-H", "X-Stream-Protocol-Version: channel.k8s.io") == (
        "unable to upgrade: unable to negotiate protocol: client supports [channel.k8s.io],"
        " server accepts [v5.channel.k8s.io v4.channel.k8s.io]\n403"
    )
    assert curl(node, "/containerLogs/default/none/main", *certificate).endswith("404")
    assert curl(node, f"/containerLogs/default/{talker}/main?tailLines=x", *certificate).startswith("tailLines: 'x'")
    assert curl(node, f"/portForward/default/{talker}", *certificate).endswith("400")


def test_logs_of_the_node(node, talker):
    """`/logs/` shows administrators the pods' logs by CRI's names, and nothing else of the machine."""
    pki = f"{node.directory}/pki"
    certificate = ("--path-as-is", "--cert", f"{pki}/client.crt", "--key", f"{pki}/client.key")
    name = f"default_{talker}_{node.pod(talker)['metadata']['uid']}"

    assert curl(node, "/logs/").endswith("401")
    assert '<a href="pods/">pods/</a>' in curl(node, "/logs/", *certificate)
    assert f'<a href="{name}/">' in curl(node, "/logs/pods/", *certificate)
    assert '<a href="0.log">0.log</a>' in curl(node, f"/logs/pods/{name}/main/", *certificate)
    text = curl(node, f"/logs/pods/{name}/main/0.log", *certificate)
    assert re.match(r"\d{4}-\d\d-\d\dT\S+ std(out|err) [FP] ", text)
    for path in ("pods/..", f"pods/{name}/..%2fsandbox.json", f"pods/{name}/../sandbox.json", "syslog", "pods/none"):
        assert curl(node, f"/logs/{path}", *certificate) == "404 page not found\n\n404", path
