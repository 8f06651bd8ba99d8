"""host-local's executable beside the reference's in one directory, under other plugins, and killed at any moment."""

import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from kube46.cni.installation import install
from kube46.netlink import Netlink

from .conftest import REFERENCE, Node
from .test_executables import Agent

pytestmark = pytest.mark.root

PLAIN: dict[str, Any] = {"cniVersion": "1.0.0", "ipMasq": False}


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    """Our executables, for a socket of the test's."""
    install(tmp_path / "bin", python=Path(sys.executable), socket=tmp_path / "cni.sock", helpers=None)
    return tmp_path / "bin"


@pytest.fixture
def agent(node: Node, tmp_path: Path, bin_dir: Path) -> Iterator[Agent]:
    """An agent on the node, which does our executables' work."""
    running = Agent(node, tmp_path / "cni.sock", workers=8)
    yield running
    running.stop()


@pytest.fixture
def both(node: Node, agent: Agent, bin_dir: Path) -> dict[str, Callable[[str, str], dict[str, Any]]]:
    """Requests to either host-local, executed."""

    def caller(program: Path) -> Callable[[str, str], dict[str, Any]]:
        return lambda verb, name: node.execute(program, verb, name, **PLAIN)

    return {"ours": caller(bin_dir / "host-local"), "reference": caller(REFERENCE / "host-local")}


def addresses(result: dict[str, Any]) -> set[str]:
    """A result's addresses, without lengths."""
    return {one["address"].partition("/")[0] for one in result["ips"]}


def test_what_cannot_be_written(node: Node) -> None:
    """On a file system that is full or read-only STATUS fails, as ADD does, which leaves nothing."""
    node.data.mkdir(parents=True)
    filling = node.data / "filling"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "k46t", node.data], check=True)
    try:
        assert node.call("STATUS", "x", type="host-local") == {}
        with suppress(OSError), filling.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        assert node.call("STATUS", "x", type="host-local")["code"] == 50
        assert node.call("ADD", "pod", type="host-local")["code"] == 5
        filling.unlink()
        assert node.call("STATUS", "x", type="host-local") == {}
        subprocess.run(["mount", "-o", "remount,ro", node.data], check=True)
        assert node.call("STATUS", "x", type="host-local")["code"] == 50
        assert node.call("ADD", "pod", type="host-local")["code"] == 5
        assert node.addresses() == set()
    finally:
        subprocess.run(["umount", "-l", node.data], check=True)


@pytest.mark.parametrize(("first", "second"), [("reference", "ours"), ("ours", "reference")])
def test_a_node_changes_its_plugin_in_place(
    node: Node, both: dict[str, Callable[[str, str], dict[str, Any]]], first: str, second: str
) -> None:
    """One plugin's directory is the other's: it knows and gives back its assignments, refuses a second one, and goes on
    after the address that was assigned last, also where that is free again.
    """
    before, after = both[first], both[second]
    for name in ("a", "b", "c"):
        before("ADD", name)
    assert before("DEL", "c") == {}
    assert after("CHECK", "a") == {}
    assert "code" in after("ADD", "a")
    assert after("DEL", "b") == {}
    assert addresses(after("ADD", "d")) == {"10.244.1.5", "fd00:10:244:1::5"}
    assert "code" in before("CHECK", "b")
    assert before("CHECK", "d") == {}
    assert addresses(before("ADD", "e")) == {"10.244.1.6", "fd00:10:244:1::6"}
    for name in ("a", "d", "e"):
        assert before("DEL", name) == after("DEL", name) == {}
    assert node.addresses() == set()


def test_both_at_once_in_one_directory(node: Node, both: dict[str, Callable[[str, str], dict[str, Any]]]) -> None:
    """Requests to both plugins at once, each deleting what the other assigned: no address is ever two pods'."""
    plugins = list(both.values())

    def added(number: int) -> set[str]:
        return addresses(plugins[number % 2]("ADD", f"p{number}"))

    def replaced(number: int) -> set[str]:
        assert plugins[(number + 1) % 2]("DEL", f"p{number}") == {}
        return addresses(plugins[number % 2]("ADD", f"q{number}"))

    with ThreadPoolExecutor(12) as threads:
        for round_of in (added, replaced):
            found = list(threads.map(round_of, range(40)))
            assert len(set().union(*found)) == 80
            assert node.addresses() == set().union(*found)
        names = [f"q{number}" for number in range(40)]
        assert list(threads.map(lambda name: plugins[int(name[1:]) % 3 % 2]("DEL", name), names)) == [{}] * 40
    assert node.addresses() == set()


