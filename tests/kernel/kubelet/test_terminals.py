"""Containers with a terminal, and commands over both transports, as people at a terminal use them."""

import os
import re
import signal
import subprocess
import time

import pytest

from kernel.kubelet.conftest import NODE, Node, container, wait
from kernel.kubelet.test_pods import main, ready
from patience import patient
from screens import screen

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]
TRANSPORTS = {"websocket": "true", "spdy": "false"}


def on_node(node: Node, transport: str, *arguments: str) -> list[str]:
    """kubectl in the node's namespaces, over a transport."""
    setting = f"KUBECTL_REMOTE_COMMAND_WEBSOCKETS={TRANSPORTS[transport]}"
    return node.inside("env", setting, *node.kubectl_line(*arguments))


@pytest.fixture(scope="module")
def target(node: Node) -> str:
    """A pod to run commands in."""
    node.apply("t-target", containers=[container()])
    node.until("t-target", ready)
    return "t-target"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_run_it(node: Node, transport: str) -> None:
    """`kubectl run -it` gives a shell at once: job control, size and its changes, the exit code, all removed."""
    name = f"t-run-{transport}"
    override = f'--overrides={{"spec":{{"nodeName":"{NODE}"}}}}'
    began = time.monotonic()
    line = ("run", "-it", name, "--image=busybox", "--restart=Never", "--rm", override, "--", "sh")
    with screen(on_node(node, transport, *line)) as shell:
        shell.type("echo ready $((6 * 7)) $TERM $(tty)\n")
        shell.until("ready 42 xterm /dev/pts/0")
        took = time.monotonic() - began
        shell.type("stty size\n")
        shell.until("30 100")
        shell.resize(50, 120)
        shell.type("until [ \"$(stty size)\" = '50 120' ]; do sleep 0.05; done; echo g''rown\n")
        shell.until("grown")  # only the command's own output has it unquoted
        shell.type("sleep 7531\n")
        wait(lambda: node.run("pgrep", "-fx", "sleep 7531", check=False).stdout or None, "the command")
        shell.type("\x03")
        shell.type("echo interrupted $?\n")
        shell.until("interrupted 130")
        shell.type("exit 7\n")
        shell.process.wait(60)
        assert shell.process.returncode == 7
    assert took < patient(10)
    node.gone(name)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_terminal_outlives_its_clients_and_the_kubelet(node: Node, transport: str) -> None:
    """Who closes the window ends nothing; nor does SIGKILL to the kubelet, whose successor has terminal and log."""
    name = f"t-keeps-{transport}"
    counting = "n=0; while :; do n=$((n+1)); echo tick $n; sleep 0.1; done"
    script = f'({counting}) & while read x; do echo "got $x"; [ "$x" = end ] && exit 5; done; echo hung up'
    node.apply(name, restartPolicy="Never", containers=[container("main", "sh", "-c", script, stdin=True, tty=True)])
    node.until(name, ready)
    with screen(on_node(node, transport, "attach", "-it", name)) as first:
        first.type("one\n")
        first.until("got one")
    os.kill(node.pid("kubelet"), signal.SIGKILL)
    node.processes["kubelet"].wait(60)
    node.start_kubelet()
    wait(lambda: node.kubectl("logs", name, "--tail=1", check=False).returncode == 0 or None, "the kubelet", 20)
    with screen(on_node(node, transport, "attach", "-it", name)) as second:
        second.type("two\n")
        second.until("got two")
        second.type("end\n")
        second.until("got end")
        second.process.wait(60)
        assert second.process.returncode == 0
    pod = node.until(name, lambda p: p["status"]["phase"] == "Failed")
    assert main(pod)["state"]["terminated"]["exitCode"] == 5
    assert main(pod)["restartCount"] == 0
    log = node.kubectl("logs", name).stdout
    ticks = [int(n) for n in re.findall(r"tick (\d+)", log)]
    assert ticks == list(range(1, len(ticks) + 1))
    assert [line for line in log.splitlines() if "got" in line] == ["got one", "got two", "got end"]
    uid = pod["metadata"]["uid"]
    raw = (node.root / "pods" / uid / "logs/main/0.log").read_bytes()
    assert {line.split(b" ")[1] for line in raw.splitlines()} == {b"stdout"}
    node.kubectl("delete", "pod", name, "--wait=false")


def test_the_last_words_of_a_terminal(node: Node) -> None:
    """What a container writes just before its end is in the log, also when it ends while there is no kubelet."""
    script = "read x; head -c 3000 /dev/zero | tr '\\0' x; echo; echo last; exit 3"
    one = container("main", "sh", "-c", f"sleep 1.5; echo > /dev/null; {script.removeprefix('read x; ')}", tty=True)
    node.apply("t-last", restartPolicy="Never", containers=[one])
    node.until("t-last", ready)
    os.kill(node.pid("kubelet"), signal.SIGKILL)
    node.processes["kubelet"].wait(60)
    time.sleep(2)
    node.start_kubelet()
    pod = node.until("t-last", lambda p: p["status"]["phase"] == "Failed", 20)
    assert main(pod)["state"]["terminated"]["exitCode"] == 3
    assert node.kubectl("logs", "t-last").stdout.splitlines() == ["x" * 3000, "last"]
    node.kubectl("delete", "pod", "t-last", "--wait=false")


