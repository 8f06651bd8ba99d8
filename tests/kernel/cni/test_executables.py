"""The executables, with the agent's socket and without it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from kube46.cni import installation
from kube46.cni.installation import install
from kube46.cni.plugin import PLUGINS
from kube46.netlink import Netlink
from patience import patient

from .conftest import Node

pytestmark = pytest.mark.root

AGENT = """
import signal, sys
from pathlib import Path
from kube46.cni.masquerading import Masquerading
from kube46.cni.server import Server
from kube46.cni.settings import Settings
settings = Settings("node", socket=Path(sys.argv[1]), workers=int(sys.argv[2]), queue=int(sys.argv[3]))
Server(settings, Masquerading()).start()
signal.pause()
"""


class Agent:
    """The CNI part of an agent, in the node's namespace."""

    def __init__(self, node: Node, path: Path, workers: int = 4, queue: int = 512) -> None:
        command = ["ip", "netns", "exec", node.name, sys.executable, "-c", AGENT, path, str(workers), str(queue)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        try:
            while not answers(path):
                assert self.process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
        except BaseException:
            self.stop(signal.SIGKILL)
            raise

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it."""
        self.process.send_signal(number)
        self.process.communicate()


def answers(path: Path) -> bool:
    """Whether something listens on the socket."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    """The executables, for a socket of the test's, without helpers."""
    install(tmp_path / "bin", python=Path(sys.executable), socket=tmp_path / "cni.sock", helpers=None)
    return tmp_path / "bin"


@pytest.fixture
def helpers(tmp_path: Path) -> Iterator[Path]:
    """A directory for the sockets of helpers; its path is short, as a socket's must be. They end with their sockets."""
    directory = Path(tempfile.mkdtemp(prefix="k46t-"))
    install(tmp_path / "helped", python=Path(sys.executable), socket=tmp_path / "cni.sock", helpers=directory)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def agent(node: Node, tmp_path: Path, bin_dir: Path) -> Iterator[Agent]:
    """An agent on the node."""
    running = Agent(node, tmp_path / "cni.sock")
    yield running
    running.stop()


def test_the_agent_does_the_work(node: Node, agent: Agent, bin_dir: Path) -> None:
    """The executable passes request and answer: results, error objects, the exit status; no Python is started."""
    pod = node.pod()
    install(bin_dir, python=Path("/nonexistent"), socket=bin_dir.parent / "cni.sock", helpers=None)
    result = node.execute(bin_dir / "bridge", "ADD", pod)
    assert "ips" in result, result
    assert [one["address"] for one in result["ips"]] == ["10.244.1.2/24", "fd00:10:244:1::2/64"]
    assert node.execute(bin_dir / "bridge", "CHECK", pod, prevResult=result) == {}
    assert node.execute(bin_dir / "bridge", "ADD", pod)["code"] == 102
    assert node.execute(bin_dir / "host-local", "CHECK", pod) == {}
    assert node.execute(bin_dir / "bridge", "DEL", pod) == {}
    assert node.addresses() == set()
    assert node.execute(bin_dir / "bridge", "VERSION", pod)["supportedVersions"][-1] == "1.1.0"


def test_without_an_agent(node: Node, bin_dir: Path) -> None:
    """Where no agent runs the executable does the work itself, with a large configuration too."""
    pod = node.pod()
    result = node.execute(bin_dir / "bridge", "ADD", pod, padding="x" * 200_000)
    assert len(result["ips"]) == 2
    assert node.execute(bin_dir / "bridge", "CHECK", pod, prevResult=result) == {}
    assert node.execute(bin_dir / "bridge", "DEL", pod) == {}
    assert node.addresses() == set()
    assert node.links() == {"lo", "cni0"}


def processes_of(sockets: list[Path]) -> dict[str, int]:
    """The helpers that listen on these sockets, by path."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_text().split("\0")
            if "kube46.cni.helper" in words and Path(words[-2]) in sockets:
                found[words[-2]] = int(path.parent.name)
    return found


def test_one_helper_serves_all(node: Node, tmp_path: Path, helpers: Path) -> None:
    """Without an agent, of 20 first requests one starts a helper, which carries out them and those that follow."""
    program = tmp_path / "helped" / "bridge"
    pods = [node.pod() for _ in range(20)]
    with ThreadPoolExecutor(20) as threads:
        results = list(threads.map(lambda pod: node.execute(program, "ADD", pod), pods))
        assert len({one["address"] for result in results for one in result["ips"]}) == 40
        sockets = list(helpers.glob("*/*"))
        before = processes_of(sockets)
        assert len(before) == len(sockets) == 1
        assert sockets[0].stat().st_mode & 0o777 == 0o600
        assert list(threads.map(lambda pod: node.execute(program, "DEL", pod), pods)) == [{}] * 20
    assert node.execute(program, "DEL", pods[0], name="../x")["code"] == 7
    assert processes_of(sockets) == before
    assert node.addresses() == set()
    assert node.links() == {"lo", "cni0"}

    sockets[0].unlink()
    deadline = time.monotonic() + 60
    while processes_of(sockets):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_helper_of_each_namespace(make_node: Callable[..., Node], tmp_path: Path, helpers: Path) -> None:
    """Nodes that are namespaces of one machine have a helper each; one that was killed is replaced."""
    nodes = make_node("10.244.1.0/24"), make_node("fd00::/64")
    program = tmp_path / "helped" / "bridge"
    for node in nodes:
        assert len(node.execute(program, "ADD", node.pod())["ips"]) == 1
        assert len(node.links()) == 3
    sockets = list(helpers.glob("*/*"))
    running = processes_of(sockets)
    assert len(running) == 2
    for process in running.values():
        os.kill(process, signal.SIGKILL)
    while processes_of(sockets):  # one that is dying may still take a request along
        time.sleep(0.01)
    for node in nodes:
        assert node.execute(program, "DEL", node.pods[0]) == {}
        assert node.links() == {"lo", "cni0"}
    again = processes_of(sockets)
    assert len(again) == 2
    assert not set(again.values()) & set(running.values())


def test_a_helper_holds_nothing_of_its_first_caller(node: Node, tmp_path: Path, helpers: Path) -> None:
    """The caller's pipes, directory and environment are not the helper's, so that it keeps nobody waiting."""
    node.execute(tmp_path / "helped" / "bridge", "VERSION", "x")
    (process,) = processes_of(list(helpers.glob("*/*"))).values()
    of = Path("/proc") / str(process)
    assert [os.readlink(of / "fd" / str(number)) for number in range(3)] == ["/dev/null"] * 3
    assert os.readlink(of / "cwd") == "/"
    assert b"CNI_" not in (of / "environ").read_bytes()
    assert os.getsid(process) == process


@pytest.mark.parametrize("starter", ["waits", "is gone"])
def test_a_helper_ends_when_nobody_asks(starter: str) -> None:
    """After its idle time it removes its socket, and its directory with the last one, and ends; also when who started
    it was killed before it listened.
    """
    directory = Path(tempfile.mkdtemp(prefix="k46t-"))
    script = "from kube46.cni import helper; helper.IDLE_SECONDS = 0.1; helper.main()"
    read, write = os.pipe()
    if starter == "is gone":
        os.close(read)
    helper = subprocess.Popen([sys.executable, "-c", script, directory / "i" / "s"], stdout=write)
    os.close(write)
    try:
        assert helper.wait(patient(15)) == 0
        assert os.listdir(directory) == []
        if starter == "waits":
            assert os.read(read, 2) == b"\n"
            os.close(read)
    finally:
        helper.kill()
        helper.wait()
        shutil.rmtree(directory)


def test_without_perl(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without perl the executable is a shell script that starts Python."""
    monkeypatch.setattr(installation, "PERL", Path("/nonexistent"))
    install(tmp_path, python=Path(sys.executable), helpers=None)
    pod = node.pod()
    assert (tmp_path / "bridge").read_text().startswith("#!/bin/sh")
    assert len(node.execute(tmp_path / "bridge", "ADD", pod)["ips"]) == 2
    assert node.execute(tmp_path / "host-local", "CHECK", pod) == {}
    assert node.execute(tmp_path / "bridge", "DEL", pod) == {}


def test_an_agent_of_another_namespace(node: Node, agent: Agent, bin_dir: Path) -> None:
    """A request from another network namespace is not carried out in the agent's."""
    pod, other = node.pod(), node.pod()
    done = subprocess.run(
        ["ip", "netns", "exec", other, bin_dir / "bridge"],
        input=json.dumps(node.configuration()).encode(),
        env=node.environment("ADD", pod),
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["interfaces"][0]["name"] == "cni0"
    assert node.links() == {"lo"}
    with Netlink(other) as links:
        assert links.link("cni0")


def test_an_agent_that_does_not_see_the_pod(node: Node, agent: Agent, bin_dir: Path) -> None:
    """A namespace that the agent's mounts don't show is left to the executable, which sees it."""
    hidden = f"{node.name}-hidden"
    script = f"ip netns add {hidden} && exec {bin_dir}/bridge"
    command = ["ip", "netns", "exec", node.name, "unshare", "-m", "--propagation", "private", "sh", "-c", script]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(node.configuration()).encode(),
            env=node.environment("ADD", hidden),
            capture_output=True,
            check=True,
        )
    finally:
        Path("/run/netns", hidden).unlink(missing_ok=True)
    assert len(json.loads(done.stdout)["ips"]) == 2


def test_fifty_at_once(node: Node, agent: Agent, bin_dir: Path) -> None:
    """50 pods that start at once all get addresses of their own over the socket, and all are gone after DEL."""
    pods = [node.pod() for _ in range(50)]
    with ThreadPoolExecutor(50) as threads:
        results = list(threads.map(lambda pod: node.execute(bin_dir / "bridge", "ADD", pod), pods))
        addresses = [one["address"] for result in results for one in result["ips"]]
        assert len(set(addresses)) == 100
        assert len(node.addresses()) == 100
        assert list(threads.map(lambda pod: node.execute(bin_dir / "bridge", "DEL", pod), pods)) == [{}] * 50
    assert node.addresses() == set()
    assert node.links() == {"lo", "cni0"}


def test_a_full_queue_is_refused(node: Node, tmp_path: Path, bin_dir: Path) -> None:
    """Beyond its queue the agent answers «try again later» at once instead of growing."""
    agent = Agent(node, tmp_path / "cni.sock", workers=1, queue=1)
    try:
        pods = [node.pod() for _ in range(12)]
        with ThreadPoolExecutor(12) as threads:
            results = list(threads.map(lambda pod: node.execute(bin_dir / "bridge", "ADD", pod), pods))
    finally:
        agent.stop()
    codes = [result.get("code") for result in results]
    assert set(codes) == {None, 11}
    assert len(node.addresses()) == 2 * codes.count(None)


def test_an_agent_killed_while_it_works(node: Node, tmp_path: Path, bin_dir: Path) -> None:
    """When the agent dies the waiting requests fail with «try again»; DEL without it clears up; the next one serves."""
    agent = Agent(node, tmp_path / "cni.sock", workers=1)
    pods = [node.pod() for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        pending = [threads.submit(node.execute, bin_dir / "bridge", "ADD", pod) for pod in pods]
        while not node.addresses() and not all(one.done() for one in pending):
            time.sleep(0.001)  # until it is in the middle of the first one, or past it
        agent.stop(signal.SIGKILL)
        results = [one.result() for one in pending]
    assert {result.get("code") for result in results} <= {None, 11}, results
    assert {node.execute(bin_dir / "bridge", "DEL", pod).get("code") for pod in pods} == {None}
    assert node.addresses() == set()
    assert node.links() - {"cni0"} == {"lo"}
    again = Agent(node, tmp_path / "cni.sock")
    try:
        assert "ips" in node.execute(bin_dir / "bridge", "ADD", pods[0])
    finally:
        again.stop()


@pytest.mark.parametrize("request_bytes", [b"", b"junk", b"bridge\0\0", b"a\0b\0c\0d=e\0\0{}"])
def test_requests_that_are_none(agent: Agent, tmp_path: Path, request_bytes: bytes) -> None:
    """Junk on the socket is dropped and the agent goes on."""
    path = str(tmp_path / "cni.sock")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(request_bytes)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) in (b"", b"elsewhere\n")
    assert answers(Path(path))
    assert agent.process.poll() is None


def test_only_root_may_ask(agent: Agent, tmp_path: Path) -> None:
    """The socket is root's alone."""
    assert (tmp_path / "cni.sock").stat().st_mode & 0o777 == 0o600


def test_installation(tmp_path: Path) -> None:
    """The command writes all plugins, executable, replacing old ones; a path that can't be quoted is a usage error."""
    (tmp_path / "bridge").write_text("old")
    command = [sys.executable, "-m", "kube46", "cni", "install", "--bin-dir"]
    done = subprocess.run([*command, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(tmp_path / name) for name in PLUGINS]
    assert os.access(tmp_path / "bridge", os.X_OK)
    assert sorted(os.listdir(tmp_path)) == sorted(PLUGINS)
    subprocess.run(["perl", "-Mstrict", "-wc", tmp_path / "bridge"], check=True, capture_output=True)
    bad = subprocess.run([*command, tmp_path, "--socket", "/a'b"], capture_output=True, text=True, check=False)
    assert bad.returncode == 2
    assert "--bin-dir" in bad.stderr