@pytest.mark.parametrize("plugin", ["bridge", "macvlan"])
def test_under_a_reference_plugin(node: Node, agent: Agent, bin_dir: Path, plugin: str) -> None:
    """The reference's bridge and macvlan execute our host-local at each version they speak; an exhausted range is the
    error that the runtime reads.
    """
    subnets = [[{"subnet": "10.244.1.0/30"}], [{"subnet": "fd00:10:244:1::/64"}]]
    ipam = node.configuration()["ipam"] | {"ranges": subnets}
    kind: dict[str, Any] = {"type": plugin, "ipMasq": False, "ipam": ipam, "env": {"CNI_PATH": str(bin_dir)}}
    if plugin == "macvlan":
        kind |= {"master": "uplink", "ipam": ipam | {"routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}}
        with Netlink(node.name) as here:
            here.bridge("uplink")
            here.set_up("uplink")
    pods = [node.pod(), node.pod()]
    for version in ("0.3.0", "0.3.1", "0.4.0", "1.0.0"):
        kind["cniVersion"] = version
        result = node.execute(REFERENCE / plugin, "ADD", pods[0], **kind)
        assert addresses(result) == node.addresses() > {"10.244.1.2"}
        assert result["cniVersion"] == version
        with Netlink(pods[0]) as pod:
            assert {str(one.interface.ip) for one in pod.addresses("eth0")} > node.addresses()
        if version >= "0.4.0":
            assert node.execute(REFERENCE / plugin, "CHECK", pods[0], prevResult=result, **kind) == {}
        refused = node.execute(REFERENCE / plugin, "ADD", pods[1], **kind)
        assert refused["code"] == 11, refused
        assert "widen the range" in refused["details"]
        assert [node.execute(REFERENCE / plugin, "DEL", pod, **kind) for pod in pods] == [{}, {}]
        assert node.addresses() == set()


class Burst:
    """A runtime that makes many requests at once of real executables, kills some, and knows what must be on disk."""

    def __init__(self, directory: Path, *prefix: str) -> None:
        self.directory, self.prefix = directory, prefix
        self.data = directory / "data"
        self.assigned: dict[str, set[str]] = {}
        self.unsure: set[str] = set()
        self.node = Node("", self.data, ["10.9.0.0/24", "fd09::/120"])
        install(directory / "bin", python=Path(sys.executable), socket=directory / "cni.sock", helpers=None)

    def requests(self, verb: str, names: list[str], deaths: dict[str, float]) -> dict[str, dict[str, Any] | None]:
        """Carry out one request a name, all at once; None for those that were killed, after so many seconds."""

        def one(name: str) -> dict[str, Any] | None:
            return self._execute(verb, name, deaths.get(name))

        with ThreadPoolExecutor(len(names)) as threads:
            return dict(zip(names, threads.map(one, names), strict=True))

    def _execute(self, verb: str, name: str, death: float | None) -> dict[str, Any] | None:
        process = subprocess.Popen(
            [*self.prefix, self.directory / "bin" / "host-local"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self.node.environment(verb, name) | {"CNI_NETNS": "/none"},
        )
        timer = threading.Timer(death, process.kill) if death is not None else None
        if timer:
            timer.start()
        try:
            text, _ = process.communicate(json.dumps(self.node.configuration()).encode())
        finally:
            if timer:
                timer.cancel()
                timer.join()
        if process.returncode < 0:
            return None
        answer: dict[str, Any] = json.loads(text or b"{}")
        assert bool(process.returncode) == ("code" in answer)
        return answer

    def add(self, names: list[str], deaths: dict[str, float]) -> None:
        """ADDs, whose outcome the model takes over; what failed on the way is unsure until its DEL."""
        for name, result in self.requests("ADD", names, deaths).items():
            if result is not None and "ips" in result:
                assert name not in self.assigned
                self.assigned[name] = addresses(result)
                assert len(self.assigned[name]) == 2
            elif result is None or result["code"] == 11:  # killed, or the agent was
                self.unsure.add(name)
            else:
                assert result["code"] == 102
                assert name in self.assigned

    def delete(self, names: list[str], deaths: dict[str, float]) -> None:
        """DELs, as a runtime repeats them until they succeed."""
        for name, result in self.requests("DEL", names, deaths).items():
            self.assigned.pop(name, None)
            if result == {}:
                self.unsure.discard(name)
            else:
                assert result is None or result["code"] == 11
                self.unsure.add(name)

    def on_disk(self) -> dict[str, set[str]]:
        """The addresses that each attachment has in files; an empty file is nobody's."""
        found: dict[str, set[str]] = {}
        for file in (self.data / "net").glob("[1f]*"):
            if text := file.read_text():
                found.setdefault(text.split("\n")[0].strip(), set()).add(file.name)
        return found

    def check(self) -> None:
        """Nobody's address is another's, and nothing is on disk that is not a pod's or of a request that was killed."""
        disk = self.on_disk()
        for name, owned in self.assigned.items():
            if name not in self.unsure:
                assert disk.get(name) == owned
        assert set(disk) <= set(self.assigned) | self.unsure
        everyone = [address for owned in self.assigned.values() for address in owned]
        assert len(everyone) == len(set(everyone))

    def finish(self) -> None:
        """A runtime's last DELs leave nothing."""
        names = sorted({*self.assigned, *self.unsure})
        if names:
            self.delete(names, {})
        assert not self.unsure
        assert self.on_disk() == {}


def test_two_hundred_at_once(node: Node, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Of 200 ADDs at once a third is killed at random, then the agent itself: no address is assigned twice, and after
    the DELs of a runtime none is left. (--long: again and again.)
    """
    chances = random.Random(46)
    for _ in range(30 if request.config.getoption("--long") else 1):
        directory = Path(tempfile.mkdtemp(dir=tmp_path))
        burst = Burst(directory, "ip", "netns", "exec", node.name)
        agent = Agent(node, directory / "cni.sock", workers=8)
        try:
            names = [f"p{number}" for number in range(200)]
            burst.add(names, {name: chances.random() * 2 for name in names if chances.random() < 0.33})
            burst.check()
            gone = chances.sample(names, 100)
            burst.delete(gone, {name: chances.random() * 2 for name in gone if chances.random() < 0.33})
            burst.check()
            more = [f"q{number}" for number in range(40)]
            killer = threading.Timer(chances.random() / 4, agent.process.send_signal, [signal.SIGKILL])
            killer.start()
            burst.add(more, {})
            killer.join()
            burst.check()
            agent.stop(signal.SIGKILL)
            agent = Agent(node, directory / "cni.sock", workers=8)
            burst.finish()
        finally:
            agent.stop()


class Machine(RuleBasedStateMachine):
    """Bursts of real executables that do the work themselves, killed at any moment of a Python process."""

    names = st.lists(st.sampled_from([f"p{number}" for number in range(12)]), min_size=1, max_size=8, unique=True)
    deaths = st.lists(st.none() | st.floats(0.03, 0.4), min_size=8, max_size=8)

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="k46t-M-"))
        self.burst = Burst(self.directory)

    def teardown(self) -> None:
        """Nothing is left."""
        try:
            self.burst.finish()
        finally:
            shutil.rmtree(self.directory)

    @rule(names=names, deaths=deaths)
    def add(self, names: list[str], deaths: list[float | None]) -> None:
        """ADD of several pods at once."""
        wanted = [name for name in names if name not in self.burst.unsure]
        if wanted:
            self.burst.add(wanted, _given(wanted, deaths))

    @rule(names=names, deaths=deaths)
    def delete(self, names: list[str], deaths: list[float | None]) -> None:
        """DEL of several pods at once."""
        self.burst.delete(names, _given(names, deaths))

    @invariant()
    def sound(self) -> None:
        """The disk is what the model says."""
        self.burst.check()


def _given(names: list[str], deaths: list[float | None]) -> dict[str, float]:
    return {name: death for name, death in zip(names, deaths, strict=False) if death is not None}


def test_histories_of_executables_that_are_killed(request: pytest.FixtureRequest) -> None:
    """Random histories of the executable without an agent, killed at random, agree with the model. (--long: 100.)"""
    long = request.config.getoption("--long")
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=100 if long else 2,
            stateful_step_count=12 if long else 4,
            deadline=None,
            derandomize=not long,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