def test_terminals_that_end_at_once(node: Node) -> None:
    """A program that says a word and ends takes nothing along, also when the kubelet looks only then."""
    names = [f"t-brief{number}" for number in range(8)]
    for name in names:
        one = container("main", "echo", f"word of {name}", tty=True)
        node.apply(name, restartPolicy="Never", containers=[one])
    for name in names:
        node.until(name, lambda p: p["status"]["phase"] == "Succeeded", 30)
        assert node.kubectl("logs", name).stdout.splitlines() == [f"word of {name}"]
    node.kubectl("delete", "pod", "--wait=false", *names)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_stdin_once(node: Node, transport: str) -> None:
    """With stdinOnce the container's input ends with the first client's; a killed kubelet does not end it."""
    name = f"t-once-{transport}"
    one = container("main", "sh", "-c", "ls /proc/self/fd | tr '\\n' ' '; cat; echo over; sleep 1000", stdin=True)
    node.apply(name, containers=[one | {"stdinOnce": True}])
    node.until(name, ready)
    os.kill(node.pid("kubelet"), signal.SIGKILL)
    node.processes["kubelet"].wait(60)
    node.start_kubelet()
    wait(lambda: node.kubectl("exec", name, "--", "true", check=False).returncode == 0 or None, "the kubelet", 20)
    assert "over" not in node.kubectl("logs", name).stdout
    line = ["env", f"KUBECTL_REMOTE_COMMAND_WEBSOCKETS={TRANSPORTS[transport]}"]
    client = subprocess.Popen(
        node.inside(*line, *node.kubectl_line("attach", "-i", name)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert client.stdin
    assert client.stdout
    client.stdin.write(b"words\n")
    client.stdin.close()
    assert [client.stdout.readline() for _ in range(2)] == [b"words\n", b"over\n"]
    for process in node.run("pgrep", "-f", f"attach -i {name}").stdout.split():
        node.run("kill", process, check=False)
    client.stdout.close()
    client.wait(60)
    assert node.kubectl("logs", name).stdout.split("words")[0].split() == ["0", "1", "2", "3"]  # 3: ls's own
    node.kubectl("delete", "pod", name, "--wait=false")


def test_commands_over_spdy(node: Node, target: str) -> None:
    """Output and errors apart, input that ends, exit codes, an unknown program, 100 MB out: as by WebSocket."""

    def execute(*command: str, given: str = "", options: tuple[str, ...] = ("-i",)) -> subprocess.CompletedProcess[str]:
        line = node.kubectl_line("exec", *options, target, "--", *command)
        return node.run("env", "KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false", *line, input=given, check=False)

    mixed = execute("sh", "-c", "cat; echo oops >&2; exit 42", given="x" * 300_000 + "\n")
    assert mixed.stdout == "x" * 300_000 + "\n"
    assert mixed.stderr.splitlines()[0] == "oops"
    assert mixed.returncode == 42
    missing = execute("/no/such")
    assert missing.stderr.count("/no/such") == 1  # told once, and not by crun to the client
    assert (missing.stdout, missing.returncode) == ("", 1)
    assert execute("head", "-c", "100000000", "/dev/zero", options=()).stdout == "\0" * 100_000_000


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_exec_it(node: Node, target: str, transport: str) -> None:
    """`exec -it` over both transports: size, its changes, keys, the exit code."""
    with screen(on_node(node, transport, "exec", "-it", target, "--", "sh")) as shell:
        shell.type("stty size\n")
        shell.until("30 100")
        shell.resize(50, 120)
        shell.type("until [ \"$(stty size)\" = '50 120' ]; do sleep 0.05; done; echo g''rown\n")
        shell.until("grown")  # only the command's own output has it unquoted
        shell.type("exit 9\n")
        shell.process.wait(60)
        assert shell.process.returncode == 9


def test_refusals_over_both_transports(node: Node, target: str) -> None:
    """What is refused before the upgrade kubectl prints in the server's words."""
    for transport in TRANSPORTS.values():
        environment = ("env", f"KUBECTL_REMOTE_COMMAND_WEBSOCKETS={transport}")

        def said(*arguments: str, environment: tuple[str, ...] = environment) -> str:
            return node.run(*environment, *node.kubectl_line(*arguments), check=False).stderr

        assert 'pods "none" not found' in said("exec", "none", "--", "true")
        assert "container none is not valid for pod t-target" in said("exec", target, "-c", "none", "--", "true")
        raw = node.kubectl("get", "--raw", f"/api/v1/namespaces/default/pods/{target}/exec?command=true", check=False)
        assert "Upgrade request required" in raw.stderr
